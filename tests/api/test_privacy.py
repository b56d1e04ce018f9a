"""Nothing of a person, nothing within the city and nothing private stands in any public answer, in any format."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import mapbox_vector_tile
import pytest
from psycopg import Connection
from psycopg.types.json import Jsonb
from shapely import from_wkb, get_coordinates
from shapely.geometry import shape
from werkzeug.routing import Rule

from db.driver import driver
from geo.tile import Tile
from open311 import accounts
from open311.actors import operator
from open311.cases import saved, statuses
from open311.config import Settings
from open311.jurisdictions import City, read_cities
from open311.reports import rollups, snapshots
from schemas.scorecard import GROUPS
from tests.api.wire import SEATTLE, STREET, Api
from tests.factories import DAY, HOUR, NOW, Factory

# What must stand nowhere: each is written into the place that its name says.
SECRETS = {
    "email": "erin.secretmail@example.org",
    "first_name": "Secreterin",
    "last_name": "Secretmann",
    "phone": "206-555-0147",
    "device_id": "secret-device-77",
    "account_id": "secret-account-88",
    "update_email": "secretupdater@example.org",
    "follower": "secretfollower@example.org",
    "internal_note": "secretnote of the crew",
    "comment": "secretcomment of a verdict",
    "own_words": "secretwords in a form",
    "private": "secretprivate description",
    "hidden": "secrethidden description",
    "address": "77 Secretaddress Road",
    "staff": "secretstaff@small.gov",
    "hook": "https://secrethook.example.org/",
    "webhook_secret": "whsec_secretsecretsecret",
    "reference": "secretreference",
    "reason": "secretreason for reading",
    "private_service": "secretrecords of a private service",
    "private_answer": "secretanswer to a private service",
}
PRIVATE_SERVICE = {
    "service_code": "public-disclosure",
    "description": SECRETS["private_service"],
    "attribute[RECORDS]": SECRETS["private_answer"],
    "lat": "47.6400",
    "long": "-122.4000",
}
# Where the seeded requests are, so near that each is a point of its own.
TILE = {"z": 16, "x": 10485, "y": 22878}
PLACE = {"lat": "47.64113", "long": "-122.40077"}
# The same to ten metres, as places that stand in binary are written here.
PLACE_TO_TEN_METRES = "-122.4008 47.6411"

# Endpoint: what its path needs beside the format, and what its query needs beside the city.
PATHS: Mapping[str, Mapping[str, Any]] = {
    "api.show_requests_tile": TILE,
    "api.show_districts_tile": {**TILE, "layer": "council"},
    "api.show_district": {"layer": "council", "code": "6"},
}
QUERIES: Mapping[str, Mapping[str, str]] = {
    "api.show_route": STREET,
    "api.show_coverage": STREET,
    "api.list_similar": STREET,
    "api.show_knowledge": STREET,
    "api.compare_scorecards": {"department": "CSB,FAS"},
    "api.compare_scorecards_csv": {"department": "CSB,FAS"},
    "api.list_clusters": {"bbox": "-122.5,47.4,-122.2,47.8", "zoom": "14"},
}
SNAPSHOT_FILES = (
    *("requests.csv.gz", "requests.ndjson.gz", "requests.geojson.gz", "requests.parquet"),
    *(snapshots.MANIFEST, snapshots.SUMS, snapshots.PACKAGE),
)
_BY = [
    *({"by": by, **({"layer": "council"} if by == "district" else {})} for by in GROUPS),
    *({"by": "service", **within} for within in ({"district": "council:6"}, {"department": "FAS"})),
    *({"by": by, "service_code": PRIVATE_SERVICE["service_code"]} for by in ("service", "department")),
]
# Endpoints that are asked several times, each time with these too, in path or query.
VARIANTS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "api.show_snapshot": [{"name": name} for name in SNAPSHOT_FILES],
    "api.list_scorecards": _BY,
    "api.list_scorecards_csv": _BY,
}


@pytest.fixture
def seattle(connection: "Connection[Any]") -> City:
    """The city."""
    return next(city for city in read_cities(connection) if city.jurisdiction_id == SEATTLE)


@pytest.fixture
def open_data(settings: Callable[..., Settings], tmp_path: Path) -> Path:
    """The folder of snapshots."""
    return settings(open_data_dir=str(tmp_path)).open_data_folder


@pytest.fixture
def seeded(api: Api, make: Factory, connection: "Connection[Any]", seattle: City, open_data: Path) -> dict[str, str]:
    """A city with everything that is not the public's; what to put into paths."""
    person = {name: SECRETS[name] for name in ("email", "first_name", "last_name", "phone", "device_id", "account_id")}
    number = api.posted({**STREET, **person}, headers={"Idempotency-Key": SECRETS["reference"]})
    by = operator("Ada")
    statuses.note(connection, seattle, number, SECRETS["internal_note"], by=by, now=NOW)
    statuses.set_status(connection, seattle, number, "fixed", by=by, now=NOW + timedelta(seconds=1))
    api.client.post(
        "/open311/v2/servicerequestupdates.json",
        data={
            "api_key": api.api_key,
            "jurisdiction_id": SEATTLE,
            "update_id": "7",
            "service_request_id": number,
            "updated_datetime": NOW.isoformat(),
            "status": "OPEN",
            "description": "It is still there",
            "email": SECRETS["update_email"],
        },
    )
    city, all_ids = seattle.id, "select id from service_request where number = %s"
    request_id = connection.execute(all_ids, [number]).fetchone()[0]  # type: ignore[index]
    connection.execute(
        "insert into follower (jurisdiction_id, request_id, email, language, is_reporter, created_at, confirmed_at)"
        " values (%s, %s, %s, 'en', false, now(), now())",
        [city, request_id, SECRETS["follower"]],
    )
    connection.execute("update verdict set comment = %s", [SECRETS["comment"]])
    connection.execute(
        "insert into service_attribute"
        " (jurisdiction_id, service_id, code, position, datatype, variable, required, description, values)"
        " select jurisdiction_id, service_id, 'WHO', 99, 'string', true, false, 'Who?', '[]' from service_request"
        " where id = %s",
        [request_id],
    )
    connection.execute(
        "update service_request set attributes = attributes || %s where id = %s",
        [Jsonb({"WHO": SECRETS["own_words"]}), request_id],
    )
    connection.execute("update jurisdiction set public_knowledge = true")
    seen = {"lat": 47.64, "long": -122.4, "jurisdiction_id": SEATTLE}
    make.request("PRIVATE-1", service_code="graffiti", is_public=False, description=SECRETS["private"], **seen)
    make.request("HIDDEN-1", service_code="graffiti", is_public=False, was_public=True, description=SECRETS["hidden"], **seen)
    make.request(
        "COARSE-1",
        service_code="graffiti",
        age=2 * HOUR,
        jurisdiction_id=SEATTLE,
        lat=float(PLACE["lat"]),
        long=float(PLACE["long"]),
        coarse_metres=1000,
        address=SECRETS["address"],
        address_id=SECRETS["address"],
    )
    private = api.posted({**PRIVATE_SERVICE, **person})
    connection.execute("update service_request set changed_in = 5 where jurisdiction_id = %s", [city])
    accounts.create_account(connection, SECRETS["staff"], "Secret Staff", password=None, now=NOW)
    connection.execute(
        "insert into webhook (jurisdiction_id, code, url, secret, created_at) values (%s, 'hook', %s, %s, now())",
        [city, SECRETS["hook"], SECRETS["webhook_secret"]],
    )
    saved.save(connection, seattle, "all", "status=open,closed", title="All", now=NOW)
    rollups.refresh(connection, jurisdiction_id=city, now=NOW)
    return {
        "taken": _snapshot(seattle, open_data).name,
        "private_number": private,
        "number": number,
        "service_code": "street-maintenance",
        "token": "none",
        "code": "all",
        "layer": "council",
    }


def _rules(api: Api) -> list[Rule]:
    return [
        rule
        for rule in api.client.application.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in ("api", "above") and "GET" in (rule.methods or ())
    ]


def _snapshot(city: City, folder: Path) -> snapshots.Snapshot:
    with driver.snapshot() as reading:
        return snapshots.take(
            reading,
            city,
            snapshots.shelf_of(folder, city.jurisdiction_id),
            formats=snapshots.formats_here(),
            keep=1,
            public_url="https://311.example",
            licence="CC0-1.0",
            now=NOW,
        )


def _answers(api: Api, rule: Rule, values: Mapping[str, str]) -> list[tuple[str, Any]]:
    several = "kind" if "kind" in rule.arguments else "format"
    converter = rule._converters.get(several)
    formats = sorted(getattr(converter, "items", [""])) if converter is not None else [""]
    found = []
    for format in formats:
        for more in VARIANTS.get(rule.endpoint, [{}]):
            built = rule.build({**values, **PATHS.get(rule.endpoint, {}), **more, several: format}, append_unknown=False)
            assert built is not None, f"{rule.endpoint} needs more for its path: put it into PATHS"
            in_query = {name: value for name, value in more.items() if name not in rule.arguments}
            asked = {"jurisdiction_id": SEATTLE, "extensions": "true", **QUERIES.get(rule.endpoint, {}), **in_query}
            path = f"{built[1]}?{urlencode(asked)}"
            found.append((path, api.client.get(path, buffered=True)))
    return found


def _said(path: str, answer: Any) -> str:
    """All that an answer says, as text: what is packed or binary is read as its readers do."""
    body = answer.get_data()
    file = path.partition("?")[0]
    if file.endswith(".gz"):
        body = gzip.decompress(body)
    if answer.status_code == 200 and file.endswith(".parquet"):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(pyarrow.BufferReader(body))
        rows = [{**row, "geometry": _places(row["geometry"] and from_wkb(row["geometry"]))} for row in table.to_pylist()]
        return f"{rows} {table.schema.metadata} {answer.headers}"
    if answer.status_code == 200 and file.endswith(".mvt"):
        z, x, y = (int(part) for part in file.removesuffix(".mvt").split("/")[-3:])
        grid = Tile(z=z, x=x, y=y).grid
        (west, *_, east), (south, *_, north) = grid.meridians, grid.parallels

        def in_degrees(a: float, b: float) -> tuple[float, float]:
            return west + a / 4096 * (east - west), south + b / 4096 * (north - south)

        drawn = mapbox_vector_tile.decode(body, default_options={"transformer": in_degrees})
        features = [each for layer in drawn.values() for each in layer["features"]]
        return f"{drawn} {[_places(shape(each['geometry'])) for each in features]} {answer.headers}"
    return f"{body.decode()} {answer.headers}"


def _places(geometry: Any) -> list[str]:
    """Longitude and latitude of each of its points, to ten metres."""
    return [] if geometry is None else [f"{x:.4f} {y:.4f}" for x, y in get_coordinates(geometry)]


@pytest.mark.statement(41)
def test_no_public_answer_in_any_format_says_what_is_not_the_publics(api: Api, seeded: dict[str, str]) -> None:
    answered: set[str] = set()
    for rule in _rules(api):
        for path, answer in _answers(api, rule, seeded):
            text = _said(path, answer)
            if answer.status_code == 200:
                answered.add(rule.endpoint)
            for name, secret in SECRETS.items():
                assert secret not in text, f"{path} tells {name}"
                assert secret.lower() not in text.lower(), f"{path} tells {name}"
            assert "PRIVATE-1" not in text, path
            assert seeded["private_number"] not in text, path
            assert "scorecards" not in path or "Public Disclosure" not in text, path
            # That one is gone is told to who had it, in the feed of changes alone.
            assert "HIDDEN-1" not in text or rule.endpoint == "api.list_changes", path
            for degrees in PLACE.values():
                assert degrees not in text, f"{path} tells where a coarse place is"
            assert PLACE_TO_TEN_METRES not in text, f"{path} tells where a coarse place is"
    unanswered = {rule.endpoint for rule in _rules(api)} - answered - {"api.show_token"}
    assert unanswered == set(), "put what these need into PATHS and QUERIES"


def test_what_is_looked_for_would_be_found_in_files_and_tiles(api: Api, make: Factory, seattle: City, open_data: Path) -> None:
    make.request(
        "SHOWN-1",
        service_code="graffiti",
        jurisdiction_id=SEATTLE,
        lat=float(PLACE["lat"]),
        long=float(PLACE["long"]),
        description=SECRETS["private"],
    )
    taken = _snapshot(seattle, open_data).name
    endpoints = ("api.show_snapshot", "api.export_requests", "api.show_requests_tile")

    answers = [each for rule in _rules(api) if rule.endpoint in endpoints for each in _answers(api, rule, {"taken": taken})]

    told = {path.partition("?")[0]: _said(path, answer) for path, answer in answers}
    binary = [text for path, text in told.items() if path.endswith((".mvt", ".parquet"))]
    files = [text for path, text in told.items() if "/requests." in path]
    assert (len(binary), len(files)) == (3, 8)
    for text in binary:
        assert PLACE_TO_TEN_METRES in text
    for text in files:
        assert SECRETS["private"] in text
        assert "SHOWN-1" in text


@pytest.mark.parametrize("number", ["PRIVATE-1", "HIDDEN-1"])
def test_one_that_is_not_shown_is_as_if_it_were_not_there(api: Api, seeded: dict[str, str], number: str) -> None:
    assert api.get(f"requests/{number}").status == 404
    assert api.get("requests", service_request_id=number).rows == []
    assert api.get("servicerequestupdates", service_request_id=number).rows == []


def test_a_coarse_place_cannot_be_felt_for(api: Api, seeded: dict[str, str]) -> None:
    shown = api.get("requests/COARSE-1").row
    near = {"lat": str(shown["lat"]), "long": str(shown["long"])}

    # Whatever circle is drawn, it is found by where it is shown.
    for metres in ("1", "50", "400"):
        assert "COARSE-1" in api.get("requests", **near, radius=metres, page_size="1000").ids
    assert "COARSE-1" not in api.get("requests", **PLACE, radius="20", page_size="1000").ids
    assert "COARSE-1" not in json.dumps(api.get("similar", service_code="graffiti", **PLACE).rows)


def test_what_is_hidden_leaves_every_list(api: Api, make: Factory, connection: "Connection[Any]") -> None:
    make.request("SEEN-1", jurisdiction_id=SEATTLE, service_code="graffiti", age=DAY, lat=47.64, long=-122.4)
    assert api.get("requests/SEEN-1").status == 200
    connection.execute("update service_request set is_public = false where number = 'SEEN-1'")

    assert api.get("requests/SEEN-1").status == 404
    for asked in ({"q": "lamp"}, {"cursor": "*"}, {"lat": "47.64", "long": "-122.4", "radius": "10"}):
        assert "SEEN-1" not in api.get("requests", **asked).ids
