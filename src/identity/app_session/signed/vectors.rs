//! Cookies as the frameworks themselves have signed them, at 1 800 000 000 seconds since 1970.
//!
//! Printed by `tests/peers/signed_cookies.py` (Django 5.2.19, Flask 3.1.3, itsdangerous 2.2.0),
//! `tests/peers/rails_cookies.rb` (Action Pack 6.1.7) and `tests/peers/signed_values.php` (PHP 8.2).

pub(super) const AT: i64 = 1_800_000_000;
pub(super) const NEW: &str = "new-secret-of-at-least-32-characters!";
pub(super) const OLD: &str = "old-secret-of-at-least-32-characters!";

pub(super) const DJANGO: &str = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JBFktKTM5OzQNJJKFKZCQWZwBF0wwMUpRqAXudGD0:1xocE4:jtOtSk2auFHrcwAfWuQ3jGL8wAu_PsP-wR5_E8aGS-k";
pub(super) const DJANGO_LONG: &str = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JBFktKTM5OzQNJJKFKZCQWZwBF0wwMUoASefklqUBebmlyhkJJRqpCcWJuqsIob5SHn6dUCwDqnOEB:1xocE4:Z8nSCfEz4a_hMwpTauEpa9AfHTt8fKKdxnfA80tucFY";
pub(super) const DJANGO_OLD: &str = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JBFktKTM5OzQNJJKFKZCQWZwBF0wwMUpRqAXudGD0:1xocE4:6ebTvMjtTse_wqNoaeSaP0HNjw3fA3hi9qutTuw-UQA";
pub(super) const FLASK: &str = "eyJfdXNlcl9pZCI6ImFubmEiLCJfaWQiOiJhYmMxMjMiLCJfZnJlc2giOnRydWUsImdyb3VwcyI6WyJociIsIml0Il19.a0nSAA.06dTzLvdWZcT7CxkVhZERQKDn-M";
pub(super) const FLASK_LONG: &str = ".eJztyzEOgCAQBdGrkF_TqB1XMYYgrkIBmAUq493FxNoTUL5M5oKumVj7DQomRgOJD6sdxunlzpQdVOFKEgenemaoGY5b9AWLREyF2hKqdaI4EtkEEl1d_8L9APGP3os.a0nSAA._9psM3aDhzmvajMl1AXHKNKlWD8";
pub(super) const FLASK_OLD: &str = "eyJfdXNlcl9pZCI6ImFubmEiLCJfaWQiOiJhYmMxMjMiLCJfZnJlc2giOnRydWUsImdyb3VwcyI6WyJociIsIml0Il19.a0nSAA.AMkeWkLngi4bUR1mM9RtBEPgZ1s";
pub(super) const FLASK_SHA256: &str = "eyJfdXNlcl9pZCI6ImFubmEiLCJfaWQiOiJhYmMxMjMiLCJfZnJlc2giOnRydWUsImdyb3VwcyI6WyJociIsIml0Il19.a0nSAA.5vwAzMehWg5j6xWBlm0Kw4RLJmc5f5khSCON9nitkh4";
pub(super) const RAILS_ENCRYPTED_SHA256: &str = "t1jiBtkTrqQP%2Bm9sqd%2BEotgZPuSNie3CXPCyJzx7HNe0LqOeQ10hSqc56nlM70jrgplY0zRE2Z3pNNoMDLoIW5pErz0mo2WFjK6%2BEI%2FhZsz%2B6xA5jpEBSuSmCo5Qa9zHKslBUp22yEh0RhrMqtNrNdf2%2BsBh2ObQNkxkyd3iTR7M51H6qCNGgQ%3D%3D--x3fVc8zLJCN4XkCW--XKxFgO0n%2BoogTqfX8WgvqQ%3D%3D";
pub(super) const RAILS_ENDING_SHA256: &str = "%2BG2s8btjxxT16bTNk5rfKTidrHB1PgbgBwPVfZI9Z8ujCFtWtSU4yk5vlVswjRktdHwLunMEkcAWDUh%2FrpjUv6KDQm2GpciBYM6QmdFsrNztC%2B6V1%2BtaWYNE0hJwAe5eHkmgtyqmvxoHij%2FgDawXNV%2FRuJPAOAFkHVQZVBossKpYZYkRg7g8KOD8ATy1au%2F8489FB2vHqwQ%3D--H%2FE2p7CpJ67hICHX--PyDLCkILLEDzQDVcHeXOyQ%3D%3D";
pub(super) const RAILS_SIGNED_SHA256: &str = "eyJfcmFpbHMiOnsibWVzc2FnZSI6Ik53PT0iLCJleHAiOm51bGwsInB1ciI6ImNvb2tpZS51c2VyIn19--8775c6fc0095cdb86a849bb1622c8b040fe07df9";
pub(super) const RAILS_ENCRYPTED_SHA1: &str = "igNfcbi1q4aY%2FqYgLlA0qC%2B%2Bj3nKwav5VeBuSa0nsPDCK8H6nOG0dJJwqjDc8FyHQdmhzoH%2FiFtjjAQ%2BOcLeBfM36lAhw5l%2Bfl63HKvt9uZP45Gg26ICedq6KbxPqgvs1jYRycQaj4UPwOE74dQfyjnaUmjMAW1qhD4r6Lxg%2BAiot6ntMi81KA%3D%3D--rM9PfuP0baNSuigB--Z7uHDXwM76cHhRqjgOPAzQ%3D%3D";
pub(super) const RAILS_ENDING_SHA1: &str = "UUaw9gWEKDIk6l6pU5VfJvn7B5aJnK9mTHzpLt0QERYNoMrVMZlwNlmAs9eRwCC8KrXO1Rf2SVHGPfo6tFkUVcpbznc8Ir6tQ4fsTRyW%2B8YYTgxdMCm2tTx9LFund1%2Boygay%2FYoLLnuWfTE3VXfzvAhkOXMzmQH0sKa%2FLDEQ%2Bi0uc6ITTExZMyzLY8SlOg7Uye7VXcqgHFI%3D--JAlchstIZOr6vkEv--m%2BMCuxnpBX11vvj5bOBh8g%3D%3D";
pub(super) const RAILS_SIGNED_SHA1: &str = "eyJfcmFpbHMiOnsibWVzc2FnZSI6Ik53PT0iLCJleHAiOm51bGwsInB1ciI6ImNvb2tpZS51c2VyIn19--5995858afc4e878e77594f4c9a8c7b9c0ac9543c";
pub(super) const PHP_FIELDS: &str =
    "anna%7C1800003600.6643efc8c1a6239db5a30d568f7421620bb2e550c8d2c485303707295902c146";
pub(super) const PHP_JSON: &str = "eyJ1c2VyIjoiYW5uYSIsImF0IjoxODAwMDAwMDAwLCJncm91cHMiOlsiaHIiXX0%3D--rHxuryGWfXAMrfN5Hg89U16Y1WsJ2KoTTSN2sPDcjJCYJByVR0EJRxfLLt%2B5%2B5AmTuwQ%2B8Kc0ai68BLo8O3LWA%3D%3D";
pub(super) const PHP_TEXT: &str = "J%C3%B6rg%20M%3Ad6d03ca4ab3f7443a16ed917b761a67db4683026";
