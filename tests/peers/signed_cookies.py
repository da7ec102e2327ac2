"""Session cookies as Django and Flask sign them themselves.

Without arguments it prints what `src/identity/app_session/signed/vectors.rs` holds, at a fixed time; with
`flask SECRET SECONDS_AGO JSON` the cookie of that session. Nothing here is an implementation of ours: every
value comes out of the libraries' own session code.
"""

import json
import sys
import time

now = time.time
AT = 1_800_000_000 if len(sys.argv) == 1 else int(now()) - int(sys.argv[3])
time.time = lambda: AT

import flask  # noqa: E402

NEW, OLD = "new-secret-of-at-least-32-characters!", "old-secret-of-at-least-32-characters!"
LONG = {"note": "much the same " * 40}


def django_cookie(key, session):
    from django.core import signing

    salt = "django.contrib.sessions.backends.signed_cookies"
    return signing.dumps(session, key=key, salt=salt, compress=True)


def flask_cookie(key, session, digest=None):
    app = flask.Flask("vectors")
    app.secret_key = key
    if digest:
        import hashlib

        app.session_interface.digest_method = staticmethod(getattr(hashlib, digest))
    return app.session_interface.get_signing_serializer(app).dumps(session)


if len(sys.argv) > 1:
    print(flask_cookie(sys.argv[2], json.loads(sys.argv[4])))
else:
    import django.conf

    django.conf.settings.configure(SECRET_KEY=NEW)
    person = {"_auth_user_id": "7", "_auth_user_backend": "b", "_auth_user_hash": "f00d"}
    print("DJANGO", django_cookie(NEW, person))
    print("DJANGO_LONG", django_cookie(NEW, person | LONG))
    print("DJANGO_OLD", django_cookie(OLD, person))
    member = {"_user_id": "anna", "_id": "abc123", "_fresh": True, "groups": ["hr", "it"]}
    print("FLASK", flask_cookie(NEW, member))
    print("FLASK_LONG", flask_cookie(NEW, member | LONG))
    print("FLASK_OLD", flask_cookie(OLD, member))
    print("FLASK_SHA256", flask_cookie(NEW, member, "sha256"))
