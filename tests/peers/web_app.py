"""A small app with a login of its own, on Flask: what legacy apps do, in fifty lines.

Prints `ready PORT`. People are NAME with the password `app secret NAME`, for anna and ben.
  /login (GET, POST)   its form; a session in Flask's own signed cookie
  /logout              forgets it
  /me                  who is signed in, as JSON; 401 for nobody
  /basic/me            the same, by HTTP Basic
  /flash               changes the session, and with it the cookie
  anything else        who asked for what; the app itself wants a session below /private
How often each path was asked is at /_asked.
"""

import collections
import hmac
import sys

from flask import Flask, Response, jsonify, redirect, request, session
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = "a key that only this test knows"
PEOPLE = {name: f"app secret {name}" for name in ("anna", "ben")}
asked = collections.Counter()


def is_right(name, password):
    return name.lower() in PEOPLE and hmac.compare_digest(PEOPLE[name.lower()], password)


@app.before_request
def count():
    asked[request.path] += 1


@app.get("/login")
def form():
    return '<form method="post" action="/login"><input name="username"><input type="password" name="password"></form>'


@app.post("/login")
def login():
    name, password = request.form["username"], request.form["password"]
    if not is_right(name, password):
        return "Wrong name or password", 403
    session.clear()
    session["user"] = name.lower()
    session["seen"] = 0
    return redirect(request.args.get("next", "/"))


@app.get("/logout")
def logout():
    session.clear()
    return redirect("/login")


@app.get("/flash")
def flash():
    session["seen"] = session.get("seen", 0) + 1
    return "changed"


@app.get("/me")
def me():
    if "user" not in session:
        return jsonify(error="nobody"), 401
    return jsonify(user={"login": session["user"]}, groups=["staff"])


@app.get("/basic/me")
def basic():
    credentials = request.authorization
    if credentials is None or not is_right(credentials.username or "", credentials.password or ""):
        return Response("Who are you?", 401, {"WWW-Authenticate": 'Basic realm="app"'})
    return jsonify(user=credentials.username)


@app.get("/_asked")
def counts():
    return jsonify(asked)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def anything(path):
    if path.startswith("private") and "user" not in session:
        return redirect("/login")
    return f"{request.method} /{path} for {session.get('user')}, gate says {request.headers.get('Remote-User')}"


server = make_server("127.0.0.1", 0, app, threaded=True)
print("ready", server.port, flush=True)
sys.stdout = sys.stderr
server.serve_forever()
