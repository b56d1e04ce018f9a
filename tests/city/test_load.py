"""Loading a city's folder: what is put in place, what a second load changes and what it leaves alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from shapely import MultiPolygon, Polygon, box
from sqlalchemy import func, select

from db import db
from geo.importing import NewBoundary
from geo.models import Boundary, Layer
from geo.versions import publish, withdraw
from open311.city.folder import read_folder
from open311.city.lines import BadFile
from open311.city.load import Loaded, load_folder
from open311.config import CHECKOUT
from open311.models import Jurisdiction, Service, ServiceAttribute, ServiceRequest
from routing.models import Department, RoutingRule
from tests.factories import Factory
from tests.small_city import EAST, WEST, SmallCity

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGAIN = FIRST + DAY

pytestmark = pytest.mark.usefixtures("app")


def load(folder: SmallCity, *, now: datetime = FIRST) -> Loaded:
    """The folder, loaded at a moment."""
    return load_folder(db.session(), read_folder(folder.path), now=now)


def city(jurisdiction_id: str = "small.gov") -> Jurisdiction:
    """The city's row, read anew."""
    db.session.expire_all()
    return db.session.scalars(select(Jurisdiction).where(Jurisdiction.slug == jurisdiction_id)).one()


def services() -> dict[str, tuple[str, bool]]:
    """Code: name and whether it is active."""
    rows = db.session.scalars(select(Service).where(Service.jurisdiction_id == city().id))
    return {row.code: (row.name, row.is_active) for row in rows}


def versions(layer: str) -> Sequence[tuple[Any, ...]]:
    """(code, valid_from, valid_to) of every boundary of a layer, by code and age."""
    return [
        tuple(row)
        for row in db.session.execute(
            select(Boundary.code, Boundary.valid_from, Boundary.valid_to)
            .join(Layer, (Layer.jurisdiction_id == Boundary.jurisdiction_id) & (Layer.id == Boundary.layer_id))
            .where(Boundary.jurisdiction_id == city().id, Layer.code == layer)
            .order_by(Boundary.code, Boundary.id)
        )
    ]


def layer(code: str) -> Layer:
    """A layer of the city."""
    return db.session.scalars(select(Layer).where(Layer.jurisdiction_id == city().id, Layer.code == code)).one()


def names(code: str) -> set[tuple[str, str]]:
    """(code, name) of every boundary of a layer."""
    rows = db.session.execute(
        select(Boundary.code, Boundary.name).where(Boundary.jurisdiction_id == city().id, Boundary.layer_id == layer(code).id)
    )
    return {(row.code, row.name) for row in rows}


def publish_wards(areas: dict[str, Polygon], *, valid_from: datetime, code: str = "ward", **named: str) -> None:
    """A map that somebody publishes with `boundary import`."""
    publish(
        db.session(),
        [
            NewBoundary(code=each, name=named.get(each, each), area=MultiPolygon([area]), repaired=None)
            for each, area in areas.items()
        ],
        jurisdiction_id=city().id,
        layer_id=layer(code).id,
        valid_from=valid_from,
        published_at=FIRST + HOUR,
        source="wards.gpkg",
    )


def contents() -> dict[str, list[Any]]:
    """Every row of the city but its rules' ids, which are made anew."""
    city_id, found = city().id, {}
    for model in (Layer, Boundary, Department, Service):
        rows = db.session.execute(
            select(model.__table__).where(model.jurisdiction_id == city_id).order_by(model.id)  # type: ignore[attr-defined]
        )
        found[model.__name__] = [tuple(str(value) for value in row) for row in rows]
    for model, key in ((ServiceAttribute, "position"), (RoutingRule, "code")):
        columns = [column for column in model.__table__.columns if column.name != "id"]
        rows = db.session.execute(
            select(*columns).where(model.jurisdiction_id == city_id).order_by(key)  # type: ignore[attr-defined]
        )
        found[model.__name__] = [tuple(str(value) for value in row) for row in rows]
    return found


@pytest.mark.parametrize(
    ("name", "jurisdiction_id"),
    [pytest.param("boston", "boston.gov", id="boston"), pytest.param("seattle", "seattle.gov", id="seattle")],
)
def test_the_demo_cities_are_loaded_as_their_folders_say(name: str, jurisdiction_id: str):
    folder = read_folder(CHECKOUT / "fixtures" / name)

    row = city(jurisdiction_id)

    assert row.name == folder.jurisdiction["name"]
    for model, expected in (
        (Service, len(folder.services)),
        (RoutingRule, len(folder.rules)),
        (Boundary, sum(len(drawn) for drawn in folder.boundaries.values())),
        (Department, sum(1 + len(department["units"]) for department in folder.departments)),
    ):
        count = db.session.scalar(select(func.count()).where(model.jurisdiction_id == row.id))  # type: ignore[attr-defined]
        assert count == expected, model.__name__


def test_a_load_says_how_many_of_each_there_are(folder: SmallCity):
    loaded = load(folder)

    assert (loaded.services, loaded.departments, loaded.boundaries, loaded.rules) == (3, 4, 3, 3)
    assert list(loaded.repaired) == []


def test_a_load_says_which_boundaries_it_repaired(folder: SmallCity):
    folder.change(
        "boundaries/ward.geojson",
        "[-71.1, 42.3], [-71.1, 42.4], [-71.2, 42.4], [-71.2, 42.3], [-71.1, 42.3]",
        "[-71.1, 42.3], [-71.2, 42.4], [-71.1, 42.4], [-71.2, 42.3], [-71.1, 42.3]",
    )

    loaded = load(folder)

    assert [text.split("[")[0] for text in loaded.repaired] == ["ward W: Self-intersection"]


def test_the_first_version_of_a_map_is_valid_since_ever(folder: SmallCity):
    load(folder)

    assert versions("ward") == [("E", None, None), ("W", None, None)]


def test_hosts_are_kept_in_lower_case(folder: SmallCity):
    folder.change("jurisdiction.yml", "small.localhost", "Small.LocalHost")

    load(folder)

    assert city().hosts == ["small.localhost"]


def test_loading_again_changes_nothing(folder: SmallCity):
    load(folder)
    before = contents()

    load(folder, now=AGAIN)

    assert contents() == before
    assert city().changed_at == FIRST


@pytest.mark.parametrize("jurisdiction_id", ["boston.gov", "seattle.gov"])
def test_loading_a_demo_city_again_changes_nothing(jurisdiction_id: str):
    before, boundaries = city(jurisdiction_id).changed_at, _boundary_count(jurisdiction_id)
    name = jurisdiction_id.removesuffix(".gov")

    load_folder(db.session(), read_folder(CHECKOUT / "fixtures" / name), now=before + DAY)

    assert city(jurisdiction_id).changed_at == before
    assert _boundary_count(jurisdiction_id) == boundaries


def test_loading_one_city_leaves_the_other_alone(folder: SmallCity):
    before = city("boston.gov").changed_at, _boundary_count("boston.gov")

    load(folder)

    assert (city("boston.gov").changed_at, _boundary_count("boston.gov")) == before


# Services


def test_a_renamed_service_keeps_its_code_and_its_requests(folder: SmallCity, make: Factory):
    load(folder)
    request = make.request(service_code="pothole", jurisdiction_id="small.gov")
    folder.change("services.yml", "service_name: Pothole", "service_name: Hole in the Road")

    load(folder, now=AGAIN)

    service = make.service("pothole", "small.gov")
    assert (service.name, service.id) == ("Hole in the Road", request.service_id)


def test_a_service_that_is_gone_from_the_folder_is_inactive_and_keeps_its_name(folder: SmallCity):
    load(folder)
    _remove_tree(folder)

    load(folder, now=AGAIN)

    assert services()["tree"] == ("Fallen Tree", False)


def test_a_service_that_is_gone_is_not_listed_and_has_no_definition(folder: SmallCity, client: FlaskClient):
    load(folder)
    _remove_tree(folder)
    load(folder, now=AGAIN)

    listed = client.get("/open311/v2/services.json?jurisdiction_id=small.gov")
    shown = client.get("/open311/v2/services/tree.json?jurisdiction_id=small.gov")

    assert [each["service_code"] for each in listed.json] == ["secret", "pothole"]
    assert shown.status_code == 404


def test_a_service_that_comes_back_is_the_same_as_before(folder: SmallCity, make: Factory):
    load(folder)
    kept, before = (folder.path / "services.yml").read_text(), make.service("tree", "small.gov").id
    _remove_tree(folder)
    load(folder, now=AGAIN)
    folder.write("services.yml", kept)

    load(folder, now=AGAIN + DAY)

    assert services()["tree"] == ("Fallen Tree", True)
    assert make.service("tree", "small.gov").id == before


def test_the_name_of_a_gone_service_can_be_given_to_another(folder: SmallCity):
    load(folder)
    folder.change("services.yml", "service_code: tree", "service_code: fallen-tree")

    load(folder, now=AGAIN)
    load(folder, now=AGAIN + DAY)

    assert services()["fallen-tree"] == ("Fallen Tree", True)
    assert services()["tree"] == ("Fallen Tree (tree)", False)


def test_two_services_can_swap_their_names(folder: SmallCity):
    load(folder)
    folder.change("services.yml", "service_name: Pothole", "service_name: swapped")
    folder.change("services.yml", "service_name: Fallen Tree", "service_name: Pothole")
    folder.change("services.yml", "service_name: swapped", "service_name: Fallen Tree")

    load(folder, now=AGAIN)

    assert services()["pothole"] == ("Fallen Tree", True)
    assert services()["tree"] == ("Pothole", True)


def test_a_name_that_looks_like_one_of_another_service_with_its_code_is_no_obstacle(folder: SmallCity):
    folder.change("services.yml", "service_name: Fallen Tree", "service_name: Pothole (pothole)")
    load(folder)

    load(folder, now=AGAIN)

    assert services()["pothole"] == ("Pothole", True)
    assert services()["tree"] == ("Pothole (pothole)", True)


def test_a_changed_attribute_replaces_the_old_one(folder: SmallCity, client: FlaskClient):
    load(folder)
    folder.change("services.yml", "- {key: deep, name: Deep}", "- {key: bottomless, name: Bottomless}")

    load(folder, now=AGAIN)

    (attribute,) = client.get("/open311/v2/services/pothole.json?jurisdiction_id=small.gov").json["attributes"]
    assert [value["key"] for value in attribute["values"]] == ["shallow", "bottomless"]


def test_a_private_service_has_the_keyword_private(folder: SmallCity):
    load(folder)

    words = dict(db.session.execute(select(Service.code, Service.keywords).where(Service.jurisdiction_id == city().id)).all())
    assert words == {"pothole": ["road", "hole"], "tree": [], "secret": ["private"]}


def test_a_private_service_that_has_the_keyword_has_it_once(folder: SmallCity):
    folder.change("services.yml", "  private: true", "  private: true\n  keywords: [private, hidden]")

    load(folder)

    service = db.session.scalars(select(Service).where(Service.jurisdiction_id == city().id, Service.code == "secret")).one()
    assert service.keywords == ["private", "hidden"]


@pytest.mark.parametrize("keyword", ["private", "Private"])
def test_the_keyword_private_is_refused_where_the_service_is_not(folder: SmallCity, keyword: str):
    folder.change("services.yml", "  keywords: [road, hole]", f"  keywords:\n    - road\n    - {keyword}")

    with pytest.raises(BadFile) as refused:
        load(folder)

    assert refused.value.messages == [
        f"{folder.path}/services.yml:7: keywords: private is for services that are private: true"
    ]  # fmt: skip


# The changeset of discovery


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("services.yml", "service_name: Pothole", "service_name: Hole", id="a-services-name"),
        pytest.param("services.yml", "description: A hole in the road", "description: A dent", id="its-description"),
        pytest.param("services.yml", "group: Streets", "group: Roads", id="its-group"),
        pytest.param("services.yml", "[road, hole]", "[road]", id="its-keywords"),
        pytest.param("services.yml", "required: true", "required: false", id="whether-a-question-is-required"),
        pytest.param("services.yml", "How deep is it?", "How deep?", id="the-text-of-a-question"),
        pytest.param("services.yml", "name: Shallow", "name: Flat", id="the-name-of-a-choice"),
        pytest.param("services.yml", "location_required: false", "location_required: true", id="whether-it-has-a-place"),
    ],
)  # fmt: skip
def test_the_changeset_moves_when_what_services_show_changes(folder: SmallCity, name: str, old: str, new: str):
    load(folder)
    folder.change(name, old, new)

    load(folder, now=AGAIN)

    assert city().changed_at == AGAIN


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("jurisdiction.yml", "name: Smallville\nt", "name: Greatville\nt", id="the-citys-name"),
        pytest.param("departments.yml", "name: Public Works", "name: Works", id="a-department"),
        pytest.param("rules.csv", "works-east,100", "works-east,50", id="a-rule"),
        pytest.param("boundaries/ward.geojson", "Ward E", "East Ward", id="a-boundarys-name"),
    ],
)
def test_the_changeset_stays_when_anything_else_changes(folder: SmallCity, name: str, old: str, new: str):
    load(folder)
    folder.change(name, old, new)

    load(folder, now=AGAIN)

    assert city().changed_at == FIRST


def test_the_changeset_moves_when_a_service_goes(folder: SmallCity):
    load(folder)
    _remove_tree(folder)

    load(folder, now=AGAIN)

    assert city().changed_at == AGAIN


def test_two_changes_within_a_second_have_two_changesets(folder: SmallCity):
    load(folder)
    folder.change("services.yml", "service_name: Pothole", "service_name: Hole")

    load(folder, now=FIRST)

    assert city().changed_at == FIRST + SECOND


# Maps


def test_a_boundary_that_is_drawn_anew_ends_and_begins_at_the_load(folder: SmallCity):
    load(folder)
    folder.draw("ward", {"W": WEST, "E": box(-71.1, 42.3, -71.0, 42.5)})

    load(folder, now=AGAIN)

    assert versions("ward") == [("E", None, AGAIN), ("E", AGAIN, None), ("W", None, None)]


def test_a_boundary_that_is_gone_from_the_folder_ends_at_the_load(folder: SmallCity):
    load(folder)
    folder.draw("ward", {"E": EAST})

    load(folder, now=AGAIN)

    assert versions("ward") == [("E", None, None), ("W", None, AGAIN)]


def test_a_boundary_that_is_new_in_a_known_layer_begins_at_the_load(folder: SmallCity):
    load(folder)
    folder.draw("ward", {"W": WEST, "E": EAST, "N": box(-71.2, 42.4, -71.0, 42.5)})

    load(folder, now=AGAIN)

    assert ("N", AGAIN, None) in versions("ward")


def test_a_layer_that_is_new_is_valid_since_ever(folder: SmallCity):
    load(folder)
    folder.change("jurisdiction.yml", "ward: {name: Wards}", "ward: {name: Wards}\n  beat: {name: Beats}")
    folder.draw("beat", {"1": WEST})

    load(folder, now=AGAIN)

    assert versions("beat") == [("1", None, None)]


def test_the_boundaries_of_a_layer_that_is_gone_from_the_folder_end_at_the_load(folder: SmallCity):
    load(folder)
    _remove_wards(folder)

    load(folder, now=AGAIN)

    assert versions("ward") == [("E", None, AGAIN), ("W", None, AGAIN)]


def test_a_layer_that_comes_back_begins_anew(folder: SmallCity):
    load(folder)
    kept = {name: (folder.path / name).read_text() for name in ("jurisdiction.yml", "rules.csv")}
    _remove_wards(folder)
    load(folder, now=AGAIN)
    for name, text in kept.items():
        folder.write(name, text)

    load(folder, now=AGAIN + DAY)

    assert versions("ward") == [
        ("E", None, AGAIN),
        ("E", AGAIN + DAY, None),
        ("W", None, AGAIN),
        ("W", AGAIN + DAY, None),
    ]


def test_a_boundary_can_be_drawn_anew_twice_within_a_second(folder: SmallCity):
    for width in (0.1, 0.2, 0.3, 0.4):
        folder.draw("ward", {"W": WEST, "E": box(-71.1, 42.3, -71.1 + width, 42.4)})
        load(folder, now=FIRST)

    # Each begins a second after the one before.
    second = timedelta(seconds=1)
    assert [row for row in versions("ward") if row[0] == "E"] == [
        ("E", None, FIRST),
        ("E", FIRST, FIRST + second),
        ("E", FIRST + second, FIRST + 2 * second),
        ("E", FIRST + 2 * second, None),
    ]


def test_a_map_that_was_published_since_stays_when_the_same_folder_is_loaded_again(folder: SmallCity):
    load(folder)
    publish_wards({"W": EAST, "E": WEST}, valid_from=FIRST + HOUR)
    published = versions("ward")

    load(folder, now=AGAIN)

    assert versions("ward") == published
    assert ("W", FIRST + HOUR, None) in published


def test_a_map_published_ahead_of_its_day_is_no_obstacle_to_the_same_folder(folder: SmallCity):
    load(folder)
    publish_wards({"W": EAST, "E": WEST}, valid_from=AGAIN + DAY)
    published = versions("ward")
    folder.change("services.yml", "service_name: Pothole", "service_name: Hole in the Road")

    load(folder, now=AGAIN)

    assert versions("ward") == published
    assert services()["pothole"] == ("Hole in the Road", True)


def test_a_map_published_ahead_of_its_day_is_an_obstacle_to_a_folder_that_draws_the_layer_anew(folder: SmallCity):
    load(folder)
    publish_wards({"W": EAST, "E": WEST}, valid_from=AGAIN + DAY)
    folder.draw("ward", {"E": EAST})

    with pytest.raises(BadFile, match="a map of ward is published for 2026-03-03T12:00:00Z; take that back first"):
        load(folder, now=AGAIN)


def test_a_folder_that_draws_a_layer_anew_puts_that_in_place_of_what_was_published(folder: SmallCity):
    load(folder)
    publish_wards({"W": EAST, "E": WEST}, valid_from=FIRST + HOUR)
    folder.draw("ward", {"E": EAST})

    load(folder, now=AGAIN)

    assert [row for row in versions("ward") if row[2] is None] == [("E", AGAIN, None)]


def test_a_map_of_the_folder_that_was_taken_back_stays_so(folder: SmallCity):
    load(folder)
    folder.draw("ward", {"E": EAST})
    load(folder, now=AGAIN)
    withdraw(db.session(), jurisdiction_id=city().id, layer_id=layer("ward").id, now=AGAIN + HOUR)

    load(folder, now=AGAIN + DAY)

    assert versions("ward") == [("E", None, None), ("W", None, None)]


def test_a_layer_that_no_folder_brought_stays_when_one_is_loaded(folder: SmallCity):
    load(folder)
    db.session.add(Layer(jurisdiction_id=city().id, code="zone", name="School zones"))
    db.session.flush()
    publish_wards({"1": WEST}, valid_from=FIRST + HOUR, code="zone")

    load(folder, now=AGAIN)

    assert versions("zone") == [("1", FIRST + HOUR, None)]


def test_a_layer_that_is_gone_from_the_folder_ends_once_and_may_be_published_again(folder: SmallCity):
    load(folder)
    _remove_wards(folder)
    load(folder, now=AGAIN)
    publish_wards({"W": WEST}, valid_from=AGAIN + HOUR)

    load(folder, now=AGAIN + DAY)

    assert ("W", AGAIN + HOUR, None) in versions("ward")


def test_where_the_folders_last_map_is_not_known_the_map_in_force_is_compared(folder: SmallCity):
    load(folder)
    publish_wards({"W": EAST, "E": WEST}, valid_from=FIRST + HOUR)
    ward = layer("ward")
    ward.folder_drawing = ward.folder_names = ""
    db.session.flush()

    load(folder, now=AGAIN)

    assert [row for row in versions("ward") if row[2] is None] == [("E", AGAIN, None), ("W", AGAIN, None)]


def test_a_name_given_since_stays_until_the_folder_gives_another(folder: SmallCity):
    load(folder)
    publish_wards({"W": WEST, "E": box(-71.1, 42.3, -71.0, 42.5)}, valid_from=AGAIN + DAY, W="Old Town")
    load(folder, now=AGAIN)
    given = names("ward")
    folder.draw("ward", {"W": WEST, "E": EAST}, E="Far East")

    load(folder, now=AGAIN)

    # What is in force until the new map's day, too.
    assert given == {("W", "Old Town"), ("E", "Ward E"), ("E", "E")}
    assert names("ward") == {("W", "Ward W"), ("E", "Far East")}


def test_a_boundary_that_is_only_renamed_stays_the_same_version(folder: SmallCity):
    load(folder)
    folder.draw("ward", {"W": WEST, "E": EAST}, E="East End")

    load(folder, now=AGAIN)

    names = db.session.scalars(select(Boundary.name).where(Boundary.jurisdiction_id == city().id))
    assert sorted(names) == ["City S", "East End", "Ward W"]
    assert len(versions("ward")) == 2


# Rules, departments, hosts


def test_rules_are_replaced_by_those_of_the_folder(folder: SmallCity):
    load(folder)
    folder.write("rules.csv", "code,department\nall,HALL\n")

    load(folder, now=AGAIN)

    rows = db.session.scalars(select(RoutingRule.code).where(RoutingRule.jurisdiction_id == city().id)).all()
    assert rows == ["all"]


def test_a_department_that_is_gone_from_the_folder_stays_for_its_requests(folder: SmallCity):
    load(folder)
    folder.change("departments.yml", "- code: PARKS\n  name: Parks\n", "")
    folder.change("rules.csv", "tree,,Parks,,,PARKS,,", "tree,,Parks,,,HALL,,")

    loaded = load(folder, now=AGAIN)

    codes = db.session.scalars(select(Department.code).where(Department.jurisdiction_id == city().id)).all()
    assert "PARKS" in codes
    assert loaded.departments == 3


def test_a_unit_can_move_to_another_department(folder: SmallCity, make: Factory):
    load(folder)
    folder.change("departments.yml", "  units:\n    - {code: works-east, name: East Yard}\n", "")
    folder.change("departments.yml", "  name: Parks\n", "  name: Parks\n  units: [{code: works-east, name: East Yard}]\n")

    load(folder, now=AGAIN)

    rows = {row.code: row for row in db.session.scalars(select(Department).where(Department.jurisdiction_id == city().id))}
    assert rows["works-east"].parent_id == rows["PARKS"].id


@pytest.mark.parametrize("host", ["boston.localhost", "Boston.LocalHost"])
def test_a_host_of_another_city_is_refused(folder: SmallCity, host: str):
    folder.change("jurisdiction.yml", "hosts: [small.localhost]", f"hosts: [small.localhost, {host}]")

    with pytest.raises(BadFile) as refused:
        load(folder)

    assert refused.value.messages == [
        f"{folder.path}/jurisdiction.yml:4: hosts: boston.gov has one of these already"
    ]  # fmt: skip


def test_requests_are_not_touched_by_a_load(folder: SmallCity, make: Factory):
    load(folder)
    request = make.request("OLD-1", service_code="tree", jurisdiction_id="small.gov")
    before = tuple(str(value) for value in db.session.execute(_row(request.id)).one())
    _remove_tree(folder)

    load(folder, now=AGAIN)

    assert tuple(str(value) for value in db.session.execute(_row(request.id)).one()) == before


def _row(request_id: int) -> Any:
    table = ServiceRequest.__table__
    return select(table).where(table.c.jurisdiction_id == city().id, table.c.id == request_id)


def _remove_tree(folder: SmallCity) -> None:
    folder.change(
        "services.yml",
        "- service_code: tree\n  service_name: Fallen Tree\n  description: A tree that lies in the way\n  group: Parks\n",
        "",
    )


def _remove_wards(folder: SmallCity) -> None:
    folder.change("jurisdiction.yml", "  ward: {name: Wards}\n", "")
    folder.change("rules.csv", "pothole.east,pothole,,ward,E,works-east,100,by the east yard\n", "")


def _boundary_count(jurisdiction_id: str) -> int | None:
    return db.session.scalar(
        select(func.count()).select_from(Boundary).where(Boundary.jurisdiction_id == city(jurisdiction_id).id)
    )
