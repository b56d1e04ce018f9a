"""The pages of districts."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from open311.jurisdictions import cities
from open311.reports import rollups
from open311.web.outlines import picture
from tests.factories import DAY, NOW, Factory
from tests.web.desk import Browser, parsed, text

pytestmark = pytest.mark.usefixtures("in_boston")

EIGHT = "/districts/council/8"
SCRIPT = "<script>alert(1)</script>"


def lie_in(connection: "Connection[object]", code: str) -> None:
    """Let every request lie in a council district."""
    connection.execute(
        "insert into request_district (jurisdiction_id, request_id, boundary_id, requested_at) "
        "select r.jurisdiction_id, r.id, b.id, r.requested_at from service_request r join boundary b "
        "on b.jurisdiction_id = r.jurisdiction_id join layer l on l.jurisdiction_id = b.jurisdiction_id and l.id = b.layer_id "
        "where l.code = 'council' and b.code = %s on conflict do nothing",
        [code],
    )


def this_year() -> int:
    """The year, by the city's clock."""
    return NOW.astimezone(cities().named("boston.gov").zone).year


def ages(client: FlaskClient) -> list[str]:
    """The open requests of district 8 by their age."""
    page = parsed(client.get(EIGHT))
    return [
        str(each.text_content()) for each in page.xpath("//table[@aria-labelledby='ages-title']/tbody//td[@class='figure']")
    ]


def test_every_district_is_listed_by_its_layer_and_in_order(client: FlaskClient):
    page = parsed(client.get("/districts"))

    links = [link for link in page.xpath("//main//li/a/@href") if "/council/" in link]
    assert links == [f"/districts/council/{number}" for number in range(1, 10)]
    assert "City of Boston" not in [heading.text for heading in page.iter("h2")]


def test_the_districts_of_an_address_are_found(client: FlaskClient):
    page = parsed(client.get("/districts", query_string={"address": "700 Boylston St"}))

    assert page.xpath("//main//div[@role='status']//a[contains(@href, '/districts/council/')]")


@pytest.mark.parametrize("address", ["Behind the old mill", SCRIPT, "%"])
def test_an_address_that_nobody_knows_is_told(client: FlaskClient, address: str):
    answer = client.get("/districts", query_string={"address": address})

    assert answer.status_code == 200
    assert "We do not know this address" in text(answer)
    assert parsed(answer).xpath("//script[not(@src)]") == []


def test_open_requests_are_counted_by_their_age(client: FlaskClient, make: Factory, connection: "Connection[object]"):
    for days in (1, 2, 20, 80, 300, 400):
        make.request(age=days * DAY)
    make.request(age=3 * DAY, closed_after=DAY)
    lie_in(connection, "8")

    assert ages(client) == ["2", "1", "1", "1", "1"]


def test_what_is_too_few_to_tell_is_not_told(client: FlaskClient, make: Factory, connection: "Connection[object]"):
    connection.execute("update jurisdiction set least_count = 3")
    for days in (1, 2, 3, 20):
        make.request(age=days * DAY)
    lie_in(connection, "8")

    assert ages(client) == []
    assert "There are too few to tell." in text(client.get(EIGHT))


def test_the_scorecard_is_beside_last_years_and_the_citys(client: FlaskClient, make: Factory, connection: "Connection[object]"):
    make.request(age=DAY)
    lie_in(connection, "8")
    rollups.refresh(connection, jurisdiction_id=cities().named("boston.gov").id, now=NOW)

    year = this_year()
    page = parsed(client.get(EIGHT))
    (table,) = page.xpath("//table[caption[@id='figures-title']]")

    heads = [each.text_content() for each in table.xpath("./thead//th")]
    assert heads == [f"{year} so far", f"All of {year - 1}", f"City, {year}", "Median of the districts"]
    rows = {row.findtext("th"): [cell.text_content() for cell in row.findall("td")] for row in table.xpath("./tbody/tr")}
    assert rows["Reported"][0] == rows["Reported"][2] == "1"
    # Before the first report nothing is known, which is not zero.
    assert rows["Reported"][1].startswith("-")
    assert f"Nothing was recorded here in {year - 1}." in page.text_content()
    assert page.xpath("//h2[@id='neighbours']")


def test_the_months_of_the_year_are_shown_with_their_figures(
    client: FlaskClient, make: Factory, connection: "Connection[object]"
):
    make.request(age=DAY)
    make.request(age=DAY, closed_after=timedelta(0))
    lie_in(connection, "8")
    boston = cities().named("boston.gov")
    rollups.refresh(connection, jurisdiction_id=boston.id, now=NOW)

    page = parsed(client.get(EIGHT))

    rows = [
        [row.findtext("th"), *(cell.text_content() for cell in row.findall("td")[:2])]
        for row in page.xpath("//table[@aria-labelledby='months-title']/tbody/tr")
    ]
    month = (NOW - DAY).astimezone(boston.zone).strftime("%B")
    assert [month, "2", "1"] in rows
    assert sum(int(received) for _month, received, _closed in rows) == 2
    (table,) = [link for link in page.xpath("//main//a/@href") if "trend=true" in link]
    lines = client.get(urlsplit(table)._replace(scheme="", netloc="").geturl()).text.splitlines()
    assert len(lines) == len(rows) + 1


def test_the_open_reports_are_one_click_from_the_map_and_the_list(
    client: FlaskClient, make: Factory, connection: "Connection[object]"
):
    make.request(number="IN-1")
    make.request(number="IN-2", closed_after=timedelta(0))
    lie_in(connection, "8")
    make.request(number="OUT-1")

    (link,) = parsed(client.get(EIGHT)).xpath("//main//a[contains(@href, '/map')]/@href")
    listed = text(client.get(link))

    assert "IN-1" in listed
    assert "IN-2" not in listed
    assert "OUT-1" not in listed


@pytest.mark.parametrize("path", ["/districts/council/%00", "/districts/%00/8", "/districts/council/a%00b"])
def test_a_district_that_cannot_be_is_a_404_also_to_who_sends_the_form(client: FlaskClient, path: str):
    browser = Browser(client)
    (form,) = [form for form in parsed(browser.get(EIGHT)).forms if form.method == "POST"]
    sent = {**dict(form.form_values()), "email": "office@example.org"}

    assert browser.get(path).status_code == 404
    assert browser.post(path, **sent).status_code == 404


def test_without_figures_the_page_says_so(client: FlaskClient):
    assert "There are no figures of this year yet." in text(client.get(EIGHT))


@pytest.mark.parametrize("period", ["1066", "next", "99999999999999", "-1", SCRIPT, "²"])
def test_a_year_that_is_none_is_this_one(client: FlaskClient, period: str):
    answer = client.get(EIGHT, query_string={"period": period})

    assert answer.status_code == 200
    assert parsed(answer).xpath("string(//select/option[@selected])") == str(this_year())
    assert parsed(answer).xpath("//script[not(@src)]") == []


def test_the_map_shows_the_district_among_the_others(client: FlaskClient):
    page = parsed(client.get(EIGHT))

    (drawing,) = page.xpath("//*[local-name()='svg' and @role='img']")
    assert len(drawing.xpath(".//*[local-name()='path' and @class='this']")) == 1
    assert len(drawing.xpath(".//*[local-name()='path']")) == 9
    assert "City Council District 8" in drawing.xpath("string(.//*[local-name()='title'])")


def test_a_picture_has_north_above_and_degrees_as_wide_as_they_are():
    square = '{"type":"MultiPolygon","coordinates":[[[[0,60],[2,60],[2,61],[0,61],[0,60]]]]}'

    drawn = picture([("1", "One", square)])

    # At 60 degrees north a degree of longitude is half as long as one of latitude.
    assert 590 <= drawn.height <= 625
    assert drawn.shapes[0].path == f"M0 {drawn.height}L600 {drawn.height}L600 0L0 0Z"


def test_the_links_lead_to_data(client: FlaskClient):
    page = parsed(client.get(EIGHT))

    links = [link for link in page.xpath("//main//a/@href") if "/open311/v2/" in link]
    assert len(links) == 4
    for link in links:
        status = client.get(link.removeprefix("http://localhost")).status_code
        assert status == (503 if "scorecards" in link else 200), link


@pytest.mark.parametrize(
    "path", ["/districts/council/99", "/districts/none/8", "/districts/council/..%2F8", "/districts/%3Cb%3E/1"]
)
def test_a_district_that_is_none_is_a_404_page(client: FlaskClient, path: str):
    answer = client.get(path)

    assert answer.status_code == 404
    assert "We do not find this district" in text(answer)


def test_a_digest_is_asked_for_by_a_letter(client: FlaskClient, connection: "Connection[object]"):
    browser = Browser(client)
    page = browser.get(EIGHT)
    (form,) = [each for each in parsed(page).forms if each.method == "POST"]

    answer = browser.post(EIGHT, **{**dict(form.form_values()), "email": "ann@example.org", "rhythm": "day"})

    assert answer.status_code == 303
    assert "open the message" in text(browser.get(answer.headers["Location"].split("#")[0]))
    assert connection.execute("select email, rhythm, boundary_code from follower").fetchall() == [
        ("ann@example.org", "day", "8")
    ]


@pytest.mark.parametrize("email", ["", "ann"])
def test_a_bad_address_of_mail_is_told(client: FlaskClient, email: str):
    browser = Browser(client)
    (form,) = [each for each in parsed(browser.get(EIGHT)).forms if each.method == "POST"]

    answer = browser.post(EIGHT, **{**dict(form.form_values()), "email": email})

    assert answer.status_code == 400
    assert parsed(answer).xpath("//*[@role='alert']//a/@href") == ["#email"]


def test_a_forged_wish_is_refused(client: FlaskClient, connection: "Connection[object]"):
    client.get(EIGHT)

    assert client.post(EIGHT, data={"email": "ann@example.org", "csrf": "x"}).status_code == 400
    assert connection.execute("select count(*) from follower").fetchone() == (0,)


def test_a_name_is_text(client: FlaskClient, connection: "Connection[object]"):
    connection.execute("update boundary set name = %s where code = '8'", [SCRIPT])

    for path in ("/districts", EIGHT, "/districts/council/7"):
        assert parsed(client.get(path)).xpath("//script[not(@src)]") == []


@pytest.mark.parametrize("year", ["0" * 5000, "02024999", "1" * 4400, "two", "-2024", "3000"])
def test_what_is_no_year_is_this_one(client: FlaskClient, year: str):
    answer = client.get(EIGHT, query_string={"period": year})

    assert answer.status_code == 200
    assert parsed(answer).xpath("//select[@name='period']/option[@selected]/text()") == [f"{NOW:%Y}"]


def test_an_address_that_was_typed_stays_when_the_form_was_open_for_long(client: FlaskClient):
    answer = client.post(EIGHT, data={"email": "ann@example.org"})

    assert answer.status_code == 400
    assert parsed(answer).xpath("//input[@id='email']/@value") == ["ann@example.org"]
    assert "Please press the button again" in text(answer)
