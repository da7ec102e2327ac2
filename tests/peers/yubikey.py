"""YubiKeys to touch, and a validation server for them (Yubico's Validation Protocol 2.0).

The passwords are made and read by PyPI's `yubiotp`; that the server keeps the protocol is proved by
Yubico's own client (PyPI `yubico-client`), see `prove`. One server answers under several paths, all with
one memory, as the servers of one service do:

  /verify   as it should        /forged   OK to everything, signed with another key
  /behind   REPLAYED_REQUEST    /echo     OK to everything, for another nonce
  /broken   BACKEND_ERROR       /silent   says nothing for a minute

  yubikey.py serve CLIENT KEY     prints {"port": …}; keys are made from their public id alone
  yubikey.py touch PUBLIC_ID SESSION USE
  yubikey.py prove PORT CLIENT KEY
"""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time
import urllib.parse

from yubiotp.modhex import modhex
from yubiotp.otp import OTP, decode_otp, encode_otp


def secrets_of(public_id):
    """Private id and AES key of a key of these tests."""
    digest = hashlib.sha256(b"test key " + public_id).digest()
    return digest[:6], digest[16:32]


def touch(public_id, session, use):
    uid, aes = secrets_of(public_id)
    return encode_otp(OTP(uid, session, 1000 * session + use, use, 0x1234), aes, public_id).decode()


def sign(key, fields):
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, client, key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.client, self.key = client, base64.b64decode(key)
        self.lock, self.seen = threading.Lock(), {}

    def judge(self, asked):
        if asked.get("id") != self.client:
            return "NO_SUCH_CLIENT", {}
        signature = asked.pop("h", "")
        if signature != sign(self.key, asked):
            return "BAD_SIGNATURE", {}
        otp, nonce = asked.get("otp", ""), asked.get("nonce", "")
        if not otp or not 16 <= len(nonce) <= 40 or not nonce.isalnum():
            return "MISSING_PARAMETER", {}
        public_id = otp[:-32].encode()
        uid, aes = secrets_of(public_id)
        try:
            _, read = decode_otp(otp.encode(), aes)
            if read.uid != uid:
                return "BAD_OTP", {}
        except Exception:
            return "BAD_OTP", {}
        counter = (read.session, read.counter)
        with self.lock:
            last, question = self.seen.get(public_id, ((-1, -1), None))
            if question == (otp, nonce):
                return "REPLAYED_REQUEST", {}
            if counter <= last:
                return "REPLAYED_OTP", {}
            self.seen[public_id] = (counter, (otp, nonce))
        if asked.get("timestamp") != "1":
            return "OK", {}
        return "OK", {"sessioncounter": read.session, "sessionuse": read.counter, "timestamp": read.timestamp}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        answer = {"otp": asked.get("otp", ""), "nonce": asked.get("nonce", ""), "t": "2026-11-22T12:00:00Z0123"}
        key = self.server.key
        if path == "/silent":
            time.sleep(60)
        elif path == "/broken":
            answer["status"] = "BACKEND_ERROR"
        elif path == "/behind":
            answer["status"] = "REPLAYED_REQUEST"
        elif path in ("/forged", "/echo"):
            answer["status"] = "OK"
        else:
            answer["status"], more = self.server.judge(asked)
            answer.update(more, sl="100")
        if path == "/echo":
            answer["nonce"] = "0" * 32
        if path == "/forged":
            key = b"another key of that size"
        body = f"h={sign(key, answer)}\r\n" + "".join(f"{name}={value}\r\n" for name, value in answer.items()) + "\r\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def prove(port, client, key):
    """Yubico's own client believes the server, and believes nothing that is forged, replayed or wrong."""
    from yubico_client import Yubico
    from yubico_client.yubico_exceptions import SignatureVerificationError, StatusCodeError

    def asked(path, otp):
        url = f"http://127.0.0.1:{port}/{path}"
        try:
            return Yubico(client, key, verify_cert=False, api_urls=(url,)).verify(otp, timestamp=True)
        except (SignatureVerificationError, StatusCodeError) as refusal:
            return type(refusal).__name__
        except Exception as refusal:
            return str(refusal)

    public_id = modhex(b"\0\0\0\0\0\x63")
    first, second, third = (touch(public_id, 1, use) for use in (1, 2, 3))
    outcomes = {
        "right": asked("verify", first),
        "replayed": asked("verify", first),
        "next": asked("verify", second),
        "earlier": asked("verify", touch(public_id, 1, 0)),
        "wrong": asked("verify", third[:-1] + ("c" if third[-1] != "c" else "b")),
        "forged": asked("forged", third),
    }
    print(json.dumps(outcomes))


def main(command, *arguments):
    if command == "serve":
        server = Server(*arguments)
        print(json.dumps({"port": server.server_address[1]}), flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
        server.serve_forever()
    elif command == "touch":
        public_id, session, use = arguments
        print(touch(public_id.encode(), int(session), int(use)))
    elif command == "prove":
        prove(*arguments)


main(*sys.argv[1:])
