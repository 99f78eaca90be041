"""A mail server for tests: prints its port, and each mail that it takes as a line of JSON.

Options: CERT KEY USER PASSWORD. With a certificate it wants STARTTLS first, and with a user a login.
Recipients decide: refused@… is refused for good, later@… for now, and a mail to slow@… is answered after a minute.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such user here"
        if address.startswith("later@"):
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(address.startswith("slow@") for address in envelope.rcpt_tos):
            await asyncio.sleep(60)
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": bool(session.authenticated),
            "content": envelope.content.decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken as 4711"


async def main():
    options = {}
    cert, key, user, password = (sys.argv[1:] + [""] * 4)[:4]
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        options.update(tls_context=context, require_starttls=True)
    if user:
        expected = (user.encode(), password.encode())

        def authenticate(server, session, envelope, mechanism, data):
            return AuthResult(success=(data.login, data.password) == expected, handled=False)

        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=bool(cert))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), enable_SMTPUTF8=True, **options), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
