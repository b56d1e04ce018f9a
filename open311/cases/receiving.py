"""How staff take a request in: by phone, mail, fax, at the counter, for a council office, by a crew; and e-mail."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from hashlib import sha256
from typing import Any

from lxml.etree import ParserError
from lxml.html import fromstring

from db.driver import driver
from open311.actors import RECEIVE, Actor, may
from open311.cases.locating import Located, locate
from open311.cases.posting import Posted, UploadedFile, read_posted
from open311.config import Settings
from open311.jurisdictions import City
from open311.services import find_service
from schemas.problems import Problems

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

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>", re.IGNORECASE)


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

    A PDF comes along as pictures do.  Raises NotAReport for what a machine sent by itself (RFC 3834), so that two machines
    never write to one another; Problems for what says nothing.
    """
    if _header(message, "Auto-Submitted", "no").split(";")[0].strip().lower() != "no":
        raise NotAReport("the message was sent by a machine, not by a person")
    part = message.get_body(preferencelist=("plain", "html"))
    text = _text(part) if part is not None else ""
    subject = _header(message, "Subject").strip()
    name, address = parseaddr(_header(message, "Reply-To") or _header(message, "From"))
    if not subject.strip("\0 ") and not text.strip("\0 \r\n\t"):
        raise Problems(["the message says nothing: it has neither a subject nor a text"])
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
    # Wherever they stand: programs put those of a written page, and those beside it, at different depths.
    pictures = [
        each
        for each in message.walk()
        if each.get_content_maintype() == "image" or each.get_content_type() == "application/pdf"
    ]
    identity = _header(message, "Message-ID").strip()
    return Mail(
        fields={field: [value] for field, value in values.items() if value},
        photos=[Attachment(filename=each.get_filename(), content=_bytes(each)) for each in pictures],
        reference=sha256(f"mail:{identity}".encode()).hexdigest() if identity else None,
    )


def _header(message: EmailMessage, name: str, default: str = "") -> str:
    """A header of a message, decoded; as it was sent where the library cannot read it."""
    try:
        return str(message.get(name, default))
    except (IndexError, ValueError, AttributeError):
        # Some that are not what RFC 5322 asks for (`Message-ID: <`) raise these in Python's parser.
        return next(str(value) for key, value in message.raw_items() if key.lower() == name.lower())


def _bytes(part: Any) -> bytes:
    """What a part holds, whatever it says of itself."""
    return bytes(part.get_payload(decode=True) or b"")


def _text(part: Any) -> str:
    try:
        text = str(part.get_content())
    except LookupError:
        # A charset that nobody knows: what is ASCII in it is read.
        text = _bytes(part).decode("ascii", "replace")
    return _readable(text) if part.get_content_subtype() == "html" else text


def _readable(html: str) -> str:
    """The text of an HTML message, a line a block."""
    try:
        # Without a declaration of its encoding, which is none any more.
        root: Any = fromstring(_DECLARATION.sub("", html))
    except ParserError:
        return ""
    for each in root.xpath("//script | //style"):
        each.drop_tree()
    for each in root.xpath("//br | //p | //div | //tr | //li"):
        each.tail = "\n" + (each.tail or "")
    return re.sub(r"\n\s*\n+", "\n\n", root.text_content()).strip()
