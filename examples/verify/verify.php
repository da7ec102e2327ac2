<?php
// Verifies Stepgate's assertion with PHP's own sodium.
//
//   php verify.php JWKS_URL ISSUER AUDIENCE < assertion
//
// Prints the claims; exits with 1 and the reason where the assertion does not count.
declare(strict_types=1);

function part(string $text): string
{
    return sodium_base642bin($text, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
}

/** @param array{keys: list<array<string, string>>} $jwks as read from JWKS_URL; keep it for some minutes */
function stepgate_claims(string $assertion, array $jwks, string $issuer, string $audience): array
{
    $parts = explode('.', $assertion);
    if (count($parts) !== 3) {
        throw new RuntimeException('this is no JWT');
    }
    $header = json_decode(part($parts[0]), true, 8, JSON_THROW_ON_ERROR);
    // Type and algorithm are ours to say, never the token's: a session claim is signed by the same gate.
    if (($header['typ'] ?? null) !== 'stepgate-assertion+jwt' || ($header['alg'] ?? null) !== 'EdDSA') {
        throw new RuntimeException('this is no assertion');
    }
    $key = null;
    foreach ($jwks['keys'] as $one) {
        if ($one['kty'] === 'OKP' && $one['crv'] === 'Ed25519' && $one['kid'] === ($header['kid'] ?? null)) {
            $key = part($one['x']);
        }
    }
    if ($key === null) {
        throw new RuntimeException('a key that is not known: read the keys again');
    }
    if (!sodium_crypto_sign_verify_detached(part($parts[2]), "$parts[0].$parts[1]", $key)) {
        throw new RuntimeException('the signature is wrong');
    }
    $claims = json_decode(part($parts[1]), true, 16, JSON_THROW_ON_ERROR);
    if (($claims['iss'] ?? null) !== $issuer || ($claims['aud'] ?? null) !== $audience) {
        throw new RuntimeException('it is from somebody else, or for somebody else');
    }
    if (!is_int($claims['exp'] ?? null) || $claims['exp'] + 5 < time() || ($claims['iat'] ?? INF) - 5 > time()) {
        throw new RuntimeException('it has run out');
    }
    return $claims;
}

[, $url, $issuer, $audience] = $argv;
try {
    $jwks = json_decode(file_get_contents($url), true, 8, JSON_THROW_ON_ERROR);
    echo json_encode(stepgate_claims(trim(stream_get_contents(STDIN)), $jwks, $issuer, $audience)), "\n";
} catch (Exception $refused) {
    fwrite(STDERR, "refused: {$refused->getMessage()}\n");
    exit(1);
}
