"""Fakes of the vendors that call people, from their published contracts: Twilio's Calls API, Vonage's Voice API and
Plivo's Call API. A call is asked for, somebody picks up, hears what is said and may press a key; then the vendor asks
at the addresses it was given, signed as the vendor signs. The vendors' own clients prove it: `calls_proof.py`.

    calls.py [MODULUS]         serve; prints "ready PORT". MODULUS: of the RSA key that Vonage's application has, in hex

    GET  /_calls               what was asked for, oldest first: vendor, to, keys dialled, fields
    POST /_pick_up             {"key": "5" or null, "at": 1}: the newest call is answered, and the key pressed when it
                               is asked for the "at"-th time. Answers {"heard": [{"language", "text"}], "asked": [...]}:
                               every request to the other side, with headers, body, status and what came back
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

TWILIO_TOKEN, PLIVO_TOKEN = "twilio-token", "plivo-token"
VONAGE_SECRET = "vonage-signature-secret-of-32-bytes"
APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
E164 = re.compile(r"\+(?!15005550001$)[1-9][0-9]{6,14}$")
DIGITS = re.compile(r"(?!15005550001$)[1-9][0-9]{6,14}$")
# What the vendors' documents name, as far as it could be used here.
TWIML = {
    "Say": {"language", "voice", "loop"}, "Pause": {"length"}, "Hangup": set(),
    "Gather": {"input", "numDigits", "finishOnKey", "timeout", "action", "method", "actionOnEmptyResult"},
}
PLIVO_XML = {
    "Speak": {"language", "voice", "loop"}, "Wait": {"length", "silence", "minSilence"}, "Hangup": {"reason", "schedule"},
    "GetDigits": {"action", "method", "timeout", "digitTimeout", "finishOnKey", "numDigits", "retries", "redirect",
                  "playBeep", "validDigits", "invalidDigitsSound", "log"},
}


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


class Over(Exception):
    """The call has ended."""


def basic(headers):
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return None, None
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password


def whole(value, least, most):
    return value is None or str(value).isdigit() and least <= int(value) <= most


# What each vendor takes.


def twilio(request, account):
    user, password = basic(request.headers)
    if password != TWILIO_TOKEN or not re.match(r"(AC|SK)[0-9a-f]{32}$", user or ""):
        raise Refused(401, {"code": 20003, "message": "Authenticate", "status": 401})
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    bad = lambda code, message: Refused(400, {"code": code, "message": message, "status": 400})
    if not E164.match(fields.get("To", "")):
        raise bad(21211, f"Invalid 'To' Phone Number: {fields.get('To')}")
    if not E164.match(fields.get("From", "").replace("+15005550001", "+15005550006")):
        raise bad(21212, "Invalid 'From' Phone Number")
    if ("Twiml" in fields) == ("Url" in fields):
        raise bad(21205, "Url parameter is required")
    if len(fields.get("Twiml", "")) > 4000 or not whole(fields.get("Timeout"), 1, 600):
        raise bad(21218, "Invalid parameter")
    if not re.match(r"[0-9*#wW]{0,32}$", fields.get("SendDigits", "")):
        raise bad(21213, "Invalid SendDigits")
    parsed(fields["Twiml"], TWIML)
    sid = "CA" + uuid.uuid4().hex
    call = {"vendor": "twilio", "id": sid, "account": account, "to": fields["To"], "keys": fields.get("SendDigits"), "fields": fields}
    return 201, {"sid": sid, "status": "queued", "to": fields["To"], "from": fields["From"], "account_sid": account}, call


def vonage(request):
    claims = application_jwt(request.headers.get("Authorization", "").removeprefix("Bearer "), request.server.modulus)
    if not claims or claims.get("application_id") != APPLICATION or abs(time.time() - claims.get("iat", 0)) > 3600:
        raise Refused(401, {"type": "UNAUTHORIZED", "error_title": "Unauthorized"})
    fields = json.loads(request.body)
    bad = lambda name: Refused(400, {"type": "BAD_REQUEST", "title": "Bad Request", "invalid_parameters": [{"name": name, "reason": "x"}]})
    to = (fields.get("to") or [{}])[0]
    if to.get("type") != "phone" or not DIGITS.match(to.get("number", "")):
        raise bad("to[0].number")
    if not re.match(r"[0-9*#p]*$", to.get("dtmfAnswer", "")):
        raise bad("to[0].dtmfAnswer")
    if not DIGITS.match(fields.get("from", {}).get("number", "").replace("15005550001", "15005550006")):
        raise bad("from.number")
    if ("ncco" in fields) == ("answer_url" in fields) or not fields.get("ncco"):
        raise bad("ncco")
    for name, least, most in (("ringing_timer", 1, 120), ("length_timer", 1, 7200)):
        if not whole(fields.get(name), least, most):
            raise bad(name)
    named = uuid.uuid4().hex
    call = {"vendor": "vonage", "id": named, "to": to["number"], "keys": to.get("dtmfAnswer"), "fields": fields}
    return 201, {"uuid": named, "status": "started", "direction": "outbound", "conversation_uuid": "CON-" + named}, call


def plivo(request, account):
    if basic(request.headers) != (account, PLIVO_TOKEN):
        raise Refused(401, {"api_id": str(uuid.uuid4()), "error": "authentication failed"})
    fields = json.loads(request.body)
    bad = lambda message: Refused(400, {"api_id": str(uuid.uuid4()), "error": message})
    for name in ("from", "to", "answer_url"):
        if not fields.get(name):
            raise bad(f"{name} parameter not present")
    if not DIGITS.match(fields["to"]):
        raise bad("Invalid 'to' parameter")
    if not fields["answer_url"].startswith("http") or fields.get("answer_method", "POST") not in ("GET", "POST"):
        raise bad("answer_url is not valid")
    if not re.match(r"[0-9*#wW]{0,50}$", str(fields.get("send_digits") or "")):
        raise bad("send_digits is not valid")
    if not whole(fields.get("ring_timeout"), 1, 600) or not whole(fields.get("time_limit"), 1, 86400):
        raise bad("ring_timeout is not valid")
    named = str(uuid.uuid4())
    call = {"vendor": "plivo", "id": named, "account": account, "to": fields["to"], "keys": fields.get("send_digits"), "fields": fields}
    return 201, {"message": "call fired", "request_uuid": named, "api_id": str(uuid.uuid4())}, call


def application_jwt(token, modulus):
    """Claims of a JWT that the application's key has signed (RS256), if it has."""
    try:
        head, payload, signature = token.split(".")
        number = int.from_bytes(unpadded(signature), "big")
        n = int(modulus, 16)
        size = (n.bit_length() + 7) // 8
        digest = hashlib.sha256(f"{head}.{payload}".encode()).digest()
        info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
        expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        right = json.loads(unpadded(head))["alg"] == "RS256" and pow(number, 65537, n).to_bytes(size, "big") == expected
        return json.loads(unpadded(payload)) if right else None
    except (ValueError, KeyError, TypeError):
        return None


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parsed(document, known):
    """The elements of a document; what the vendor does not know is an error."""
    root = ElementTree.fromstring(document)
    if root.tag != "Response":
        raise ValueError("no Response")
    for element in root.iter():
        if element is not root and not set(element.attrib) <= known[element.tag]:
            raise ValueError(f"{element.tag} has {set(element.attrib) - known[element.tag]}")
    return list(root)


# How each vendor signs.


def twilio_signature(url, fields):
    text = url + "".join(f"{key}{fields[key]}" for key in sorted(fields))
    return {"X-Twilio-Signature": base64.b64encode(hmac.new(TWILIO_TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()}


def plivo_signature(url, fields):
    nonce = str(uuid.uuid4().int)[:20]
    bare, _, query = url.partition("?")
    pairs = "&".join(f"{key}={value}" for key, value in sorted(parse_qsl(query)))
    body = "".join(f"{key}{fields[key]}" for key in sorted(fields))
    text = f"{bare}?{pairs}{'.' if pairs else ''}{body}.{nonce}"
    signed = base64.b64encode(hmac.new(PLIVO_TOKEN.encode(), text.encode(), hashlib.sha256).digest()).decode()
    return {"X-Plivo-Signature-V3": signed, "X-Plivo-Signature-V3-Nonce": nonce}


def vonage_signature(body):
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    claims = {"iat": int(time.time()), "jti": str(uuid.uuid4()), "iss": "Vonage", "api_key": "abcd1234",
              "application_id": APPLICATION, "payload_hash": hashlib.sha256(body).hexdigest()}
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signed = encode(hmac.new(VONAGE_SECRET.encode(), text.encode(), hashlib.sha256).digest())
    return {"Authorization": f"Bearer {text}.{signed}"}


class Phone:
    """Somebody, or a mailbox, who has picked up one call."""

    def __init__(self, call, key, at):
        self.call, self.key, self.at = call, key, at
        self.heard, self.asked, self.questions = [], [], 0

    def pressed(self):
        """Whether the key is pressed now that it is asked for once more."""
        self.questions += 1
        return self.key if self.questions == self.at else None

    def ask(self, url, body, headers):
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, said = reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            status, said = error.code, error.read().decode()
        self.asked.append({"url": url, "headers": headers, "body": body.decode(), "status": status, "said": said})
        return said if status == 200 else None

    def ask_form(self, url, fields, sign):
        headers = {"Content-Type": "application/x-www-form-urlencoded", **sign(url, fields)}
        return self.ask(url, urlencode(fields).encode(), headers)

    def ask_json(self, url, fields):
        body = json.dumps(fields).encode()
        return self.ask(url, body, {"Content-Type": "application/json", **vonage_signature(body)})

    def say(self, language, text):
        self.heard.append({"language": language, "text": text})

    def answer(self):
        try:
            getattr(self, self.call["vendor"])()
        except Over:
            pass
        return {"heard": self.heard, "asked": self.asked}

    # Twilio

    def twilio_fields(self, **more):
        fields = self.call["fields"]
        return {"CallSid": self.call["id"], "AccountSid": self.call["account"], "From": fields["From"], "To": fields["To"],
                "CallStatus": "in-progress", "ApiVersion": "2010-04-01", "Direction": "outbound-api", **more}

    def twilio(self):
        fields = self.call["fields"]
        self.twiml(fields["Twiml"])
        if fields.get("StatusCallback"):
            self.ask_form(fields["StatusCallback"], self.twilio_fields(CallStatus="completed", CallDuration="20"), twilio_signature)

    def twiml(self, document):
        for element in parsed(document, TWIML):
            if element.tag == "Say":
                self.say(element.get("language"), element.text)
            elif element.tag == "Gather":
                for inner in element:
                    if inner.tag == "Say":
                        self.say(inner.get("language"), inner.text)
                key = self.pressed()
                if key is not None:
                    told = self.ask_form(element.get("action"), self.twilio_fields(Digits=key), twilio_signature)
                    return self.twiml(told) if told else None
            elif element.tag == "Hangup":
                return None
        return None

    # Plivo

    def plivo_fields(self, event, **more):
        fields = self.call["fields"]
        return {"CallUUID": "call-" + self.call["id"], "RequestUUID": self.call["id"], "From": fields["from"], "To": fields["to"],
                "CallStatus": "in-progress", "Direction": "outbound", "Event": event, "ALegUUID": "call-" + self.call["id"], **more}

    def plivo(self):
        fields = self.call["fields"]
        told = self.ask_form(fields["answer_url"], self.plivo_fields("StartApp"), plivo_signature)
        if told:
            self.plivo_xml(told)
        if fields.get("hangup_url"):
            self.ask_form(fields["hangup_url"], self.plivo_fields("Hangup", CallStatus="completed", Duration="20"), plivo_signature)

    def plivo_xml(self, document):
        for element in parsed(document, PLIVO_XML):
            if element.tag == "Speak":
                self.say(element.get("language"), element.text)
            elif element.tag == "GetDigits":
                for _ in range(int(element.get("retries", "1"))):
                    for inner in element:
                        if inner.tag == "Speak":
                            self.say(inner.get("language"), inner.text)
                    key = self.pressed()
                    if key is not None:
                        told = self.ask_form(element.get("action"), self.plivo_fields("Redirect", Digits=key), plivo_signature)
                        return self.plivo_xml(told) if told else None
            elif element.tag == "Hangup":
                return None
        return None

    # Vonage

    def vonage(self):
        fields = self.call["fields"]
        self.ncco(fields["ncco"])
        for url in fields.get("event_url", []):
            self.ask_json(url, {"uuid": self.call["id"], "status": "completed", "direction": "outbound", "duration": "20"})

    def ncco(self, actions):
        for action in actions:
            if action["action"] == "talk":
                if "<speak>" not in action["text"]:
                    self.say(action.get("language"), action["text"])
            elif action["action"] == "input":
                if not 0 <= action["dtmf"].get("timeOut", 3) <= 10 or not 1 <= action["dtmf"].get("maxDigits", 4) <= 20:
                    raise ValueError("dtmf")
                key = self.pressed()
                told = self.ask_json(action["eventUrl"][0], {
                    "uuid": self.call["id"], "conversation_uuid": "CON", "timestamp": "2026-01-01T00:00:00.000Z",
                    "from": "15005550001", "to": self.call["to"],
                    "dtmf": {"digits": key or "", "timed_out": key is None}})
                return self.ncco(json.loads(told)) if told else None
            else:
                raise ValueError(action["action"])
        return None


ROUTES = [
    (r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Calls\.json$", twilio),
    (r"/v1/calls/?$", vonage),
    (r"/v1/Account/([A-Z0-9]+)/Call/$", plivo),
]


class Vendors(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/_calls":
            return self.answer(200, self.server.calls)
        # A probe: whoever may log in may look.
        known = basic(self.headers)[1] in (TWILIO_TOKEN, PLIVO_TOKEN) or application_jwt(
            self.headers.get("Authorization", "").removeprefix("Bearer "), self.server.modulus)
        return self.answer(200 if known else 401, {})

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = urlsplit(self.path).path
        if path == "/_pick_up":
            told = json.loads(self.body)
            return self.answer(200, Phone(self.server.calls[-1], told.get("key"), told.get("at", 1)).answer())
        for pattern, act in ROUTES:
            found = re.match(pattern, path)
            if found:
                try:
                    status, body, call = act(self, *found.groups())
                except Refused as refused:
                    return self.answer(refused.status, refused.body)
                self.server.calls.append(call)
                return self.answer(status, body)
        return self.answer(404, {"error": "no such place"})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve(modulus):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendors)
    server.daemon_threads = True
    server.calls, server.modulus = [], modulus
    return server


if __name__ == "__main__":
    server = serve(sys.argv[1] if len(sys.argv) > 1 else "0")
    print("ready", server.server_address[1], flush=True)
    server.serve_forever()
