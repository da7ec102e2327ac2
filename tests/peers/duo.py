"""A stand-in for Duo's service, made from its published contract (duo.com/docs/oauthapi and /docs/authapi) and
proved by Duo's own clients: `tests/peers/duo_clients.py`.

    duo.py CERTIFICATE KEY        prints `{"port": …}` and serves https://localhost:PORT until it is ended

What it knows: one application of each API (the constants below), and whoever asks. Everybody has one phone that can
be pushed to, called and sent text, and the passcode 424242, unless the test says otherwise:

    GET  /fake/log                every request to the APIs: method, path, parameters
    POST /fake/set                merges a JSON object into the settings: see `DEFAULTS`
    POST /fake/decide             {"user", "status"}: what the person does with what waits for them
"""

import base64
import calendar
import collections
import email.utils
import hashlib
import hmac
import html
import http.server
import json
import secrets
import ssl
import sys
import threading
import time
import urllib.parse

CLIENT_ID = "DIUNIVERSALAAAAAAAAA"
CLIENT_SECRET = "universal-secret-of-forty-characters-abc"
IKEY = "DIAUTHAPIAAAAAAAAAAA"
SKEY = "authapi-secret-of-forty-characters-abcde"
SESSIONS, CODES, TRANSACTIONS = {}, {}, {}
LOG, USED, SPENT = [], set(), set()
LOCK = threading.Condition()

# `outage`: what every API call meets: null, "500", "hang", "garbage", "huge", "redirect", "429".
# `only`: the paths that `outage` is for; all without it. `skew`: seconds that the service's clock is ahead.
# `id_token`: claims that replace the right ones (null removes); `algorithm`, `id_secret`: how it is signed.
# `users`: per name {"preauth", "verified", "capabilities", "passcode", "passcodes", "status"}; each of `passcodes`
# counts once, as Duo's own do.
DEFAULTS = {
    "outage": None, "only": None, "skew": 0, "id_token": {}, "algorithm": "HS512", "id_secret": CLIENT_SECRET,
    "users": {}, "long_poll": 2,
}
SETTINGS = dict(DEFAULTS)


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def padded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def now():
    return time.time() + SETTINGS["skew"]


class Refused(Exception):
    """An error of the Auth API: its code, whose first three digits are the status."""

    def __init__(self, code, message, detail=None):
        super().__init__(message)
        self.code, self.message, self.detail = code, message, detail


class OauthError(Exception):
    pass


# JSON Web Tokens, HS512.


def sign(claims, algorithm="HS512", secret=CLIENT_SECRET):
    header = {"alg": algorithm, "typ": "JWT"}
    body = ".".join(unpadded(json.dumps(part).encode()) for part in (header, claims))
    digest = {"HS512": hashlib.sha512, "HS256": hashlib.sha256}.get(algorithm)
    mac = hmac.new(secret.encode(), body.encode(), digest).digest() if digest else b""
    return f"{body}.{unpadded(mac)}"


def verified(token):
    try:
        header, payload, mac = token.split(".")
        expected = hmac.new(CLIENT_SECRET.encode(), f"{header}.{payload}".encode(), hashlib.sha512).digest()
        if json.loads(padded(header))["alg"] != "HS512" or not hmac.compare_digest(padded(mac), expected):
            return None
        claims = json.loads(padded(payload))
    except (ValueError, KeyError):
        return None
    return claims if now() - 60 < claims.get("exp", 0) <= now() + 360 else None


def client_assertion(fields, endpoint):
    claims = verified(fields.get("client_assertion", ""))
    right = (
        claims is not None
        and claims.get("iss") == claims.get("sub") == fields.get("client_id") == CLIENT_ID
        and claims.get("aud") == endpoint
        and len(claims.get("jti", "")) >= 16
        and claims["jti"] not in USED
    )
    if right:
        USED.add(claims["jti"])
    return right


# The Universal Prompt.


def health_check(fields, origin):
    if not client_assertion(fields, f"{origin}/oauth/v1/health_check"):
        raise Refused(40002, "invalid_client", "Failed to verify signature.")
    return {"timestamp": int(now())}


def authorize(fields, origin):
    """The request becomes a session, and the page asks the person."""
    claims = verified(fields.get("request", ""))
    right = (
        claims is not None
        and fields.get("client_id") == claims.get("client_id") == claims.get("iss") == CLIENT_ID
        and fields.get("response_type") == claims.get("response_type") == "code"
        and claims.get("aud") == origin
        and claims.get("scope") == "openid"
        and 22 <= len(claims.get("state", "")) <= 1024
        and claims.get("duo_uname")
        and claims.get("redirect_uri", "").startswith("http")
    )
    if not right:
        raise OauthError("invalid_request")
    session = secrets.token_urlsafe(12)
    SESSIONS[session] = {"claims": claims, "nonce": fields.get("nonce")}
    buttons = "".join(
        f'<button name="result" value="{value}">{value}</button>'
        for value in ("allow", "deny", "bypass", "remembered", "cancel")
    )
    return (
        f"<!doctype html><title>Duo</title><h1>Is it you, {html.escape(claims['duo_uname'])}?</h1>"
        f'<form method="post" action="/prompt"><input type="hidden" name="session" value="{session}">{buttons}</form>'
    )


def prompt(fields):
    """What the person did, as the redirect back."""
    session = SESSIONS.pop(fields.get("session", ""), None)
    if session is None:
        raise OauthError("invalid_request")
    claims, result = session["claims"], fields.get("result")
    if result == "cancel":
        answer = {"error": "access_denied", "error_description": "the person went back"}
    else:
        code = secrets.token_hex(16)
        CODES[code] = {**session, "result": result}
        answer = {"duo_code" if claims.get("use_duo_code_attribute") else "code": code}
    answer["state"] = claims["state"]
    return claims["redirect_uri"] + "?" + urllib.parse.urlencode(answer)


RESULTS = {
    "allow": ("allow", "allow", "user_approved", "duo_push"),
    "deny": ("deny", "deny", "user_mistake", "duo_push"),
    "bypass": ("allow", "bypass", "bypass_user", "not_available"),
    "remembered": ("allow", "allow", "remembered_device", "remembered_device"),
}


def token(fields, origin):
    endpoint = f"{origin}/oauth/v1/token"
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    if fields.get("client_assertion_type") != kind or not client_assertion(fields, endpoint):
        raise OauthError("invalid_client")
    session = CODES.pop(fields.get("code", ""), None)
    claims = session and session["claims"]
    if (
        session is None
        or fields.get("grant_type") != "authorization_code"
        or fields.get("redirect_uri") != claims["redirect_uri"]
    ):
        raise OauthError("invalid_grant")
    result, status, reason, factor = RESULTS[session["result"]]
    at = int(now())
    right = {
        "iss": endpoint, "aud": CLIENT_ID, "sub": "DUUSERAAAAAAAAAAAAAA", "exp": at + 300, "iat": at, "auth_time": at,
        "preferred_username": claims["duo_uname"], "nonce": session["nonce"],
        "auth_result": {"result": result, "status": status, "status_msg": "Login Successful"},
        "auth_context": {
            "factor": factor, "result": "SUCCESS" if result == "allow" else "FAILURE", "reason": reason, "alias": "",
            "txid": secrets.token_hex(8), "user": {"groups": [], "key": "DUUSERAAAAAAAAAAAAAA", "name": claims["duo_uname"]},
            "access_device": {"ip": "127.0.0.1", "is_encryption_enabled": "unknown", "hostname": None},
        },
    }
    right |= SETTINGS["id_token"]
    right = {name: value for name, value in right.items() if value is not None}
    signed = sign(right, SETTINGS["algorithm"], SETTINGS["id_secret"])
    return {"id_token": signed, "access_token": secrets.token_hex(16), "expires_in": 300, "token_type": "Bearer"}


# The Auth API.


def quoted(text):
    return urllib.parse.quote(text, safe="~")


def signature(request, fields, body):
    """Versions 2 (SHA-1 and SHA-512) and 5."""
    scheme, _, credentials = (request.headers.get("Authorization") or "").partition(" ")
    if scheme != "Basic":
        raise Refused(40101, "Missing request credentials")
    ikey, _, given = base64.b64decode(credentials).decode().partition(":")
    if ikey != IKEY:
        raise Refused(40102, "Invalid integration key in request credentials")
    date = request.headers.get("Date") or request.headers.get("X-Duo-Date")
    parsed = date and email.utils.parsedate_tz(date)
    if not parsed:
        raise Refused(40104, "Missing request timestamp")
    if abs(calendar.timegm(parsed[:9]) - (parsed[9] or 0) - now()) > 300:
        raise Refused(40105, "Bad request timestamp")
    url = urllib.parse.urlsplit(request.path)
    host = request.headers["Host"].split(":")[0].lower()
    is_json = (request.headers.get("Content-Type") or "").startswith("application/json")
    parameters = {} if is_json else fields
    lines = [date, request.command, host, url.path]
    lines.append("&".join(f"{k}={v}" for k, v in sorted((quoted(k), quoted(v)) for k, v in parameters.items())))
    headers = sorted((k.lower(), v) for k, v in request.headers.items() if k.lower().startswith("x-duo-"))
    extra = [hashlib.sha512(body if is_json else b"").hexdigest()]
    extra.append(hashlib.sha512("\0".join(part for pair in headers for part in pair).encode()).hexdigest())
    accepted = [(lines, "sha512"), (lines, "sha1"), (lines + extra, "sha512")]
    if is_json:
        accepted = accepted[2:]
    for canonical, digest in accepted:
        if hmac.compare_digest(hmac.new(SKEY.encode(), "\n".join(canonical).encode(), digest).hexdigest(), given):
            return
    raise Refused(40103, "Invalid signature in request credentials")


def user(fields):
    name = fields.get("username") or fields.get("user_id")
    if not name or ("username" in fields) == ("user_id" in fields):
        raise Refused(40002, "Invalid request parameters", "username")
    usual = {"preauth": "auth", "verified": False, "capabilities": ["auto", "push", "sms", "phone", "mobile_otp"]}
    return name, {**usual, "passcode": "424242", "passcodes": [], "status": None, **SETTINGS["users"].get(name, {})}


def device(name):
    return "DP" + hashlib.sha256(name.encode()).hexdigest()[:18].upper()


def preauth(fields):
    name, person = user(fields)
    result = person["preauth"]
    if result == "enroll":
        return {"result": result, "status_msg": "Enroll an authentication device", "enroll_portal_url": "https://duo.test/portal"}
    if result != "auth":
        return {"result": result, "status_msg": {"allow": "Success. Logging you in...", "deny": "Your account is locked out"}[result]}
    answer = {"result": "auth", "status_msg": "Account is active", "devices": [
        {"device": device(name), "type": "phone", "name": "", "number": "XXX-XXX-0142", "display_name": "iOS (XXX-XXX-0142)",
         "capabilities": person["capabilities"]},
        {"device": "DHTOKENAAAAAAAAAAAAA", "type": "token", "name": "1234"},
    ]}
    if person["verified"] and fields.get("client_supports_verified_push") == "1":
        txid = secrets.token_hex(18)
        TRANSACTIONS[txid] = {"user": name, "kind": "verified", "steps": collections.deque(), "code": "708"}
        answer |= {"txid": txid, "verification_code": "708", "expiration": int(now()) + 60}
    return answer


ENDS = {
    "allow": ("allow", "allow", "Success. Logging you in..."), "deny": ("deny", "deny", "Login request denied."),
    "fraud": ("deny", "fraud", "Login request reported as fraudulent."), "timeout": ("deny", "timeout", "Login timed out."),
    "locked_out": ("deny", "locked_out", "Your account is locked out"), "bypass": ("allow", "bypass", "Success."),
    "pushed": ("waiting", "pushed", "Pushed a login request to your phone..."),
    "verify": ("waiting", "pushed", "Please enter verification code 708 into Duo Mobile..."),
    "calling": ("waiting", "calling", "Dialing XXX-XXX-0142..."), "sent": ("deny", "sent", "New SMS passcodes sent."),
    "incorrect": ("deny", "deny", "Incorrect passcode. Please try again."),
}


def said(status):
    result, status, message = ENDS[status]
    return {"result": result, "status": status, "status_msg": message}


def auth(fields):
    name, person = user(fields)
    factor, is_async = fields.get("factor"), fields.get("async") == "1"
    if factor in ("push", "auto", "phone", "sms"):
        if fields.get("device") not in ("auto", device(name)):
            raise Refused(40002, "Invalid request parameters", "device")
        if {"auto": "push"}.get(factor, factor) not in person["capabilities"]:
            raise Refused(40002, "Invalid request parameters", "factor")
    if factor == "passcode":
        if "passcode" not in fields:
            raise Refused(40001, "Missing required request parameters", "passcode")
        typed = fields["passcode"]
        right = typed == person["passcode"] or (typed in person["passcodes"] and (name, typed) not in SPENT)
        SPENT.add((name, typed))
        steps = [person["status"] or ("allow" if right else "incorrect")]
    elif factor == "sms":
        steps = ["sent"]
    elif factor == "phone":
        steps = ["calling"]
    elif factor in ("push", "auto"):
        if person["verified"] and TRANSACTIONS.get(fields.get("txid"), {}).get("user") != name:
            raise Refused(40002, "Invalid request parameters", "txid")
        steps = ["verify" if person["verified"] else "pushed"]
    else:
        raise Refused(40002, "Invalid request parameters", "factor")
    if person["status"]:
        steps = [*steps, person["status"]]
    txid = fields.get("txid") or secrets.token_hex(18)
    TRANSACTIONS[txid] = {"user": name, "kind": factor, "steps": collections.deque(steps)}
    LOCK.notify_all()
    if is_async:
        return {"txid": txid}
    return wait_for(txid, until="the end", patience=60)


def auth_status(fields):
    if fields.get("txid") not in TRANSACTIONS:
        raise Refused(40002, "Invalid request parameters", "txid")
    return wait_for(fields["txid"], until="news", patience=SETTINGS["long_poll"])


def wait_for(txid, until, patience):
    """The next step of a transaction; a long poll without news is told so as an error, as Duo's documents have it."""
    steps, deadline = TRANSACTIONS[txid]["steps"], time.monotonic() + patience
    while True:
        if steps:
            # The end is told again whenever it is asked for.
            status = steps[0] if ENDS[steps[0]][0] != "waiting" else steps.popleft()
            if until == "news" or ENDS[status][0] != "waiting":
                return said(status)
        elif not LOCK.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
            if until == "news":
                raise Refused(40002, "Invalid request parameters", "long poll timed out")
            return said("timeout")


# The server.


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def fields(self, body):
        """Parameters of the query and of the body; one name twice is an error."""
        pairs = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
        kind = self.headers.get("Content-Type") or ""
        if kind.startswith("application/json"):
            pairs += list(json.loads(body or b"{}").items())
        elif body:
            pairs += urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused(40002, "Invalid request parameters", "twice")
        return dict(pairs)

    def answer(self, body):
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith("/fake/"):
            with LOCK:
                return self.control(path, body)
        if SETTINGS["outage"] and (SETTINGS["only"] is None or path in SETTINGS["only"]):
            return self.fail(SETTINGS["outage"])
        try:
            with LOCK:
                fields = self.fields(body)
                if path != "/prompt":
                    LOG.append({"method": self.command, "path": path, "fields": fields, "agent": self.headers.get("User-Agent")})
                return self.route(path, fields, body)
        except Refused as error:
            failure = {"stat": "FAIL", "code": error.code, "message": error.message, "message_detail": error.detail}
            return self.send(error.code // 100, {**failure, "timestamp": int(now())})
        except OauthError as error:
            return self.send(400, {"error": str(error), "error_description": "as the name says"})

    def route(self, path, fields, body):
        origin = f"https://{self.headers['Host']}"
        call = f"{self.command} {path}"
        if call == "POST /oauth/v1/health_check":
            return self.send(200, {"stat": "OK", "response": health_check(fields, origin)})
        if call == "GET /oauth/v1/authorize":
            return self.send(200, authorize(fields, origin))
        if call == "POST /prompt":
            return self.send(303, "", {"Location": prompt(fields)})
        if call == "POST /oauth/v1/token":
            return self.send(200, token(fields, origin))
        if call == "GET /auth/v2/ping":
            return self.send(200, {"stat": "OK", "response": {"time": int(now())}})
        calls = {
            "GET /auth/v2/check": lambda _: {"time": int(now())}, "POST /auth/v2/preauth": preauth,
            "POST /auth/v2/auth": auth, "GET /auth/v2/auth_status": auth_status,
        }
        if call not in calls:
            raise Refused(40401, "Resource not found")
        signature(self, fields, body)
        return self.send(200, {"stat": "OK", "response": calls[call](fields)})

    def control(self, path, body):
        if path == "/fake/log":
            return self.send(200, LOG)
        told = json.loads(body)
        if path == "/fake/set":
            SETTINGS.update({name: DEFAULTS[name] if value is None else value for name, value in told.items()})
        elif path == "/fake/decide":
            for transaction in TRANSACTIONS.values():
                if transaction["user"] == told["user"] and transaction["kind"] != "verified":
                    transaction["steps"].append(told["status"])
            LOCK.notify_all()
        return self.send(200, {})

    def fail(self, how):
        if how == "hang":
            time.sleep(600)
        elif how == "garbage":
            self.send(200, "<html>a proxy that wants to be paid</html>")
        elif how == "huge":
            self.send(200, {"stat": "OK", "response": {"timestamp": 1, "padding": "x" * (1 << 20)}})
        elif how == "redirect":
            self.send(302, "", {"Location": f"https://{self.headers['Host']}/fake/log"})
        else:
            self.send(int(how), {"stat": "FAIL", "code": int(how) * 100 + 1, "message": "as told"})

    def send(self, status, content, headers=None):
        is_text = isinstance(content, str)
        data = (content if is_text else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if is_text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    # The handshake happens in the connection's own thread: a silent client holds up nobody.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
