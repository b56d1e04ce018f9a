"""One shape for every error, in the format that was asked for, with statuses that the spec names."""

import pytest
from flask.testing import FlaskClient

from tests.api.wire import BASE, CONTENT_TYPES, SEATTLE, STREET, Answer, Api, in_both_formats, read_json, xml_root

_METHODS = ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]

# method and path of calls that cannot be done, with the status of each.
_WRONG = [
    ("GET", "services.{f}", 400),
    ("GET", "services.{f}?jurisdiction_id=nowhere", 404),
    ("GET", "services/nothing.{f}?jurisdiction_id=seattle.gov", 404),
    ("GET", "requests.{f}", 400),
    ("GET", "requests.{f}?jurisdiction_id=seattle.gov&status=foo", 400),
    ("GET", "requests.{f}?jurisdiction_id=seattle.gov&start_date=foo", 400),
    ("GET", "requests.{f}?jurisdiction_id=seattle.gov&page=foo", 400),
    ("GET", "requests/X-1.{f}?jurisdiction_id=seattle.gov", 404),
    ("GET", "tokens/X-1.{f}?jurisdiction_id=seattle.gov", 404),
    ("GET", "discovery.{f}?jurisdiction_id=nowhere", 404),
    ("GET", "nothing.{f}", 404),
    ("GET", "services/a/b.{f}", 404),
    ("POST", "requests.{f}", 400),
    ("POST", "requests.{f}?jurisdiction_id=nowhere", 404),
    ("POST", "requests.{f}?jurisdiction_id=seattle.gov", 403),
    ("POST", "services.{f}", 400),
    ("POST", "services/noise.{f}", 400),
    ("POST", "requests/X-1.{f}", 400),
    ("POST", "tokens/X-1.{f}", 400),
    ("POST", "discovery.{f}", 400),
    ("POST", "nothing.{f}", 404),
    ("PUT", "requests.{f}", 400),
    ("DELETE", "requests/X-1.{f}", 400),
    ("PATCH", "services.{f}", 400),
]


@pytest.mark.statement(61)
@pytest.mark.statement(62)
@in_both_formats
@pytest.mark.parametrize(("method", "path", "status"), _WRONG, ids=[f"{method} {path}" for method, path, _ in _WRONG])
def test_every_error_has_the_one_shape(api: Api, method: str, path: str, status: int, format: str) -> None:
    answer = api.ask(path.format(f=format), format, method)

    assert answer.status == status
    assert answer.headers["Content-Type"] == CONTENT_TYPES[format]
    assert answer.problem


@pytest.mark.statement(61)
def test_an_error_in_json_is_an_array_of_code_and_description(api: Api) -> None:
    assert read_json(api.get("requests/X-1").body) == [{"code": 404, "description": "service_request_id X-1 was not found"}]


@pytest.mark.statement(61)
def test_an_error_in_xml_is_errors_of_error(api: Api) -> None:
    root = xml_root(api.get("requests/X-1", "xml").body)

    assert root.tag == "errors"
    assert [(child.tag, [(each.tag, each.text) for each in child]) for child in root] == [
        ("error", [("code", "404"), ("description", "service_request_id X-1 was not found")])
    ]


@pytest.mark.statement(62)
@in_both_formats
@pytest.mark.parametrize(
    ("resource", "broken"),
    [
        ("services", "open311.api.services.list_services"),
        ("services/noise", "open311.api.services.show_definition"),
        ("requests", "open311.api.requests.find_requests"),
        ("requests/X-1", "open311.api.requests.find_request"),
        ("tokens/X-1", "open311.api.tokens.find_token"),
        ("POST", "open311.cases.intake.receive"),
    ],
)
def test_an_accident_is_500_in_the_one_shape_and_tells_nothing_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, resource: str, broken: str, format: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(broken, fail)

    answer = api.post(STREET, format) if resource == "POST" else api.get(resource, format)

    assert answer.status == 500
    assert answer.problem.startswith("something went wrong on our side; it is logged as ")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.statement(63)
@in_both_formats
@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("resource", ["services", "services/noise", "requests", "requests/X-1", "tokens/X-1", "discovery"])
def test_a_method_that_a_resource_does_not_have_is_400(api: Api, method: str, resource: str, format: str) -> None:
    answer = api.ask(f"{resource}.{format}?jurisdiction_id=seattle.gov", format, method)

    assert answer.status == 400
    assert answer.problem == f"{method} is not possible on {BASE}/{resource}.{format}"


@pytest.mark.statement(63)
@in_both_formats
@pytest.mark.parametrize("resource", ["services", "services/noise", "requests/X-1", "tokens/X-1", "discovery"])
def test_a_post_where_there_is_none_is_400_with_what_there_is(api: Api, resource: str, format: str) -> None:
    answer = api.ask(f"{resource}.{format}", format, "POST", data={"api_key": api.api_key})

    assert answer.status == 400
    assert "GET" in answer.headers["Allow"]
    assert answer.problem.startswith("POST is not possible")


@pytest.mark.statement(62)
@in_both_formats
@pytest.mark.parametrize(
    "headers", [{"Expect": "nonsense"}, {"Range": "bytes=0-1"}, {"If-Match": '"x"'}, {"Accept-Language": "xx"}]
)
def test_headers_that_are_not_asked_for_make_no_error(api: Api, headers: dict[str, str], format: str) -> None:
    assert api.get("services", format, headers=headers).status == 200


@pytest.mark.statement(5)
@pytest.mark.parametrize("path", ["/open311", "/open311/", "/open311/v1/services.xml", "/open311/v2"])
def test_errors_above_the_base_are_xml_too(client: FlaskClient, path: str) -> None:
    answer = Answer(client.get(path), "xml")

    assert answer.status == 404
    assert answer.problem.startswith(f"{path} was not found")


@pytest.mark.statement(61)
@in_both_formats
def test_a_json_answer_of_an_error_is_not_called_back(api: Api, format: str) -> None:
    answer = api.get("requests/X-1", format, callback="f")

    assert answer.status == 404
    assert answer.problem


@pytest.mark.statement(61)
@in_both_formats
def test_the_order_of_checks_is_city_then_key_then_service_then_all_the_rest(api: Api, format: str) -> None:
    wrong = {"service_code": "nothing", "lat": "x", "long": "y"}

    assert api.post(wrong, format, city="nowhere", key="wrong").status == 404
    assert api.post(wrong, format, city=SEATTLE, key="wrong").status == 403
    assert "service_code" in api.post(wrong, format).problem
    assert len(api.post({**wrong, "service_code": "street-maintenance"}, format).problems) == 2
