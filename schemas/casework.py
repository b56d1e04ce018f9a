"""targets.yml: how long a service may take."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.calendar import Date
from schemas.city import Code, Words

WORKING_UNITS = ("working_days", "working_hours")
UNITS = (*WORKING_UNITS, "calendar_days", "hours")
WHOLE_UNITS = ("working_days", "calendar_days")

# Ten years: no promise is longer, and the clock counts them in a moment.
_MOST = {"working_days": 3650, "calendar_days": 3650, "working_hours": 87_600, "hours": 87_600}


class Amount(fields.Float):
    """A number above 0 of a unit; of days a whole one."""

    def __init__(self, unit: str) -> None:
        most = _MOST[unit]
        super().__init__(
            load_default=None,
            validate=validate.Range(
                min=0, min_inclusive=False, max=most, error=f"must be more than 0 and at most {most}, got {{input}}"
            ),
        )
        self._is_whole = unit in WHOLE_UNITS

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        # YAML reads `yes` as true, which Python takes for 1.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError(f"must be a number, got {value!r}")
        amount = super()._deserialize(value, attr, data, **kwargs)
        if self._is_whole and not amount.is_integer():
            raise ValidationError(f"must be a whole number of days (parts of a day are hours), got {value}")
        return amount


class AmountSchema(Schema):
    """How long something may take: an amount of one of the units, and the calendar of those that go by one."""

    working_days = Amount("working_days")
    working_hours = Amount("working_hours")
    calendar_days = Amount("calendar_days")
    hours = Amount("hours")
    calendar = Code(load_default=None)

    @validates_schema
    def _has_one_unit_and_the_calendar_for_it(self, data: Any, **kwargs: Any) -> None:
        given = [unit for unit in UNITS if data[unit] is not None]
        if len(given) != 1:
            raise ValidationError(f"must have exactly one of {', '.join(UNITS)}, got {' and '.join(given) or 'none'}")
        if given[0] in WORKING_UNITS and data["calendar"] is None:
            raise ValidationError(f"is required for {given[0]}: the code of a calendar of calendars.yml", "calendar")
        if given[0] not in WORKING_UNITS and data["calendar"] is not None:
            raise ValidationError(f"must be left out for {given[0]}, which pass day and night", "calendar")


class TargetSchema(AmountSchema):
    """An item of targets.yml: of a service, of those of a group, or of every service."""

    service_code = Code(load_default=None)
    group = Words(load_default=None)
    department = Code(load_default=None)
    valid_from = Date(load_default=None)
    valid_to = Date(load_default=None)

    @validates_schema
    def _is_of_a_service_or_a_group(self, data: Any, **kwargs: Any) -> None:
        if data["service_code"] and data["group"]:
            raise ValidationError("must be left out where service_code is given", "group")

    @validates_schema
    def _ends_after_it_begins(self, data: Any, **kwargs: Any) -> None:
        if data["valid_from"] and data["valid_to"] and data["valid_to"] <= data["valid_from"]:
            raise ValidationError(f"must be after valid_from, got {data['valid_to']}", "valid_to")
