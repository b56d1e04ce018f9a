"""The thin whole: a request posted is a request read."""

from flask.testing import FlaskClient

from tests.factories import HOUR, Factory

BASE = "/open311/v2"


def test_a_posted_request_is_read_back_with_the_department_that_its_place_decides(client: FlaskClient, api_key: str):
    posted = client.post(
        f"{BASE}/requests.json",
        data={
            "api_key": api_key,
            "jurisdiction_id": "seattle.gov",
            "service_code": "street-maintenance",
            "lat": "47.6400",
            "long": "-122.4000",
            "description": "Deep hole",
        },
    )
    number = posted.json[0]["service_request_id"]

    (read,) = client.get(f"{BASE}/requests/{number}.json?jurisdiction_id=seattle.gov").json

    assert posted.status_code == 200
    assert read["status"] == "open"
    assert read["agency_responsible"] == "Seattle Department of Transportation"
    assert (read["lat"], read["long"]) == (47.64, -122.4)


def test_requests_are_listed_newest_first(client: FlaskClient, make: Factory):
    make.request("A-1", age=3 * HOUR)
    make.request("B-1", age=HOUR)
    make.request("C-1", age=2 * HOUR)

    listed = client.get(f"{BASE}/requests.json?jurisdiction_id=boston.gov").json

    assert [row["service_request_id"] for row in listed] == ["B-1", "C-1", "A-1"]


def test_a_list_of_nothing_is_as_if_it_were_not_sent(client: FlaskClient, make: Factory):
    make.request("A-1")

    listed = client.get(f"{BASE}/requests.json?jurisdiction_id=boston.gov&service_code=,&service_request_id=,%20&status=,").json

    assert [row["service_request_id"] for row in listed] == ["A-1"]
