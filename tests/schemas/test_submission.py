"""The form of a POST: what is read, and all that is wrong with it."""

import pytest

from geo.point import Point
from schemas import submission
from schemas.submission import Submission


def read(**form: str | list[str]) -> tuple[Submission, list[str]]:
    """The submission of these fields, and its problems."""
    return submission.read({name: value if isinstance(value, list) else [value] for name, value in form.items()})


def good(**form: str | list[str]) -> Submission:
    """The submission of fields that are all good."""
    found, problems = read(**form)
    assert problems == []
    return found


def problems(**form: str | list[str]) -> list[str]:
    """What is wrong with the fields."""
    return read(**form)[1]


def test_a_whole_form_is_read():
    found = good(
        lat="42.35",
        long="-71.06",
        address_string=" 33 Beacon St ",
        address_id="17",
        description="Deep\r\nhole",
        email="a@example.org",
        first_name="Ada",
        last_name="Lovelace",
        phone="617",
        device_id="d",
        account_id="a",
        media_url="https://example.org/a.jpg",
    )

    assert (found.point, found.address, found.address_id) == (Point(lat=42.35, long=-71.06), "33 Beacon St", "17")
    assert found.description == "Deep\nhole"
    assert found.person == {
        "email": "a@example.org",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "phone": "617",
        "device_id": "d",
        "account_id": "a",
    }
    assert found.media_urls == ["https://example.org/a.jpg"]


@pytest.mark.parametrize("text", [pytest.param("", id="empty"), pytest.param(" ", id="blank"), "null"])
def test_a_field_that_says_nothing_is_as_if_not_sent(text: str):
    found = good(lat=text, long=text, address_string=text, address_id=text, description=text, email=text, media_url=text)

    assert found == good()
    assert not found.has_place


def test_of_a_repeated_field_the_first_that_says_something_counts():
    assert good(description=["", "one", "two"]).description == "one"


@pytest.mark.statement(33)
def test_unknown_fields_are_ignored():
    assert good(colour="blue") == good()


@pytest.mark.statement(26)
@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"lat": "1", "long": "2"}, id="a-point"),
        pytest.param({"address_string": "Main St"}, id="an-address"),
        pytest.param({"address_id": "17"}, id="an-address-id"),
    ],
)
def test_a_point_or_an_address_or_its_id_is_a_place(form: dict[str, str]):
    assert good(**form).has_place


def test_an_address_id_that_says_not_pinpointed_is_none():
    assert not good(address_id="#NOTPINPOINTED#").has_place


@pytest.mark.statement(27)
@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param({"lat": "1"}, "lat and long must be sent together, long is missing", id="no-long"),
        pytest.param({"long": "1"}, "lat and long must be sent together, lat is missing", id="no-lat"),
        pytest.param({"lat": "91", "long": "1"}, "lat must be a number from -90 to 90, got '91'", id="lat-91"),
        pytest.param({"lat": "1", "long": "abc"}, "long must be a number from -180 to 180, got 'abc'", id="in-words"),
        pytest.param({"lat": "nan", "long": "1"}, "lat must be a number from -90 to 90, got 'nan'", id="nan"),
    ],
)
def test_half_a_point_or_an_impossible_one_is_refused(form: dict[str, str], told: str):
    found, problems = read(**form)

    assert problems == [told]
    assert found.point is None


@pytest.mark.statement(40)
def test_two_impossible_degrees_are_two_problems():
    assert len(problems(lat="91", long="181")) == 2


@pytest.mark.statement(34)
def test_a_description_of_4000_characters_is_read_and_one_of_4001_is_not():
    assert good(description="ü" * 4000).description == "ü" * 4000
    assert problems(description="ü" * 4001) == ["description must be at most 4000 characters, got 4001"]


@pytest.mark.statement(34)
def test_a_line_end_of_two_characters_counts_as_one():
    assert len(good(description="a\r\n" * 1999 + "bb").description or "") == 4000


def test_a_line_that_is_too_long_is_refused_by_its_name():
    assert problems(address_string="x" * 1001) == ["address_string must be at most 1000 characters, got 1001"]


def test_the_device_may_be_spelt_as_one_client_does():
    assert good(deviceid="d").person == {"device_id": "d"}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("ftp://example.org/a.jpg", id="ftp"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("data:image/png;base64,AAAA", id="data"),
        pytest.param("a.jpg", id="no-scheme"),
        pytest.param("https://", id="no-host"),
        pytest.param("https://example.org/a b.jpg", id="a-space"),
        pytest.param("https://[1/a.jpg", id="half-an-address"),
    ],
)
def test_a_media_url_that_is_no_web_address_is_refused(url: str):
    assert problems(media_url=url) == [f"media_url must be an http or https address, got {url!r}"]


def test_media_urls_are_kept_once_each_in_the_order_sent():
    found = good(media_url=["https://b.org/1", "", "http://a.org/2", "https://b.org/1"])

    assert list(found.media_urls) == ["https://b.org/1", "http://a.org/2"]


@pytest.mark.statement(30)
def test_answers_are_gathered_by_code_however_they_are_spelt():
    found = good(**{"attribute[X][]": ["a", "b"], "attribute[X]": "c", "attribute[Y]": "d"})

    assert found.submitted == {"X": ["a", "b", "c"], "Y": ["d"]}


@pytest.mark.statement(40)
def test_all_that_is_wrong_is_told_at_once():
    assert len(problems(lat="1", description="x" * 4001, media_url="x", email="y" * 1001)) == 4
