"""An app with a sign-in of its own, as they are: a form with a token against forged requests, a session cookie.

    form_app.py PORT

Knows `a.smith` with `hunter two`; GET /change makes the password `hunter three`. Every attempt is written to
standard output as JSON.
"""
import http.server
import json
import secrets
import sys
import urllib.parse

PASSWORD = {"a.smith": "hunter two"}
TOKENS, SESSIONS = {}, {}

FORM = """<!doctype html><title>Legacy</title>
<form action="/search"><input name="csrf" value="not-this-one"></form>
<form method="post" id="login"><input type="hidden" name="csrf" value="{token}">
<input name="login"><input name="pass" type="password"><button>Log in</button></form>
<p>{say}</p>"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def cookie(self, name):
        for pair in "; ".join(self.headers.get_all("Cookie", [])).split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return None

    def answer(self, status, body="", **headers):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name.replace("_", "-"), one)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def form(self, status, say=""):
        visit, token = secrets.token_hex(8), secrets.token_hex(8)
        TOKENS[visit] = token
        self.answer(status, FORM.format(token=token, say=say), Set_Cookie=[f"visit={visit}; Path=/; HttpOnly", "lang=en"])

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        who = SESSIONS.get(self.cookie("sid"))
        if path == "/change":
            PASSWORD["a.smith"] = "hunter three"
            SESSIONS.clear()
            self.answer(200, "changed")
        elif path == "/login":
            self.answer(302, Location="/") if who else self.form(200)
        elif who:
            self.answer(200, f"welcome {who}")
        else:
            self.answer(302, Location="/login?next=" + urllib.parse.quote(path))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        fields = dict(urllib.parse.parse_qsl(body))
        url = urllib.parse.urlsplit(self.path)
        token = TOKENS.pop(self.cookie("visit"), None)
        good = token is not None and fields.get("csrf") == token
        right = good and PASSWORD.get(fields.get("login")) == fields.get("pass")
        seen = {"csrf": good, "right": right, "cookies": self.headers.get("Cookie"), "origin": self.headers.get("Origin")}
        print(json.dumps(seen), flush=True)
        if not good:
            self.form(403, "forged")
        elif not right:
            self.form(200, "wrong name or password: " + fields.get("pass", ""))
        else:
            sid = secrets.token_hex(16)
            SESSIONS[sid] = fields["login"]
            to = dict(urllib.parse.parse_qsl(url.query)).get("next", "/")
            self.answer(302, Location=to, Set_Cookie=[f"sid={sid}; Path=/; HttpOnly", "visit=; Max-Age=0"])

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
