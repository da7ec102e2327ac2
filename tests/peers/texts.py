"""Fakes of the vendors that take text messages, from their published contracts.

Each checks what the vendor would check (credentials, fields, types), keeps what it was sent, and can
be told to refuse. `--prove` lets the vendor's own client from PyPI speak to each of them: a fake that
the client does not understand proves nothing. Twilio and SNS have real peers (Prism, moto) besides.

    texts.py PORT            serve; prints "ready" when it listens
    texts.py --prove         the vendors' own clients against the fakes; exit 0 when all agree

`GET /_sent` is what came in (JSON, newest last); `POST /_next` with {"status", "body"} is answered to
the next message instead of a success; `POST /_always` likewise until `POST /_always` with {}.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

# 1 500 555 0001 is the number that Twilio's test credentials call invalid; so do all of these.
E164 = re.compile(r"\+(?!15005550001$)[1-9][0-9]{6,14}$")
DIGITS = re.compile(r"(?!15005550001$)[1-9][0-9]{6,14}$")


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def basic(headers):
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return None, None
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password


def form(request):
    if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        raise Refused(415, {"code": 20422, "message": "form expected"})
    return {key: values for key, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def one(fields, name):
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else None


def as_json(request):
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        raise Refused(415, {"title": "JSON expected"})
    return json.loads(request.body)


# Twilio: https://github.com/twilio/twilio-oai (the specification is in tests/peers/twilio)


def twilio_login(request):
    user, password = basic(request.headers)
    if not user or password != "twilio-token" or not re.match(r"(AC|SK)[0-9a-f]{32}$", user):
        raise Refused(401, {"code": 20003, "message": "Authenticate", "status": 401})


def twilio_message(request, account):
    twilio_login(request)
    fields = form(request)
    to = one(fields, "To")
    if not to or not E164.match(to):
        raise Refused(400, {"code": 21211, "message": f"Invalid 'To' Phone Number: {to}", "status": 400})
    if bool(one(fields, "From")) == bool(one(fields, "MessagingServiceSid")):
        raise Refused(400, {"code": 21603, "message": "A 'From' phone number is required.", "status": 400})
    if not one(fields, "Body"):
        raise Refused(400, {"code": 21602, "message": "Message body is required.", "status": 400})
    if not 1 <= int(one(fields, "ValidityPeriod") or "36000") <= 36000:
        raise Refused(400, {"code": 21621, "message": "Invalid ValidityPeriod", "status": 400})
    return 201, {"sid": "SM" + uuid.uuid4().hex, "status": "queued", "to": to, "account_sid": account,
                 "body": one(fields, "Body"), "error_code": None, "error_message": None, "num_segments": "1"}


def twilio_verify(request, service):
    twilio_login(request)
    fields = form(request)
    if one(fields, "Channel") not in ("sms", "call", "whatsapp"):
        raise Refused(400, {"code": 60200, "message": "Invalid parameter `Channel`", "status": 400})
    if not E164.match(one(fields, "To") or ""):
        raise Refused(400, {"code": 60200, "message": "Invalid parameter `To`", "status": 400})
    if not re.match(r"[0-9]{4,10}$", one(fields, "CustomCode") or ""):
        raise Refused(400, {"code": 60200, "message": "Invalid parameter `CustomCode`", "status": 400})
    # A pending verification keeps its code: https://www.twilio.com/docs/verify/api/rate-limits-and-timeouts
    with request.server.lock:
        code = request.server.pending.setdefault(one(fields, "To"), one(fields, "CustomCode"))
    request.body = urlencode({**{key: values[0] for key, values in fields.items()}, "CustomCode": code}).encode()
    return 201, {"sid": "VE" + uuid.uuid4().hex, "service_sid": service, "status": "pending", "valid": False,
                 "to": one(fields, "To"), "channel": one(fields, "Channel")}


def twilio_verify_end(request, service, to):
    """By number or SID; the fake knows numbers alone."""
    twilio_login(request)
    if one(form(request), "Status") not in ("canceled", "approved"):
        raise Refused(400, {"code": 60200, "message": "Invalid parameter `Status`", "status": 400})
    with request.server.lock:
        if request.server.pending.pop(unquote(to), None) is None:
            raise Refused(404, {"code": 20404, "message": "The requested resource was not found", "status": 404})
    return 200, {"sid": "VE" + uuid.uuid4().hex, "service_sid": service, "status": "canceled", "valid": False}


# Vonage: https://developer.vonage.com/en/api/sms and /en/api/verify.v2


def vonage_sig(fields, secret):
    text = "".join(f"&{key}={fields[key].replace('&', '_').replace('=', '_')}"
                   for key in sorted(fields) if key != "sig")
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def vonage_sms(request):
    if request.headers.get("Content-Type", "").startswith("application/json"):
        fields = {key: str(value) for key, value in json.loads(request.body).items()}
    else:
        fields = {key: values[0] for key, values in form(request).items()}
    no = lambda status, text: (200, {"message-count": "1", "messages": [{"status": status, "error-text": text}]})
    if "sig" in fields:
        if fields.get("api_key") != "abcd1234" or fields["sig"].lower() != vonage_sig(fields, "vonage-signature"):
            return no("14", "Invalid Signature")
    elif basic(request.headers) != ("abcd1234", "vonage-secret"):
        return no("4", "Bad Credentials")
    if not fields.get("from") or not fields.get("text"):
        return no("2", "Missing parameter")
    if not DIGITS.match(fields.get("to", "")):
        return no("3", "Invalid value for to")
    if not 20000 <= int(fields.get("ttl", "20000")) <= 604800000:
        return no("3", "Invalid value for ttl")
    return 200, {"message-count": "1", "messages": [
        {"to": fields["to"], "message-id": uuid.uuid4().hex[:16].upper(), "status": "0",
         "remaining-balance": "3.14", "message-price": "0.03", "network": "12345",
         "client-ref": fields.get("client-ref", "")}]}


def vonage_verify(request):
    if basic(request.headers) != ("abcd1234", "vonage-secret"):
        raise Refused(401, {"title": "Unauthorized", "detail": "wrong credentials", "instance": "x"})
    body = as_json(request)
    bad = [{"name": name, "reason": reason} for name, reason, wrong in (
        ("brand", "1 to 16 characters", not 1 <= len(body.get("brand", "")) <= 16),
        ("workflow", "required", not body.get("workflow")),
        ("code", "4 to 10 characters", "code" in body and not re.match(r"[a-zA-Z0-9]{4,10}$", body["code"])),
        ("channel_timeout", "15 to 900", not 15 <= body.get("channel_timeout", 300) <= 900),
    ) if wrong]
    for at, step in enumerate(body.get("workflow", [])):
        if step.get("channel") not in ("sms", "voice", "whatsapp"):
            bad.append({"name": f"workflow[{at}].channel", "reason": "unknown"})
        if not DIGITS.match(step.get("to", "")):
            bad.append({"name": f"workflow[{at}].to", "reason": "not a number"})
    if bad:
        raise Refused(422, {"title": "Invalid params", "detail": "see below", "instance": "x",
                            "type": "https://www.developer.vonage.com/api-errors/verify#invalid-params",
                            "invalid_parameters": bad})
    return 202, {"request_id": str(uuid.uuid4())}


# Plivo: https://www.plivo.com/docs/messaging/api/message


def plivo_login(request, account):
    if basic(request.headers) != (account, "plivo-token") or not account.startswith(("MA", "SA")):
        raise Refused(401, {"api_id": str(uuid.uuid4()), "error": "authentication failed"})


def plivo_message(request, account):
    plivo_login(request, account)
    body = as_json(request)
    for name in ("src", "dst", "text"):
        if not body.get(name):
            raise Refused(400, {"api_id": str(uuid.uuid4()), "error": f"{name} parameter not present"})
    if not DIGITS.match(body["dst"].lstrip("+")):
        raise Refused(400, {"api_id": str(uuid.uuid4()), "error": "Invalid 'dst' parameter"})
    return 202, {"api_id": str(uuid.uuid4()), "message": "message(s) queued", "message_uuid": [str(uuid.uuid4())]}


# MessageBird: https://developers.messagebird.com/api/sms-messaging


def messagebird_login(request):
    if request.headers.get("Authorization") != "AccessKey messagebird-key":
        raise Refused(401, {"errors": [{"code": 2, "description": "Request not allowed (incorrect access_key)",
                                        "parameter": "access_key"}]})


def messagebird_message(request):
    messagebird_login(request)
    body = as_json(request)
    recipients = body.get("recipients") or []
    if isinstance(recipients, str):
        recipients = recipients.split(",")
    for name, wrong in (("originator", not body.get("originator")), ("body", not body.get("body")),
                        ("recipients", not recipients or not all(DIGITS.match(str(to)) for to in recipients))):
        if wrong:
            raise Refused(422, {"errors": [{"code": 9, "description": f"no (correct) {name} found",
                                            "parameter": name}]})
    name = uuid.uuid4().hex
    return 201, {"id": name, "href": f"https://rest.messagebird.com/messages/{name}", "direction": "mt",
                 "type": "sms", "originator": body["originator"], "body": body["body"],
                 "reference": body.get("reference"), "validity": body.get("validity"), "gateway": 0,
                 "typeDetails": {}, "datacoding": body.get("datacoding", "plain"), "mclass": 1,
                 "scheduledDatetime": None, "createdDatetime": "2026-01-01T00:00:00+00:00",
                 "recipients": {"totalCount": len(recipients), "totalSentCount": len(recipients),
                                "totalDeliveredCount": 0, "totalDeliveryFailedCount": 0,
                                "items": [{"recipient": int(to), "status": "sent",
                                           "statusDatetime": "2026-01-01T00:00:00+00:00"} for to in recipients]}}


# AWS SMS Voice v2: botocore's service model pinpoint-sms-voice-v2


def aws_sms(request):
    target = request.headers.get("X-Amz-Target", "")
    kind = request.headers.get("Content-Type", "")
    authorization = request.headers.get("Authorization", "")
    no = lambda status, name, **more: Refused(status, {"__type": f"com.amazonaws.pinpointsmsvoicev2#{name}", **more})
    if not authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") or "/sms-voice/aws4_request" not in authorization:
        raise no(400, "UnrecognizedClientException", message="The security token is invalid.")
    if target != "PinpointSMSVoiceV2.SendTextMessage" or kind != "application/x-amz-json-1.0":
        raise no(400, "UnknownOperationException")
    body = json.loads(request.body)
    known = {"DestinationPhoneNumber", "OriginationIdentity", "MessageBody", "MessageType", "Keyword",
             "ConfigurationSetName", "MaxPrice", "TimeToLive", "Context", "DestinationCountryParameters",
             "DryRun", "ProtectConfigurationId", "MessageFeedbackEnabled"}
    wrong = [name for name in body if name not in known]
    if not E164.match(body.get("DestinationPhoneNumber", "")):
        wrong.append("DestinationPhoneNumber")
    if body.get("MessageType") not in ("TRANSACTIONAL", "PROMOTIONAL"):
        wrong.append("MessageType")
    if not 5 <= body.get("TimeToLive", 5) <= 259200:
        wrong.append("TimeToLive")
    if wrong:
        raise no(400, "ValidationException", Reason="FIELD_VALIDATION_FAILED",
                 Fields=[{"Name": name, "Message": "not valid"} for name in wrong])
    return 200, {"MessageId": str(uuid.uuid4())}


def gateway(request):
    """A gateway of nobody's: what the generic sender is pointed at."""
    if request.headers.get("X-Api-Key") != "gateway-key":
        raise Refused(401, {"error": {"code": 1}})
    body = as_json(request)
    if not E164.match(body.get("to", "")):
        raise Refused(200, {"result": {"status": "rejected"}, "error": {"code": 1001}})
    return 200, {"result": {"status": "queued", "id": uuid.uuid4().hex}}


ROUTES = [
    ("POST", r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Messages\.json$", twilio_message),
    ("POST", r"/v2/Services/(VA[0-9a-f]{32})/Verifications$", twilio_verify),
    ("POST", r"/v2/Services/(VA[0-9a-f]{32})/Verifications/([^/]+)$", twilio_verify_end),
    ("POST", r"/sms/json$", vonage_sms),
    ("POST", r"/v2/verify/?$", vonage_verify),
    ("POST", r"/v1/Account/([A-Z0-9]+)/Message/$", plivo_message),
    ("POST", r"/messages$", messagebird_message),
    ("POST", r"/gateway$", gateway),
    ("POST", r"/$", aws_sms),
]


def vonage_balance(request):
    if basic(request.headers) != ("abcd1234", "vonage-secret"):
        raise Refused(401, {"error-code": "401"})
    return 200, {"value": 10.28, "autoReload": False}


def twilio_numbers(request, account):
    twilio_login(request)
    return 200, {"incoming_phone_numbers": []}


def twilio_service(request, service):
    twilio_login(request)
    return 200, {"sid": service}


def plivo_account(request, account):
    plivo_login(request, account)
    return 200, {"auth_id": account, "cash_credits": "1"}


def messagebird_balance(request):
    messagebird_login(request)
    return 200, {"payment": "prepaid", "type": "credits", "amount": 9.2}


QUESTIONS = [
    (r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/IncomingPhoneNumbers\.json$", twilio_numbers),
    (r"/v2/Services/(VA[0-9a-f]{32})$", twilio_service),
    (r"/account/get-balance$", vonage_balance),
    (r"/v1/Account/([A-Z0-9]+)/$", plivo_account),
    (r"/balance$", messagebird_balance),
]


class Vendors(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.body = b""
        path = urlsplit(self.path).path
        if path == "/_sent":
            with self.server.lock:
                return self.answer(200, self.server.sent)
        self.ask([(pattern, act) for pattern, act in QUESTIONS], path)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = urlsplit(self.path).path
        if path in ("/_next", "/_always"):
            with self.server.lock:
                setattr(self.server, path[1:].replace("_", ""), json.loads(self.body) or None)
            return self.answer(200, {})
        with self.server.lock:
            told = self.server.next or self.server.always
            self.server.next = None
        if told:
            return self.answer(told["status"], told.get("body", {}))
        self.ask([(pattern, act) for method, pattern, act in ROUTES], path)

    def ask(self, routes, path):
        for pattern, act in routes:
            found = re.match(pattern, path)
            if found:
                try:
                    status, body = act(self, *found.groups())
                except Refused as refused:
                    return self.answer(refused.status, refused.body)
                self.keep(path)
                return self.answer(status, body)
        self.answer(404, {"error": "no such place"})

    def keep(self, path):
        if self.command != "POST":
            return
        text = self.body.decode()
        fields = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
        if fields.get("DryRun") or "Status" in fields:
            return
        with self.server.lock:
            self.server.sent.append({"path": path, "fields": fields})

    def answer(self, status, body):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def serve(port):
    server = ThreadingHTTPServer(("127.0.0.1", port), Vendors)
    server.daemon_threads = True
    server.lock, server.sent, server.next, server.always = threading.Lock(), [], None, None
    server.pending = {}
    return server


if __name__ == "__main__":
    if sys.argv[1] == "--prove":
        import texts_proof

        server = serve(0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        texts_proof.prove(server)
    else:
        server = serve(int(sys.argv[1]))
        print("ready", server.server_address[1], flush=True)
        server.serve_forever()
