# Cookies as Rails' own ActionDispatch encrypts and signs them (Debian: apt install ruby-actionpack).
#
# `ruby rails_cookies.rb` prints what src/identity/app_session/signed/vectors.rs holds under RAILS_*. The
# first argument is the digest that derives keys: SHA256 as Rails 7 has it by default, SHA1 as before.
require "active_support"
require "active_support/messages/rotation_configuration"
require "action_dispatch"
require "action_dispatch/middleware/cookies"

SECRET = "0123456789abcdef" * 8

# Rails 7's `key_generator_hash_digest_class`; ActiveSupport 6.1 knows SHA1 alone.
class Generator
  def initialize(digest) = @digest = digest
  def generate_key(salt, size = 64) = OpenSSL::PKCS5.pbkdf2_hmac(SECRET, salt, 1000, size, @digest)
end

def jar(digest)
  env = {
    "action_dispatch.key_generator" => Generator.new(digest),
    "action_dispatch.secret_key_base" => SECRET,
    "action_dispatch.authenticated_encrypted_cookie_salt" => "authenticated encrypted cookie",
    "action_dispatch.encrypted_cookie_salt" => "encrypted cookie",
    "action_dispatch.encrypted_signed_cookie_salt" => "signed encrypted cookie",
    "action_dispatch.signed_cookie_salt" => "signed cookie",
    "action_dispatch.use_authenticated_cookie_encryption" => true,
    "action_dispatch.encrypted_cookie_cipher" => "aes-256-gcm",
    "action_dispatch.cookies_serializer" => :json,
    "action_dispatch.use_cookies_with_metadata" => true,
    "action_dispatch.cookies_same_site_protection" => ->(_request) { :lax },
    "action_dispatch.cookies_rotations" => ActiveSupport::Messages::RotationConfiguration.new,
    "HTTP_HOST" => "app.example", "rack.url_scheme" => "https"
  }
  ActionDispatch::Request.new(env).cookie_jar
end

person = { "session_id" => "0a1b2c", "_csrf_token" => "t", "user_id" => 7 }
ends = Time.at(1_800_003_600).utc
%w[SHA256 SHA1].each do |digest|
  jar = jar(digest)
  jar.encrypted["_app_session"] = { value: person }
  puts "RAILS_ENCRYPTED_#{digest} #{Rack::Utils.escape(jar["_app_session"])}"
  jar.encrypted["ending"] = { value: person, expires: ends }
  puts "RAILS_ENDING_#{digest} #{Rack::Utils.escape(jar["ending"])}"
  jar.signed["user"] = { value: 7 }
  puts "RAILS_SIGNED_#{digest} #{Rack::Utils.escape(jar["user"])}"
end
