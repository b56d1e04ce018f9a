"""The files of a city's folder.  `docs/city-folder.md` shows each."""

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas import moment
from schemas.text import NOT_PRINTABLE

URL_SAFE = re.compile(r"[A-Za-z0-9_-]+")
SERVICE_TYPES = ("realtime", "batch", "blackbox")
DATATYPES = ("string", "number", "datetime", "text", "singlevaluelist", "multivaluelist")
LISTS = ("singlevaluelist", "multivaluelist")

# Clients such as FixMyStreet keep reports of a service with this keyword to themselves.
PRIVATE = "private"


class Printable(fields.String):
    """Text that can be kept, and written as XML and JSON."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        found = NOT_PRINTABLE.search(text)
        if found:
            raise ValidationError(f"must not hold the character U+{ord(found[0]):04X}, which cannot be printed")
        return text


class Words(Printable):
    """Text that says something."""

    default_error_messages = {
        "invalid": "must be text (put it in quotes)",
        "required": "is required",
        "null": "is required",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            raise ValidationError("must not be empty")
        return text


class Code(Words):
    """Text that may stand in a URL as it is."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if URL_SAFE.fullmatch(text) is None:
            raise ValidationError(f"must be letters, digits, - and _ only, got {text!r}")
        return text


class Zone(Words):
    """A time zone by its name in the tz database."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValidationError(f"must be a time zone such as America/New_York, got {text!r}") from error
        return text


class LayerSchema(Schema):
    """A layer: its name, and which properties of its file's features are code, name, and how many people live there."""

    name = Words(required=True)
    code_property = Words(load_default="code")
    name_property = Words(load_default="name")
    population_property = Words(load_default=None, allow_none=True)


KEEP = "keep"
RETENTIONS = ("personal_days", "description_days", "files_days")


class KeptDays(fields.Integer):
    """For so many days after a request was closed, or `keep`: for good."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value == KEEP:
            return KEEP
        if type(value) is not int or not 0 <= value <= 36_600:
            raise ValidationError(f"must be a whole number of days, 0 to 36600, or {KEEP}, got {value!r}")
        return value


class RetentionSchema(Schema):
    """For how long is kept who reported a request, what they wrote, and the files; what is not said is as in the city."""

    personal_days = KeptDays()
    description_days = KeptDays()
    files_days = KeptDays()


# What the pages have behind a colour, and on it: schemas as they are drawn by day and by night.
_GROUNDS = {"light": "#f2f5f8", "dark": "#1c262f"}
LEAST_CONTRAST = 4.5


def contrast(one: str, other: str) -> float:
    """How much two colours, written #rrggbb, differ in brightness: from 1 to 21.  Source: WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class Color(Words):
    """A colour that can be read on the pages' ground by day (light) or by night (dark)."""

    def __init__(self, scheme: str, **more: Any) -> None:
        super().__init__(**more)
        self._ground = _GROUNDS[scheme]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).lower()
        if re.fullmatch("#[0-9a-f]{6}", text) is None:
            raise ValidationError(f"must be a colour such as #0b4f85, in quotes, got {text!r}")
        found = contrast(text, self._ground)
        if found < LEAST_CONTRAST:
            raise ValidationError(f"must have a contrast of {LEAST_CONTRAST}:1 to {self._ground}, got {found:.1f}:1")
        return text


class ColorsSchema(Schema):
    """A city's own colour on its pages, by day and by night."""

    light = Color("light")
    dark = Color("dark")


class JurisdictionSchema(Schema):
    """jurisdiction.yml."""

    jurisdiction_id = Words(required=True, validate=validate.Regexp(r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))
    name = Words(required=True)
    timezone = Zone(required=True)
    hosts = fields.List(Words(), load_default=list)
    contact = Words(required=True)
    key_service = Words(required=True)
    default_department = Code(required=True)
    reopen_days = fields.Integer(load_default=30, strict=True, validate=validate.Range(min=0, max=3650))
    reopens_when_not_fixed = fields.Boolean(load_default=False)
    public_knowledge = fields.Boolean(load_default=False)
    retention = fields.Nested(RetentionSchema, load_default=dict)
    phone = Words()
    emergency_phone = Words()
    colors = fields.Nested(ColorsSchema, load_default=dict)
    least_count = fields.Integer(load_default=0, strict=True, validate=validate.Range(min=0, max=1_000_000))
    outline = Words(required=True)
    layers = fields.Dict(keys=Code(), values=fields.Nested(LayerSchema), required=True, validate=validate.Length(min=1))

    @validates_schema
    def _outline_is_a_layer(self, data: Any, **kwargs: Any) -> None:
        if data["outline"] not in data["layers"]:
            raise ValidationError(f"must be one of the layers {', '.join(data['layers'])}", "outline")


class UnitSchema(Schema):
    """A unit of a department."""

    code = Code(required=True)
    name = Words(required=True)
    phone = Words()
    email = Words()
    hours = Words()


class DepartmentSchema(UnitSchema):
    """An item of departments.yml."""

    units = fields.List(fields.Nested(UnitSchema), load_default=list)


class ValueSchema(Schema):
    """A choice of a list attribute."""

    key = Words(required=True)
    name = Words(required=True)


class AttributeSchema(Schema):
    """A question of a service's form."""

    code = Words(required=True, validate=validate.Regexp(r"^[^\[\]]+$"))
    datatype = Words(required=True, validate=validate.OneOf(DATATYPES))
    required = fields.Boolean(load_default=False)
    variable = fields.Boolean(load_default=True)
    description = Words(required=True)
    datatype_description = Words()
    values = fields.List(fields.Nested(ValueSchema), load_default=list)

    @validates_schema
    def _values_fit_datatype(self, data: Any, **kwargs: Any) -> None:
        keys = [value["key"] for value in data["values"]]
        if (data["datatype"] in LISTS) != bool(keys):
            raise ValidationError("are for the two list datatypes, which need them", "values")
        if len(set(keys)) != len(keys):
            raise ValidationError("must have each key once", "values")


class OfferedSchema(Schema):
    """The districts of a layer in which alone a service is offered."""

    layer = Words(required=True)
    boundaries = fields.List(Words(), required=True, validate=validate.Length(min=1))


class SimilarSchema(Schema):
    """Which earlier requests may be of the same thing: how near, how long ago, of which services (else the group's).

    window_days: null for as long as they are open.  days_after_closing: for so long closed ones count as well.
    """

    radius_metres = fields.Float(load_default=60.0, validate=validate.Range(min=1, max=2000))
    window_days = fields.Float(load_default=None, allow_none=True, validate=validate.Range(min=0, min_inclusive=False))
    days_after_closing = fields.Float(load_default=3.0, validate=validate.Range(min=0, max=3660))
    services = fields.List(Code(), load_default=None, allow_none=True)


class ServiceSchema(Schema):
    """An item of services.yml."""

    service_code = Code(required=True)
    service_name = Words(required=True)
    description = Words(required=True)
    group = Words(required=True)
    keywords = fields.List(Words(validate=validate.ContainsNoneOf(",")), load_default=list)
    type = Words(load_default="realtime", validate=validate.OneOf(SERVICE_TYPES))
    private = fields.Boolean(load_default=False)
    location_required = fields.Boolean(load_default=True)
    notice = Words()
    emergency = Words()
    offered_in = fields.Nested(OfferedSchema, load_default=None)
    similar = fields.Nested(SimilarSchema, load_default=None)
    retention = fields.Nested(RetentionSchema, load_default=None)
    coarse_metres = fields.Integer(strict=True, validate=validate.Range(10, 10000), load_default=None, allow_none=True)
    attributes = fields.List(fields.Nested(AttributeSchema), load_default=list)

    @validates_schema
    def _attribute_codes_differ(self, data: Any, **kwargs: Any) -> None:
        codes = [attribute["code"] for attribute in data["attributes"]]
        if len(set(codes)) != len(codes):
            raise ValidationError("must have each code once", "attributes")

    @validates_schema
    def _keyword_private_is_true(self, data: Any, **kwargs: Any) -> None:
        for position, keyword in enumerate(data["keywords"]):
            if keyword.lower() == PRIVATE and not data["private"]:
                raise ValidationError({"keywords": {position: ["private is for services that are private: true"]}})

    @post_load
    def _private_has_its_keyword(self, data: Any, **kwargs: Any) -> Any:
        if data["private"] and PRIVATE not in data["keywords"]:
            data["keywords"] = [*data["keywords"], PRIVATE]
        return data


class Day(Printable):
    """A date, or a date and time, as text; read when the city's zone is known."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            if text:
                moment.require_everywhere(text)
        except moment.NotAMoment as error:
            raise ValidationError(str(error)) from error
        return text


class RuleSchema(Schema):
    """A line of rules.csv; what is blank means any service, everywhere, whatever the answers, at any time."""

    code = Words(required=True)
    service_code = Printable(load_default="")
    group = Printable(load_default="")
    layer = Printable(load_default="")
    boundary = Printable(load_default="")
    attribute = Printable(load_default="")
    value = Printable(load_default="")
    calendar = Printable(load_default="")
    during = Printable(load_default="", validate=validate.OneOf(["", "open", "closed"], error="must be open or closed"))
    department = Words(required=True)
    priority = fields.Integer(load_default=100, validate=validate.Range(min=-1_000_000, max=1_000_000))
    valid_from = Day(load_default="")
    valid_to = Day(load_default="")
    note = Printable(load_default="")

    @validates_schema
    def _what_belongs_together_is_together(self, data: Any, **kwargs: Any) -> None:
        if data["service_code"] and data["group"]:
            raise ValidationError("must be blank where service_code is given", "group")
        for one, other in (("layer", "boundary"), ("attribute", "value"), ("calendar", "during")):
            if bool(data[one]) != bool(data[other]):
                raise ValidationError(f"{one} and {other} must be given together", other)


class LocatedSchema(Schema):
    """Which rows have a place: those with one of these values in this column."""

    column = Words(required=True)
    values = fields.List(Words(), required=True, validate=validate.Length(min=1))


class PlaceholderSchema(Schema):
    """A point that a city records where it does not know the place."""

    lat = fields.Float(required=True, validate=validate.Range(min=-90, max=90))
    long = fields.Float(required=True, validate=validate.Range(min=-180, max=180))


class ColumnsSchema(Schema):
    """Which column of an export holds what."""

    service_request_id = Words(required=True)
    requested_datetime = Words(required=True)
    service = Words(required=True)
    status = Words()
    status_notes = Words()
    expected_datetime = Words()
    updated_datetime = Words()
    closed_datetime = Words()
    description = Words()
    address = Words()
    address_id = Words()
    zipcode = Words()
    lat = Words()
    long = Words()
    channel = Words()
    department = Words()
    unit = Words()


class MatchSchema(Schema):
    """How a recorded value finds ours."""

    service = Words(load_default="service_name", validate=validate.OneOf(["service_name", "service_code"]))
    department = Words(load_default="code", validate=validate.OneOf(["code", "name"]))
    unit = Words(load_default="name", validate=validate.OneOf(["code", "name"]))


class MappingSchema(Schema):
    """mapping.yml: how to read a city's export."""

    timezone = Zone(required=True)
    columns = fields.Nested(ColumnsSchema, required=True)
    match = fields.Nested(MatchSchema, load_default=lambda: MatchSchema().load({}))
    values = fields.Dict(
        keys=Words(validate=validate.OneOf(["status", "channel", "service", "department", "unit"])),
        values=fields.Dict(keys=Words(), values=Words()),
        load_default=dict,
    )
    located = fields.Nested(LocatedSchema)
    placeholders = fields.List(fields.Nested(PlaceholderSchema), load_default=list)
    unlocated = Words(load_default="keep", validate=validate.OneOf(["keep", "skip"]))
