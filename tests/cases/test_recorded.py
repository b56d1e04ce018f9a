"""Reading a city's export through its mapping: dates, values, places, and files that cannot be read."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from geo.point import Point
from open311.cases.importing import weeks_to_now
from open311.cases.recorded import BadRow, ExportMapping, RecordedCase, rows_of
from open311.city.lines import BadFile
from tests.small_city import HEADER, SmallCity

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(weeks=1)

MAPPING = """\
timezone: America/New_York
columns:
  service_request_id: ID
  requested_datetime: OPENED
  closed_datetime: CLOSED
  updated_datetime: CHANGED
  expected_datetime: TARGET
  service: TYPE
  status: STATUS
  status_notes: NOTES
  description: TEXT
  address: ADDRESS
  address_id: PLACE
  zipcode: ZIP
  lat: LAT
  long: LONG
  channel: SOURCE
  department: DEPARTMENT
  unit: QUEUE
values:
  status: {Done: closed, Pending: open}
  channel: {Call: phone}
  service: {Hole: Pothole}
  department: {PWD: WORKS}
  unit: {Yard: East Yard}
located: {column: LOCATED, values: ["1", "yes"]}
"""
ROW = {"ID": "A-1", "OPENED": "2026-01-15T09:30:00", "TYPE": "Pothole", "LOCATED": "1"}

Read = Callable[..., RecordedCase]


@pytest.fixture
def mapping(tmp_path: Path) -> ExportMapping:
    """A mapping that uses everything a mapping can say."""
    file = tmp_path / "mapping.yml"
    file.write_text(MAPPING)
    return ExportMapping(file)


@pytest.fixture
def read(mapping: ExportMapping) -> Read:
    """Reads a row: read(STATUS="Done") with the other columns as in ROW."""

    def read(*, moved: timedelta = timedelta(), now: datetime = NOW, **columns: str) -> RecordedCase:
        return mapping.case({**ROW, **columns}, 2, moved=moved, now=now)

    return read


# Dates


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-01-15T09:30:00", datetime(2026, 1, 15, 14, 30, tzinfo=UTC), id="winter"),
        pytest.param("2026-05-15 09:30", datetime(2026, 5, 15, 13, 30, tzinfo=UTC), id="summer"),
        pytest.param("2026-01-15T09:30:00Z", datetime(2026, 1, 15, 9, 30, tzinfo=UTC), id="a-zone-of-its-own"),
        pytest.param("2026-01-15", datetime(2026, 1, 15, 5, tzinfo=UTC), id="a-day"),
    ],
)
def test_dates_without_a_zone_are_of_the_citys_clock(read: Read, text: str, moment: datetime):
    assert read(OPENED=text).requested_at == moment


def test_dates_that_are_moved_across_a_clock_change_keep_the_wall_clock(read: Read):
    # 15 January and, ten weeks later, 26 March: New York has changed to summer time in between.
    recorded = read(OPENED="2026-01-15T09:30:00", CLOSED="2026-01-16T17:00:00", moved=10 * WEEK)

    assert recorded.requested_at == datetime(2026, 3, 26, 13, 30, tzinfo=UTC)
    assert recorded.closed_at == datetime(2026, 3, 27, 21, 0, tzinfo=UTC)


def test_moved_dates_keep_their_day_of_the_week(read: Read):
    recorded = read(moved=10 * WEEK)

    assert recorded.requested_at.weekday() == datetime(2026, 1, 15).weekday()


def test_an_opening_after_now_is_refused(read: Read):
    with pytest.raises(BadRow, match="OPENED must not lie after now, got 2026-06-01T12:00:01Z"):
        read(OPENED="2026-06-01T12:00:01Z")


def test_what_is_closed_after_now_is_still_open(read: Read):
    recorded = read(CLOSED="2026-06-02T00:00:00", STATUS="Done")

    assert (recorded.status, recorded.closed_at) == ("open", None)
    assert recorded.updated_at == recorded.requested_at


def test_what_was_closed_before_it_was_opened_is_closed_at_its_opening(read: Read):
    recorded = read(CLOSED="2026-01-15T09:29:00")

    assert recorded.closed_at == recorded.requested_at
    assert recorded.was_closed_early


def test_what_was_closed_at_its_opening_was_not_closed_early(read: Read):
    assert not read(CLOSED=ROW["OPENED"]).was_closed_early


def test_a_closed_case_without_a_date_is_closed_when_it_last_changed(read: Read):
    recorded = read(STATUS="Done", CHANGED="2026-02-01T00:00:00Z")

    assert recorded.closed_at == datetime(2026, 2, 1, tzinfo=UTC)


def test_an_open_case_has_no_closing_whatever_its_date_says(read: Read):
    recorded = read(STATUS="Pending", CLOSED="2026-02-01")

    assert (recorded.status, recorded.closed_at) == ("open", None)


@pytest.mark.parametrize(
    ("closed", "status"), [pytest.param("2026-02-01", "closed", id="with-date"), pytest.param("", "open", id="without")]
)
def test_without_a_status_the_closing_date_says_it(read: Read, closed: str, status: str):
    assert read(CLOSED=closed).status == status


@pytest.mark.parametrize(
    ("changed", "updated"),
    [
        pytest.param("", "2026-01-15T14:30:00Z", id="never"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-15T14:30:00Z", id="before-the-opening"),
        pytest.param("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", id="after-the-opening"),
        pytest.param("2027-01-01T00:00:00Z", "2026-06-01T12:00:00Z", id="after-now"),
    ],
)
def test_the_last_change_lies_between_opening_and_now(read: Read, changed: str, updated: str):
    assert read(CHANGED=changed).updated_at == datetime.fromisoformat(updated)


def test_the_expected_date_may_lie_ahead(read: Read):
    assert read(TARGET="2027-01-01").expected_at == datetime(2027, 1, 1, 5, tzinfo=UTC)


# Values


def test_values_are_translated_by_the_tables_of_the_mapping(read: Read):
    recorded = read(STATUS="Done", SOURCE="Call", TYPE="Hole", DEPARTMENT="PWD", QUEUE="Yard")

    assert (recorded.status, recorded.channel, recorded.service, recorded.department, recorded.unit) == (
        "closed",
        "phone",
        "Pothole",
        "WORKS",
        "East Yard",
    )


def test_values_that_no_table_names_stand_as_they_are(read: Read):
    recorded = read(STATUS="CLOSED", SOURCE="Email", DEPARTMENT="PARKS")

    assert (recorded.status, recorded.channel, recorded.department) == ("closed", "email", "PARKS")


def test_a_case_without_a_channel_has_another(read: Read):
    assert read().channel == "other"


def test_texts_are_cleaned_and_blank_ones_are_none(read: Read):
    recorded = read(TEXT="a\r\nb\x00", ADDRESS="33 Beacon St  Boston", ZIP=" 02108 ", NOTES="  ", QUEUE="Y\x00ard")

    assert (recorded.description, recorded.address, recorded.zipcode) == ("a\nb", "33 Beacon St Boston", "02108")
    assert (recorded.status_notes, recorded.address_id) == (None, None)
    assert recorded.unit == "Yard"


def test_a_description_is_cut_at_4000_characters(read: Read):
    assert len(read(TEXT="x" * 5000).description or "") == 4000


# Places


def test_a_case_has_the_point_of_its_row(read: Read):
    assert read(LAT="42.35", LONG="-71.06").point == Point(lat=42.35, long=-71.06)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"LOCATED": "0", "LAT": "42.35", "LONG": "-71.06"}, id="not-located"),
        pytest.param({"LOCATED": "", "LAT": "42.35", "LONG": "-71.06"}, id="located-blank"),
        pytest.param({"LOCATED": "0", "LAT": "nowhere", "LONG": "x"}, id="not-located-and-no-numbers"),
        pytest.param({"LAT": "42.35", "LONG": ""}, id="half-a-point"),
        pytest.param({}, id="no-point"),
    ],
)
def test_a_case_without_a_place_has_no_point(read: Read, columns: dict[str, str]):
    assert read(**columns).point is None


# Rows that cannot be used


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        pytest.param({"ID": ""}, "ID must be letters, digits, dots, - and _, at most 64, got ''", id="no-number"),
        pytest.param(
            {"ID": "A/1"}, "ID must be letters, digits, dots, - and _, at most 64, got 'A/1'", id="number-with-a-slash"
        ),
        pytest.param({"TYPE": " "}, "TYPE must name a service", id="no-service"),
        pytest.param({"OPENED": ""}, "OPENED must be a date and time", id="no-opening"),
        pytest.param({"OPENED": "15/01/2026"}, "OPENED must be a date and time like", id="opening-in-another-form"),
        pytest.param({"CLOSED": "2026-02-30"}, "CLOSED must be a date and time that exists", id="30-february"),
        pytest.param({"STATUS": "Lost"}, "STATUS must be mapped to open or closed, got 'lost'", id="unknown-status"),
        pytest.param({"SOURCE": "Pigeon"}, "SOURCE must be mapped to one of app, ", id="unknown-channel"),
        pytest.param({"LAT": "91", "LONG": "0"}, "LAT, LONG: lat must be a number from -90 to 90", id="lat-91"),
        pytest.param({"LAT": "here", "LONG": "0"}, "LAT, LONG: lat must be a number", id="lat-in-words"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_the_column(read: Read, columns: dict[str, str], told: str):
    with pytest.raises(BadRow) as refused:
        read(**columns)

    assert str(refused.value).startswith(told)


# Mappings that cannot be used


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param("  service: TYPE\n", "", "mapping.yml:3: columns.service: is required", id="no-service-column"),
        pytest.param("America/New_York", "Mars", "mapping.yml:1: timezone: must be a time zone", id="unknown-zone"),
        pytest.param("  zipcode: ZIP", "  zip: ZIP", "mapping.yml:14: columns.zip: Unknown field.", id="unknown-column"),
        pytest.param(
            "Done: closed",
            "Done: done",
            "mapping.yml:21: values.status: must be one of open, closed, got 'done'",
            id="unknown-status",
        ),
        pytest.param(
            "Call: phone", "Call: horn", "mapping.yml:22: values.channel: must be one of app, ", id="unknown-channel"
        ),
        pytest.param('["1", "yes"]', "[1]", "mapping.yml:26: located.values: must be text", id="number-for-text"),
        pytest.param("columns:\n", "columns: none\nrest:\n", "mapping.yml:2: columns: ", id="columns-in-words"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_is_refused_with_the_line(tmp_path: Path, old: str, new: str, told: str):
    file = tmp_path / "mapping.yml"
    assert MAPPING.count(old) == 1
    file.write_text(MAPPING.replace(old, new))

    with pytest.raises(BadFile) as refused:
        ExportMapping(file)

    assert refused.value.messages[0].removeprefix(f"{tmp_path}/").startswith(told)


# Files


LINES = [HEADER, "A-1,2026-01-01,,Pothole,,,,", "A-2,2026-01-02,,Pothole,,,,"]


def rows(file: Path, folder: SmallCity) -> list[tuple[int, str | None]]:
    """Line and number of each row."""
    return [(line, row["ID"]) for line, row in rows_of(file, ExportMapping(folder.path / "mapping.yml"))]


def refusal(file: Path, folder: SmallCity) -> str:
    """What is said of the file, which is cut from the front."""
    with pytest.raises(BadFile) as refused:
        rows(file, folder)
    (message,) = refused.value.messages
    return message.removeprefix(f"{folder.path}/")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("r.csv", "\n".join(LINES).encode(), id="plain"),
        pytest.param("r.csv", "\r\n".join(LINES).encode(), id="windows-line-ends"),
        pytest.param("r.csv", "\n".join(LINES).encode("utf-8-sig"), id="byte-order-mark"),
        pytest.param("r.csv.gz", gzip.compress("\n".join(LINES).encode()), id="gzip"),
        pytest.param("r.csv.gz", gzip.compress("\n".join(LINES).encode("utf-8-sig")), id="gzip-and-mark"),
    ],
)
def test_a_file_is_read_row_by_row_with_its_lines(folder: SmallCity, name: str, content: bytes):
    file = folder.path / name
    file.write_bytes(content)

    assert rows(file, folder) == [(2, "A-1"), (3, "A-2")]


def test_a_row_over_several_lines_is_named_by_its_last(folder: SmallCity):
    file = folder.record('A-1,2026-01-01,,"Pot\nhole",,,,', "A-2,2026-01-02,,Pothole,,,,")

    assert rows(file, folder) == [(3, "A-1"), (4, "A-2")]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        pytest.param("r.csv.gz", b"no gzip", "r.csv.gz:1: cannot be read: Not a gzipped file", id="no-gzip"),
        pytest.param(
            "r.csv.gz",
            gzip.compress("\n".join([*LINES, *(f"B-{each},2026-01-02,,Pothole,,,," for each in range(9999))]).encode())[
                :-4000
            ],
            "r.csv.gz:",
            id="cut-gzip",
        ),
        pytest.param(
            "r.csv.gz",
            gzip.compress("\n".join(LINES).encode())[:30] + b"\0" * 60,
            "r.csv.gz:1: cannot be read: ",
            id="damaged-gzip",
        ),
        pytest.param(
            "r.csv",
            "\n".join([*LINES, "Ä-3,2026-01-03,,Pothole,,,,"]).encode("latin-1"),
            "r.csv:4: must be UTF-8: invalid continuation byte",
            id="latin-1",
        ),
        pytest.param("r.csv", "\n".join(LINES).encode("utf-16"), "r.csv:1: must be UTF-8: ", id="utf-16"),
        pytest.param(
            "r.csv",
            "\n".join([*LINES, 'A-3,"2026" 01 03,,Pothole,,,,']).encode(),
            "r.csv:4: not CSV: ",
            id="stray-quotes",
        ),
        pytest.param(
            "r.csv",
            b"ID,OPENED,TYPE\nA-1,2026-01-01,Pothole\n",
            "r.csv:1: has no column CLOSED, LAT, LONG, DEPARTMENT, QUEUE, which ",
            id="missing-columns",
        ),
        pytest.param("r.csv", b"", "r.csv:1: has no column ID, ", id="empty"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_the_line(folder: SmallCity, name: str, content: bytes, told: str):
    file = folder.path / name
    file.write_bytes(content)

    assert refusal(file, folder).startswith(told)


def test_a_file_that_is_cut_is_named_with_the_line_it_breaks_off_at(folder: SmallCity):
    lines = [*LINES, *(f"B-{each},2026-01-02,,Pothole,,,," for each in range(9999))]
    file = folder.path / "r.csv.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode())[:-4000])

    line = int(refusal(file, folder).split(":")[1])

    assert 100 < line < len(lines)


# How far dates are moved


@pytest.mark.parametrize(
    ("newest", "weeks"),
    [
        pytest.param("2026-06-01T10:00:00Z", 0, id="two-hours-ago"),
        pytest.param("2026-05-25T12:00:01Z", 0, id="a-second-less-than-a-week-ago"),
        pytest.param("2026-05-25T10:59:59Z", 1, id="a-week-and-an-hour-ago"),
        pytest.param("2015-12-31T12:00:00Z", 543, id="years-ago"),
        pytest.param("2027-01-01T00:00:00Z", 0, id="ahead"),
    ],
)
def test_dates_move_by_the_weeks_that_bring_the_newest_opening_near_now(folder: SmallCity, newest: str, weeks: int):
    file = folder.record("A-1,2001-01-01,,Pothole,,,,", f"A-2,{newest},,Pothole,,,,", "A-3,never,,Pothole,,,,")
    mapping = ExportMapping(folder.path / "mapping.yml")

    moved = weeks_to_now(file, mapping, now=NOW)

    assert moved == weeks


def test_a_file_without_rows_is_not_moved(folder: SmallCity):
    assert weeks_to_now(folder.record(), ExportMapping(folder.path / "mapping.yml"), now=NOW) == 0
