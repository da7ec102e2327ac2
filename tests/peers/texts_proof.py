"""The vendors' own clients, speaking to the fakes of texts.py: what they accept, the fakes get right."""

import messagebird
import plivo
import requests
from botocore.exceptions import ClientError
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client as Twilio
from vonage import Auth, HttpClientOptions, Vonage
from vonage_sms import SmsMessage
from vonage_verify import SmsChannel, VerifyRequest

ACCOUNT, SERVICE = "AC" + "0" * 32, "VA" + "0" * 32


def redirect(port):
    """Every client stands on `requests`: whatever host it calls, the fake answers."""
    send = requests.Session.send

    def here(session, request, **more):
        path = request.url.split("/", 3)[3]
        request.url = f"http://127.0.0.1:{port}/{path}"
        return send(session, request, **more)

    requests.Session.send = here


def fails(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected")


def twilio():
    client = Twilio(ACCOUNT, "twilio-token")
    sent = client.messages.create(to="+15005550006", from_="+15005550001", body="hello", validity_period=300)
    assert sent.sid.startswith("SM") and sent.status == "queued", sent
    error = fails(TwilioRestException, lambda: client.messages.create(to="12", from_="+15005550001", body="x"))
    assert (error.status, error.code) == (400, 21211), error
    wrong = Twilio(ACCOUNT, "wrong")
    error = fails(TwilioRestException, lambda: wrong.messages.create(to="+15005550006", from_="x", body="x"))
    assert (error.status, error.code) == (401, 20003), error
    started = client.verify.v2.services(SERVICE).verifications.create(
        to="+15005550006", channel="sms", custom_code="123456")
    assert started.status == "pending" and started.sid.startswith("VE"), started
    pending = client.verify.v2.services(SERVICE).verifications("+15005550006")
    assert pending.update(status="canceled").status == "canceled"
    assert fails(TwilioRestException, lambda: pending.update(status="canceled")).code == 20404


def vonage():
    client = Vonage(Auth(api_key="abcd1234", api_secret="vonage-secret"), HttpClientOptions())
    answer = client.sms.send(SmsMessage(to="15005550006", from_="Example", text="hello"))
    assert answer.messages[0].status == "0" and answer.messages[0].message_id, answer
    wrong = Vonage(Auth(api_key="abcd1234", api_secret="wrong"), HttpClientOptions())
    fails(Exception, lambda: wrong.sms.send(SmsMessage(to="15005550006", from_="Example", text="hello")))
    # `sms.send` of this release signs a timestamp that it does not send; the signature itself is the client's.
    auth = Auth(api_key="abcd1234", signature_secret="vonage-signature", signature_method="sha256")
    fields = {"api_key": "abcd1234", "to": "15005550006", "from": "Example", "text": "a&b=c", "timestamp": "1461605396"}
    url = "https://rest.nexmo.com/sms/json"
    answer = requests.post(url, data={**fields, "sig": auth.sign_params(dict(fields))}).json()
    assert answer["messages"][0]["status"] == "0", answer
    answer = requests.post(url, data={**fields, "sig": "0" * 64}).json()
    assert answer["messages"][0]["status"] == "14", answer
    started = client.verify.start_verification(VerifyRequest(
        brand="Example", code="123456", channel_timeout=60,
        workflow=[SmsChannel(channel="sms", to="15005550006")]))
    assert started.request_id, started


def plivo_():
    client = plivo.RestClient("MA00000000000000000A", "plivo-token")
    sent = client.messages.create(src="15005550001", dst="15005550006", text="hello")
    assert len(sent.message_uuid) == 1, sent
    fails(plivo.exceptions.ValidationError, lambda: client.messages.create(src="15005550001", dst="12", text="x"))
    wrong = plivo.RestClient("MA00000000000000000A", "wrong")
    fails(plivo.exceptions.AuthenticationError,
          lambda: wrong.messages.create(src="15005550001", dst="15005550006", text="x"))


def messagebird_():
    client = messagebird.Client("messagebird-key")
    sent = client.message_create("Example", "15005550006", "hello", {"reference": "m1", "validity": 300})
    assert sent.id and sent.reference == "m1", sent
    error = fails(messagebird.client.ErrorException, lambda: client.message_create("Example", "12", "x"))
    assert error.errors[0].code == 9 and error.errors[0].parameter == "recipients", error
    wrong = messagebird.Client("wrong")
    assert fails(messagebird.client.ErrorException, lambda: wrong.balance()).errors[0].code == 2
    assert client.balance().amount == 9.2


def aws(port):
    import boto3

    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
    client = boto3.client("pinpoint-sms-voice-v2", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    send = lambda to: client.send_text_message(DestinationPhoneNumber=to, MessageBody="hello",
                                               MessageType="TRANSACTIONAL", TimeToLive=300, Context={"id": "m1"})
    assert send("+15005550006")["MessageId"]
    error = fails(ClientError, lambda: send("+1"))
    assert error.response["Error"]["Code"] == "ValidationException", error.response
    assert error.response["Fields"][0]["Name"] == "DestinationPhoneNumber", error.response


def prove(server):
    port = server.server_address[1]
    aws(port)
    redirect(port)
    for client in (twilio, vonage, plivo_, messagebird_):
        client()
        print(client.__name__.rstrip("_"), "ok")
    print("aws ok")
