"""Proves the stand-in of `duo.py` with Duo's own clients, unchanged from PyPI: `duo_universal` and `duo_client`.

    duo_clients.py PORT CA        exits 0 when both see what Duo's service would show them
"""

import http.client
import json
import ssl
import sys
import urllib.parse

import duo_client
import duo_universal

from duo import CLIENT_ID, CLIENT_SECRET, IKEY, SKEY

PORT, CA = int(sys.argv[1]), sys.argv[2]
HOST = f"localhost:{PORT}"
BACK = "https://app.test/back"


def call(method, path, body=None, headers=None):
    connection = http.client.HTTPSConnection("localhost", PORT, context=ssl.create_default_context(cafile=CA))
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response, response.read()


def fake(path, told):
    response, _ = call("POST", f"/fake/{path}", json.dumps(told))
    assert response.status == 200


def fails(expected, function, *arguments, **named):
    try:
        answer = function(*arguments, **named)
    except (duo_universal.DuoException, RuntimeError) as error:
        assert expected in str(error), f"{expected!r} is not in {error}"
        return
    raise AssertionError(f"no error, but {answer}")


def universal_client(secret=CLIENT_SECRET, **options):
    return duo_universal.Client(CLIENT_ID, secret, HOST, BACK, duo_certs=CA, **options)


def at_the_prompt(client, username, result, nonce=None):
    state = client.generate_state()
    url = urllib.parse.urlsplit(client.create_auth_url(username, state, nonce=nonce))
    response, page = call("GET", f"{url.path}?{url.query}")
    assert response.status == 200, page
    session = page.decode().split('name="session" value="')[1].split('"')[0]
    fields = urllib.parse.urlencode({"session": session, "result": result})
    response, _ = call("POST", "/prompt", fields, {"Content-Type": "application/x-www-form-urlencoded"})
    assert response.status == 303
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(response.headers["Location"]).query))
    assert back.pop("state") == state
    return back


def universal():
    client = universal_client()
    assert client.health_check()["stat"] == "OK"
    fails("invalid_client", universal_client("another-secret-that-has-forty-characters").health_check)
    back = at_the_prompt(client, "anna@example.com", "allow", nonce="n" * 20)
    fails("The username is invalid", client.exchange_authorization_code_for_2fa_result, back["duo_code"], "ben", "n" * 20)
    fails("invalid_grant", client.exchange_authorization_code_for_2fa_result, back["duo_code"], "anna@example.com")
    back = at_the_prompt(client, "anna", "allow", nonce="n" * 20)
    token = client.exchange_authorization_code_for_2fa_result(back["duo_code"], "anna", "n" * 20)
    assert token["auth_result"]["result"] == "allow" and token["auth_context"]["user"]["name"] == "anna"
    # Without the attribute the code has the name that OAuth gives it; the SDK does not look at the result.
    client = universal_client(use_duo_code_attribute=False)
    token = client.exchange_authorization_code_for_2fa_result(at_the_prompt(client, "anna", "deny")["code"], "anna")
    assert token["auth_result"]["result"] == "deny"
    assert at_the_prompt(client, "anna", "cancel")["error"] == "access_denied"
    for wrong, message in [
        ({"id_token": {"iss": "https://elsewhere.test"}}, "issuer"),
        ({"id_token": {"aud": "SOMEBODYELSE"}}, "udience"),
        ({"id_token": {"exp": 1}}, "expired"),
        ({"id_token": {"iat": None}}, "iat"),
        ({"algorithm": "HS256"}, "alg"),
        ({"algorithm": "none"}, "alg"),
        ({"id_secret": "x" * 40}, "ignature"),
    ]:
        fake("set", wrong)
        code = at_the_prompt(client, "anna", "allow")["code"]
        fails(message, client.exchange_authorization_code_for_2fa_result, code, "anna")
        fake("set", dict.fromkeys(wrong))
    fake("set", {"skew": 3600})
    fails("invalid_client", client.health_check)
    fake("set", {"skew": None})


def api_client(skey=SKEY, **options):
    return duo_client.Auth(IKEY, skey, "localhost", ca_certs=CA, port=PORT, **options)


def auth_api():
    import hashlib

    for client in (api_client(), api_client(sig_version=2), api_client(sig_version=2, digestmod=hashlib.sha1)):
        assert client.ping()["time"] and client.check()["time"]
        assert client.preauth(username="o'neil & söhne~")["result"] == "auth"
    client = api_client()
    fails("Invalid signature", api_client("x" * 40).check)
    assert client.auth("passcode", username="anna", passcode="424242")["result"] == "allow"
    assert client.auth("passcode", username="anna", passcode="000000")["result"] == "deny"
    assert client.auth("sms", username="anna", device="auto")["status"] == "sent"
    for status in ("allow", "deny", "fraud", "timeout", "locked_out"):
        txid = client.auth("push", username="anna", device="auto", async_txn=True)["txid"]
        seen = client.auth_status(txid)
        assert seen["waiting"] and seen["status"] == "pushed"
        fake("decide", {"user": "anna", "status": status})
        seen = client.auth_status(txid)
        assert not seen["waiting"] and seen["status"] == status and seen["success"] == (status == "allow")
    fake("set", {"users": {"vera": {"verified": True}, "nora": {"preauth": "enroll"}, "dora": {"preauth": "deny"}}})
    asked = client.preauth(username="vera", client_supports_verified_push="1")
    assert asked["verification_code"] == "708"
    txid = client.auth("push", username="vera", device="auto", async_txn=True, txid=asked["txid"])["txid"]
    assert txid == asked["txid"] and "708" in client.auth_status(txid)["status_msg"]
    assert client.preauth(username="nora")["result"] == "enroll" and client.preauth(username="dora")["result"] == "deny"
    fake("set", {"skew": 3600})
    fails("Bad request timestamp", client.check)
    fake("set", {"skew": None})


universal()
auth_api()
print("ok")
