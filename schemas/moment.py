"""Times on the wire: W3C date-times in, as loosely as clients send them; out, to the second with a zone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

_FORM = re.compile(
    r"""(?P<day>\d{4}-\d\d-\d\d)
        (?: [T ] (?P<time>\d\d:\d\d(?::\d\d)?) (?:[.,]\d{1,9})?
            (?P<zone>Z|[+\- ]\d\d:?\d\d)? )?""",
    re.VERBOSE | re.IGNORECASE,
)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


class NotAMoment(ValueError):
    """Text that is no date and time."""


def read(text: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    """The moment that a text names, in UTC, fractions of a second cut off.

    Without a zone it is meant in `zone`; a date alone is its first second, or (end_of_day) its last.  A space where an
    un-encoded "+" stood is read as "+".  Raises NotAMoment.  Source: GeoReport v2, dates; W3C-DTF.
    """
    matched = _FORM.fullmatch(text.strip())
    if matched is None:
        raise NotAMoment(f"must be a date and time like 2026-01-31T09:30:00Z, got {text!r}")
    try:
        if matched["time"] is None:
            midnight = datetime.combine(date.fromisoformat(matched["day"]), time(), zone)
            return (midnight + DAY - SECOND if end_of_day else midnight).astimezone(UTC)
        local = datetime.fromisoformat(f"{matched['day']}T{matched['time']}")
        offset = (matched["zone"] or "").replace(" ", "+").upper()
        if offset:
            return datetime.fromisoformat(local.isoformat() + offset).astimezone(UTC)
        return local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NotAMoment(f"must be a date and time that exists, got {text!r}") from error


def require_everywhere(text: str) -> None:
    """Raises NotAMoment unless `read` takes the text in every zone, and every zone can write what it read."""
    if not 1 < read(text, ZoneInfo("UTC")).year < 9999:
        raise NotAMoment(f"must be a date of the years 2 to 9998, got {text!r}")


def whole_second(now: datetime) -> datetime:
    """The moment with its fraction of a second cut off."""
    return now.replace(microsecond=0)


def write(moment: datetime) -> str:
    """`2026-01-31T09:30:00Z`.  Source: GeoReport v2, dates."""
    if moment.tzinfo is not UTC or moment.microsecond:
        moment = whole_second(moment).astimezone(UTC)
    text: str = msgspec.to_builtins(moment)  # a tenth of isoformat()'s time
    return text
