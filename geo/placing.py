"""Where is an address?  Found in the city's own table of addresses, or not, and why.

The table is asked for everything that could be meant; which of it is meant is decided here, where it can be read.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from math import cos, radians
from typing import Any, TypeVar

from psycopg import Connection
from shapely import STRtree, points

from geo.address import AddressText, NoAddress, folded, spellings, take_apart
from geo.address_table import AddressTable, Row, Spelt, Window
from geo.point import Point, metres_between

K = TypeVar("K")

# Addresses that could be meant alike and lie further apart than this are two places.
AMBIGUOUS_METRES = 150
# A number that the table lacks lies between its neighbours on the same side, when these are at most so far off and so far
# from each other; with a neighbour on one side only, or across the street only, that one must be nearer.
SPAN_NUMBERS = 30
NEIGHBOURS_METRES = 200
END_NUMBERS = 20
# So many house numbers of one street are never further apart: what lies beyond is another street of the same name.
SAME_STREET_METRES = 800
# A wider range is a number that was cut off (99-1001), and tells nothing of what lies within.
WIDEST_RANGE_NUMBERS = 200
# How like a known street's name a misspelt one must be (trigrams, 1 is the same), and by how much the likeliest must lead.
LEAST_SIMILARITY = 0.4
LEAD = 0.1
# What a name counts for of which St or East was left out.
LEFT_OUT_SIMILARITY = 0.95
LEAST_LIKENESS_OF_KIND = 0.7
# At a corner the nearest houses of the two streets lie at most this far from each other.
CROSSING_METRES = 120
MAX_CANDIDATES = 5
_MAX_NUMBER = 999_999
_METRES_A_DEGREE = 111_195


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An address that could be meant; point is None where the table has its text only."""

    line: str
    address_id: str | None
    point: Point | None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where an address is, and how that was found.

    line and address_id are the table's.  how is a key of HOW.  similarity tells how like the street's name is to the one
    given, from 0 to 1; numbers_apart how far the house number is from the one that gave the place.
    """

    point: Point
    line: str
    address_id: str | None
    how: str
    similarity: float = 1.0
    numbers_apart: int = 0

    @property
    def reason(self) -> str:
        """How it was found, as a sentence."""
        return HOW[self.how].format(line=self.line, apart=self.numbers_apart)


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """Why an address has no place, as a sentence, and up to five addresses that could have been meant."""

    reason: str
    candidates: tuple[Candidate, ...] = ()


HOW: Mapping[str, str] = {
    "address_id": "The address_id is that of {line}",
    "exact": "The address is {line}",
    "in a range": "The house number lies within {line}",
    "between neighbours": "The place is that of the nearest house number, {apart} off: {line}",
    "near miss": "The street's name is most like that of {line}",
    "intersection": "The streets meet near {line}",
    "geocoder": "An outside geocoder knows it as {line}",
}


def place(
    connection: "Connection[Any]", text: str | None, *, jurisdiction_id: int, city_name: str, address_id: str | None = None
) -> Placed | Unplaced:
    """Where the address of this text is; an address_id that the table has goes before the text.

    city_name is that of the city ("City of Boston"): named in an address, it says nothing of where in the city.
    """
    texts = {0: (text, address_id)}
    return place_all(connection, texts, jurisdiction_id=jurisdiction_id, city_name=city_name)[0]


def place_all(
    connection: "Connection[Any]", texts: Mapping[K, tuple[str | None, str | None]], *, jurisdiction_id: int, city_name: str
) -> dict[K, Placed | Unplaced]:
    """Key of each (text, address_id): where it is.  A handful of statements, however many there are."""
    table = AddressTable(connection, jurisdiction_id)
    coded = table.with_codes({code for _, code in texts.values() if code and code.isprintable()})
    found: dict[K, Placed | Unplaced] = {}
    asked: dict[K, AddressText] = {}
    for key, (text, code) in texts.items():
        row = coded.get(code or "")
        if row is not None and row.point is not None:
            found[key] = _placed(row, row.point, "address_id")
            continue
        try:
            asked[key] = take_apart(row.line if row else text or "")
        except NoAddress as error:
            is_code_alone = code is not None and not (text or "").strip()
            found[key] = Unplaced(reason=f"No address has the id {_quoted(code)}" if is_code_alone else str(error))
    answers = _Search(table, city_name).answers(set(asked.values()))
    for key, each in asked.items():
        answer, (text, code) = answers[each], texts[key]
        if isinstance(answer, Unplaced):
            answer = Unplaced(reason=answer.reason.replace("{}", _quoted(text or code)), candidates=answer.candidates)
        found[key] = answer
    return {key: found[key] for key in texts}


def own_name(city_name: str) -> str:
    """The name by which addresses call the city: "BOSTON" of "City of Boston"."""
    return re.sub(
        r"^(?:THE )?(?:CITY|TOWN|VILLAGE|BOROUGH|COUNTY) OF ", "", " ".join(folded(city_name).replace(",", " ").split())
    )


@dataclass(frozen=True)
class _Option:
    """A street that could be meant, and what the text says after its name: where in the city it is."""

    street: Spelt
    claim: str


class _Search:
    """Looks for many addresses at once: first for streets as they are spelt, then for streets like them."""

    def __init__(self, table: AddressTable, city_name: str) -> None:
        self._table, self._own_name = table, own_name(city_name)
        self._standard: dict[str, Spelt] = {}

    def answers(self, asked: Collection[AddressText]) -> dict[AddressText, Placed | Unplaced]:
        """Each with its answer; "{}" in a reason stands for the text as it was given."""
        if not asked:
            return {}
        if self._table.is_empty():
            return dict.fromkeys(asked, Unplaced(reason="No table of addresses is loaded"))
        as_spelt = self._as_spelt({segments for each in asked for segments in _streets(each)})
        found = self._decide({each: [as_spelt[segments] for segments in _streets(each)] for each in asked})
        open_ = [each for each, answer in found.items() if isinstance(answer, Unplaced)]
        wanted = {(segments, each.zipcode): as_spelt[segments] for each in open_ for segments in _streets(each)}
        alike = self._alike(wanted)
        again = {each: [alike[segments, each.zipcode] for segments in _streets(each)] for each in open_}
        second = self._decide({each: options for each, options in again.items() if all(options)})
        for each in open_:
            before, after = found[each], second.get(each)
            assert isinstance(before, Unplaced)
            if isinstance(after, Placed) or (after is not None and not before.candidates):
                found[each] = after
        return found

    def _as_spelt(self, wanted: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], list[_Option]]:
        """The street whose name the words begin with, written as the table or as the standardizer writes it."""
        phrases = {segments: list(spellings(segments)) for segments in wanted}
        spelt = self._table.spelt({phrase for each in phrases.values() for phrase, _ in each})
        found = {segments: _first(each, spelt) for segments, each in phrases.items()}
        missing = {segments: each for segments, each in phrases.items() if not found[segments]}
        read = self._read({phrase for each in missing.values() for phrase, _ in each})
        known = self._table.spelt({street.standard for street in read.values()})
        by_phrase = {phrase: known[street.standard] for phrase, street in read.items() if street.standard in known}
        return found | {segments: _first(each, by_phrase) for segments, each in missing.items()}

    def _read(self, phrases: Collection[str]) -> Mapping[str, Spelt]:
        """By the standardizer, which takes its time for every call: each phrase once."""
        self._standard |= self._table.standardized([phrase for phrase in phrases if phrase not in self._standard])
        return self._standard

    def _alike(
        self, wanted: Mapping[tuple[tuple[str, ...], str | None], list[_Option]]
    ) -> dict[tuple[tuple[str, ...], str | None], list[_Option]]:
        """The streets that could be meant all the same: with a kind or direction left out, or else of a similar name."""
        phrases = {segments: list(spellings(segments)) for segments, _ in wanted}
        read = self._read({phrase for each in phrases.values() for phrase, _ in each})
        # Where one of the ways to read the words ends with St or Ave, the street ends there.
        has_kind = {
            segments: any(read[phrase].is_whole and read[phrase].kind for phrase, _ in each)
            for segments, each in phrases.items()
        }
        similar = self._table.similar(
            {(read[phrase].name, zipcode) for segments, zipcode in wanted for phrase, _ in phrases[segments]}
        )
        found = {}
        for (segments, zipcode), known in wanted.items():
            options: dict[str, _Option] = {}
            for phrase, claim in phrases[segments]:
                given = read[phrase]
                if not given.is_whole or bool(given.kind) != has_kind[segments]:
                    continue
                for street in similar[given.name, zipcode]:
                    better = options.get(street.standard)
                    if _may_be(given, street) and (better is None or better.street.similarity < street.similarity):
                        claim_after_kind = claim if given.kind else _without_kind(claim, street.kind)
                        options[street.standard] = _Option(_as_similar(given, street), claim_after_kind)
            shortened = [each for each in options.values() if each.street.similarity >= LEFT_OUT_SIMILARITY]
            # A name that is known is no misspelling of another.
            found[segments, zipcode] = shortened or ([] if known else list(options.values()))
        return found

    def _decide(self, wanted: Mapping[AddressText, Sequence[list[_Option]]]) -> dict[AddressText, Placed | Unplaced]:
        windows = {_window(each, option) for each, streets in wanted.items() for options in streets for option in options}
        rows = self._table.addresses(windows)

        def likely_of(each: AddressText, options: list[_Option]) -> list[_Likely]:
            return [
                _Likely(row, option.street.similarity, option.claim, own_name=self._own_name)
                for option in options
                for row in rows.get(_window(each, option), ())
            ]

        likely = {each: [likely_of(each, options) for options in streets] for each, streets in wanted.items()}
        self._agree(likely)
        return {
            each: _crossing(*some) if each.cross_street else _house(each, some[0], is_known=any(wanted[each]))
            for each, some in likely.items()
        }

    def _agree(self, likely: Mapping[AddressText, Sequence[list["_Likely"]]]) -> None:
        """Find out how far each address is where the text says that it is."""
        every = [(each, one) for each, some in likely.items() for several in some for one in several]
        unknown = {one.claim for _, one in every if one.claim and not one.is_in_place}
        covered = self._table.in_districts(unknown, {one.row.id for _, one in every if one.claim in unknown}) if unknown else {}
        for each, one in every:
            one.agree(each.zipcode, is_in_district=one.row.id in covered.get(one.claim, ()))


class _Likely:
    """An address that could be meant, and whether zip code and place speak for it (see agreement)."""

    def __init__(self, row: Row, similarity: float, claim: str, *, own_name: str) -> None:
        self.row, self.similarity = row, similarity
        # None: contradicted.  Else 2 for the zip code and 1 for the place that was given.
        self.agreement: int | None = 0
        # "South Boston" is a place of Boston before it is the south of it.
        place = "" if row.place == own_name else row.place
        self.is_in_place = bool(place) and (f"{claim} ".startswith(f"{place} ") or f" {claim}".endswith(f" {place}"))
        self.claim = claim if self.is_in_place else f" {claim}".removesuffix(f" {own_name}").strip()
        # The city's own name alone may mean any part of it, but the part that is called so first.
        self.is_in_city_itself = claim == row.place == own_name

    def agree(self, zipcode: str | None, *, is_in_district: bool) -> None:
        """One of the two may be wrong where the other is right; what contradicts and is not outweighed is not meant."""
        by_zipcode = zipcode == self.row.zipcode if zipcode and self.row.zipcode else None
        by_place = (self.is_in_place or is_in_district) if self.claim else None
        is_contradicted = False in (by_zipcode, by_place) and True not in (by_zipcode, by_place)
        self.agreement = None if is_contradicted else 2 * (by_zipcode is True) + (by_place is True)


def _streets(asked: AddressText) -> Iterator[tuple[str, ...]]:
    yield asked.segments
    if asked.cross_street:
        yield asked.cross_street


def _first(phrases: Iterable[tuple[str, str]], known: Mapping[str, Spelt]) -> list[_Option]:
    return next(([_Option(known[phrase], claim)] for phrase, claim in phrases if phrase in known), [])


def _may_be(given: Spelt, street: Spelt) -> bool:
    """Whether the street could be the one given: the same or misspelt, and of the kind and direction that were given.

    A misspelt name has as many words, and the same numbers: City Hall Square is not City Square, nor 10th Street 100th.
    """
    return (
        street.similarity >= LEAST_SIMILARITY
        and given.kind in ("", street.kind)
        and given.direction in ("", street.direction)
        and len(given.name.split()) == len(street.name.split())
        and re.findall(r"\d+", given.name) == re.findall(r"\d+", street.name)
    )


def _as_similar(given: Spelt, street: Spelt) -> Spelt:
    is_short = (given.kind, given.direction) != (street.kind, street.direction)
    return replace(street, similarity=min(street.similarity, LEFT_OUT_SIMILARITY)) if is_short else street


def _without_kind(claim: str, kind: str) -> str:
    """What the text says after the street's name without a first word that is its kind, misspelt ("33 Beacon Steet")."""
    word, _, rest = claim.partition(" ")
    return rest if SequenceMatcher(None, word, kind).ratio() >= LEAST_LIKENESS_OF_KIND else claim


def _window(asked: AddressText, option: _Option) -> Window:
    number = asked.number_from
    if asked.cross_street:
        return option.street.standard, 0, _MAX_NUMBER
    if not number:
        return option.street.standard, 0, 0
    return option.street.standard, max(1, number - SPAN_NUMBERS), number + SPAN_NUMBERS


def _house(asked: AddressText, likely: Sequence[_Likely], *, is_known: bool) -> Placed | Unplaced:
    """The answer among the addresses of the streets that could be meant, at and around the house number."""
    number = asked.number_from or 0
    if not likely:
        reason = "No house number near that of {} is known" if is_known and number else "No address like {} is known"
        return Unplaced(reason="{} has no house number" if is_known and not number else reason)
    agreed = _best([each for each in likely if each.agreement is not None])
    if not agreed:
        return Unplaced(reason="{} is known only elsewhere", candidates=_candidates(likely, number))
    fitting = [each for each in agreed if _fits(each.row, number)]
    located = [each for each in fitting if each.row.point is not None]
    others = [each for each in agreed if each.row.number_from and each.row.point is not None and each not in fitting]
    if located:
        # A table that has the number here may only lack it there.
        is_told = any(each.agreement or each.is_in_city_itself for each in located)
        rivals = [] if is_told or not number else _far_from(located[0], others)
        if _spread(located) > AMBIGUOUS_METRES or rivals:
            return _ambiguous([*located, *_nearest(number, rivals)])
        one = min(located, key=lambda each: _closeness(asked, each))
        how = "exact" if number in (one.row.number_from, one.row.number_to) else "in a range"
        assert one.row.point is not None
        return _placed(one.row, one.row.point, how, similarity=one.similarity)
    if fitting:
        where = {(each.row.zipcode, each.row.place) for each in fitting}
        others = [each for each in others if (each.row.zipcode, each.row.place) in where]
    # A name that is only alike and a number that is only near are together too little.
    between = _between(number, [each for each in others if each.similarity == 1 or each.agreement]) if number else None
    if between is not None:
        return between
    reason = "The place of {} is not known" if fitting else "No house number near that of {} is known"
    return Unplaced(reason=reason if number else "{} has no house number", candidates=_candidates(agreed, number))


def _far_from(one: _Likely, likely: Sequence[_Likely]) -> list[_Likely]:
    """Those that lie on another street of the same name."""
    return [each for each in likely if _spread([one, each]) > SAME_STREET_METRES]


def _best(agreed: Sequence[_Likely]) -> list[_Likely]:
    """Those for which zip code and place speak most and whose streets are the likeliest."""
    most = max((each.agreement or 0 for each in agreed), default=0)
    alike = max((each.similarity for each in agreed), default=0)
    return [each for each in agreed if (each.agreement or 0) == most and each.similarity > alike - LEAD]


def _fits(row: Row, number: int) -> bool:
    """Whether the row is that number, or a range of one side or of both that holds it."""
    if number in (row.number_from, row.number_to):
        return True
    width = row.number_to - row.number_from
    is_within = row.number_from < number < row.number_to and width <= WIDEST_RANGE_NUMBERS
    return is_within and (width % 2 == 1 or (number - row.number_from) % 2 == 0)


def _closeness(asked: AddressText, each: _Likely) -> tuple[Any, ...]:
    row = each.row
    is_same = (row.number_from, row.number_to) == (asked.number_from or 0, asked.number_to or 0)
    is_end = asked.number_from in (row.number_from, row.number_to)
    return -each.similarity, not is_same, not is_end, row.number_suffix != asked.number_suffix, row.line, row.id


def _between(number: int, likely: Sequence[_Likely]) -> Placed | Unplaced | None:
    """A place by the neighbours of a number: between two of the same side, or else beside the nearest; None: none is near."""
    same = [each for each in likely if (each.row.number_from - number) % 2 == 0]
    below = _nearest(number, [each for each in same if each.row.number_to < number])
    above = _nearest(number, [each for each in same if each.row.number_from > number])
    if below and above and _spread([*below, *above]) <= NEIGHBOURS_METRES:
        picked = [*below, *above]
        low, high = below[0].row, above[0].row
        assert low.point is not None and high.point is not None
        share = (number - low.number_to) / (high.number_from - low.number_to)
        point = Point(
            long=low.point.long + share * (high.point.long - low.point.long),
            lat=low.point.lat + share * (high.point.lat - low.point.lat),
        )
        one = below[0] if share <= 0.5 else above[0]
    else:
        picked = _nearest(number, same) or _nearest(number, likely)
        if not picked or _apart(number, picked[0].row) > END_NUMBERS:
            picked = _nearest(number, likely)
        if not picked or _apart(number, picked[0].row) > END_NUMBERS:
            return None
        one = picked[0]
        assert one.row.point is not None
        point = one.row.point
    rivals = _far_from(one, likely)
    if _spread(picked) > NEIGHBOURS_METRES or rivals:
        return _ambiguous([*picked, *_nearest(number, rivals)])
    return _by_neighbour(number, one, point)


def _by_neighbour(number: int, one: _Likely, point: Point) -> Placed:
    return _placed(one.row, point, "between neighbours", similarity=one.similarity, apart=_apart(number, one.row))


def _nearest(number: int, likely: Sequence[_Likely]) -> list[_Likely]:
    least = min((_apart(number, each.row) for each in likely), default=0)
    return [each for each in likely if _apart(number, each.row) == least]


def _apart(number: int, row: Row) -> int:
    return max(row.number_from - number, number - row.number_to, 0)


def _crossing(one: Sequence[_Likely], other: Sequence[_Likely]) -> Placed | Unplaced:
    """Where the houses of two streets lie next to each other."""
    sides = [[each for each in some if each.row.point is not None] for some in (one, other)]
    if not all(sides) or sides[0][0].row.street == sides[1][0].row.street:
        return Unplaced(reason="No streets like those of {} are known")
    # Where the second street is said to be, the first is too.
    claims = {each.row.place for each in sides[1] if each.agreement}
    sides = [_best([each for each in some if each.agreement is not None]) for some in sides]
    near = [each for each in sides[0] if each.row.place in claims] if claims else sides[0]
    pairs = _pairs(near, sides[1]) if near and sides[1] else []
    if not pairs:
        return Unplaced(reason="The streets of {} do not meet")
    first = pairs[0]
    alike = [each for each in pairs if each.metres <= first.metres + CROSSING_METRES / 3]
    if any(metres_between(first.point, each.point) > AMBIGUOUS_METRES for each in alike):
        return _ambiguous([each.house for each in alike])
    return _placed(
        first.house.row, first.point, "intersection", similarity=min(first.house.similarity, first.across.similarity)
    )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A house of one street and the nearest of the other, with the point halfway."""

    house: _Likely
    across: _Likely
    metres: float
    point: Point


def _pairs(one: Sequence[_Likely], other: Sequence[_Likely]) -> list[_Pair]:
    """Houses of two streets that lie at a corner, the nearest first."""
    found = []
    here, there = ([each.row.point for each in some if each.row.point] for some in (one, other))
    shrink = cos(radians(here[0].lat))
    tree = STRtree(points([(point.long * shrink, point.lat) for point in there]))
    near, _ = tree.query_nearest(
        points([(point.long * shrink, point.lat) for point in here]),
        max_distance=CROSSING_METRES / _METRES_A_DEGREE,
        return_distance=True,
        all_matches=False,
    )
    for at, across in near.T.tolist():
        first, second = here[at], there[across]
        halfway = Point(long=(first.long + second.long) / 2, lat=(first.lat + second.lat) / 2)
        found.append(_Pair(house=one[at], across=other[across], metres=metres_between(first, second), point=halfway))
    return sorted(found, key=lambda pair: (pair.metres, pair.house.row.line, pair.across.row.line))


def _spread(likely: Sequence[_Likely]) -> float:
    """How far, in metres, the furthest lies from the first."""
    found = [each.row.point for each in likely if each.row.point is not None]
    return max((metres_between(found[0], each) for each in found), default=0)


def _ambiguous(likely: Sequence[_Likely]) -> Unplaced:
    lines = list(dict.fromkeys(_short(each.row.line) for each in likely))
    if len(lines) == 1:
        lines = list(dict.fromkeys(each.row.line for each in likely))
    shown = lines[: MAX_CANDIDATES - 1]
    return Unplaced(
        reason="{} could be " + (" or ".join(shown) + (" or another" if len(lines) > len(shown) else "")),
        candidates=_candidates(likely),
    )


def _short(line: str) -> str:
    """A line without state and zip code."""
    return re.sub(r",? [A-Z]{2}(?: \d{5})?$", "", line)


def _candidates(likely: Sequence[_Likely], number: int | None = None) -> tuple[Candidate, ...]:
    ranked = sorted(likely, key=lambda each: (-each.similarity, _apart(number, each.row) if number else 0))
    rows = dict.fromkeys(each.row for each in ranked)
    return tuple(Candidate(line=row.line, address_id=row.code, point=row.point) for row in list(rows)[:MAX_CANDIDATES])


def _placed(row: Row, point: Point, how: str, *, similarity: float = 1.0, apart: int = 0) -> Placed:
    return Placed(
        point=point,
        line=row.line,
        address_id=row.code,
        how="near miss" if similarity < 1 else how,
        similarity=round(similarity, 3),
        numbers_apart=apart,
    )


def _quoted(text: str | None) -> str:
    """The text in quotes, printable and not too long."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text or "").split())
    return f"'{shown[:100]}{'…' if len(shown) > 100 else ''}'"
