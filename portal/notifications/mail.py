"""The mail edge: sends one message by SMTP, or keeps it as a file where no mail server is named.

The one module that speaks SMTP. A refusal of the recipient is final; everything else may be tried again.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from portal.errors import ProviderTrouble, RuleBroken
from portal.lazily import lazily

if TYPE_CHECKING:
    import smtplib
    from email import policy
else:
    smtplib, policy = lazily("smtplib"), lazily("email.policy")

TIMEOUT_SECONDS = 20
SMTP_PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True)
class Message:
    """One mail to one recipient; ``message_id`` is the same whenever the same delivery is sent again."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str


@dataclass(frozen=True)
class KeptMail:
    """A mail as it lies in the folder: for the page that lists it in development."""

    name: str
    to: str
    subject: str
    text: str


class RecipientRefused(RuleBroken):
    """The mail server does not take mail for this address."""


@dataclass(frozen=True)
class SmtpMailer:
    """Sends by the server that ``url`` names: ``smtp[s]://user:password@host:port``, STARTTLS where it is offered."""

    url: str
    sender: str

    def send(self, message: Message) -> None:
        """Hand the message over. *Raises*: RecipientRefused; ProviderTrouble for whatever may pass."""
        try:
            with self._connected() as server:
                server.send_message(_as_email(message, self.sender))
        except smtplib.SMTPRecipientsRefused as refused:
            codes = [code for code, _ in refused.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise RecipientRefused("The mail server does not take mail for this address.") from refused
            raise ProviderTrouble("The mail server does not take this mail now.") from refused
        except (OSError, smtplib.SMTPException) as trouble:
            raise ProviderTrouble(f"The mail server does not answer ({type(trouble).__name__}).") from trouble

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "localhost", parts.port or SMTP_PORTS[parts.scheme]
        server = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
            if parts.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        )
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        return server


@dataclass(frozen=True)
class FileMailer:
    """Keeps each message as a file of ``folder``; the same message again replaces itself."""

    folder: Path
    sender: str

    def send(self, message: Message) -> None:
        """Keep the message, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{message.message_id.strip('<>').split('@')[0]}.eml"
        being_written = target.with_suffix(f".{uuid4().hex}.part")
        being_written.write_bytes(_as_email(message, self.sender).as_bytes())
        os.replace(being_written, target)


def kept_mails(folder: Path, limit: int = 100) -> Iterator[KeptMail]:
    """The mails kept in the folder, newest first."""
    if not folder.is_dir():
        return
    newest = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in newest[:limit]:
        email = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = email.get_body(("plain",))
        yield KeptMail(path.stem, str(email["To"]), str(email["Subject"]), body.get_content() if body else "")


def _as_email(message: Message, sender: str) -> EmailMessage:
    email = EmailMessage()
    email["From"], email["To"] = sender, message.to
    # A line break in a title would forge headers; the policy refuses it, so it is taken out before.
    email["Subject"] = " ".join(message.subject.split())
    email["Message-ID"] = message.message_id
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email
