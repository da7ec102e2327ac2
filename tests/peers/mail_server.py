"""A mail server that is not ours (aiosmtpd), for the end-to-end tests.

Prints its port on the first line, then one JSON object for every mail it has taken. What it does follows
from the recipient's name: `gone` does not exist, `busy` is refused for now, `soon` is refused twice and then
taken, `never` is not answered, everybody else is taken.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

options = argparse.ArgumentParser()
options.add_argument("--tls", choices=["implicit", "starttls", "none"], default="none")
options.add_argument("--certificate")
options.add_argument("--key")
options.add_argument("--user", help="NAME:PASSWORD that must be given")
arguments = options.parse_args()


def say(value):
    print(json.dumps(value), flush=True)


class Handler:
    refused = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        name = address.split("@")[0]
        if name == "gone":
            return f"550 5.1.1 <{address}>: no such person here"
        if name == "busy" or (name == "soon" and Handler.refused < 2):
            Handler.refused += 1
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("never@"):
            await asyncio.sleep(3600)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or arguments.tls == "implicit",
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "plain": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
        })
        return "250 OK taken as 4711"


def authenticate(server, session, envelope, mechanism, data):
    if not isinstance(data, LoginPassword):
        return AuthResult(success=False, handled=False)
    given = f"{data.login.decode()}:{data.password.decode()}"
    # Not handled: the library answers 535 itself; else nobody answers at all.
    return AuthResult(success=given == arguments.user, handled=False, auth_data=data)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(arguments.certificate, arguments.key)
    return made


def session():
    return SMTP(
        Handler(),
        hostname="mail.example.com",
        tls_context=context() if arguments.tls == "starttls" else None,
        require_starttls=arguments.tls == "starttls",
        auth_required=arguments.user is not None,
        auth_require_tls=arguments.tls == "starttls",
        authenticator=authenticate if arguments.user else None,
    )


async def main():
    tls = context() if arguments.tls == "implicit" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
    say(server.sockets[0].getsockname()[1])
    # The test holds the other end of our standard input, so that nothing outlives it.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    sys.exit(0)


asyncio.run(main())
