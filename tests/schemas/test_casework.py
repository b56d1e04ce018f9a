"""What an item of targets.yml may say."""

from datetime import date
from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.casework import TargetSchema


def target(**said: Any) -> dict[str, Any]:
    """An item of ten working days of the office, with changes; None: left out."""
    whole = {"service_code": "pothole", "working_days": 10, "calendar": "office", **said}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(target(), id="of-a-service"),
        pytest.param(target(service_code=None, group="Parks & Trees"), id="of-a-group"),
        pytest.param(target(service_code=None), id="of-every-service"),
        pytest.param(target(working_days=None, working_hours=4.5), id="working-hours"),
        pytest.param(target(working_days=None, calendar=None, calendar_days=365), id="calendar-days"),
        pytest.param(target(working_days=None, calendar=None, hours=0.5), id="hours"),
        pytest.param(target(department="WORKS"), id="of-a-department"),
        pytest.param(target(valid_from=date(2015, 2, 17), valid_to="2015-02-18"), id="for-a-day"),
    ],
)
def test_a_target_is_read(said: dict[str, Any]):
    read = TargetSchema().load(said)

    assert {name: value for name, value in read.items() if value is not None and name in said and name != "valid_to"} == {
        name: value for name, value in said.items() if name != "valid_to"
    }


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        pytest.param(target(group="Parks"), "group", "must be left out where service_code is given", id="service-and-group"),
        pytest.param(target(working_days=None), "_schema", "must have exactly one of working_days, ", id="no-unit"),
        pytest.param(target(hours=3), "_schema", "got working_days and hours", id="two-units"),
        pytest.param(
            target(calendar=None), "calendar", "is required for working_days: the code of a calendar", id="no-calendar"
        ),
        pytest.param(
            target(working_days=None, hours=3),
            "calendar",
            "must be left out for hours, which pass day and night",
            id="calendar",
        ),
        pytest.param(target(working_days=0), "working_days", "must be more than 0 and at most 3650, got 0", id="nothing"),
        pytest.param(target(working_days=-1), "working_days", "must be more than 0", id="less-than-nothing"),
        pytest.param(target(working_days=10**9), "working_days", "at most 3650", id="for-ever"),
        pytest.param(target(working_days=1.5), "working_days", "must be a whole number of days", id="part-of-a-day"),
        pytest.param(target(working_days=float("nan")), "working_days", "Special numeric", id="no-number"),
        pytest.param(target(working_days=float("inf")), "working_days", "Special numeric", id="endless-days"),
        pytest.param(target(working_days=None, working_hours=float("inf")), "working_hours", "Special numeric", id="endless"),
        pytest.param(target(working_days="ten"), "working_days", "must be a number, got 'ten'", id="words"),
        pytest.param(target(working_days=True), "working_days", "must be a number, got True", id="yes"),
        pytest.param(
            target(valid_from="2015-02-17", valid_to="2015-02-17"), "valid_to", "must be after valid_from", id="over-at-once"
        ),
        pytest.param(target(weeks=2), "weeks", "Unknown field", id="a-name-it-does-not-have"),
    ],
)
def test_a_target_that_means_nothing_is_refused(said: dict[str, Any], field: str, message: str):
    with pytest.raises(ValidationError) as refused:
        TargetSchema().load(said)

    assert message in str(refused.value.messages_dict[field])
