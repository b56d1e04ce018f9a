"""How staff take a request in: by phone, mail, fax, at the counter, for a council office, by a crew; and e-mail."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from hashlib import sha256
from typing import Any

from lxml.html import fromstring

from db.driver import driver
from open311.actors import RECEIVE, Actor, may
from open311.cases.locating import Located, locate
from open311.cases.posting import Posted, UploadedFile, read_posted
from open311.config import Settings
from open311.jurisdictions import City
from open311.services import find_service

# How requests come in.  "system" is another system of the city's; "other" is what an import could not say.
CHANNELS = (
    "app",
    "portal",
    "phone",
    "email",
    "mail",
    "fax",
    "in_person",
    "council_office",
    "crew",
    "system",
    "other",
)

_WHERE = re.compile(r"^\s*(?:address|where|location)\s*:\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


class NotAReport(ValueError):
    """A message that no person wrote to report something; the message says why."""


@dataclass(kw_only=True)
class Attachment:
    """A file of a message."""

    filename: str | None
    content: bytes

    def read(self) -> bytes:
        """All of it."""
        return self.content


def read_taken(
    fields: Mapping[str, Sequence[str]], files: Sequence[UploadedFile], city: City, *, by: Actor, limits: Settings
) -> tuple[Posted, Located]:
    """What somebody says or writes to the city, as fields of POST requests with files, and where it lies; for `take_in`.

    Read by the same verb as what apps post.  Called outside of any transaction, as `locate` is.  Raises NotAllowed,
    ServiceMissing, UnknownService.
    """
    may(by, RECEIVE)
    with driver.connection() as connection:
        service = find_service(connection, "".join(fields.get("service_code", [""])[:1]), jurisdiction_id=city.id)
    posted = read_posted(fields, files, service=service, zone=city.zone, limits=limits)
    return posted, locate(posted.submission, city, limits)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message as fields of POST requests, its photos, and what tells it from others (None: nothing does)."""

    fields: Mapping[str, Sequence[str]]
    photos: Sequence[Attachment]
    reference: str | None


def read_mail(message: EmailMessage, *, service_code: str) -> Mail:
    """What a message reports: subject and text are the description, a line `Address: ...` the place, pictures the photos.

    Raises NotAReport for what a machine sent by itself (RFC 3834), so that two machines never write to one another.
    """
    if message.get("Auto-Submitted", "no").split(";")[0].strip().lower() != "no" or message.get("List-Id"):
        raise NotAReport("the message was sent by a machine or a list, not by a person")
    part = message.get_body(preferencelist=("plain", "html"))
    text = _text(part) if part is not None else ""
    subject = str(message.get("Subject", "")).strip()
    name, address = parseaddr(str(message.get("Reply-To") or message.get("From") or ""))
    first, _, last = name.rpartition(" ")
    found = _WHERE.search(text)
    values = {
        "service_code": service_code,
        "description": "\n\n".join(each for each in (subject, text.strip()) if each),
        "email": address,
        "first_name": first or last,
        "last_name": last if first else "",
        "address_string": found[1] if found else "",
    }
    pictures = [each for each in message.iter_attachments() if each.get_content_maintype() == "image"]
    identity = str(message.get("Message-ID", "")).strip()
    return Mail(
        fields={field: [value] for field, value in values.items() if value},
        photos=[Attachment(filename=each.get_filename(), content=each.get_content()) for each in pictures],
        reference=sha256(f"mail:{identity}".encode()).hexdigest() if identity else None,
    )


def _text(part: Any) -> str:
    text = str(part.get_content())
    if part.get_content_subtype() != "html":
        return text
    return _readable(text)


def _readable(html: str) -> str:
    """The text of an HTML message, a line a block."""
    root: Any = fromstring(html) if html.strip() else None
    if root is None:
        return ""
    for each in root.xpath("//script | //style"):
        each.drop_tree()
    for each in root.xpath("//br | //p | //div | //tr | //li"):
        each.tail = "\n" + (each.tail or "")
    return re.sub(r"\n\s*\n+", "\n\n", root.text_content()).strip()
