"""A demo's dates: moved by whole weeks, so that the newest case is of this week."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from open311.cases.importing import WEEK, weeks_to_now
from open311.cases.recorded import ExportMapping

# In the weeks around the changes to and from summer time an hour more or less lies between.
moments = st.datetimes(datetime(2025, 10, 20), datetime(2026, 11, 20)).map(lambda each: each.replace(microsecond=0, tzinfo=UTC))
OPENED = "2015-09-30T22:51:00"


@given(now=moments)
@example(now=datetime(2025, 11, 6, 2, 51, tzinfo=UTC))
def test_the_newest_case_lies_in_the_last_week(tmp_path_factory, now: datetime) -> None:
    folder = Path(tmp_path_factory.getbasetemp())
    mapping = _mapping(folder)

    weeks = weeks_to_now(folder / "weeks.csv", mapping, now=now)

    newest = datetime.fromisoformat(OPENED).replace(tzinfo=mapping.zone) + timedelta(weeks=weeks)
    # The week in which summer time ends has an hour more.
    assert now - WEEK - timedelta(hours=1) < newest.astimezone(UTC) <= now


def test_a_case_of_today_is_not_moved(tmp_path: Path) -> None:
    now = datetime(2015, 10, 1, 12, tzinfo=UTC)

    assert weeks_to_now(tmp_path / "weeks.csv", _mapping(tmp_path), now=now) == 0


def _mapping(folder: Path) -> ExportMapping:
    (folder / "weeks.csv").write_text(f"ID,OPENED,TYPE\n1,2015-01-01T08:00:00,x\n2,{OPENED},x\n")
    (folder / "weeks.yml").write_text(
        "timezone: America/New_York\ncolumns: {service_request_id: ID, requested_datetime: OPENED, service: TYPE}\n"
    )
    return ExportMapping(folder / "weeks.yml")
