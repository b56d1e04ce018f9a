"""How a city's departments work, as the files of its folder say it.  `docs/city-folder.md` shows each.

statuses.yml, closing_reasons.yml, texts.yml, plans.yml, ladders.yml, articles.yml; targets.yml is in schemas.casework.
"""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.casework import AmountSchema
from schemas.city import Code, Words

ROLES = ("call_taker", "department", "supervisor", "administrator")
PRIORITIES = ("normal", "high", "urgent")


class StatusSchema(Schema):
    """An item of statuses.yml."""

    code = Code(required=True)
    name = Words(required=True)
    status = Words(required=True, validate=validate.OneOf(["open", "closed"]))
    wire = Words(load_default=None)
    stops_clock = fields.Boolean(load_default=False)
    next = fields.List(Code(), load_default=list)

    @validates_schema
    def _only_what_is_open_has_a_clock(self, data: Any, **kwargs: Any) -> None:
        if data["stops_clock"] and data["status"] == "closed":
            raise ValidationError("is for statuses that are open", "stops_clock")

    @post_load
    def _wire_is_the_code(self, data: Any, **kwargs: Any) -> Any:
        return {**data, "wire": data["wire"] or data["code"]}


class ClosingReasonSchema(Schema):
    """An item of closing_reasons.yml."""

    code = Code(required=True)
    name = Words(required=True)
    status = Code(required=True)
    department = Code(load_default=None)


class Language(Words):
    """A language by its tag, English unless said otherwise."""

    def __init__(self) -> None:
        super().__init__(
            load_default="en", validate=validate.Regexp(r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$", error="must be like en or pt-BR")
        )


class TextSchema(Schema):
    """An item of texts.yml."""

    status = Code(required=True)
    reason = Code(load_default=None)
    service_code = Code(load_default=None)
    language = Language()
    text = Words(required=True, validate=validate.Length(max=4000))
    department = Code(load_default=None)


class ArticleSchema(Schema):
    """An item of articles.yml: of a service, of those of a group, or of everything."""

    code = Code(required=True)
    title = Words(required=True, validate=validate.Length(max=200))
    service_code = Code(load_default=None)
    group = Words(load_default=None)
    language = Language()
    keywords = fields.List(Words(), load_default=list)
    private = fields.Boolean(load_default=False)
    text = Words(required=True, validate=validate.Length(max=4000))
    department = Code(load_default=None)

    @validates_schema
    def _is_of_a_service_or_a_group(self, data: Any, **kwargs: Any) -> None:
        if data["service_code"] and data["group"]:
            raise ValidationError("must be left out where service_code is given", "group")


class PhaseSchema(Schema):
    """A phase of a plan: its department, or the service by whose rules it is routed; the phases that come before it."""

    code = Code(required=True)
    name = Words(required=True)
    department = Code(load_default=None)
    service_code = Code(load_default=None)
    after = fields.List(Code(), load_default=list)
    target = fields.Nested(AmountSchema, load_default=None)

    @validates_schema
    def _somebody_has_it(self, data: Any, **kwargs: Any) -> None:
        if data["department"] and data["service_code"]:
            raise ValidationError("must be blank where department is given", "service_code")


class PlanSchema(Schema):
    """An item of plans.yml."""

    service_code = Code(required=True)
    phases = fields.List(fields.Nested(PhaseSchema), required=True, validate=validate.Length(min=1))
    department = Code(load_default=None)

    @validates_schema
    def _phases_have_an_order(self, data: Any, **kwargs: Any) -> None:
        problem = order_problem(data["phases"])
        if problem is not None:
            raise ValidationError(problem, "phases")


class StepSchema(Schema):
    """A step of a ladder: when it is taken, and what it does."""

    used = fields.Float(load_default=None, validate=validate.Range(min=0, min_inclusive=False, max=100))
    words = fields.List(Words(), load_default=None, validate=validate.Length(min=1))
    attribute = Words(load_default=None)
    value = Words(load_default=None)
    priority = Words(load_default=None, validate=validate.OneOf(PRIORITIES))
    alert = Words(load_default="supervisor", validate=validate.OneOf(ROLES))

    @validates_schema
    def _has_one_cause(self, data: Any, **kwargs: Any) -> None:
        given = [name for name in ("used", "words", "attribute") if data[name] is not None]
        if len(given) != 1:
            raise ValidationError(f"must have one of used, words, attribute, got {', '.join(given) or 'none'}")
        if (data["attribute"] is None) != (data["value"] is None):
            raise ValidationError("attribute and value must be given together", "value")


class LadderSchema(Schema):
    """An item of ladders.yml; the steps by time stand in the order in which they are taken."""

    code = Code(required=True)
    service_code = Code(load_default=None)
    for_department = Code(load_default=None)
    steps = fields.List(fields.Nested(StepSchema), required=True, validate=validate.Length(min=1))
    department = Code(load_default=None)

    @validates_schema
    def _is_of_one_thing(self, data: Any, **kwargs: Any) -> None:
        if data["service_code"] and data["for_department"]:
            raise ValidationError("must be blank where service_code is given", "for_department")
        shares = [step["used"] for step in data["steps"] if step["used"] is not None]
        if shares != sorted(set(shares)):
            raise ValidationError("must have ascending shares, each once", "steps")


def order_problem(phases: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with the order of phases (code, after), as a sentence; None when nothing is."""
    codes = [phase["code"] for phase in phases]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        return f"{', '.join(twice)} must stand once"
    for phase in phases:
        unknown = [code for code in phase["after"] if code not in codes]
        if unknown:
            return f"{phase['code']} is after {', '.join(unknown)}, which is no phase of the plan"
    try:
        TopologicalSorter({phase["code"]: phase["after"] for phase in phases}).prepare()
    except CycleError as error:
        return f"{', '.join(reversed(error.args[1]))}: these wait for one another"
    return None


def _standard(code: str, name: str, status: str, *, wire: str | None = None, stops_clock: bool = False) -> dict[str, Any]:
    return {"code": code, "name": name, "status": status, "wire": wire or code, "stops_clock": stops_clock}


_STANDARD = [
    _standard("open", "Open", "open"),
    _standard("for_triage", "To be looked at", "open"),
    _standard("investigating", "Being investigated", "open"),
    _standard("planned", "Planned", "open"),
    _standard("action_scheduled", "Work is scheduled", "open"),
    _standard("in_progress", "Work is in progress", "open"),
    _standard("waiting", "Waiting for the person who reported it", "open", wire="investigating", stops_clock=True),
    _standard("fixed", "Fixed", "closed"),
    _standard("closed", "Closed", "closed"),
    _standard("no_further_action", "No further action", "closed"),
    _standard("not_councils_responsibility", "Not for the city to do", "closed"),
    _standard("duplicate", "Reported already", "closed"),
    _standard("internal_referral", "Referred within the city", "closed"),
    _standard("cancelled", "Cancelled", "closed"),
]
# Of a city whose folder has no statuses.yml: whatever is open may become anything; what is closed is corrected or reopened.
STANDARD_STATUSES: Sequence[Mapping[str, Any]] = [
    {
        **each,
        "next": [
            other["code"]
            for other in _STANDARD
            if other is not each and (each["status"] == "open" or other["status"] == "closed" or other["code"] == "open")
        ],
    }
    for each in _STANDARD
]
