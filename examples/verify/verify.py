"""Verifies Stepgate's assertion with PyJWT (pip install "pyjwt[crypto]").

    verify.py JWKS_URL ISSUER AUDIENCE < assertion

Prints the claims; exits with 1 and the reason where the assertion does not count.
"""
import json
import sys

import jwt

TYPE = "stepgate-assertion+jwt"


class Verifier:
    """One for the whole process: it keeps the keys and asks again for one that it does not know."""

    def __init__(self, jwks_url, issuer, audience):
        self.keys = jwt.PyJWKClient(jwks_url, lifespan=300)
        self.issuer, self.audience = issuer, audience

    def claims(self, assertion):
        # Type and algorithm are ours to say, never the token's: a session claim is signed by the same gate.
        if jwt.get_unverified_header(assertion).get("typ") != TYPE:
            raise jwt.InvalidTokenError("this is no assertion")
        key = self.keys.get_signing_key_from_jwt(assertion)
        return jwt.decode(
            assertion,
            key.key,
            algorithms=["EdDSA"],
            issuer=self.issuer,
            audience=self.audience,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            leeway=5,
        )


if __name__ == "__main__":
    try:
        print(json.dumps(Verifier(*sys.argv[1:4]).claims(sys.stdin.read().strip())))
    except jwt.PyJWTError as refused:
        sys.exit(f"refused: {refused}")
