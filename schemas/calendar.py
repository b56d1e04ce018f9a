"""calendars.yml: opening hours by weekday, public holidays from a library's data, and days that differ."""

import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any

import holidays
from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from schemas.city import Code, Words

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Public holidays are kept for these years; loading the city's folder again keeps them anew.
HOLIDAY_YEARS = range(2000, 2061)

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_MINUTES_A_DAY = 24 * 60


class Span(fields.Field[tuple[int, int]]):
    """Hours such as `08:30-17:00` as minutes after midnight: from the first, until before the second; a day ends at 24:00."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, int]:
        matched = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if matched is not None:
            hour, minute, until_hour, until_minute = map(int, matched.groups())
            opens, closes = hour * 60 + minute, until_hour * 60 + until_minute
            if minute < 60 and until_minute < 60 and opens < closes <= _MINUTES_A_DAY:
                return opens, closes
        raise ValidationError(
            f"must be hours such as '08:30-17:00' (past midnight: until 24:00, and from 00:00 of the next day), got {value!r}"
        )


class Weekdays(fields.Field[tuple[int, ...]]):
    """`mon` or `mon-fri` as weekdays, 1 for Monday."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, ...]:
        first, _, last = str(value).lower().partition("-")
        if first in WEEKDAYS and (last or first) in WEEKDAYS and WEEKDAYS.index(first) <= WEEKDAYS.index(last or first):
            return tuple(range(WEEKDAYS.index(first) + 1, WEEKDAYS.index(last or first) + 2))
        raise ValidationError(f"must be weekdays such as mon or mon-fri, got {value!r}")


class Date(fields.Field[date]):
    """A day; YAML reads 2026-11-27 as one by itself."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        try:
            return value if type(value) is date else date.fromisoformat(str(value))
        except ValueError as error:
            raise ValidationError(f"must be a day such as 2026-11-27, got {value!r}") from error


class HolidaysSchema(Schema):
    """Whose public holidays are kept, as the library names the place, and which of them are not."""

    country = Words(required=True)
    subdivision = Words(load_default=None)
    without = fields.List(Words(), load_default=list)

    @validates_schema
    def _place_is_known(self, data: Any, **kwargs: Any) -> None:
        try:
            names = set(public_holidays(data["country"], data["subdivision"]).values())
        except NotImplementedError as error:
            place = f"{data['country']}-{data['subdivision']}" if data["subdivision"] else data["country"]
            raise ValidationError(f"the holiday data have no {place}", "country") from error
        unknown = [name for name in data["without"] if name not in {each for name in names for each in _parts(name)}]
        if unknown:
            raise ValidationError(f"no holiday there is named {', '.join(unknown)}", "without")


class CalendarSchema(Schema):
    """An item of calendars.yml."""

    code = Code(required=True)
    name = Words(required=True)
    hours = fields.Dict(keys=Weekdays(), values=fields.List(Span()), required=True)
    holidays = fields.Nested(HolidaysSchema, load_default=None)
    closed = fields.Dict(keys=Date(), values=Words(), load_default=dict)
    special = fields.Dict(keys=Date(), values=fields.List(Span()), load_default=dict)
    department = Code(load_default=None)

    @validates_schema(pass_original=True)
    def _no_day_has_two_names(self, data: Any, original: Any, **kwargs: Any) -> None:
        for name in ("hours", "closed", "special"):
            if len(data[name]) != len(original.get(name, ())):
                raise ValidationError("must have each day once, however it is written", name)

    @validates_schema
    def _opens_on_some_weekday(self, data: Any, **kwargs: Any) -> None:
        # A target that goes by hours that never come is never due.
        if not any(data["hours"].values()):
            raise ValidationError("must be open on one day of the week at least", "hours")

    @validates_schema
    def _hours_do_not_overlap(self, data: Any, **kwargs: Any) -> None:
        stretches = [("hours", weekday, spans) for weekdays, spans in data["hours"].items() for weekday in weekdays]
        stretches += [("special", day, spans) for day, spans in data["special"].items()]
        seen: dict[tuple[str, Any], list[tuple[int, int]]] = {}
        for name, day, spans in stretches:
            seen.setdefault((name, day), []).extend(spans)
        for (name, _), spans in seen.items():
            ordered = sorted(spans)
            if any(before[1] > after[0] for before, after in pairwise(ordered)):
                raise ValidationError("must not overlap on a day", name)
        both = set(data["closed"]) & set(data["special"])
        if both:
            raise ValidationError(f"{min(both)} is closed as well", "special")

    @post_load(pass_original=True)
    def _keep_as_written(self, data: Any, original: Any, **kwargs: Any) -> Any:
        """`source`: the item as it was written, days as text, to be written out again."""
        return {**data, "source": {name: _as_written(value) for name, value in original.items()}}


def public_holidays(country: str, subdivision: str | None) -> Mapping[date, str]:
    """Day and name of the public holidays in HOLIDAY_YEARS; raises NotImplementedError for a place the data do not have."""
    return holidays.country_holidays(country, subdiv=subdivision, years=HOLIDAY_YEARS)


def _as_written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_written(inner) for key, inner in value.items()}
    return value


def _parts(name: str) -> list[str]:
    """The holidays that fall on a day, of their names in one text."""
    return name.split(holidays.constants.HOLIDAY_NAME_DELIMITER)


def days_that_differ(about: Mapping[str, Any]) -> list[tuple[date, int | None, int | None, str]]:
    """(day, opens, closes, name) of every day of a loaded calendar that is not as its weekday; minutes None: closed.

    What the city says of a day counts before what the holiday data say of it.
    """
    found: list[tuple[date, int | None, int | None, str]] = []
    if about["holidays"] is not None:
        place = about["holidays"]
        own = {*about["closed"], *about["special"]}
        found += [
            (day, None, None, name)
            for day, name in public_holidays(place["country"], place["subdivision"]).items()
            if day not in own and not set(_parts(name)) <= set(place["without"])
        ]
    found += [(day, None, None, name) for day, name in about["closed"].items()]
    for day, spans in about["special"].items():
        found += [(day, *span, "Other hours") for span in spans] or [(day, None, None, "Other hours")]
    return sorted(found, key=lambda each: (each[0], each[1] or 0))
