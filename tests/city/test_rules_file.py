"""rules.csv with its conditions and dates, and where services are offered: read, refused with the line, written out again."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon
from sqlalchemy import select

from db import db
from geo.models import Boundary, Layer
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import load_folder
from open311.city.proposal import put_rules_file
from open311.city.rules import COLUMNS, as_csv, read_back, read_rules
from open311.config import CHECKOUT
from open311.jurisdictions import City, read_cities
from open311.models import Service
from routing.models import RoutingRule
from schemas.city import RuleSchema
from tests.cases.smallville import SWAPPED, Smallville
from tests.small_city import CITY, SmallCity

pytestmark = pytest.mark.usefixtures("app")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")

CALENDARS = "- {code: office, name: the office, hours: {mon-fri: ['08:00-16:00']}}\n"
# Every column, each kind of condition, alone and together.
RULES = """\
code,service_code,group,layer,boundary,attribute,value,calendar,during,department,priority,valid_from,valid_to,note
all,,,,,,,,,HALL,900,,,
deep,pothole,,ward,E,DEPTH,deep,office,closed,works-east,10,2026-01-01,2027-01-01,"deep, and by the yard"
depth,,Streets,,,DEPTH,shallow,,,WORKS,100,,2026-07-01T12:30:00Z,
night,tree,,,,,,office,closed,HALL,100,2026-03-08,,
open,,Parks,,,,,office,open,PARKS,100,,,"the ""open"" desk"
"""


@pytest.fixture
def folder(folder: SmallCity) -> SmallCity:
    """Smallville with an office calendar and rules of every kind."""
    folder.write("calendars.yml", CALENDARS)
    folder.write("rules.csv", RULES)
    folder.change("services.yml", "  group: Streets\n", "  group: Streets\n  offered_in: {layer: ward, boundaries: [W, E]}\n")
    return folder


@pytest.fixture
def city(folder: SmallCity) -> City:
    """Smallville, loaded."""
    load_folder(db.session(), read_folder(folder.path), now=NOW)
    return named("small.gov")


def named(jurisdiction_id: str) -> City:
    """A city that is loaded."""
    raw = db.session.connection().connection.driver_connection
    assert raw is not None
    return next(each for each in read_cities(raw) if each.jurisdiction_id == jurisdiction_id)


def stored(city: City, code: str) -> RoutingRule:
    """A rule of the city."""
    return db.session.scalars(select(RoutingRule).where(RoutingRule.jurisdiction_id == city.id, RoutingRule.code == code)).one()


# What is kept


def test_conditions_and_dates_are_kept_dates_by_the_citys_clock(city: City):
    deep, depth = stored(city, "deep"), stored(city, "depth")

    assert (deep.attribute_code, deep.attribute_value, deep.during) == ("DEPTH", "deep", "closed")
    assert deep.calendar_id is not None
    assert (deep.valid_from, deep.valid_to) == (datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2027, 1, 1, 5, tzinfo=UTC))
    assert (depth.valid_from, depth.valid_to) == (None, datetime(2026, 7, 1, 12, 30, tzinfo=UTC))


def test_blank_columns_are_no_conditions(city: City):
    rule = stored(city, "all")

    assert (rule.attribute_code, rule.attribute_value, rule.calendar_id, rule.during, rule.valid_from, rule.valid_to) == (
        (None,) * 6
    )


def test_a_file_with_the_two_columns_that_are_needed_is_enough(city: City, folder: SmallCity):
    put_rules_file(db.session(), city, folder.write("rules.csv", "department,code\nHALL,all\n"))

    assert [rule["code"] for rule in read_back(db.session(), city.id)] == ["all"]
    assert stored(city, "all").priority == 100


# What is refused: by the load of a folder, and by the import of a file alone

FAULTS = [
    pytest.param("office,closed,HALL", "office,,HALL", "5: during: calendar and during must be given together", id="half"),
    pytest.param("office,closed,HALL", ",closed,HALL", "5: during: calendar and during must be given together", id="no-name"),
    pytest.param(
        "DEPTH,shallow", "DEPTH,", "4: value: attribute and value must be given together", id="an-attribute-without-a-value"
    ),
    pytest.param(
        "DEPTH,shallow", ",shallow", "4: value: attribute and value must be given together", id="a-value-without-an-attribute"
    ),
    pytest.param("office,closed,HALL", "shop,closed,HALL", "5: calendar: nothing has the code 'shop'", id="unknown-calendar"),
    pytest.param("office,open", "office,ajar", "6: during: must be open or closed", id="neither-open-nor-closed"),
    pytest.param(
        "DEPTH,shallow",
        "WIDTH,wide",
        "4: attribute: no service that the rule speaks of asks 'WIDTH'",
        id="a-question-nobody-asks",
    ),
    pytest.param(
        "night,tree,,,,,",
        "night,tree,,,,DEPTH,deep",
        "5: attribute: no service that the rule speaks of asks 'DEPTH'",
        id="a-question-of-another-service",
    ),
    pytest.param(
        "open,,Parks,,,,",
        "open,,Parks,,,DEPTH,deep",
        "6: attribute: no service that the rule speaks of asks 'DEPTH'",
        id="a-question-of-another-group",
    ),
    pytest.param(
        "DEPTH,shallow", "DEPTH,bottomless", "4: value: DEPTH takes deep, shallow, got 'bottomless'", id="no-choice-of-it"
    ),
    pytest.param("2026-03-08", "8 March", "5: valid_from: must be a date and time like", id="not-a-date"),
    pytest.param("2026-03-08", "2026-02-30", "5: valid_from: must be a date and time that exists", id="no-date-that-exists"),
    pytest.param(
        "2027-01-01", "9999-12-31T23:00:00", "3: valid_to: must be a date of the years 2 to 9998", id="after-the-calendar"
    ),
    pytest.param("2027-01-01", "2025-01-01", "3: valid_to: must be later than valid_from", id="ends-before-it-begins"),
    pytest.param("2027-01-01", "2026-01-01", "3: valid_to: must be later than valid_from", id="ends-as-it-begins"),
    pytest.param(
        # By the city's clock the first of January begins five hours after this.
        "2027-01-01",
        "2026-01-01T04:00:00Z",
        "3: valid_to: must be later than valid_from",
        id="ends-before-it-begins-by-the-citys-clock",
    ),
    pytest.param("open,,Parks", "open,,Oaks", "6: group: nothing has the code 'Oaks'", id="unknown-group"),
    pytest.param("deep,pothole,,ward,E", "deep,pit,,ward,E", "3: service_code: nothing has the code 'pit'", id="service"),
    pytest.param("ward,E", "ward,N", "3: boundary: ward has no boundary 'N'", id="unknown-boundary"),
    pytest.param("ward,E", "beat,1", "3: layer: nothing has the code 'beat'", id="unknown-layer"),
    pytest.param("office,open,PARKS", "office,open,TREES", "6: department: nothing has the code 'TREES'", id="department"),
    pytest.param("open,,Parks", "night,,Parks", "6: code: 'night' stands twice", id="code-twice"),
]


@pytest.mark.parametrize(("old", "new", "told"), FAULTS)
def test_a_fault_is_told_with_its_line(folder: SmallCity, old: str, new: str, told: str):
    folder.change("rules.csv", old, new)

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/rules.csv:{told}"), message


@pytest.mark.parametrize(("old", "new", "told"), FAULTS)
def test_a_file_alone_is_refused_for_the_same_and_the_citys_rules_stay(
    city: City, folder: SmallCity, old: str, new: str, told: str
):
    folder.change("rules.csv", old, new)

    with pytest.raises(BadFile) as refused:
        put_rules_file(db.session(), city, folder.path / "rules.csv")

    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/rules.csv:{told}"), message
    assert as_csv(read_back(db.session(), city.id)) == RULES


def test_a_question_that_only_informs_is_asked_of_nobody(folder: SmallCity):
    folder.change("services.yml", "      required: true\n", "      variable: false\n")

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    assert {message.split(": ", 1)[1] for message in refused.value.messages} == {
        "attribute: no service that the rule speaks of asks 'DEPTH'"
    }


def test_any_value_may_be_asked_of_a_question_without_choices(folder: SmallCity):
    services = (folder.path / "services.yml").read_text()
    before, _, after = services.partition("      values:\n")
    folder.write("services.yml", before.replace("singlevaluelist", "string") + after[after.index("- service_code: tree") :])

    assert len(read_folder(folder.path).rules) == 5


def test_a_district_of_a_map_that_was_taken_back_is_none(app: Flask, folder: SmallCity):
    folder.write("rules.csv", "code,department\nall,HALL\n")
    town = Smallville(db.session(), folder, now=NOW)
    town.publish({**SWAPPED, "N": SWAPPED["W"]}, valid_from=datetime(2099, 1, 1, tzinfo=UTC))
    file = folder.write("rules.csv", "code,layer,boundary,department\nnorth,ward,N,HALL\n")
    assert put_rules_file(db.session(), town.city, file) == 1

    town.take_back(now=NOW)

    with pytest.raises(BadFile, match="ward has no boundary 'N'"):
        put_rules_file(db.session(), town.city, file)


def test_a_rule_of_a_district_that_has_ended_is_taken_so_that_what_was_exported_can_be_put_back(app: Flask, folder: SmallCity):
    folder.write("rules.csv", "code,layer,boundary,department\neast,ward,E,HALL\n")
    town = Smallville(db.session(), folder, now=NOW)
    town.publish({"W": SWAPPED["W"]}, valid_from=NOW + timedelta(hours=1))

    file = folder.write("again.csv", as_csv(read_back(db.session(), town.city.id)))

    assert put_rules_file(db.session(), town.city, file) == 1


def test_a_rule_of_a_service_that_is_retired_is_taken_as_well(app: Flask, folder: SmallCity):
    folder.write("rules.csv", "code,service_code,department\nholes,pothole,HALL\n")
    town = Smallville(db.session(), folder, now=NOW)
    town.connection.execute("update service set is_active = false where code = 'pothole'")

    file = folder.write("again.csv", as_csv(read_back(db.session(), town.city.id)))

    assert put_rules_file(db.session(), town.city, file) == 1


def test_a_rule_for_everywhere_is_good_whatever_layers_there_are(city: City, folder: SmallCity):
    blank = Layer(jurisdiction_id=city.id, code="", name="", code_property="code", name_property="name")
    db.session.add(blank)
    db.session.flush()
    db.session.add(
        Boundary(
            jurisdiction_id=city.id, layer_id=blank.id, code="B", name="B", area=MultiPolygon([CITY]), area_square_metres=1
        )
    )
    db.session.flush()

    assert put_rules_file(db.session(), city, folder.path / "rules.csv") == 5


# Written out again


def test_a_file_with_every_column_is_written_out_as_it_was_read(city: City):
    assert as_csv(read_back(db.session(), city.id)) == RULES


@pytest.mark.parametrize("name", ["boston", "seattle"])
def test_the_rules_of_a_demo_city_are_written_out_as_they_were_read(name: str):
    path = CHECKOUT / "fixtures" / name / "rules.csv"

    written = as_csv(read_back(db.session(), named(f"{name}.gov").id))

    assert sorted(parsed(written), key=lambda rule: rule["code"]) == sorted(
        (rule for _, rule in read_rules(path)), key=lambda rule: rule["code"]
    )
    assert sorted(written.splitlines()) == sorted(path.read_text(encoding="utf-8").splitlines())


def test_columns_that_no_rule_uses_are_left_out(city: City, folder: SmallCity):
    put_rules_file(db.session(), city, folder.write("rules.csv", "code,department\nall,HALL\n"))

    assert as_csv(read_back(db.session(), city.id)) == (
        "code,service_code,group,layer,boundary,department,priority,note\nall,,,,,HALL,100,\n"
    )


def parsed(text: str) -> list[dict[str, Any]]:
    """The rules of a file's text, whose lines are plain."""
    header, *lines = text.splitlines()
    schema = RuleSchema()
    return [dict(schema.load(row)) for row in csv.DictReader([header, *lines])]


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), min_size=1, max_size=12).map(str.strip)
dates = st.dates(min_value=datetime(1990, 1, 1).date(), max_value=datetime(2059, 1, 1).date())
moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2059, 1, 1)).map(
    lambda when: f"{when:%Y-%m-%dT%H:%M:%SZ}"
)


@st.composite
def rule(draw: st.DrawFn) -> dict[str, str]:
    """A line of rules.csv for Smallville, all of it allowed."""
    service, group, attribute = draw(
        st.sampled_from(
            [
                ("pothole", "", "DEPTH"),
                ("pothole", "", ""),
                ("", "Streets", "DEPTH"),
                ("", "Parks", ""),
                ("", "", "DEPTH"),
                ("", "", ""),
            ]
        )
    )
    layer, boundary = draw(st.sampled_from([("", ""), ("ward", "W"), ("city", "S")]))
    calendar, during = draw(st.sampled_from([("", ""), ("office", "open"), ("office", "closed")]))
    return {
        "service_code": service,
        "group": group,
        "layer": layer,
        "boundary": boundary,
        "attribute": attribute,
        "value": draw(st.sampled_from(["deep", "shallow"])) if attribute else "",
        "calendar": calendar,
        "during": during,
        "department": draw(st.sampled_from(["HALL", "works-east"])),
        "priority": str(draw(st.integers(-1_000_000, 1_000_000))),
        "valid_from": draw(st.just("") | dates.map(str) | moments),
        "valid_to": draw(st.just("") | st.sampled_from(["2059-06-01", "2060-01-01T00:00:00Z"])),
        "note": draw(st.just("") | words),
    }


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.dictionaries(words.filter(bool), rule(), max_size=6))
def test_whatever_the_rules_they_are_read_written_and_read_again_as_the_same(
    city: City, tmp_path: Path, rules: dict[str, dict[str, str]]
):
    file = tmp_path / "rules.csv"
    file.write_text(as_csv([{"code": code, **each} for code, each in rules.items()]), encoding="utf-8", newline="")
    first = [each for _, each in read_rules(file)]
    savepoint = db.session.begin_nested()
    try:
        put_rules_file(db.session(), city, file)
        written = as_csv(read_back(db.session(), city.id))
        file.write_text(written, encoding="utf-8", newline="")
        put_rules_file(db.session(), city, file)
        again = as_csv(read_back(db.session(), city.id))
    finally:
        savepoint.rollback()

    assert again == written
    second = {each["code"]: each for _, each in read_rules(file)}
    assert {each["code"]: meaning(each) for each in first} == {code: meaning(each) for code, each in second.items()}


def meaning(each: dict[str, Any] | Any) -> dict[str, Any]:
    """A rule with its times as moments, which can be written in more than one way."""
    moments = {name: _moment(each[name]) for name in ("valid_from", "valid_to")}
    return {name: moments.get(name, each[name]) for name in COLUMNS}


def _moment(text: str) -> datetime | None:
    if len(text) <= 10:
        return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC) if text else None
    return datetime.fromisoformat(text)


# Where services are offered


def test_where_a_service_is_offered_is_kept(city: City):
    service = db.session.scalars(select(Service).where(Service.jurisdiction_id == city.id, Service.code == "pothole")).one()
    others = db.session.scalars(select(Service).where(Service.jurisdiction_id == city.id, Service.code != "pothole")).all()

    assert service.offered_boundary_codes == ["W", "E"]
    assert [(each.offered_layer_id, each.offered_boundary_codes) for each in others] == [(None, None)] * 2


def test_a_service_may_be_offered_everywhere_again(city: City, folder: SmallCity):
    folder.change("services.yml", "  offered_in: {layer: ward, boundaries: [W, E]}\n", "")

    load_folder(db.session(), read_folder(folder.path), now=NOW)

    db.session.expire_all()
    service = db.session.scalars(select(Service).where(Service.jurisdiction_id == city.id, Service.code == "pothole")).one()
    assert (service.offered_layer_id, service.offered_boundary_codes) == (None, None)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        pytest.param("{layer: beat, boundaries: [W]}", "offered_in.layer: there is no layer 'beat'", id="unknown-layer"),
        pytest.param(
            "{layer: ward, boundaries: [W, N]}", "offered_in.boundaries: ward has no boundary 'N'", id="unknown-boundary"
        ),
        pytest.param("{layer: ward, boundaries: []}", "offered_in.boundaries: Shorter than minimum length 1.", id="nowhere"),
        pytest.param("{layer: ward}", "offered_in.boundaries: ", id="no-boundaries"),
        pytest.param("{layer: ward, boundaries: [7]}", "offered_in.boundaries: must be text (put it in quotes)", id="a-number"),
        pytest.param("ward", "offered_in: ", id="a-word"),
        pytest.param("{layer: ward, boundaries: [W], days: [mon]}", "offered_in.days: Unknown field.", id="unknown-name"),
    ],
)
def test_where_it_cannot_be_offered_is_told_with_the_line(folder: SmallCity, new: str, told: str):
    folder.change("services.yml", "{layer: ward, boundaries: [W, E]}", new)

    with pytest.raises(BadFile) as refused:
        read_folder(folder.path)

    (message,) = refused.value.messages
    assert message.startswith(f"{folder.path}/services.yml:5: {told}"), message
