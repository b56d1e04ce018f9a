"""How an e-mail goes out: to a mail server, or, where none is set, into the log."""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

import structlog

from open311.config import Settings

TIMEOUT_SECONDS = 20
# As long as a line may be: a folded link would be written in a way that mail programs do not follow.
_WHOLE_LINES = policy.SMTP.clone(max_line_length=998)
_log = structlog.get_logger()


class NotTaken(RuntimeError):
    """The mail server will never take this message; its answer is the message."""


class Delayed(RuntimeError):
    """The server could not be reached, or asks to be tried later; why is the message."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One message to one address.

    key: the same at every attempt, so that a mail program shows it once.  stop_url: where a POST stops the next ones.
    """

    key: str
    thread: str
    to: str
    city: str
    language: str
    subject: str
    body: str
    at: datetime
    stop_url: str | None = None


class Channel(Protocol):
    """A way out; name: as `message.sent_by` has it."""

    name: str

    def send(self, mail: Mail) -> None:
        """Send it.  Raises NotTaken, Delayed."""


def channel(settings: Settings) -> Channel:
    """The way out that the settings name."""
    return SmtpChannel(settings.mail_url, settings.mail_from) if settings.mail_url else LogChannel()


class LogChannel:
    """Writes every message into the log, whole: for a demo, and until a city has a mail server."""

    name = "log"

    def send(self, mail: Mail) -> None:
        """Write it."""
        _log.info("message", to=mail.to, subject=mail.subject, body=mail.body)


class SmtpChannel:
    """A mail server: `smtp://` (TLS where it offers that, always with a password) or `smtps://`."""

    name = "smtp"

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Hand it to the server.  Raises NotTaken, Delayed."""
        try:
            written = self.written(mail)
        except (ValueError, IndexError, MessageError) as error:
            raise NotTaken(f"the message cannot be written: {error}") from error
        try:
            with self._connect() as server:
                server.send_message(written)
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise (NotTaken if code >= 500 else Delayed)(f"{code} {_text(answer)}") from error
        except smtplib.SMTPResponseException as error:
            is_final = error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError)
            raise (NotTaken if is_final else Delayed)(f"{error.smtp_code} {_text(error.smtp_error)}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotTaken(str(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Delayed(f"{type(error).__name__}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        host, secure = self._url.hostname or "", ssl.create_default_context()
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=secure)
        else:
            server = smtplib.SMTP(host, self._url.port or 25, timeout=TIMEOUT_SECONDS)
            server.ehlo()
            if self._url.username or server.has_extn("starttls"):
                server.starttls(context=secure)
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server

    def written(self, mail: Mail) -> EmailMessage:
        """It as it goes out."""
        user, _, domain = self._sender.rpartition("@")
        message = EmailMessage(policy=_WHOLE_LINES)
        message["From"] = Address(mail.city, user, domain)
        name, _, place = mail.to.rpartition("@")
        message["To"] = Address("", name, place)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(mail.at)
        message["Message-ID"] = f"<{mail.key}@{domain}>"
        message["References"] = f"<{mail.thread}@{domain}>"
        # RFC 3834: so that no machine answers.
        message["Auto-Submitted"] = "auto-generated"
        if mail.stop_url:
            message["List-Unsubscribe"] = f"<{mail.stop_url}>"
            if mail.stop_url.startswith("https://"):
                # RFC 8058.
                message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.body)
        message["Content-Language"] = mail.language
        return message


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
