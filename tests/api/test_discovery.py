"""Discovery: where the service is, and when what it offers last changed."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from open311.cli.city import load_city
from open311.config import CHECKOUT
from tests.api.wire import BOSTON, SEATTLE, Answer, Api, in_both_formats

Change = Callable[..., Any]


def _endpoint(api: Api, city: str | None = SEATTLE) -> dict[str, Any]:
    (endpoint,) = api.get("discovery", city=city).content["endpoints"]
    assert isinstance(endpoint, dict)
    return endpoint


@pytest.mark.statement(64)
@in_both_formats
@pytest.mark.parametrize("city", [None, "", SEATTLE, BOSTON])
def test_discovery_has_every_field(api: Api, city: str | None, format: str) -> None:
    answer = api.get("discovery", format, city=city)

    assert answer.status == 200
    assert list(answer.content) == ["changeset", "contact", "key_service", "endpoints"]
    assert all(answer.content.values())
    for endpoint in answer.content["endpoints"]:
        assert list(endpoint) == ["specification", "url", "changeset", "type", "formats"]
        assert endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2"
        assert endpoint["type"] in ("production", "test")
        assert "text/xml" in endpoint["formats"]


@pytest.mark.statement(64)
@pytest.mark.parametrize("city", [None, SEATTLE])
def test_both_formats_of_discovery_say_the_same(api: Api, city: str | None) -> None:
    assert api.get("discovery", "json", city=city).content == api.get("discovery", "xml", city=city).content


@pytest.mark.statement(64)
@in_both_formats
def test_changesets_are_times_in_the_past(api: Api, format: str) -> None:
    content = api.get("discovery", format).content

    for text in (content["changeset"], content["endpoints"][0]["changeset"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        assert datetime.fromisoformat(text) <= datetime.now(UTC)


@pytest.mark.statement(64)
def test_the_type_of_the_endpoint_can_be_set(api: Api, settings: Change) -> None:
    assert _endpoint(api)["type"] == "production"

    settings(endpoint_type="test")

    assert _endpoint(api)["type"] == "test"


@pytest.mark.statement(64)
def test_discovery_stands_beside_the_base_too(client: FlaskClient, api: Api) -> None:
    for format in ("json", "xml"):
        above = Answer(client.get(f"/open311/discovery.{format}?jurisdiction_id=seattle.gov"), format)
        assert above.body == api.get("discovery", format).body
        assert above.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.statement(64)
def test_discovery_of_a_city_has_its_contact(api: Api) -> None:
    seattle, boston, both = (api.get("discovery", city=city).content["contact"] for city in (SEATTLE, BOSTON, None))

    assert "City of Seattle" in seattle
    assert "Boston" not in seattle
    assert "City of Seattle" in both
    assert "City of Boston" in both
    assert boston != seattle


@pytest.mark.statement(65)
@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "311.example.org"])
def test_the_url_of_the_endpoint_and_services_xml_is_the_list(client: FlaskClient, api: Api, host: str) -> None:
    url = api.get("discovery", headers={"Host": host}).content["endpoints"][0]["url"]

    answer = client.get(f"{urlsplit(url).path}/services.xml?jurisdiction_id=seattle.gov")

    assert url == f"http://{host}/open311/v2"
    assert answer.status_code == 200


@pytest.mark.statement(65)
@pytest.mark.parametrize("public_url", ["https://311.example.org", "https://311.example.org/"])
def test_the_url_of_the_endpoint_can_be_set(api: Api, settings: Change, public_url: str) -> None:
    settings(public_url=public_url)

    assert _endpoint(api)["url"] == "https://311.example.org/open311/v2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of Seattle's folder."""
    return Path(shutil.copytree(CHECKOUT / "fixtures" / "seattle", tmp_path / "seattle"))


def _change(folder: Path, before: str, after: str) -> None:
    path = folder / "services.yml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.statement(66)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("service_name: Graffiti", "service_name: Graffiti and tags", id="a name"),
        pytest.param("required: true", "required: false", id="a demand"),
        pytest.param("name: Alarm", "name: Stuck alarm", id="a choice"),
        pytest.param("type: batch", "type: realtime", id="a type"),
        pytest.param("- service_code: snow-and-ice", "- service_code: snow", id="a code"),
        pytest.param("keywords: [snow, ice, winter]", "keywords: [snow, ice]", id="keywords"),
    ],
)
def test_a_change_of_a_service_or_a_definition_changes_the_changeset(api: Api, folder: Path, before: str, after: str) -> None:
    others, old = _endpoint(api, BOSTON)["changeset"], _endpoint(api)["changeset"]

    _change(folder, before, after)
    load_city(folder, without_requests=True)

    assert _endpoint(api)["changeset"] > old
    assert _endpoint(api, None)["changeset"] >= _endpoint(api)["changeset"]
    assert _endpoint(api, BOSTON)["changeset"] == others


@pytest.mark.statement(66)
def test_two_changes_within_a_second_are_two_changesets(api: Api, folder: Path) -> None:
    seen = [_endpoint(api)["changeset"]]

    for name in ("Tags", "Scribbles"):
        _change(folder, "service_name: Graffiti" if len(seen) == 1 else "service_name: Tags", f"service_name: {name}")
        load_city(folder, without_requests=True)
        seen.append(_endpoint(api)["changeset"])

    assert len(set(seen)) == 3


@pytest.mark.statement(66)
def test_loading_the_same_again_keeps_the_changeset(api: Api, folder: Path) -> None:
    old = _endpoint(api)["changeset"]

    load_city(folder, without_requests=True)

    assert _endpoint(api)["changeset"] == old
