"""An address as text, taken apart: house number, street, place, zip code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import normalize

MAX_SIGNS = 200
_MAX_WORDS = 10
_WIDEST_DESCENT = 20

# The codes of the United States' states and territories but CT, which ends a street's name too (12 Unity Ct).
_STATE = re.compile(
    "A[KLRZ]|C[AO]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
)
# The names, and CT, only where they stand alone between commas (10 Washington).
_STATE_ALONE = re.compile(
    "CT|ALABAMA|ALASKA|ARIZONA|ARKANSAS|CALIFORNIA|COLORADO|CONNECTICUT|DELAWARE|FLORIDA|GEORGIA|HAWAII|IDAHO|ILLINOIS|INDIANA"
    "|IOWA|KANSAS|KENTUCKY|LOUISIANA|MAINE|MARYLAND|MASS(?:ACHUSETTS)?|MICHIGAN|MINNESOTA|MISSISSIPPI|MISSOURI|MONTANA|NEBRASKA"
    "|NEVADA|NEW (?:HAMPSHIRE|JERSEY|MEXICO|YORK)|(?:NORTH|SOUTH) (?:CAROLINA|DAKOTA)|OHIO|OKLAHOMA|OREGON|PENNSYLVANIA"
    "|RHODE ISLAND|TENNESSEE|TEXAS|UTAH|VERMONT|(?:WEST )?VIRGINIA|WASHINGTON|WISCONSIN|WYOMING"
)

_COUNTRY = re.compile(r"[ ,]+(?:USA|US|UNITED STATES(?: OF AMERICA)?)$")
_ZIPCODE = re.compile(r"(?:^|[ ,]+)(\d{5})(?:-\d{4})?$")
_UNIT = re.compile(
    r"(?:\b(?:APT|APARTMENT|UNIT|SUITE|STE|ROOM|RM|FLOOR|FL|BLDG|BUILDING)\b|#) ?#? ?(?:[A-Z]?-?\d+[A-Z]?|[A-Z])(?= |,|$)"
)
_FLOOR = re.compile(r"\b(?:\d+(?:ST|ND|RD|TH)|FIRST|SECOND|THIRD|FOURTH|TOP|GROUND) FL(?:OO)?R?\b")
# What follows is said about the place and is not its address.
_NOTE = re.compile(
    r"[ ,]+(?:NEAR|NEXT TO|(?:IN )?FRONT OF|ACROSS(?: FROM)?|OPPOSITE|BEHIND|IN BACK OF|(?:AT|BY|ON) THE|CORNER|BETWEEN)\b.*"
)
_NUMBER = re.compile(
    r"(?!\d+(?:ST|ND|RD|TH)\b)(?P<first>\d{1,6})(?P<sign> 1/2|[A-Z]{1,2}(?![A-Z0-9])| ?(?:HF|[A-Z]{1,2})(?= ?-))?"
    r"(?: ?- ?(?:(?P<last>\d{1,6})(?:HF|[A-Z]{1,2}(?![A-Z0-9]))?|(?:HF|[A-Z]{1,2})(?![A-Z0-9])))?(?=[ ,]|$)"
)
_CROSSING = re.compile(r" ?(?:&|/|@| AND | AT ) ?")
_CORNER = re.compile(r"^(?:THE )?(?:INTERSECTION|CORNER) OF ")


class NoAddress(ValueError):
    """A text that names no street; the message says why, for the person who wrote it."""


@dataclass(frozen=True, kw_only=True)
class AddressText:
    """An address taken apart, in upper case and ASCII.

    number_from to number_to is one house number, or a range as in 145-151; None where none was given, 0 where 0 was.
    segments are the words between number and zip code as commas part them: the street first, then its place.  cross_street
    is the second street of an intersection, in segments too.
    """

    number_from: int | None
    number_to: int | None
    number_suffix: str
    segments: tuple[str, ...]
    cross_street: tuple[str, ...] | None
    zipcode: str | None


def folded(text: str) -> str:
    """The text in upper case and ASCII; what no address holds becomes a blank, a new line or a wide gap a comma."""
    text = normalize("NFKD", text).encode("ascii", "ignore").decode().upper()
    text = re.sub(r"[.'`]", "", text)
    text = re.sub(r"[\r\n;:|]|[ \t]{2,}", ",", text)
    text = re.sub(r"\([^)]*\)?", " ", text)
    text = re.sub(r"[^A-Z0-9,&/@# -]", " ", text)
    return re.sub(r" *,[ ,]*", ", ", re.sub(r" +", " ", text)).strip(" ,-")


def take_apart(text: str) -> AddressText:
    """The parts of an address; raises NoAddress for a text that names no street."""
    if len(text) > MAX_SIGNS * 2:
        raise NoAddress("The text is too long for an address")
    rest = _NOTE.sub("", folded(text))
    if len(rest) > MAX_SIGNS:
        raise NoAddress("The text is too long for an address")
    rest, zipcode = _without_zipcode_and_state(_COUNTRY.sub("", rest))
    rest = _FLOOR.sub(" ", _UNIT.sub(" ", rest)).replace("#", " ")
    number = _NUMBER.match(rest)
    rest = rest[number.end() :] if number else _CORNER.sub("", rest)
    crossing = _CROSSING.search(rest)
    cross_street = None
    if crossing:
        cross_street = None if number else _segments(rest[crossing.end() :])
        rest = rest[: crossing.start()]
    segments = _segments(rest)
    if not segments or (crossing and not number and not cross_street):
        raise NoAddress("It names no street" if rest or number or zipcode else "No address was given")
    first, last = _numbers(number) if number else (None, None)
    return AddressText(
        number_from=first,
        number_to=last,
        number_suffix=(number["sign"] or "").strip() if number else "",
        segments=segments,
        cross_street=cross_street,
        zipcode=zipcode,
    )


def spellings(segments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(street, rest) as the words may be meant, the likeliest first: up to the comma, then every shorter beginning."""
    words = " ".join(segments).split()
    first = len(segments[0].split())
    counts = [first, *range(len(words), 0, -1)]
    for count in dict.fromkeys(count for count in counts if count <= _MAX_WORDS):
        yield " ".join(words[:count]), " ".join(words[count:])


def _numbers(number: re.Match[str]) -> tuple[int, int]:
    """The first and last number of a range; 10-8 is 8 to 10, but 791-1 is a range whose end was cut off."""
    first = int(number["first"])
    last = int(number["last"] or first)
    if last < first:
        return (last, first) if first - last <= _WIDEST_DESCENT else (first, first)
    return first, last


def _segments(text: str) -> tuple[str, ...]:
    parts = (re.sub(r"[^A-Z0-9]+", " ", part).strip() for part in text.split(","))
    return tuple(part for part in parts if part)


def _without_zipcode_and_state(text: str) -> tuple[str, str | None]:
    """A zip code and a state are the last things of an address."""
    found = _ZIPCODE.search(text)
    zipcode = found[1] if found else None
    rest = text[: found.start()] if found else text
    before, _, last = rest.rpartition(", ")
    if before and (_STATE.fullmatch(last) or _STATE_ALONE.fullmatch(last)):
        return before, zipcode
    before, _, last = rest.rpartition(" ")
    return (before if before and _STATE.fullmatch(last) else rest).rstrip(" ,"), zipcode
