// Verifies Stepgate's assertion with jose (npm install jose).
//
//   node verify.mjs JWKS_URL ISSUER AUDIENCE < assertion
//
// Prints the claims; exits with 1 and the reason where the assertion does not count.
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, jwtVerify } from 'jose';

// One for the whole process: it keeps the keys and asks again for one that it does not know.
export function verifier(jwksUrl, issuer, audience) {
  const keys = createRemoteJWKSet(new URL(jwksUrl));
  return async (assertion) => {
    const { payload } = await jwtVerify(assertion, keys, {
      // Type and algorithm are ours to say, never the token's: a session claim is signed by the same gate.
      typ: 'stepgate-assertion+jwt',
      algorithms: ['EdDSA'],
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: 60,
      clockTolerance: 5,
    });
    return payload;
  };
}

const [jwksUrl, issuer, audience] = process.argv.slice(2);
try {
  const claims = await verifier(jwksUrl, issuer, audience)(readFileSync(0, 'utf8').trim());
  console.log(JSON.stringify(claims));
} catch (refused) {
  console.error(`refused: ${refused.message}`);
  process.exit(1);
}
