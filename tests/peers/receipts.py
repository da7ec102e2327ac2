"""Signs a delivery receipt with the vendor's own client: what stepgate believes must be what they make.

    receipts.py VENDOR URL SECRET FIELDS      FIELDS is a JSON object of strings; prints {"headers", "body"}
"""

import hashlib
import json
import sys
import time
from urllib.parse import urlencode

vendor, url, secret, fields = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
headers, body = {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(fields)
now = int(time.time())

if vendor == "twilio":
    from twilio.request_validator import RequestValidator

    headers["X-Twilio-Signature"] = RequestValidator(secret).compute_signature(url, fields)
elif vendor == "twilio-sha256":
    import inspect

    from twilio.request_validator import RequestValidator

    validator = RequestValidator(secret)
    settings = "key=K1,algorithm=HMAC_SHA256"
    headers["X-Twilio-Webhooks-Signature-Settings"] = settings
    make = validator.compute_signature
    more = {"algorithm": "HMAC_SHA256"} if "algorithm" in inspect.signature(make).parameters else {}
    headers["X-Twilio-Signature"] = make(url, fields, **more)
elif vendor == "plivo":
    from plivo.utils.signature_v3 import construct_post_url, get_signature_v3

    nonce = "05429567804466091622"
    signed = get_signature_v3(secret, construct_post_url(url, dict(fields)).decode(), nonce).decode()
    headers.update({"X-Plivo-Signature-V3": signed, "X-Plivo-Signature-V3-Nonce": nonce})
elif vendor == "vonage":
    import jwt

    body = json.dumps(fields)
    claims = {"iss": "Vonage", "iat": now, "jti": "1", "api_key": "abcd1234",
              "payload_hash": hashlib.sha256(body.encode()).hexdigest()}
    token = jwt.encode(claims, secret, algorithm="HS256")
    from vonage_jwt.verify_jwt import verify_signature

    assert verify_signature(token, secret)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
elif vendor == "vonage-sig":
    from vonage import Auth

    auth = Auth(api_key="abcd1234", signature_secret=secret, signature_method="sha256")
    fields["timestamp"] = str(now)
    fields["sig"] = auth.sign_params(dict(fields))
    assert auth.check_signature(dict(fields))
    body = urlencode(fields)
elif vendor == "messagebird":
    import jwt
    from messagebird.request_validator import RequestValidator

    body = json.dumps(fields)
    claims = {"iss": "MessageBird", "nbf": now - 1, "exp": now + 60, "jti": "1",
              "url_hash": hashlib.sha256(url.encode()).hexdigest(),
              "payload_hash": hashlib.sha256(body.encode()).hexdigest()}
    token = jwt.encode(claims, secret, algorithm="HS256")
    RequestValidator(secret).validate_signature(token, url, body.encode())
    headers = {"Content-Type": "application/json", "MessageBird-Signature-JWT": token}
else:
    sys.exit(f"no such vendor: {vendor}")

print(json.dumps({"headers": headers, "body": body}))
