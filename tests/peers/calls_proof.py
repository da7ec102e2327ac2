"""The vendors' own clients, speaking to the fakes of calls.py and answering their questions: what they send, accept and
verify, the fakes get right. And what stepgate said in calls, read by the same clients' models.

    calls_proof.py KEY         KEY: PEM of an RSA key; exits 0 when all agree
    calls_proof.py --read      standard input: a list of {"vendor", "said"}; exits 0 when each could be the vendor's own
"""

import json
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import plivo
import requests
from plivo import plivoxml
from plivo.utils import validate_v3_signature
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client as Twilio
from twilio.twiml import voice_response
from vonage import Auth, HttpClientOptions, Vonage
from vonage_jwt.verify_jwt import verify_signature
from vonage_voice.models import CreateCallRequest, Input, Phone, Talk, ToPhone

import calls

ACCOUNT, PLIVO = "AC" + "0" * 32, "MA00000000000000000A"
TO, FROM = "+442079460958", "+15005550006"
GREETING, CODE = "Press a key.", "1, 2, 3."


def redirect(port):
    """Every client stands on `requests`: whatever vendor it calls, the fake answers."""
    send = requests.Session.send

    def here(session, request, **more):
        if "//127.0.0.1" not in request.url:
            request.url = f"http://127.0.0.1:{port}/" + request.url.split("/", 3)[3]
        return send(session, request, **more)

    requests.Session.send = here


class Ours(BaseHTTPRequestHandler):
    """The other side, written with the clients alone: verifies each question and answers it."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        url = f"http://{self.headers['Host']}{self.path}"
        said = getattr(self, self.path.split("/")[1])(url, body, dict(parse_qsl(body)))
        data = said.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def twilio(self, url, body, fields):
        assert RequestValidator(calls.TWILIO_TOKEN).validate(url, fields, self.headers["X-Twilio-Signature"]), fields
        self.server.seen.append(fields)
        document = voice_response.VoiceResponse()
        document.say(CODE, language="en-GB")
        document.hangup()
        return str(document)

    def plivo(self, url, body, fields):
        signed = self.headers["X-Plivo-Signature-V3"], self.headers["X-Plivo-Signature-V3-Nonce"]
        assert validate_v3_signature("POST", url, signed[1], calls.PLIVO_TOKEN, signed[0], dict(fields)), fields
        self.server.seen.append(fields)
        document = plivoxml.ResponseElement()
        if "Digits" in fields:
            document.add(plivoxml.SpeakElement(CODE, language="en-GB"))
        else:
            digits = plivoxml.GetDigitsElement(action=url, method="POST", num_digits=1, retries=2, finish_on_key="none")
            document.add(digits.add(plivoxml.SpeakElement(GREETING, language="en-GB")))
        return document.to_string()

    def vonage(self, url, body, fields):
        assert verify_signature(self.headers["Authorization"].removeprefix("Bearer "), calls.VONAGE_SECRET)
        self.server.seen.append(json.loads(body))
        talk = Talk(text=CODE, language="en-GB").model_dump(by_alias=True, exclude_none=True)
        return json.dumps([talk])


def fails(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected")


def heard(port, key, at=1):
    told = requests.post(f"http://127.0.0.1:{port}/_pick_up", json={"key": key, "at": at}).json()
    assert all(one["status"] == 200 for one in told["asked"]), told
    return [one["text"] for one in told["heard"]]


def twilio(port, ours):
    client = Twilio(ACCOUNT, calls.TWILIO_TOKEN)
    document = voice_response.VoiceResponse()
    gather = voice_response.Gather(num_digits=1, finish_on_key="", timeout=8, action=f"{ours.url}/twilio", method="POST", input="dtmf")
    gather.say(GREETING, language="en-GB")
    document.append(gather)
    document.hangup()
    call = lambda **more: client.calls.create(**{"to": TO, "from_": FROM, "twiml": str(document), "timeout": 20, "time_limit": 120,
                                                 "status_callback": f"{ours.url}/twilio", **more})
    assert call(send_digits="ww12").sid.startswith("CA")
    assert heard(port, "7") == [GREETING, CODE] and ours.seen[0]["Digits"] == "7" and ours.seen[1]["CallStatus"] == "completed"
    assert call() and heard(port, None) == [GREETING]
    assert fails(TwilioRestException, lambda: call(to="12")).code == 21211
    wrong = Twilio(ACCOUNT, "wrong")
    assert fails(TwilioRestException, lambda: wrong.calls.create(to=TO, from_=FROM, twiml=str(document))).code == 20003


def plivo_(port, ours):
    client = plivo.RestClient(PLIVO, calls.PLIVO_TOKEN)
    call = lambda client, to: client.calls.create(from_=FROM[1:], to_=to, answer_url=f"{ours.url}/plivo", hangup_url=f"{ours.url}/plivo",
                                                  ring_timeout=20, time_limit=120, send_digits="ww12")
    assert call(client, TO[1:]).request_uuid
    assert heard(port, "7", at=2) == [GREETING, GREETING, CODE]
    assert [one["Event"] for one in ours.seen] == ["StartApp", "Redirect", "Hangup"], ours.seen
    fails(plivo.exceptions.ValidationError, lambda: call(client, "12"))
    fails(plivo.exceptions.AuthenticationError, lambda: call(plivo.RestClient(PLIVO, "wrong"), TO[1:]))


def vonage(port, ours):
    client = Vonage(Auth(application_id=calls.APPLICATION, private_key=sys.argv[1]), HttpClientOptions())
    ncco = [Talk(text=GREETING, bargeIn=True, language="en-GB"),
            Input(type=["dtmf"], dtmf={"maxDigits": 1, "timeOut": 8}, eventUrl=[f"{ours.url}/vonage"], eventMethod="POST")]
    call = lambda to: client.voice.create_call(CreateCallRequest(
        ncco=ncco, to=[ToPhone(number=to, dtmf_answer="pp12")], from_=Phone(number=FROM[1:]), ringing_timer=20, length_timer=120,
        event_url=[f"{ours.url}/vonage"]))
    assert call(TO[1:]).uuid
    assert heard(port, "7") == [GREETING, CODE] and ours.seen[0]["dtmf"]["digits"] == "7"
    assert ours.seen[1]["status"] == "completed"
    other = Auth(application_id="11111111-323d-0114-9c3d-d6f0d48968cf", private_key=sys.argv[1])
    fails(Exception, lambda: Vonage(other, HttpClientOptions()).voice.create_call(CreateCallRequest(
        ncco=ncco, to=[ToPhone(number=TO[1:])], from_=Phone(number=FROM[1:]))))


def prove():
    modulus = subprocess.run(["openssl", "rsa", "-in", sys.argv[1], "-noout", "-modulus"], check=True, capture_output=True, text=True)
    fake = calls.serve(modulus.stdout.strip().removeprefix("Modulus="))
    ours = ThreadingHTTPServer(("127.0.0.1", 0), Ours)
    ours.url = f"http://127.0.0.1:{ours.server_address[1]}"
    for server in (fake, ours):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    redirect(fake.server_address[1])
    for client in (twilio, plivo_, vonage):
        ours.seen = []
        client(fake.server_address[1], ours)
        print(client.__name__.rstrip("_"), "ok")


# What stepgate said, made again with the vendors' own elements.

TWIML = {"Say": voice_response.Say, "Gather": voice_response.Gather, "Pause": voice_response.Pause, "Hangup": voice_response.Hangup}


def snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def as_twilio(element):
    named = {snake(key): value for key, value in element.attrib.items()}
    made = TWIML[element.tag](element.text, **named) if element.tag == "Say" else TWIML[element.tag](**named)
    for child in element:
        made.append(as_twilio(child))
    return made


def as_plivo(element):
    made = getattr(plivoxml, f"{element.tag}Element")
    numbers = ("timeout", "num_digits", "retries", "length")
    named = {snake(key): int(value) if snake(key) in numbers else value for key, value in element.attrib.items()}
    if "play_beep" in named:
        named["play_beep"] = named["play_beep"] == "true"
    made = made(element.text, **named) if element.tag == "Speak" else made(**named)
    for child in element:
        made.add(as_plivo(child))
    return made


def flat(document):
    return [(one.tag, sorted(one.attrib.items()), (one.text or "").strip()) for one in ElementTree.fromstring(document).iter()]


def read(vendor, said):
    if vendor == "vonage":
        models = {"talk": Talk, "input": Input}
        for action in json.loads(said):
            made = models[action["action"]](**action).model_dump(exclude_none=True, mode="json")
            assert made == action, (made, action)
        return
    document = voice_response.VoiceResponse() if vendor == "twilio" else plivoxml.ResponseElement()
    for element in ElementTree.fromstring(said):
        document.append(as_twilio(element)) if vendor == "twilio" else document.add(as_plivo(element))
    made = str(document) if vendor == "twilio" else document.to_string()
    assert flat(made) == flat(said), (made, said)


if __name__ == "__main__":
    if sys.argv[1] == "--read":
        for one in json.load(sys.stdin):
            read(one["vendor"], one["said"])
        print("ok")
    else:
        prove()
