"""Codes of OATH tokens by PyPI's `pyotp`: a line `ALGORITHM DIGITS COUNTER SECRET` in, a code out."""

import base64
import hashlib
import sys

import pyotp

DIGESTS = {"SHA-1": hashlib.sha1, "SHA-256": hashlib.sha256, "SHA-512": hashlib.sha512}

for line in sys.stdin:
    algorithm, digits, counter, secret = line.split()
    key = base64.b32encode(bytes.fromhex(secret)).decode()
    print(pyotp.HOTP(key, digits=int(digits), digest=DIGESTS[algorithm]).at(int(counter)))
