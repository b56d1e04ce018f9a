"""A report that somebody is still writing: what was typed so far, carried from step to step by the form itself."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from itsdangerous import BadData, SignatureExpired, URLSafeSerializer, URLSafeTimedSerializer

from geo.point import Point
from open311.api.form import Form
from open311.cases.intake import NewMedia
from open311.config import settings
from open311.jurisdictions import City
from open311.people.files import FAMILY_SIGNS
from schemas.definition import attribute_code

# What of a request is asked for; the answers to a service's questions besides.
TEXTS = (
    *("service_code", "address_string", "lat", "long", "description"),
    *("first_name", "last_name", "email", "phone"),
)
REFERENCE, PHOTO = "draft", "photo"
# Less than what is kept for a request stays in the store without one (open311.people.files).
_PHOTO_SECONDS = 24 * 3600
MAX_CHARACTERS = 20_000


@dataclass(kw_only=True)
class Draft:
    """What was typed, by the names of POST requests, and photos that are in the store.  reference: makes it one request.

    has_lost_photos: some were named that are kept no longer.
    """

    fields: dict[str, list[str]]
    reference: str
    photos: list["KeptPhoto"] = field(default_factory=list)
    has_lost_photos: bool = False

    def first(self, name: str) -> str:
        """The text of a field, empty when nothing was typed."""
        return next((text for text in self.fields.get(name, ()) if text.strip()), "")

    def put(self, name: str, text: str) -> None:
        """Take this for what was typed."""
        self.fields[name] = [text]

    def hidden(self, *shown: str) -> Iterator[tuple[str, str]]:
        """Name and value of what a step carries along; shown: what it asks for itself, `attribute` for all answers."""
        yield REFERENCE, self.reference
        for name, values in self.fields.items():
            if name in shown or ("attribute" in shown and attribute_code(name) is not None):
                continue
            yield from ((name, value) for value in values if value)
        for photo in self.photos:
            yield PHOTO, photo.signed

    def sent(self, questions: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """What becomes the request: answers to these questions alone, for the service may have been another before."""
        return {
            name: values for name, values in self.fields.items() if (code := attribute_code(name)) is None or code in questions
        }

    @property
    def family(self) -> str:
        """How the client_reference of whatever is sent of this draft begins."""
        return sha256(f"page:{self.reference}".encode()).hexdigest()[:FAMILY_SIGNS]

    def client_reference(self, sent: Mapping[str, Sequence[str]]) -> str:
        """By which sending the same twice is sending it once; who went back and changed something sends another one."""
        said = [sorted((name, list(values)) for name, values in sent.items()), [each.media.path for each in self.photos]]
        return self.family + sha256(msgspec.json.encode(said)).hexdigest()[:FAMILY_SIGNS]


@dataclass(frozen=True, kw_only=True)
class KeptPhoto:
    """A photo of a draft in the store, and the text by which its form names it."""

    media: NewMedia
    signed: str


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the last page of a report is told."""

    jurisdiction_id: str
    service_name: str
    department: str
    number: str | None = None
    token: str | None = None
    notice: str | None = None
    expected_at: datetime | None = None
    is_public: bool = False
    is_written_to: bool = False


def read_draft(form: Form, city: City) -> Draft:
    """The draft that a form carries; what is signed by nobody, too old, or of another draft is left out."""
    fields = {
        name: [text[:MAX_CHARACTERS] for text in values]
        for name, values in form.fields.items()
        if name in TEXTS or attribute_code(name) is not None
    }
    draft = Draft(fields=fields, reference=form.first(REFERENCE)[:100] or secrets.token_urlsafe(16))
    for signed in form.fields.get(PHOTO, ()):
        try:
            said = _photos().loads(signed, max_age=_PHOTO_SECONDS)
        except SignatureExpired:
            draft.has_lost_photos = True
            continue
        except BadData:
            continue
        photo = KeptPhoto(media=_media(said[2]), signed=signed) if said[:2] == [city.id, draft.reference] else None
        known = {each.media.path for each in draft.photos}
        if photo is not None and photo.media.path not in known and len(known) < settings().max_photos:
            draft.photos.append(photo)
    return draft


def new_draft(service_code: str) -> Draft:
    """One of which only the service is known."""
    return Draft(fields={"service_code": [service_code]}, reference=secrets.token_urlsafe(16))


def keep(draft: Draft, media: NewMedia, city: City) -> None:
    """Let the draft have a photo that is in the store."""
    said = {name: getattr(media, name) for name in _NAMES}
    said["taken_at"] = [media.taken_at.long, media.taken_at.lat] if media.taken_at else None
    draft.photos.append(KeptPhoto(media=media, signed=str(_photos().dumps([city.id, draft.reference, said]))))


def sign_receipt(said: Said) -> str:
    """What the last page is told, as a part of its address."""
    return str(_receipts().dumps(msgspec.to_builtins(said)))


def read_receipt(text: str) -> Said | None:
    """What the last page is told; None for what we did not write, or wrote otherwise once."""
    try:
        return msgspec.convert(_receipts().loads(text), Said)
    except (BadData, msgspec.ValidationError):
        return None


_NAMES = ("path", "content_type", "width_pixels", "height_pixels", "size_bytes", "thumbnail_path")


def _media(said: Mapping[str, Any]) -> NewMedia:
    at = said["taken_at"]
    return NewMedia(**{name: said[name] for name in _NAMES}, taken_at=Point(long=at[0], lat=at[1]) if at else None)


def _photos() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        settings().secret_key, salt="open311 photo of a draft", signer_kwargs={"digest_method": sha256}
    )


def _receipts() -> URLSafeSerializer:
    return URLSafeSerializer(settings().secret_key, salt="open311 receipt", signer_kwargs={"digest_method": sha256})
