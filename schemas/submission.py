"""The form of a POST request, read into what intake takes.  Source: GeoReport v2, POST Service Request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from geo.point import NotAPlace, Point, degrees
from schemas.definition import attribute_code
from schemas.text import clean, one_line

MAX_DESCRIPTION_CHARACTERS = 4000
MAX_LINE_CHARACTERS = 1000

PERSONAL_FIELDS = ("email", "first_name", "last_name", "phone", "device_id", "account_id")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What a client sent, readable part by readable part.  `person` has those of PERSONAL_FIELDS that were given.

    tried_a_place: lat or long was sent, well or wrongly.
    """

    description: str | None
    point: Point | None
    address: str | None
    address_id: str | None
    person: Mapping[str, str]
    media_urls: Sequence[str]
    submitted: Mapping[str, Sequence[str]]
    tried_a_place: bool

    @property
    def has_place(self) -> bool:
        """Whether anything says where."""
        return self.point is not None or self.address is not None or self.address_id is not None


def read(form: Mapping[str, Sequence[str]]) -> tuple[Submission, list[str]]:
    """The submission in a form (field name: values as sent), and what is wrong with it.

    A field sent blank is as if not sent; so is one sent as the text "null", which one client's library does with unset
    fields.  Unknown fields are ignored.
    """
    problems: list[str] = []
    point = find_point(form, problems)
    description = clean(_first(form, "description"))
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        problems.append(f"description must be at most {MAX_DESCRIPTION_CHARACTERS} characters, got {len(description)}")
    person = {name: line_of(form, name, problems) for name in PERSONAL_FIELDS}
    if not person["device_id"]:
        person["device_id"] = line_of(form, "deviceid", problems)  # one client's spelling
    address_id = line_of(form, "address_id", problems)
    submission = Submission(
        description=description or None,
        point=point,
        address=line_of(form, "address_string", problems),
        address_id=None if address_id == "#NOTPINPOINTED#" else address_id,
        person={name: value for name, value in person.items() if value},
        media_urls=media_urls_of(form, problems),
        submitted=_submitted(form),
        tried_a_place=bool(_first(form, "lat") or _first(form, "long")),
    )
    return submission, problems


def _first(form: Mapping[str, Sequence[str]], name: str) -> str:
    """The first value that says something."""
    return next((value for value in form.get(name, ()) if value.strip() and value.strip() != "null"), "")


def line_of(form: Mapping[str, Sequence[str]], name: str, problems: list[str]) -> str | None:
    """The text of a field as one line, None when it says nothing; what is wrong with it is added to problems."""
    text = one_line(_first(form, name))
    if len(text) > MAX_LINE_CHARACTERS:
        problems.append(f"{name} must be at most {MAX_LINE_CHARACTERS} characters, got {len(text)}")
    return text or None


def find_point(form: Mapping[str, Sequence[str]], problems: list[str]) -> Point | None:
    """The point of the fields lat and long, None when they say none; what is wrong with them is added to problems."""
    texts = {name: one_line(_first(form, name)) for name in ("lat", "long")}
    if not any(texts.values()):
        return None
    if not all(texts.values()):
        missing = "long" if texts["lat"] else "lat"
        problems.append(f"lat and long must be sent together, {missing} is missing")
        return None
    numbers: dict[str, float] = {}
    for name, text in texts.items():
        try:
            numbers[name] = degrees(name, text[:50])
        except NotAPlace as error:
            problems.append(str(error))
    return Point(long=numbers["long"], lat=numbers["lat"]) if len(numbers) == 2 else None


def media_urls_of(form: Mapping[str, Sequence[str]], problems: list[str]) -> list[str]:
    """The web addresses of the fields media_url; what is wrong with them is added to problems."""
    urls = []
    for text in map(one_line, form.get("media_url", ())):
        if not text or text == "null":
            continue
        if not _is_web_address(text):
            problems.append(f"media_url must be an http or https address, got {text[:100]!r}")
        elif len(text) > 2000:
            problems.append(f"media_url must be at most 2000 characters, got {len(text)}")
        elif text not in urls:
            urls.append(text)
    return urls


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and " " not in text


def _submitted(form: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    submitted: dict[str, list[str]] = {}
    for name, values in form.items():
        code = attribute_code(name)
        if code is not None:
            submitted.setdefault(code, []).extend(values)
    return submitted
