# Copyright: (c) 2026, fortytwo.inception contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person is told: by mail, through the relay of inception_mail_*, or by a webhook.

Private to this collection; part of the machine's own program. The relay's password is read from its file when it is
needed, and the webhook's address, which lets whoever knows it write there, is in no message.
"""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

# For one answer, and for all of a message: who drips its answer holds nobody up.
ANSWER_SECONDS = 20
WHOLE_SECONDS = 60
ANSWER_BYTES = 1 << 16
AGENT = "fortytwo.inception"


@dataclass(frozen=True)
class Ways:
    """How a person is told; the settings of a deployment."""

    mail: str = ""
    mail_host: str = ""
    mail_port: int = 587
    mail_tls: str = "starttls"
    mail_user: str = ""
    mail_from: str = ""
    webhook: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Ways:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if told.get(name) is not None})


@dataclass(frozen=True)
class Message:
    """What is told."""

    subject: str
    text: str


class Untold(Exception):
    """Nobody was told, and why. It names no address of a webhook and no password."""


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    def over(*dummy: object) -> None:
        raise TimeoutError(f"no end within {WHOLE_SECONDS} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, WHOLE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def trust(authority: str) -> ssl.SSLContext:
    """The public authorities, and the machine's own."""
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=authority)
    return context


def by_mail(ways: Ways, message: Message, host: str, authority: str, password: Callable[[], str]) -> None:
    # Python's own: nothing has to be installed, and no password goes through another program.
    import smtplib
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    mail = EmailMessage()
    domain = ways.mail_from.rpartition("@")[2] or "localhost"
    mail["Subject"], mail["From"], mail["To"] = message.subject, ways.mail_from, ways.mail
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=domain)
    # No answer of an absent person is wanted.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    context = trust(authority)
    try:
        with _bounded():
            if ways.mail_tls == "tls":
                relay: smtplib.SMTP = smtplib.SMTP_SSL(
                    ways.mail_host, ways.mail_port, host, timeout=ANSWER_SECONDS, context=context
                )
            else:
                relay = smtplib.SMTP(ways.mail_host, ways.mail_port, host, timeout=ANSWER_SECONDS)
            with relay:
                if ways.mail_tls == "starttls":
                    relay.starttls(context=context)
                if ways.mail_user and ways.mail_tls == "none":
                    # Without TLS no password goes over the network, but a proof of it, if the relay takes one.
                    relay.ehlo_or_helo_if_needed()
                    relay.user, relay.password = ways.mail_user, password()
                    relay.auth("CRAM-MD5", relay.auth_cram_md5)
                elif ways.mail_user:
                    relay.login(ways.mail_user, password())
                relay.send_message(mail)
    except smtplib.SMTPAuthenticationError as error:
        raise Untold(f"{ways.mail_host} does not let {ways.mail_user} in ({error.smtp_code})") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise Untold(f"{ways.mail_host}:{ways.mail_port}: {str(error)[:200] or type(error).__name__}") from None


def by_webhook(ways: Ways, message: Message, facts: dict[str, Any], authority: str) -> None:
    import http.client
    import urllib.error
    import urllib.request
    from urllib.parse import urlsplit

    class Stays(urllib.request.HTTPRedirectHandler):
        """What is told goes where it was said, and to nobody else."""

        def redirect_request(self, *dummy: Any, **unused: Any) -> None:
            return None

    host = urlsplit(ways.webhook).hostname or "the webhook"
    # "text" is what most chats read, "content" what others do.
    body = {"text": f"{message.subject}\n{message.text}", **facts}
    body["content"] = body["text"][:1900]
    request = urllib.request.Request(
        ways.webhook,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": AGENT},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust(authority)), Stays)
    try:
        with _bounded(), opener.open(request, timeout=ANSWER_SECONDS) as answer:
            answer.read(ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            raise Untold(f"{host} answered {error.code}") from None
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
        why = str(getattr(error, "reason", error)) or type(error).__name__
        raise Untold(f"{host}: {why.replace(ways.webhook, host)[:200]}") from None


MAIL, WEBHOOK = "mail", "webhook"


def ways(told: Ways) -> list[str]:
    """Those that there are."""
    return [*([MAIL] if told.mail else []), *([WEBHOOK] if told.webhook else [])]


def deliver(
    way: str, told: Ways, message: Message, facts: dict[str, Any], authority: str, password: Callable[[], str]
) -> None:
    """Tells by one way, or says why it did not work."""
    if way == MAIL:
        by_mail(told, message, str(facts["host"]), authority, password)
    else:
        by_webhook(told, message, facts, authority)
