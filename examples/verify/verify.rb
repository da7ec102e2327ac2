# Verifies Stepgate's assertion with Ruby's own OpenSSL.
#
#   ruby verify.rb JWKS_URL ISSUER AUDIENCE < assertion
#
# Prints the claims; exits with 1 and the reason where the assertion does not count.
require "json"
require "net/http"
require "openssl"

Refused = Class.new(StandardError)

# Base64 as JWTs have it; Ruby's decoder wants the padding.
def part(text)
  (text.tr("-_", "+/") + "=" * (-text.length % 4)).unpack1("m0")
end

# The beginning of every Ed25519 public key in DER (RFC 8410); the 32 bytes follow.
DER = ["302a300506032b6570032100"].pack("H*")

# `jwks`: as read from JWKS_URL; keep it for some minutes.
def stepgate_claims(assertion, jwks, issuer, audience)
  head, payload, signature, more = assertion.split(".", -1)
  raise Refused, "this is no JWT" if signature.nil? || more
  header = JSON.parse(part(head))
  # Type and algorithm are ours to say, never the token's: a session claim is signed by the same gate.
  raise Refused, "this is no assertion" unless header.values_at("typ", "alg") == %w[stepgate-assertion+jwt EdDSA]
  key = jwks["keys"].find { |one| one.values_at("kty", "crv", "kid") == ["OKP", "Ed25519", header["kid"]] }
  raise Refused, "a key that is not known: read the keys again" unless key
  public_key = OpenSSL::PKey.read(DER + part(key["x"]))
  raise Refused, "the signature is wrong" unless public_key.verify(nil, part(signature), "#{head}.#{payload}")
  claims = JSON.parse(part(payload))
  raise Refused, "it is from somebody else, or for somebody else" unless claims.values_at("iss", "aud") == [issuer, audience]
  now = Time.now.to_i
  lives = claims["exp"].is_a?(Integer) && claims["iat"].is_a?(Integer) && claims["exp"] + 5 >= now && claims["iat"] - 5 <= now
  raise Refused, "it has run out" unless lives
  claims
end

if $PROGRAM_NAME == __FILE__
  url, issuer, audience = ARGV
  begin
    jwks = JSON.parse(Net::HTTP.get(URI(url)))
    puts JSON.generate(stepgate_claims($stdin.read.strip, jwks, issuer, audience))
  rescue Refused, JSON::ParserError, ArgumentError, OpenSSL::PKey::PKeyError => refused
    warn "refused: #{refused.message}"
    exit 1
  end
end
