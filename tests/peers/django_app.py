"""A Django app with Django's own login and sessions in signed cookies.

Usage: django_app.py DIRECTORY; prints `ready PORT`. People are anna and ben, with the password
`app secret NAME`; anna is number 1. The secret is `a key that only the django test knows`.
  /login, /logout   Django's own views
  /touch            changes the session, and with it the cookie
  anything else     who asked for what
"""

import pathlib
import sys
import types
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a key that only the django test knows",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(pathlib.Path(sys.argv[1]) / "db")}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"registration/login.html": '<form method="post">{% csrf_token %}{{ form }}<button>Sign in</button></form>'},
                    )
                ]
            },
        }
    ],
    LOGIN_REDIRECT_URL="/",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.views import LoginView, LogoutView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path, re_path  # noqa: E402


def touch(request):
    request.session["seen"] = request.session.get("seen", 0) + 1
    return HttpResponse("changed")


def anything(request):
    return HttpResponse(f"{request.path} for {request.user}, gate says {request.headers.get('Remote-User')}")


urls = types.ModuleType("urls")
urls.urlpatterns = [
    path("login", LoginView.as_view()),
    path("logout", LogoutView.as_view(next_page="/login")),
    path("touch", touch),
    re_path("^", anything),
]
sys.modules["urls"] = urls

call_command("migrate", verbosity=0)
for name in ("anna", "ben"):
    get_user_model().objects.create_user(name, password=f"app secret {name}")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), WSGIServer, Quiet)
print("ready", server.server_port, flush=True)
server.serve_forever()
