"""Bulk files: every public request of a city, in four formats that say the same, narrowed, continued, compressed."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection
from sqlalchemy import select

from db import db
from geo.models import Boundary, Layer
from open311.models import RequestDistrict
from tests.api.wire import BASE, SEATTLE, STREET, Api, read_json
from tests.factories import NOW, Factory

FORMATS = ["csv", "ndjson", "geojson", "parquet"]
in_every_format = pytest.mark.parametrize("format", FORMATS)
TEXTS = 'Two\nlines, a "quote", a back\\slash \\n \u2028 é 🚧\t=1+1'


def rows(body: bytes, format: str) -> list[dict[str, Any]]:
    """What a file says: name to text, null as None, of each request."""
    if format == "csv":
        lines = list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))
        found = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
        return [{name: read(name, text) for name, text in row.items()} for row in found]
    if format == "ndjson":
        return [read_json(line) for line in body.splitlines()]
    if format == "geojson":
        return [feature["properties"] for feature in read_json(body)["features"]]
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    found = parquet.read_table(pyarrow.BufferReader(body)).to_pylist()
    return [
        {
            name: f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value
            for name, value in row.items()
            if name != "geometry"
        }
        for row in found
    ]


def read(name: str, text: str) -> Any:
    """A text of CSV as JSON has it; an empty one is null there."""
    if name == "districts":
        return text.split(";") if text else []
    if name in ("lat", "long"):
        return float(text) if text else None
    return int(text) if name == "times_reopened" else text or None


class Bulk:
    """Asks for bulk files of Boston."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def ask(self, format: str, method: str = "GET", headers: dict[str, str] | None = None, **query: Any) -> Any:
        """The response; of Boston unless jurisdiction_id says otherwise."""
        path = f"{BASE}/bulk/requests.{format}"
        return self.client.open(path, method=method, query_string={"jurisdiction_id": "boston.gov", **query}, headers=headers)

    def rows(self, format: str, **query: Any) -> list[dict[str, Any]]:
        """The requests of a file."""
        response = self.ask(format, **query)
        assert response.status_code == 200, response.text
        return rows(response.get_data(), format)

    def ids(self, format: str, **query: Any) -> list[str]:
        """Their numbers."""
        return [row["service_request_id"] for row in self.rows(format, **query)]


@pytest.fixture
def bulk(client: FlaskClient) -> Bulk:
    """Asks for bulk files of Boston."""
    return Bulk(client)


def stamp(make: Factory, request: Any, *districts: str) -> None:
    """Say of a request that it lies in these districts, LAYER:CODE."""
    for each in districts:
        layer, _, code = each.partition(":")
        boundary = db.session.scalars(
            select(Boundary)
            .join(Layer, (Layer.jurisdiction_id == Boundary.jurisdiction_id) & (Layer.id == Boundary.layer_id))
            .where(Boundary.jurisdiction_id == request.jurisdiction_id, Layer.code == layer, Boundary.code == code)
        ).one()
        db.session.add(
            RequestDistrict(
                jurisdiction_id=request.jurisdiction_id,
                request_id=request.id,
                boundary_id=boundary.id,
                requested_at=request.requested_at,
            )
        )
    db.session.flush()


# --- what a file says --------------------------------------------------------------------------------------------


@in_every_format
def test_a_file_has_every_public_request_in_the_order_of_intake(bulk: Bulk, make: Factory, format: str) -> None:
    make.request("OLD", age=timedelta(days=4000))
    make.request("CLOSED", closed_after=timedelta(minutes=5))
    make.request("ELSEWHERE", jurisdiction_id=SEATTLE, service_code="noise")
    make.request("NOWHERE", lat=None, long=None)

    assert bulk.ids(format) == ["OLD", "CLOSED", "NOWHERE"]


@in_every_format
def test_a_city_without_requests_has_an_empty_file(bulk: Bulk, format: str) -> None:
    assert bulk.rows(format) == []


@in_every_format
def test_a_row_says_what_a_request_is(bulk: Bulk, make: Factory, format: str) -> None:
    first = make.request("FIRST", closed_after=timedelta(minutes=90), status_notes="Done", channel="phone")
    request = make.request(
        "SECOND", description=TEXTS, address="1 Main St", zipcode="02134", media_url="/media/x.jpg", parent_id=first.id
    )
    stamp(make, request, "council:8", "city:boston", "council:7")

    done, row = bulk.rows(format)

    asked_at = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert row == {
        "service_request_id": "SECOND",
        "status": "open",
        "status_notes": None,
        "service_name": make.service("street-light-outages").name,
        "service_code": "street-light-outages",
        "description": TEXTS,
        "agency_responsible": row["agency_responsible"],
        "service_notice": make.service("street-light-outages").notice,
        "requested_datetime": asked_at,
        "updated_datetime": asked_at,
        "expected_datetime": None,
        "address": "1 Main St",
        "address_id": None,
        "zipcode": "02134",
        "lat": 42.3474,
        "long": -71.0944,
        "media_url": "http://localhost/media/x.jpg",
        "closed_date": None,
        "status_description": row["status_description"],
        "source": "app",
        "service_subtype": None,
        "service_group": make.service("street-light-outages").service_group,
        "agency_code": row["agency_code"],
        "unit": None,
        "priority": "normal",
        "times_reopened": 0,
        "parent_service_request_id": "FIRST",
        "districts": ["city:boston", "council:7", "council:8"],
    }
    assert (done["status"], done["status_notes"], done["source"]) == ("closed", "Done", "phone")
    assert done["closed_date"] == f"{NOW + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    assert done["districts"] == []


def test_the_formats_say_the_same(bulk: Bulk, make: Factory) -> None:
    stamp(make, make.request("A", description=TEXTS), "council:8")
    make.request("B", lat=None, long=None, description="", address='He said "no"')

    found = {format: [{name: value or None for name, value in row.items()} for row in bulk.rows(format)] for format in FORMATS}

    assert found["csv"] == found["ndjson"] == found["geojson"] == found["parquet"]


def test_csv_is_that_of_rfc_4180(bulk: Bulk, make: Factory) -> None:
    make.request("A", description="one, two", status_notes="")

    response = bulk.ask("csv")

    assert response.content_type == "text/csv; charset=utf-8; header=present"
    lines = response.get_data().split(b"\r\n")
    assert lines[0].startswith(b"service_request_id,status,status_notes,service_name,")
    assert lines[0].endswith(b",parent_service_request_id,districts")
    # Nothing is null, and a text without letters is in quotes.
    assert lines[1].startswith(b'A,open,"",')
    assert b'"one, two"' in lines[1]
    assert lines[2:] == [b""]
    assert b"\n" not in b"".join(lines)


def test_geojson_has_points_and_nulls(bulk: Bulk, make: Factory) -> None:
    make.request("A")
    make.request("B", lat=None, long=None)

    response = bulk.ask("geojson")

    assert response.content_type == "application/geo+json"
    document = read_json(response.get_data())
    assert document["type"] == "FeatureCollection"
    placed, nowhere = document["features"]
    assert (placed["type"], placed["id"]) == ("Feature", "A")
    assert placed["geometry"] == {"type": "Point", "coordinates": [-71.0944, 42.3474]}
    assert nowhere["geometry"] is None


def test_geoparquet_has_types_points_and_metadata(bulk: Bulk, make: Factory) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    make.request("A")
    make.request("B", lat=None, long=None)
    make.request("C", lat=42.36, long=-71.06)

    response = bulk.ask("parquet")

    assert response.content_type == "application/vnd.apache.parquet"
    table = parquet.read_table(pyarrow.BufferReader(response.get_data()))
    metadata = parquet.read_metadata(pyarrow.BufferReader(response.get_data())).metadata
    geo = json.loads(metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"] == {
        "encoding": "WKB",
        "geometry_types": ["Point"],
        "bbox": [-71.0944, 42.3474, -71.06, 42.36],
    }
    assert str(table.schema.field("requested_datetime").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("lat").type) == "double"
    assert str(table.schema.field("times_reopened").type) == "int32"
    assert str(table.schema.field("service_code").type).startswith("dictionary<values=string")
    assert str(table.schema.field("districts").type).startswith("list<")
    first, second, third = table.column("geometry").to_pylist()
    shapely = pytest.importorskip("shapely")
    assert shapely.from_wkb(first) == shapely.Point(-71.0944, 42.3474)
    assert second is None
    assert shapely.from_wkb(third) == shapely.Point(-71.06, 42.36)


# --- what it leaves out ------------------------------------------------------------------------------------------


@in_every_format
def test_what_is_private_stands_in_no_file(
    bulk: Bulk, api: Api, make: Factory, connection: "Connection[Any]", format: str
) -> None:
    person = {"email": "pat.resident@example.org", "first_name": "Patricia", "last_name": "Resident", "phone": "6175550123"}
    number = api.posted({**STREET, **person, "description": "Hole"})
    make.request("HIDDEN", is_public=False, jurisdiction_id=SEATTLE, service_code="noise", description="told in confidence")
    parent = make.request("SECRET", is_public=False, jurisdiction_id=SEATTLE, service_code="noise")
    make.request("CHILD", jurisdiction_id=SEATTLE, service_code="noise", parent_id=parent.id)
    make.request(
        "COARSE",
        jurisdiction_id=SEATTLE,
        service_code="noise",
        lat=47.61234,
        long=-122.31234,
        address="12 Quiet Lane",
        address_id="A-77",
        coarse_metres=500,
    )

    response = bulk.ask(format, jurisdiction_id=SEATTLE)

    found = {row["service_request_id"]: row for row in rows(response.get_data(), format)}
    assert found.keys() == {number, "CHILD", "COARSE"}
    assert found["CHILD"]["parent_service_request_id"] is None
    assert found["COARSE"]["address"] is None
    assert found["COARSE"]["address_id"] is None
    assert abs(found["COARSE"]["lat"] - 47.61234) > 0.0001
    said = str(found)
    for secret in (*person.values(), "confidence", "SECRET", "Quiet Lane", "A-77", "47.61234", "122.31234"):
        assert secret not in said
        assert secret.encode() not in response.get_data()


# --- narrowed ----------------------------------------------------------------------------------------------------


@in_every_format
def test_a_year_is_one_of_the_city(bulk: Bulk, make: Factory, format: str) -> None:
    for number, at in {
        "BEFORE": datetime(2015, 1, 1, 4, 59, 59, tzinfo=UTC),
        "FIRST": datetime(2015, 1, 1, 5, tzinfo=UTC),
        "LAST": datetime(2016, 1, 1, 4, 59, 59, tzinfo=UTC),
        "AFTER": datetime(2016, 1, 1, 5, tzinfo=UTC),
    }.items():
        make.request(number, requested_at=at, updated_at=at)

    assert bulk.ids(format, year="2015") == ["FIRST", "LAST"]


@in_every_format
def test_services_are_told_apart(bulk: Bulk, make: Factory, format: str) -> None:
    make.request("LAMP")
    make.request("HOLE", service_code="abandoned-bicycle")
    make.request("TREE", service_code="tree-maintenance-requests")
    asked = "street-light-outages,tree-maintenance-requests"

    assert bulk.ids(format, service_code=asked) == ["LAMP", "TREE"]
    assert bulk.ids(format, service_code=asked.split(",")) == ["LAMP", "TREE"]
    assert bulk.ids(format, service_code="nothing-of-ours") == []


@in_every_format
def test_statuses_are_told_apart(bulk: Bulk, make: Factory, format: str) -> None:
    make.request("OPEN")
    make.request("DONE", closed_after=timedelta(0))

    assert bulk.ids(format, status="open") == ["OPEN"]
    assert bulk.ids(format, status="closed", service_code="street-light-outages") == ["DONE"]
    assert bulk.ids(format, status="open,closed") == ["OPEN", "DONE"]


@in_every_format
def test_districts_are_told_apart(bulk: Bulk, make: Factory, format: str) -> None:
    stamp(make, make.request("EIGHT"), "council:8", "city:boston")
    stamp(make, make.request("SEVEN"), "council:7", "city:boston")
    make.request("NONE")

    assert bulk.ids(format, district="council:8") == ["EIGHT"]
    assert bulk.ids(format, district=["council:8", "council:7"]) == ["EIGHT", "SEVEN"]
    assert bulk.ids(format, district="city:boston", service_code="street-light-outages") == ["EIGHT", "SEVEN"]
    assert bulk.rows(format, district="council:8")[0]["districts"] == ["city:boston", "council:8"]


@in_every_format
@pytest.mark.parametrize("name", ["after", "cursor"])
def test_an_answer_goes_on_behind_the_last_request_received(bulk: Bulk, make: Factory, format: str, name: str) -> None:
    for number in ("A", "B", "C"):
        stamp(make, make.request(number), "council:8")

    assert bulk.ids(format, **{name: "A"}) == ["B", "C"]
    assert bulk.ids(format, **{name: "B"}, district="council:8") == ["C"]
    assert bulk.ids(format, **{name: "C"}) == []
    assert bulk.rows(format, **{name: "B"})[0]["districts"] == ["council:8"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param({"year": "15"}, "year must be", id="two-digits"),
        pytest.param({"year": "2015,2016"}, "year must be", id="two-years"),
        pytest.param({"year": "9999"}, "year must be", id="the-last"),
        pytest.param({"district": "council"}, "district must be LAYER:CODE", id="no-code"),
        pytest.param({"district": ":8"}, "district must be LAYER:CODE", id="no-layer"),
        pytest.param({"status": "half"}, "status must be open or closed", id="no-status"),
        pytest.param({"after": ["A", "B"]}, "after must be one", id="two-cursors"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_malformed_is_named(bulk: Bulk, query: dict[str, Any], said: str, method: str) -> None:
    response = bulk.ask("geojson", method, **query)

    assert response.status_code == 400
    if method == "GET":
        (error,) = read_json(response.get_data())
        assert said in error["description"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param({"district": "council:99"}, "district council:99 was not found", id="district"),
        pytest.param({"after": "NOTHING"}, "service_request_id NOTHING was not found", id="cursor"),
        pytest.param({"after": "HIDDEN"}, "service_request_id HIDDEN was not found", id="hidden"),
        pytest.param({"jurisdiction_id": "nowhere.gov"}, "jurisdiction_id nowhere.gov was not found", id="city"),
    ],
)
def test_what_is_unknown_is_not_found(bulk: Bulk, make: Factory, query: dict[str, Any], said: str) -> None:
    make.request("HIDDEN", is_public=False)

    response = bulk.ask("ndjson", **query)

    assert response.status_code == 404
    assert read_json(response.get_data())[0]["description"] == said


def test_unknown_arguments_are_ignored(bulk: Bulk, make: Factory) -> None:
    make.request("A")

    assert bulk.ids("csv", nonsense="1", year=" ", district="") == ["A"]


# --- the way over the wire ---------------------------------------------------------------------------------------


@in_every_format
def test_a_file_is_compressed_for_who_takes_it(bulk: Bulk, make: Factory, format: str) -> None:
    make.request("A")
    plain = bulk.ask(format)

    packed = bulk.ask(format, headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    if format == "parquet":
        assert "Content-Encoding" not in packed.headers
    else:
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.get_data()) == plain.get_data()


@in_every_format
def test_head_and_options_run_no_query(bulk: Bulk, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the query ran")

    monkeypatch.setattr("open311.api.bulk.exported", refuse)

    head, options = bulk.ask(format, "HEAD"), bulk.ask(format, "OPTIONS")

    assert head.status_code == 200
    assert (
        head.content_type
        == {
            "csv": "text/csv; charset=utf-8; header=present",
            "ndjson": "application/x-ndjson; charset=utf-8",
            "geojson": "application/geo+json",
            "parquet": "application/vnd.apache.parquet",
        }[format]
    )
    assert "Content-Length" not in head.headers
    assert options.status_code == 204


@in_every_format
def test_every_origin_may_read_a_file(bulk: Bulk, format: str) -> None:
    response = bulk.ask(format, headers={"Origin": "https://any.example"})

    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Changes-Cursor" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["Content-Disposition"] == f'attachment; filename="boston.gov-requests.{format}"'


def test_a_file_says_where_the_changes_after_it_begin(bulk: Bulk, connection: "Connection[Any]") -> None:
    epoch, number, zero = bulk.ask("csv").headers["X-Changes-Cursor"].rsplit("-", 2)

    assert connection.execute("select changes_epoch from jurisdiction where slug = 'boston.gov'").fetchone() == (epoch,)
    assert int(number) > 0
    assert zero == "0"


def test_without_what_writes_it_geoparquet_says_what_to_install(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)

    response = bulk.ask("parquet")

    assert response.status_code == 501
    assert "pip install 'dispatch311[export]'" in response.text


def test_more_files_at_once_than_a_process_may_write_are_put_off(bulk: Bulk, make: Factory) -> None:
    make.request("A")
    held = [bulk.ask("csv") for _ in range(4)]

    refused = bulk.ask("csv")
    for each in held:
        each.close()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert bulk.ids("csv") == ["A"]
