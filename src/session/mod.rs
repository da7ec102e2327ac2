//! Session claims: sign, verify, remember, revoke; cookies; the key ring.
