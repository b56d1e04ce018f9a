"""GeoReport v2 clients as they are, against the real server: those that can be installed, and the calls of the others.

The others' calls are written down from their sources (spec, section 6), header by header and byte by byte.
"""

import importlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import chicagorequests
import civicbot
import pytest
import requests
from civicbot.http import HttpError, RateLimiter
from click.testing import CliRunner
from georeport import GeoReport
from lxml import etree
from PIL import Image

from tests.live.server import Answer, Live, eventually

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live"), pytest.mark.statement(74)]

BOSTON, SEATTLE = "boston.gov", "seattle.gov"
# In Magnolia, Seattle, and in the Fenway, Boston.
SEATTLE_PLACE, BOSTON_PLACE = {"lat": "47.64", "long": "-122.4"}, {"lat": "42.3474", "long": "-71.0944"}
NUMBER_SECONDS = 10

FORM = "application/x-www-form-urlencoded"
IOS_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy is set here is not for our own machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def png(colour: str = "teal") -> bytes:
    """A photo, of 64 by 48 pixels."""
    out = BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "PNG")
    return out.getvalue()


def stored_answers(live: Live, number: str) -> Any:
    """What a request's questions were answered with."""
    with live.connect() as connection:
        row = connection.execute("select attributes from service_request where number = %s", [number]).fetchone()
    assert row is not None
    return row[0]


def assert_is_our_photo(live: Live, media_url: str | None) -> None:
    """The address is absolute, and a photo of 64 by 48 pixels is served there."""
    assert media_url is not None
    assert media_url.startswith(f"{live.url}/media/")
    with Image.open(BytesIO(live.get(media_url.removeprefix(live.url)).body)) as photo:
        assert photo.size == (64, 48)


# --- georeport 0.3.1: reads, in both formats ---------------------------------------------------------------------


@pytest.fixture(params=["json", "xml"])
def georeport(request: pytest.FixtureRequest, live: Live) -> GeoReport:
    """A client of Boston, in the format of its `output_format`."""
    return GeoReport(f"{live.base}/", jurisdiction=BOSTON, output_format=request.param)


def test_georeport_lists_services(georeport: GeoReport) -> None:
    services = georeport.get_service_list()

    assert len(services) > 100
    assert all(service["service_code"] and service["service_name"] for service in services)
    assert "street-light-outages" in {service["service_code"] for service in services}


@pytest.mark.parametrize("output_format", ["json", "xml"])
def test_georeport_reads_a_definition(live: Live, output_format: str) -> None:
    client = GeoReport(live.base, jurisdiction=SEATTLE, output_format=output_format)

    definition = client.get_service_definition("illegal-dumping")

    assert definition["service_code"] == "illegal-dumping"
    attributes = definition["attributes"] if output_format == "json" else definition["attributes"]["attribute"]
    assert [attribute["code"] for attribute in attributes] == ["MATERIAL", "AMOUNT", "BLOCKING"]


def test_georeport_lists_and_filters_requests(georeport: GeoReport) -> None:
    newest = georeport.get_service_requests()
    closed = georeport.get_service_requests(status="closed")
    wanted = newest[0]["service_request_id"], newest[-1]["service_request_id"]
    both = georeport.get_service_requests(service_request_id=",".join(wanted))
    # A moment of the list, whatever day it is, with fewer requests before it than a page takes.
    middle = newest[-100]["requested_datetime"]
    older = georeport.get_service_requests(end_date=middle)
    one = older[0]["service_code"]
    of_one_service = georeport.get_service_requests(service_code=one, end_date=middle)
    younger = georeport.get_service_requests(start_date=middle)

    assert len(newest) > 100
    assert {row["status"] for row in newest} == {"open", "closed"}
    assert {row["status"] for row in closed} == {"closed"}
    assert [row["service_request_id"] for row in both] == list(wanted)
    assert all(row["requested_datetime"] <= middle for row in older)
    assert all(row["requested_datetime"] >= middle for row in younger)
    assert {row["service_code"] for row in of_one_service} == {one}
    assert len(of_one_service) == sum(row["service_code"] == one for row in older)


def test_georeport_reads_one_request(georeport: GeoReport) -> None:
    newest = georeport.get_service_requests()[0]

    request = georeport.get_service_request(newest["service_request_id"])

    assert request == newest


def test_georeport_is_told_of_what_is_not_there(georeport: GeoReport) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        georeport.get_service_request("K7M-4XQ-000")


# --- civicbot 0.4.0: reads and writes, in JSON -------------------------------------------------------------------


@pytest.fixture
def civicbot_of(live: Live) -> Callable[[str], civicbot.Open311Client]:
    """A client of a city, without the half second it would wait between two calls to be polite."""
    endpoint = civicbot.Endpoint(id="live", name="Live", base_url=live.base, write=True)
    transport = partial(civicbot.HttpTransport, rate_limiter=RateLimiter(0))
    return lambda city: civicbot.Open311Client(endpoint, transport(), jurisdiction_id=city)


CivicbotOf = Callable[[str], civicbot.Open311Client]


def test_civicbot_lists_services_and_their_definitions(civicbot_of: CivicbotOf) -> None:
    client = civicbot_of(SEATTLE)

    services = client.list_services()
    definitions = [client.get_service_definition(service["service_code"]) for service in services]

    assert [definition["service_code"] for definition in definitions] == [service["service_code"] for service in services]
    assert [bool(definition["attributes"]) for definition in definitions] == [service["metadata"] for service in services]


def test_civicbot_lists_and_reads_requests(civicbot_of: CivicbotOf) -> None:
    client = civicbot_of(BOSTON)

    listed = client.list_requests(page_size=20, status="open")
    wanted = [row["service_request_id"] for row in listed[:3]]
    found = client.list_requests(service_request_ids=wanted)

    assert len(listed) == 20
    assert found == listed[:3]
    assert client.get_request(wanted[1]) == listed[1]


def test_civicbot_posts_a_request_with_a_list(live: Live, civicbot_of: CivicbotOf) -> None:
    client = civicbot_of(SEATTLE)

    sent = client.create_request(
        "illegal-dumping",
        lat=47.64,
        lng=-122.4,
        description="Old tires, and paint “Größe 5”",
        attributes={"MATERIAL": ["tires", "hazardous"], "AMOUNT": "pickup"},
        email="resident@example.org",
        media_url="https://example.org/photo.jpg",
        api_key=live.key,
        validate_remote=True,
        dry_run=False,
        confirm="SEND",
    )
    number = sent.response[0]["service_request_id"]

    read = client.get_request(number)
    assert read is not None
    assert read["description"] == "Old tires, and paint “Größe 5”"
    assert read["media_url"] == "https://example.org/photo.jpg"
    assert stored_answers(live, number) == {"MATERIAL": ["tires", "hazardous"], "AMOUNT": "pickup"}


def test_civicbot_follows_a_token(live: Live, civicbot_of: CivicbotOf) -> None:
    client = civicbot_of(SEATTLE)
    sent = client.create_request(
        "noise",
        lat=47.64,
        lng=-122.4,
        attributes={"NOISE_TYPE": "music"},
        api_key=live.key,
        validate_remote=True,
        dry_run=False,
        confirm="SEND",
    )
    token = sent.response[0]["token"]

    number = eventually(lambda: client.get_token(token)[0].get("service_request_id"), seconds=NUMBER_SECONDS, what="a number")

    read = client.get_request(number)
    assert read is not None
    assert read["service_code"] == "noise"


def test_civicbot_is_told_of_a_bad_key(civicbot_of: CivicbotOf) -> None:
    with pytest.raises(HttpError, match="api_key is not known") as refused:
        civicbot_of(SEATTLE).create_request(
            "street-maintenance", lat=47.64, lng=-122.4, api_key="wrong", dry_run=False, confirm="SEND"
        )

    assert refused.value.status == 403


# --- chicagorequests 0.0.5: the pages of requests ----------------------------------------------------------------


@pytest.fixture
def chicago(live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[chicagorequests.Downloader]]:
    """Its downloader, with the one thing about it that must be set."""
    monkeypatch.setattr(chicagorequests.Downloader, "BASE_URL", f"{live.base}/requests.json")
    return chicagorequests.Downloader


def count_between(live: Live, start: datetime, end: datetime, updated_after: datetime | None = None) -> int:
    """How many public requests of Boston were made in this time (and changed since)."""
    with live.connect() as connection:
        row = connection.execute(
            "select count(*) from service_request join jurisdiction on jurisdiction.id = jurisdiction_id"
            " where slug = 'boston.gov' and is_public and requested_at between %s and %s and updated_at >= %s",
            [start, end, updated_after or datetime(2000, 1, 1, tzinfo=UTC)],
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_chicagorequests_downloads_all_pages(live: Live, chicago: type[chicagorequests.Downloader]) -> None:
    # As it writes a whole day: from midnight to 23:59:59.999999, in Chicago.
    zone = ZoneInfo("America/Chicago")
    start = (datetime.now(zone) - timedelta(days=13)).replace(hour=0, minute=0, second=0, microsecond=0)
    end = (datetime.now(zone) - timedelta(days=1)).replace(hour=23, minute=59, second=59, microsecond=999999)

    downloaded = chicago()((start, end))

    numbers = [row["service_request_id"] for row in downloaded]
    assert len(numbers) > 400  # three pages of 200, the last one shorter
    assert len(set(numbers)) == len(numbers) == count_between(live, start, end)


def test_chicagorequests_asks_for_services_and_for_what_changed(live: Live, chicago: type[chicagorequests.Downloader]) -> None:
    zone = ZoneInfo("America/Chicago")
    end = datetime.now(zone) - timedelta(minutes=1)
    start, since = end - timedelta(days=30), end - timedelta(days=9)
    # It writes these dates with a space, not a T.
    changed = chicago(updated_start_date=since, updated_end_date=end)((start, end))
    codes = sorted({row["service_code"] for row in changed})[:2]

    of_two_services = chicago(request_type=codes)((start, end))

    assert len(changed) == count_between(live, start, end, updated_after=since)
    assert {row["service_code"] for row in of_two_services} == set(codes)


def test_chicagorequests_writes_lines(live: Live, chicago: type[chicagorequests.Downloader]) -> None:
    # The dates move by whole weeks: on some days the newest case is nearly seven days old.
    first = (datetime.now() - timedelta(days=13)).strftime("%Y-%m-%d")
    last = (datetime.now() - timedelta(days=1)).strftime("%Y-%m-%d")

    result = CliRunner().invoke(chicagorequests.main, ["--start-date", first, "--end-date", last])

    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert len(rows) > 50


# --- three 0.8.0: everything, in both formats; written for Python 2 ----------------------------------------------


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with what Python 3 does not have: ifilter, and keys() that can be indexed."""
    monkeypatch.setattr(itertools, "ifilter", filter, raising=False)
    module = importlib.import_module("three")
    core = importlib.import_module("three.core")
    parse = importlib.import_module("relaxml").xml

    class OldDict(dict[str, Any]):
        def keys(self) -> Any:
            return list(super().keys())

    monkeypatch.setattr(core, "xml", lambda text: OldDict(parse(text)))
    return module


def test_three_reads_discovery(live: Live, three: ModuleType) -> None:
    as_json = three.Three(live.base).discovery()
    as_xml = three.Three(live.base, format="xml").discovery()
    above = three.Three(live.base, discovery=f"{live.url}/open311/discovery.json").discovery()

    assert as_json == above
    assert as_json["endpoints"][0]["specification"] == "http://wiki.open311.org/GeoReport_v2"
    assert as_xml["endpoints"]["endpoint"]["url"] == as_json["endpoints"][0]["url"] == live.base


@pytest.mark.parametrize("format", ["json", "xml"])
def test_three_reads_services_and_definitions(live: Live, three: ModuleType, format: str) -> None:
    client = three.Three(live.base, format=format, jurisdiction=SEATTLE)

    services, definition = client.services(), client.services("illegal-dumping")

    rows = services if format == "json" else services["service"]
    assert "illegal-dumping" in {row["service_code"] for row in rows}
    assert definition["service_code"] == "illegal-dumping"


@pytest.mark.parametrize("format", ["json", "xml"])
def test_three_lists_and_reads_requests(live: Live, three: ModuleType, format: str) -> None:
    client = three.Three(live.base, format=format, jurisdiction=BOSTON)
    start = (datetime.now(UTC) - timedelta(days=14)).strftime("%m-%d-%Y")
    # three makes midnight of a day, where today has just begun.
    end = (datetime.now(UTC) + timedelta(days=1)).strftime("%m-%d-%Y")

    def rows(answer: Any) -> list[dict[str, Any]]:
        return answer if format == "json" else answer["request"]  # type: ignore[no-any-return]

    newest = rows(client.requests(count=30))
    between = rows(client.requests(between=[start, end], count=1000))
    code = newest[0]["service_code"]
    of_one_service = rows(client.requests(code, start=start, end=end))
    one = client.request(newest[0]["service_request_id"])

    assert len(newest) == 30
    assert len(between) > 300
    assert newest[0] in of_one_service
    assert {row["service_code"] for row in of_one_service} == {code}
    assert (one[0] if format == "json" else one["request"]) == newest[0]


@pytest.mark.parametrize("format", ["json", "xml"])
def test_three_posts_a_list_and_a_photo(live: Live, three: ModuleType, format: str) -> None:
    client = three.Three(live.base, format=format, jurisdiction=SEATTLE, api_key=live.key)

    answer = client.post(
        "illegal-dumping",
        address="2300 Elliott Ave",
        name="Zach Williams",
        phone="555-5555",
        description="Tires in the alley",
        media=("photo.png", png()),
        **SEATTLE_PLACE,
        **{"attribute[MATERIAL][]": ["tires", "other"]},
    )
    number = (answer[0] if format == "json" else answer["request"])["service_request_id"]

    read = client.request(number)
    read = read[0] if format == "json" else read["request"]
    assert read["address"] == "2300 Elliott Ave"
    assert stored_answers(live, number) == {"MATERIAL": ["tires", "other"]}
    assert_is_our_photo(live, read["media_url"])


def test_three_follows_a_token(live: Live, three: ModuleType) -> None:
    client = three.Three(live.base, jurisdiction=SEATTLE, api_key=live.key)
    token = client.post("noise", **SEATTLE_PLACE, **{"attribute[NOISE_TYPE]": "animal"})[0]["token"]

    number = eventually(lambda: client.token(token)[0].get("service_request_id"), seconds=NUMBER_SECONDS, what="a number")

    assert client.request(number)[0]["service_code"] == "noise"


@pytest.mark.parametrize("format", ["json", "xml"])
def test_three_can_read_errors(live: Live, three: ModuleType, format: str) -> None:
    client = three.Three(live.base, format=format, jurisdiction=SEATTLE, api_key="wrong")

    answer = client.post("street-maintenance", **SEATTLE_PLACE)

    error = answer[0] if format == "json" else answer["error"]
    assert (str(error["code"]), error["description"]) == ("403", "api_key is not known")


# --- Those that cannot be installed ------------------------------------------------------------------------------


def multipart(boundary: str, parts: Sequence[tuple[str, bytes]]) -> bytes:
    """A multipart body; a part is its headers, as text with CRLF between them, and its content."""
    marker = f"--{boundary}".encode()
    body = b"".join(marker + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return body + marker + b"--\r\n"


def only(answer: Answer) -> Any:
    """The one row of a list in JSON, as every client takes it: [0]."""
    assert answer.status == 200, answer.text
    assert isinstance(answer.json, list)
    (row,) = answer.json
    return row


class FixMyStreet:
    """LWP::UserAgent and XML::Simple, as perllib/Open311.pm uses them: XML only."""

    HEADERS = {"TE": "deflate,gzip;q=0.3", "Connection": "TE, close", "User-Agent": "libwww-perl/6.67"}

    def __init__(self, live: Live) -> None:
        self.live = live

    def get(self, path: str, **arguments: str) -> etree._Element:
        """The document; XML::Simple reads it from a 2xx only."""
        query = urlencode({"jurisdiction_id": SEATTLE, **arguments})
        answer = self.live.call("GET", f"/open311/v2/{path}?{query}", headers=self.HEADERS)
        assert answer.status == 200, answer.text
        return answer.xml

    def post(self, pairs: Sequence[tuple[str, str]], path: str = "requests.xml") -> etree._Element:
        """The document that answers an urlencoded POST."""
        headers = {**self.HEADERS, "Content-Type": FORM}
        body = urlencode([("jurisdiction_id", SEATTLE), ("api_key", self.live.key), *pairs]).encode()
        answer = self.live.call("POST", f"/open311/v2/{path}", headers=headers, body=body)
        assert answer.status == 200, answer.text
        return answer.xml

    def upload(self, pairs: Sequence[tuple[str, str]], files: Sequence[tuple[str, str, bytes]]) -> etree._Element:
        """The document that answers a multipart POST, its boundary HTTP::Request::Common's."""
        headers = {**self.HEADERS, "Content-Type": "multipart/form-data; boundary=xYzZY"}
        texts = [("jurisdiction_id", SEATTLE), ("api_key", self.live.key), *pairs]
        parts = [(f'Content-Disposition: form-data; name="{name}"', text.encode()) for name, text in texts]
        parts += [
            (
                f'Content-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: image/png',
                content,
            )
            for name, file, content in files
        ]
        answer = self.live.call("POST", "/open311/v2/requests.xml", headers=headers, body=multipart("xYzZY", parts))
        assert answer.status == 200, answer.text
        return answer.xml


@pytest.fixture
def fixmystreet(live: Live) -> FixMyStreet:
    """FixMyStreet, sending to Seattle."""
    return FixMyStreet(live)


# What it sends with every report.
FMS_REPORT = [
    ("service_code", "illegal-dumping"),
    ("lat", "47.64"),
    ("long", "-122.4"),
    ("address_id", "#NOTPINPOINTED#"),
    ("email", "resident@example.org"),
    ("first_name", "Ada"),
    ("last_name", "-"),
    ("description", "Tires\r\n\r\nin the alley"),
    ("attribute[easting]", "529025"),
    ("attribute[northing]", "179716"),
    ("attribute[closest_address]", ""),
    ("attribute[MATERIAL]", "tires"),
    ("attribute[MATERIAL]", "other"),
    ("attribute[AMOUNT]", ""),
]


def test_fixmystreet_reads_services_and_definitions(fixmystreet: FixMyStreet) -> None:
    services = fixmystreet.get("services.xml")

    assert services.tag == "services"
    assert {service.tag for service in services} == {"service"}
    names = [service.findtext("service_name") for service in services]
    assert len(set(names)) == len(names)  # they are its category's keys
    for service in services:
        assert service.findtext("metadata") in ("true", "false")
        assert ", " not in service.findtext("keywords")  # it splits at the comma, and does not trim
        definition = fixmystreet.get(f"services/{service.findtext('service_code')}.xml")
        attributes = definition.findall("attributes/attribute")
        assert bool(attributes) == (service.findtext("metadata") == "true")
        for attribute in attributes:
            keys = [value.findtext("key") for value in attribute.findall("values/value")]
            assert bool(keys) == attribute.findtext("datatype").endswith("list")


def test_fixmystreet_posts_a_report_and_posts_it_again(fixmystreet: FixMyStreet, live: Live) -> None:
    report = [*FMS_REPORT, ("attribute[fixmystreet_id]", "52014"), ("media_url", "https://example.org/1.jpeg")]

    sent, again = fixmystreet.post(report), fixmystreet.post(report)

    number = sent.findtext("request/service_request_id")
    assert number
    assert again.findtext("request/service_request_id") == number
    assert stored_answers(live, number)["MATERIAL"] == ["tires", "other"]
    read = fixmystreet.get("requests.xml", service_request_id=number).find("request")
    assert read.findtext("description") == "Tires\n\nin the alley"
    assert read.findtext("address_id") == ""
    assert read.findtext("media_url") == "https://example.org/1.jpeg"


def test_fixmystreet_uploads_photos(fixmystreet: FixMyStreet, live: Live) -> None:
    sent = fixmystreet.upload(
        FMS_REPORT, [("photo1", "1.png", png()), ("photo2", "2.png", png("red")), ("file_a1b2c3", "3.png", png())]
    )

    number = sent.findtext("request/service_request_id")
    read = fixmystreet.get("requests.xml", service_request_id=number).find("request")
    assert_is_our_photo(live, read.findtext("media_url"))
    with live.connect() as connection:
        kept = connection.execute(
            "select count(*) from media join service_request on service_request.id = request_id"
            " and service_request.jurisdiction_id = media.jurisdiction_id where number = %s",
            [number],
        ).fetchone()
    assert kept == (3,)


def test_fixmystreet_polls_a_token(fixmystreet: FixMyStreet) -> None:
    sent = fixmystreet.post(
        [("service_code", "noise"), ("lat", "47.64"), ("long", "-122.4"), ("attribute[NOISE_TYPE]", "alarm")]
    )
    token = sent.findtext("request/token")
    assert sent.find("request/service_request_id") is None

    # It asks five times, two seconds apart, and then posts the report again.
    number = eventually(
        lambda: fixmystreet.get(f"tokens/{token}.xml").findtext("request/service_request_id"),
        seconds=NUMBER_SECONDS,
        what="a number",
    )

    (read,) = fixmystreet.get("requests.xml", service_request_id=number)
    assert read.findtext("service_code") == "noise"


def w3(moment: datetime) -> str:
    """A moment as DateTime::Format::W3CDTF writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def test_fixmystreet_and_a_department_exchange_updates(fixmystreet: FixMyStreet, live: Live) -> None:
    number = fixmystreet.post([*FMS_REPORT, ("attribute[fixmystreet_id]", "52015")]).findtext("request/service_request_id")
    assert number

    def update(update_id: str, status: str, words: str) -> str | None:
        """Open311::_populate_service_request_update_params, as it is sent when a comment is confirmed."""
        answer = fixmystreet.post(
            [
                ("updated_datetime", w3(datetime.now(UTC))),
                ("service_request_id", number or ""),
                ("status", status),
                ("description", words),
                ("last_name", "-"),
                ("first_name", "Ada"),
                ("title", ""),
                ("update_id", update_id),
                ("email", "resident@example.org"),
                ("email_alerts_requested", "FALSE"),
                ("public_anonymity_required", "TRUE"),
                ("service_code", "illegal-dumping"),
                ("attribute[easting]", "529025"),
                ("media_url", "https://example.org/2.jpeg"),
            ],
            "servicerequestupdates.xml",
        )
        assert answer.tag == "service_request_updates"
        return answer.findtext("request_update/update_id")

    def status() -> str | None:
        return fixmystreet.get("requests.xml", service_request_id=number or "").findtext("request/status")

    since = datetime.now(UTC)
    first = update("9001", "OPEN", "There is more of it")
    assert first is not None and first.isdigit()
    # Its queue sends what it had no answer for again, and for ever.
    assert update("9001", "OPEN", "There is more of it") == first
    assert status() == "open"
    assert update("9002", "FIXED", "Somebody took it away") != first
    assert status() == "closed"
    assert update("9003", "REOPEN", "No, they did not")
    assert status() == "open"

    # Every few minutes it asks for what the city did, a window at a time.
    window = {"start_date": w3(since - timedelta(hours=2)), "end_date": w3(datetime.now(UTC) + timedelta(minutes=1))}
    rows = [
        row
        for row in fixmystreet.get("servicerequestupdates.xml", api_key="", **window)
        if row.findtext("service_request_id") == number
    ]
    assert [(row.findtext("status"), row.findtext("description")) for row in rows] == [
        ("open", "There is more of it"),
        ("fixed", "Somebody took it away"),
        ("open", "No, they did not"),
    ]
    assert len({row.findtext("update_id") for row in rows}) == 3
    assert all(window["start_date"] <= (row.findtext("updated_datetime") or "") <= window["end_date"] for row in rows)
    assert rows[0].findtext("media_url") == "https://example.org/2.jpeg"
    later = {"start_date": w3(since + timedelta(hours=1)), "end_date": w3(since + timedelta(hours=3))}
    assert len(fixmystreet.get("servicerequestupdates.xml", api_key="", **later)) == 0


def test_fixmystreet_asks_for_all_its_reports_at_once(fixmystreet: FixMyStreet, live: Live) -> None:
    listed = live.get("/open311/v2/requests.json?jurisdiction_id=boston.gov&page_size=600").json
    numbers = [row["service_request_id"] for row in listed]

    found = fixmystreet.get("requests.xml", jurisdiction_id=BOSTON, service_request_id=",".join(numbers))

    assert [row.findtext("service_request_id") for row in found] == numbers


def test_fixmystreet_fetches_what_was_reported_elsewhere(fixmystreet: FixMyStreet) -> None:
    end = datetime.now(UTC).replace(microsecond=0)

    found = fixmystreet.get(
        "requests.xml",
        jurisdiction_id=BOSTON,
        start_date=(end - timedelta(days=14)).isoformat(),
        end_date=end.isoformat(),
    )

    assert len(found) > 100
    for row in found:
        assert IOS_DATE.fullmatch(row.findtext("updated_datetime"))


# GeoReporter for Android, and for iOS.


def test_georeporter_for_android_reads(live: Live) -> None:
    # It has no slash at the end of its URL, and names a jurisdiction even when it has none.
    services = live.get("/open311/v2/services.json?jurisdiction_id=").json
    as_xml = live.get("/open311/v2/services.xml?jurisdiction_id=").xml
    definition = live.get("/open311/v2/services/street-light-outages.json?jurisdiction_id=").json
    newest = live.get("/open311/v2/requests.json?jurisdiction_id=&page_size=1").json[0]
    one = only(live.get(f"/open311/v2/requests/{newest['service_request_id']}.json?jurisdiction_id="))

    assert isinstance(services, list)
    assert as_xml.tag == "services"
    assert isinstance(definition["attributes"], list)
    # getString() throws on a number.
    assert all(isinstance(one[name], str) for name in ("service_request_id", "service_code", "status"))


def test_georeporter_for_android_posts_a_photo(live: Live) -> None:
    # Apache HttpMime: every part has a type, text in UTF-8 as well.
    boundary = "TtyUjcFzNZQ04jcOvCJg-nNVhGzP5ZeRV2NR"
    text = "\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit"
    parts = [
        (f'Content-Disposition: form-data; name="{name}"{text}', value.encode())
        for name, value in [
            ("jurisdiction_id", SEATTLE),
            ("api_key", live.key),
            ("service_code", "illegal-dumping"),
            ("lat", "47.64"),
            ("long", "-122.4"),
            ("address_string", "2300 Elliott Ave"),
            ("description", "Reifen, groß"),
            ("attribute[MATERIAL][]", "tires"),
            ("attribute[MATERIAL][]", "yard-waste"),
        ]
    ]
    picture = 'Content-Disposition: form-data; name="media"; filename="media.png"'
    parts.append((f"{picture}\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary", png()))

    receipt = only(
        live.call(
            "POST",
            "/open311/v2/requests.json",
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}", "User-Agent": "Apache-HttpClient/4"},
            body=multipart(boundary, parts),
        )
    )

    assert isinstance(receipt["service_request_id"], str)
    assert "token" not in receipt
    number = receipt["service_request_id"]
    read = only(live.get(f"/open311/v2/requests/{number}.json?jurisdiction_id={SEATTLE}"))
    assert read["description"] == "Reifen, groß"
    assert_is_our_photo(live, read["media_url"])
    assert stored_answers(live, number)["MATERIAL"] == ["tires", "yard-waste"]


@pytest.mark.parametrize("format", ["json", "xml"])
def test_georeporter_for_android_shows_the_first_error(live: Live, format: str) -> None:
    body = urlencode({"jurisdiction_id": SEATTLE, "api_key": live.key, "service_code": "illegal-dumping"})

    answer = live.call(
        "POST", f"/open311/v2/requests.{format}", headers={"Content-Type": f"{FORM}; charset=UTF-8"}, body=body.encode()
    )

    assert answer.status == 400
    first = answer.json[0]["description"] if format == "json" else answer.xml.findtext("error/description")
    assert first


class TestGeoReporterForIOS:
    """AFNetworking; its JSON parser takes json, javascript and html, its code takes no null where it asks a length."""

    TYPES = ("application/json", "text/json", "text/javascript", "text/html")
    KEYS = "api_key={key}&jurisdiction_id=seattle.gov"

    def rows(self, answer: Answer) -> Any:
        """The answer, when it would take it."""
        assert answer.headers.get_content_type() in self.TYPES
        return answer.json

    def test_it_reads_with_its_key(self, live: Live) -> None:
        keys = self.KEYS.format(key=live.key)

        services = self.rows(live.get(f"/open311/v2/services.json?{keys}"))
        definition = self.rows(live.get(f"/open311/v2/services/noise.json?{keys}"))

        assert all(isinstance(service["group"], str) for service in services)
        assert definition["service_code"] == "noise"

    def test_it_posts_in_two_ways(self, live: Live) -> None:
        # It escapes brackets in a form's names, and has a plus sign in its boundary.
        fields = [
            ("service_code", "illegal-dumping"),
            ("api_key", live.key),
            ("jurisdiction_id", SEATTLE),
            ("lat", "47.640000"),
            ("long", "-122.400000"),
            ("attribute[MATERIAL][]", "tires"),
            ("attribute[MATERIAL][]", "bagged"),
        ]
        boundary = "Boundary+4D2A93F7A9C1E8B6"
        parts = [(f'Content-Disposition: form-data; name="{name}"', text.encode()) for name, text in fields]
        picture = 'Content-Disposition: form-data; name="media"; filename="media.png"\r\nContent-Type: image/png'

        plain = live.call(
            "POST",
            "/open311/v2/requests.json",
            headers={"Content-Type": f"{FORM}; charset=utf-8"},
            body="&".join(f"{quote(name, safe='')}={quote(text)}" for name, text in fields).encode(),
        )
        with_photo = live.call(
            "POST",
            "/open311/v2/requests.json",
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            body=multipart(boundary, [*parts, (picture, png())]),
        )

        for answer in (plain, with_photo):
            receipt = self.rows(answer)[0]
            # A null would count as an id.
            assert receipt["service_request_id"]
            assert "token" not in receipt
            assert stored_answers(live, receipt["service_request_id"])["MATERIAL"] == ["tires", "bagged"]
        number = with_photo.json[0]["service_request_id"]
        read = self.rows(live.get(f"/open311/v2/requests/{number}.json?{self.KEYS.format(key=live.key)}"))[0]
        assert_is_our_photo(live, read["media_url"])
        assert IOS_DATE.fullmatch(read["requested_datetime"])

    def test_it_follows_a_token(self, live: Live) -> None:
        keys = self.KEYS.format(key=live.key)
        body = f"service_code=noise&{keys}&lat=47.64&long=-122.4&attribute%5BNOISE_TYPE%5D=alarm"
        posted = live.call("POST", "/open311/v2/requests.json", headers={"Content-Type": FORM}, body=body.encode()).json[0]

        def number() -> Any:
            found = self.rows(live.get(f"/open311/v2/tokens/{posted['token']}.json?{keys}"))[0]
            # While it is pending the key must not be there at all.
            assert "service_request_id" not in found or found["service_request_id"]
            return found.get("service_request_id")

        assert "service_request_id" not in posted
        assert eventually(number, seconds=NUMBER_SECONDS, what="a number")

    def test_it_shows_the_first_error(self, live: Live) -> None:
        answer = live.get("/open311/v2/requests/K7M-4XQ-000.json?jurisdiction_id=seattle.gov")

        assert answer.status == 404
        assert self.rows(answer)[0]["description"]


# CUTR's Java client.


def cutr_body(boundary: str, texts: Sequence[tuple[str, str]], *, with_photo: bool) -> bytes:
    """The body as its HttpUrlConnectionClientImpl writes it."""
    parts = [
        (f'Content-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain; charset=UTF-8', text.encode())
        for name, text in texts
    ]
    if with_photo:
        picture = 'Content-Disposition: form-data; name="media"; filename="photo.png"'
        parts.append((f"{picture}\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary", png()))
    return multipart(boundary, parts)


@pytest.mark.parametrize("with_photo", [False, True], ids=["text", "photo"])
def test_cutr_posts_multipart_with_an_unquoted_boundary_and_literal_nulls(live: Live, with_photo: bool) -> None:
    boundary = "===1763800000000==="
    # With a jurisdiction it sends no coordinates.
    texts = [
        ("api_key", live.key),
        ("jurisdiction_id", SEATTLE),
        ("service_code", "street-maintenance"),
        ("service_name", "Street Maintenance"),
        ("address_string", "2300 Elliott Ave"),
        ("address_id", "null"),
        ("email", "null"),
        ("first_name", "null"),
        ("last_name", "null"),
        ("phone", "null"),
        ("device_id", "null"),
        ("account_id", "null"),
        ("description", "Deep hole"),
        ("media_url", "null"),
    ]

    answer = live.call(
        "POST",
        "/open311/v2/requests.json",
        headers={"Content-Type": f"multipart/form-data;boundary={boundary}", "User-Agent": "CodeJava Agent"},
        body=cutr_body(boundary, texts, with_photo=with_photo),
    )

    number = only(answer)["service_request_id"]  # 200 and no other success
    read = only(live.get(f"/open311/v2/requests/{number}.json?jurisdiction_id={SEATTLE}"))
    assert (read["address"], read["address_id"]) == ("2300 Elliott Ave", None)
    if with_photo:
        assert_is_our_photo(live, read["media_url"])
    else:
        assert read["media_url"] is None
    with live.connect() as connection:
        told = connection.execute(
            "select count(*) from reporter join service_request on service_request.id = request_id"
            " and service_request.jurisdiction_id = reporter.jurisdiction_id where number = %s",
            [number],
        ).fetchone()
    assert told == (0,)


def test_cutr_reads_the_body_of_a_400(live: Live) -> None:
    boundary = "===1763800000001==="
    texts = [("api_key", live.key), ("jurisdiction_id", SEATTLE), ("service_code", "illegal-dumping")]

    answer = live.call(
        "POST",
        "/open311/v2/requests.json",
        headers={"Content-Type": f"multipart/form-data;boundary={boundary}"},
        body=cutr_body(boundary, texts, with_photo=False),
    )

    assert answer.status == 400
    assert any("MATERIAL required" in error["description"] for error in answer.json)


def test_cutr_reads_with_arguments_it_does_not_encode(live: Live) -> None:
    # Its base ends with a slash, and it joins with another one.
    services = live.get("/open311/v2//services.json?lat=42.35&long=-71.06")
    listed = live.get(
        "/open311/v2/requests.json?jurisdiction_id=boston.gov&start_date=2026-01-01T00:00:00+00:00&status=open,closed"
    )

    assert services.status == 200
    assert listed.status == 200


# The open311 gem of Ruby.


def test_the_ruby_gem_reads(live: Live) -> None:
    headers = {"Accept": "*/*", "User-Agent": "The Open311 Ruby Gem", "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6"}
    get = partial(live.call, "GET", headers=headers)

    services = get("/open311/v2/services.xml?jurisdiction_id=boston.gov").xml
    definition = get("/open311/v2/services/illegal-dumping.xml?jurisdiction_id=seattle.gov").xml
    # One application on it writes dates in Zulu, and for Chicago without a zone.
    zulu = get("/open311/v2/requests.xml?jurisdiction_id=boston.gov&start_date=2026-11-01T00:00:00Z")
    zoneless = get("/open311/v2/requests.xml?jurisdiction_id=boston.gov&start_date=2026-11-01T00:00:00")
    none = get("/open311/v2/requests.xml?jurisdiction_id=boston.gov&service_request_id=none").xml

    assert len(services) > 100
    assert definition.find("attributes") is not None
    assert (zulu.status, zoneless.status) == (200, 200)
    assert (none.tag, len(none)) == ("service_requests", 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("requests/none.xml?jurisdiction_id=boston.gov", 404, id="not found"),
        pytest.param("requests.xml?jurisdiction_id=boston.gov&status=foo", 400, id="bad request"),
        pytest.param("services.xml?jurisdiction_id=atlantis.gov", 404, id="no such city"),
    ],
)
def test_the_ruby_gem_maps_statuses_to_exceptions(live: Live, path: str, status: int) -> None:
    answer = live.get(f"/open311/v2/{path}")

    assert answer.status == status
    assert answer.xml.tag == "errors"
    assert answer.xml.findtext("error/description")


def test_the_ruby_gem_posts(live: Live) -> None:
    body = urlencode({"api_key": live.key, "jurisdiction_id": SEATTLE, "service_code": "street-maintenance"})
    body += "&address_string=2300+Elliott+Ave&description=Deep+hole"

    answer = live.call(
        "POST",
        "/open311/v2/requests.xml",
        headers={"Content-Type": FORM, "Accept": "*/*", "User-Agent": "The Open311 Ruby Gem"},
        body=body.encode(),
    )

    assert answer.status == 200
    assert answer.xml.findtext("request/service_request_id")


# open311 of Node.


def test_node_finds_the_endpoint_by_discovery(live: Live) -> None:
    for format in ("json", "xml"):
        answer = live.get(f"/open311/discovery.{format}")
        assert answer.status == 200

    found = [
        endpoint
        for endpoint in live.get("/open311/discovery.json").json["endpoints"]
        if endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2" and endpoint["type"] == "production"
    ]

    assert found[0]["url"] == live.base
    path = found[0]["url"].removeprefix(live.url) + "/services.json?jurisdiction_id=boston.gov"
    assert live.get(path).status == 200


def test_node_posts_with_the_city_in_the_query(live: Live) -> None:
    body = urlencode({"api_key": live.key, "service_code": "street-maintenance", **SEATTLE_PLACE})

    answers = {
        format: live.call(
            "POST",
            f"/open311/v2/requests.{format}?jurisdiction_id={SEATTLE}",
            headers={"Content-Type": FORM, "Accept": "application/json"},
            body=body.encode(),
        )
        for format in ("json", "xml")
    }

    assert only(answers["json"])["service_request_id"]
    # Its XML parser makes an array of an element with one child, and a number of what looks like one.
    (request,) = answers["xml"].xml
    assert len(request) >= 2
    assert not request.findtext("service_request_id").replace("-", "").isdecimal()


# srtracker, and Boston's own site.


def test_srtracker_lists_pages_and_reads(live: Live) -> None:
    start = (datetime.now(UTC) - timedelta(days=13)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def ask(page: int) -> Any:
        return live.get(
            f"/open311/v2/requests.json?extensions=true&page={page}&page_size=100&service_code=&start_date={start}"
        ).json

    def ask_for_two() -> Any:
        # Reports of other tests that come up between the two move what the second page begins with.
        first, second, again = ask(1), ask(2), ask(1)
        return [first, second] if first == again else None

    pages = eventually(ask_for_two, seconds=30, what="two pages with nothing new between them")
    number = pages[0][0]["service_request_id"]
    one = only(live.get(f"/open311/v2/requests/{number}.json?extensions=true&legacy=false"))

    numbers = [row["service_request_id"] for page in pages for row in page]
    assert len(set(numbers)) == 200
    assert one["service_request_id"] == number


def test_boston_s_site_reads_and_posts(live: Live) -> None:
    # It sends its key wherever it goes, and asks for a request in the singular.
    key = {"Authorization": f"Bearer {live.key}"}
    get = partial(live.call, "GET", headers=key)
    fields = {"jurisdiction_id": BOSTON, "service_code": "street-light-outages", **BOSTON_PLACE, "email": "a@b.org"}

    services = get("/open311/v2/services.json").json
    definition = get(f"/open311/v2/services/{services[0]['service_code']}.json").json
    number = only(
        live.call(
            "POST",
            "/open311/v2/requests.json",
            headers={"Content-Type": FORM},
            body=urlencode({**fields, "api_key": live.key}).encode(),
        )
    )["service_request_id"]
    one = only(get(f"/open311/v2/request/{number}.json"))
    several = get(f"/open311/v2/requests.json?service_request_id={number},K7M-4XQ-000").json
    unknown = get("/open311/v2/request/K7M-4XQ-000.json")
    by_bearer = live.call(
        "POST", "/open311/v2/requests.json", headers={**key, "Content-Type": FORM}, body=urlencode(fields).encode()
    )

    assert definition["service_code"] == services[0]["service_code"]
    assert one["service_request_id"] == number
    assert several == [one]
    assert (unknown.status, bool(unknown.json[0]["description"])) == (404, True)
    assert only(by_bearer)["service_request_id"] != number


def test_the_open311_package_posts_with_its_key_in_the_query(live: Live) -> None:
    body = urlencode({"service_code": "street-maintenance", **SEATTLE_PLACE})

    answer = live.call(
        "POST",
        f"/open311/v2/requests.xml?api_key={live.key}&jurisdiction_id={SEATTLE}",
        headers={"Content-Type": FORM},
        body=body.encode(),
    )

    assert answer.status == 200
    assert answer.xml.findtext("request/service_request_id")


def test_open311_java_names_a_type_on_its_gets(live: Live) -> None:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}

    discovery = live.call("GET", "/open311/discovery.xml", headers={"Accept": "text/xml", "Content-Type": "text/xml"})
    listed = live.call("GET", "/open311/v2/requests.json?jurisdiction_id=boston.gov&page_size=5", headers=headers)

    assert discovery.xml.findtext("endpoints/endpoint/specification") == "http://wiki.open311.org/GeoReport_v2"
    assert len(listed.json) == 5
    assert all(IOS_DATE.fullmatch(row["requested_datetime"]) for row in listed.json)
