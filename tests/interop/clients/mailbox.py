"""A mail server of aiosmtpd: `mailbox.py PORT MODE CERTIFICATE KEY`.

MODE is `starttls`, `tls` (from the first byte) or `plain` (no TLS at all). It takes mail from the user
`ci@example.org` with the password of the variable PASSWORD. Each connection that says hello, each
sign-in and each mail is a line of JSON on standard output. It ends with its standard input."""

import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

PORT, MODE, CERTIFICATE, KEY = sys.argv[1:5]
USER = b"ci@example.org"


def say(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


class Mailbox:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        say("hello", name=hostname, tls=session.ssl is not None or MODE == "tls")
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        say(
            "mail",
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            mail=envelope.original_content.decode("ascii"),
        )
        return "250 2.0.0 kept"


def authenticate(server, session, envelope, mechanism, data):
    is_right = (
        isinstance(data, LoginPassword)
        and data.login == USER
        and data.password == os.environ["PASSWORD"].encode()
    )
    say("login", right=is_right)
    return AuthResult(success=is_right, handled=False)


def main():
    context = None
    if MODE != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
    options = {
        "hostname": "127.0.0.1",
        "port": int(PORT),
        "authenticator": authenticate,
        "auth_required": True,
        # It takes TLS from the first byte for none.
        "auth_require_tls": MODE == "starttls",
        "decode_data": False,
    }
    if MODE == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if MODE == "tls":
        options.update(ssl_context=context)
    controller = Controller(Mailbox(), **options)
    controller.start()
    # Until the test ends, however it does.
    sys.stdin.read()


main()
