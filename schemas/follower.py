"""The form of POST followers, and its answer.  Our extension."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marshmallow import Schema

from geo.point import Point
from schemas.representation import Representation, Text
from schemas.submission import find_point, line_of

MAX_EMAIL_CHARACTERS = 254


class FollowerSchema(Schema):
    """What becomes of a wish to be told: "asked" says that a letter went to the address."""

    state = Text(required=True)


FOLLOWERS = Representation(schema=FollowerSchema, plural="followers", singular="follower")


@dataclass(frozen=True, kw_only=True)
class AskedFollower:
    """What somebody wants to be told of: a request by its number, a circle, or a district (layer, code)."""

    email: str
    language: str
    number: str | None
    point: Point | None
    radius_metres: int | None
    district: tuple[str, str] | None
    rhythm: str


def read(
    form: Mapping[str, Sequence[str]], *, languages: Sequence[str], rhythms: Sequence[str], max_radius_metres: int
) -> tuple[AskedFollower | None, list[str]]:
    """The wish in a form (field name: values as sent), None when what is wrong (second) leaves none.

    Exactly one of service_request_id, district (LAYER:CODE), and lat, long, radius (metres) together.
    """
    problems: list[str] = []
    email = line_of(form, "email", problems) or ""
    if not email:
        problems.append("email is required")
    elif len(email) > MAX_EMAIL_CHARACTERS:
        problems.append(f"email must be at most {MAX_EMAIL_CHARACTERS} characters, got {len(email)}")
    language = line_of(form, "language", problems) or languages[0]
    if language not in languages:
        problems.append(f"language must be one of {', '.join(languages)}, got {language[:50]!r}")
    rhythm = line_of(form, "rhythm", problems) or rhythms[-1]
    if rhythm not in rhythms:
        problems.append(f"rhythm must be one of {', '.join(rhythms)}, got {rhythm[:50]!r}")
    number, district = line_of(form, "service_request_id", problems), _district(form, problems)
    point, radius = find_point(form, problems), _radius(form, max_radius_metres, problems)
    if (point is None) != (radius is None) and not problems:
        problems.append("lat, long and radius must be sent together")
    if sum(each is not None for each in (number, district, point)) != 1 and not problems:
        problems.append("one of service_request_id, district, or lat, long and radius is required, and one only")
    if problems:
        return None, problems
    return (
        AskedFollower(
            email=email,
            language=language,
            number=number,
            point=point,
            radius_metres=radius,
            district=district,
            rhythm=rhythm,
        ),
        [],
    )


def _district(form: Mapping[str, Sequence[str]], problems: list[str]) -> tuple[str, str] | None:
    text = line_of(form, "district", problems)
    if text is None:
        return None
    layer, _, code = text.partition(":")
    if not layer or not code:
        problems.append(f"district must be LAYER:CODE, got {text[:50]!r}")
    return layer, code


def _radius(form: Mapping[str, Sequence[str]], most: int, problems: list[str]) -> int | None:
    text = line_of(form, "radius", problems)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        problems.append(f"radius must be a whole number of metres from 1 to {most}, got {text[:50]!r}")
        return None
    return int(text)
