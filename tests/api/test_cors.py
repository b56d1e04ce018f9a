"""Pages of other origins: they may read everything, by header or by callback."""

import pytest
from flask.testing import FlaskClient

from tests.api.wire import BASE, STREET, Answer, Api, in_both_formats, read_json
from tests.factories import Factory

RESOURCES = ["services", "services/noise", "requests", "requests/A-1", "tokens/T-1", "discovery"]

of_every_resource = pytest.mark.parametrize("resource", RESOURCES)


@pytest.fixture
def api_with_a_request(api: Api, make: Factory) -> Api:
    """The API with request A-1, which has token T-1."""
    make.request("A-1", jurisdiction_id="seattle.gov", service_code="noise", token="T-1", description="\u2028 \u2029")
    return api


@pytest.mark.statement(72)
@in_both_formats
@of_every_resource
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://any.example"}])
def test_every_origin_may_read(api_with_a_request: Api, resource: str, headers: dict[str, str], format: str) -> None:
    answer = api_with_a_request.get(resource, format, headers=headers)

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "Content-Range", "Accept-Ranges", "Content-Disposition", "X-Changes-Cursor"} <= set(exposed)


@pytest.mark.statement(72)
@in_both_formats
def test_every_origin_may_read_errors_and_receipts(api: Api, format: str) -> None:
    for answer in (
        api.post(STREET, format),
        api.post(STREET, format, key=None),
        api.get("requests/X", format),
        api.ask(f"nothing.{format}", format),
        api.ask(f"requests.{format}", format, "PUT"),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.statement(72)
@in_both_formats
@of_every_resource
def test_a_preflight_is_answered(client: FlaskClient, resource: str, format: str) -> None:
    response = client.options(
        f"{BASE}/{resource}.{format}",
        headers={"Origin": "https://any.example", "Access-Control-Request-Method": "POST"},
    )

    assert response.status_code == 204
    assert response.get_data() == b""
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    taken = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Idempotency-Key", "If-None-Match", "If-Range", "Range"} <= set(taken)


@pytest.mark.parametrize(
    ("resource", "methods"),
    [
        pytest.param("requests.json", "GET, HEAD, OPTIONS, POST", id="read and write"),
        pytest.param("servicerequestupdates.xml", "GET, HEAD, OPTIONS, POST", id="updates"),
        pytest.param("services.json", "GET, HEAD, OPTIONS", id="read"),
        pytest.param("bulk/requests.csv", "GET, HEAD, OPTIONS", id="file"),
        pytest.param("followers.json", "OPTIONS, POST", id="write"),
    ],
)
def test_options_names_what_can_be_done_with_a_resource(client: FlaskClient, resource: str, methods: str) -> None:
    response = client.options(f"{BASE}/{resource}")

    assert response.status_code == 204
    assert response.headers["Allow"] == methods


@pytest.mark.statement(72)
def test_a_preflight_of_discovery_beside_the_base_is_answered(client: FlaskClient) -> None:
    response = client.options("/open311/discovery.json", headers={"Origin": "https://any.example"})

    assert response.status_code in (200, 204)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.statement(72)
@of_every_resource
@pytest.mark.parametrize("name", ["f", "$", "_x1", "jQuery1.cb", "a" * 64])
def test_a_callback_wraps_the_answer(api_with_a_request: Api, resource: str, name: str) -> None:
    plain = api_with_a_request.get(resource)

    called = api_with_a_request.get(resource, callback=name)

    assert called.status == 200
    assert called.headers["Content-Type"] == "application/javascript; charset=utf-8"
    assert called.headers["X-Content-Type-Options"] == "nosniff"
    assert called.text.startswith(f"{name}(")
    assert called.text.endswith(");")
    assert read_json(called.body[len(name) + 1 : -2]) == plain.content


def test_a_callback_wraps_geojson_too(api_with_a_request: Api) -> None:
    called = api_with_a_request.ask("requests.geojson?jurisdiction_id=seattle.gov&callback=f", "json")

    assert called.headers["Content-Type"] == "application/javascript; charset=utf-8"
    assert read_json(called.body[2:-2])["type"] == "FeatureCollection"


@pytest.mark.statement(72)
def test_a_callback_holds_no_line_end_of_old_javascript(api_with_a_request: Api) -> None:
    text = api_with_a_request.get("requests", callback="f").text

    assert "\u2028" not in text
    assert "\u2029" not in text


@pytest.mark.statement(72)
@of_every_resource
@pytest.mark.parametrize(
    "name", ["alert(1)", "a-b", "1a", "a b", "a" * 65, "é", "f\n", "a;b", "<script>", "a[0]", ".a", "\x00", "f,g"]
)
def test_a_callback_that_is_no_name_is_400(api_with_a_request: Api, resource: str, name: str) -> None:
    answer = api_with_a_request.get(resource, callback=name)

    assert answer.status == 400
    assert answer.problem.startswith("callback must be the name of a JavaScript function")


@pytest.mark.statement(72)
def test_a_post_knows_no_callback(api: Api) -> None:
    answer = Answer(
        api.client.post(
            f"{BASE}/requests.json",
            data={**STREET, "api_key": api.api_key, "jurisdiction_id": "seattle.gov"},
            query_string={"callback": "f"},
        ),
        "json",
    )

    assert answer.row["service_request_id"]
