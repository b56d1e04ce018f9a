"""Reporting a problem without JavaScript, from end to end."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from time import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer
from PIL import Image
from psycopg import Connection

from open311.config import Settings
from open311.media_store import NotKept, StoreAway, media_store
from open311.people.files import remove_unused_files
from open311.web import report_steps
from tests.factories import Factory
from tests.web.desk import parsed, text
from tests.web.walker import Walker

pytestmark = pytest.mark.usefixtures("in_boston")

SCRIPT = "<script>alert(1)</script>"
LAMP = {"lat": "42.3474", "long": "-71.0944"}


def photo(color: str = "green") -> bytes:
    """A small JPEG."""
    out = BytesIO()
    Image.new("RGB", (600, 400), color).save(out, "JPEG")
    return out.getvalue()


def rows(connection: "Connection[Any]") -> list[Any]:
    """The requests that came by the page, as facts."""
    return connection.execute(
        "select number, description, channel, lat, long, media_url, attributes, address, is_public from "
        "(select *, st_y(location) as lat, st_x(location) as long from service_request) r where channel = 'portal' order by id"
    ).fetchall()


@pytest.fixture
def lamp(client: FlaskClient) -> Walker:
    """Somebody who reports a lamp, about to say where."""
    return Walker(client, "street-light-outages")


def to_check(walker: Walker, **details: Any) -> Walker:
    """The same at the last step."""
    walker.go(**LAMP)
    return to_check_after_where(walker, **details)


def to_check_after_where(walker: Walker, **details: Any) -> Walker:
    """The same, of who has said where."""
    walker.go(**details)
    walker.go()
    if walker.headline == "Is it one of these?":
        walker.go()
    walker.go(email="ann@example.org")
    assert walker.headline == "Please check your report"
    return walker


def test_a_report_goes_from_end_to_end(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    seen = [lamp.headline]
    lamp.go(**LAMP)
    seen.append(lamp.headline)
    lamp.go(description="Lamp is out\nsince Monday")
    seen.append(lamp.headline)
    lamp.go()
    seen.append(lamp.headline)
    lamp.go(email="ann@example.org", first_name="Ann", phone="617-555-0100")
    seen.append(lamp.headline)
    checked = text(lamp.page)

    done = client.get(lamp.go().headers["Location"])

    assert seen == [
        "Where is it?",
        "What is wrong?",
        "Do you have a photo?",
        "How can we reach you?",
        "Please check your report",
    ]
    assert "Your report goes to: Public Works Department." in checked
    assert "You can expect it to be done by" in checked
    ((number, description, *_),) = rows(connection)
    assert description == "Lamp is out\nsince Monday"
    assert number in text(done)
    assert "You can expect it to be done by" in text(done)
    assert client.get(parsed(done).xpath("//a[@class='button']/@href")[0]).status_code == 200
    person = connection.execute("select email, first_name, phone from reporter").fetchone()
    assert person == ("ann@example.org", "Ann", "617-555-0100")


def test_a_double_click_makes_one_request(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    to_check(lamp)
    sent = lamp.filled(go="next")

    answers = [client.post("/", data=sent) for _ in range(2)]

    assert len(rows(connection)) == 1
    assert answers[0].headers["Location"] == answers[1].headers["Location"]


def test_two_reports_of_the_same_are_two(client: FlaskClient, connection: "Connection[Any]"):
    for _ in range(2):
        to_check(Walker(client, "street-light-outages")).go()

    assert len(rows(connection)) == 2


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        pytest.param({}, "#address_string", id="nothing"),
        pytest.param({"lat": "42.3"}, "#lat", id="half a point"),
        pytest.param({"lat": "north", "long": "-71"}, "#lat", id="no number"),
        pytest.param({"lat": "42.3474", "long": "-81.0944"}, "#lat", id="outside of the city"),
        pytest.param({"address_string": "x" * 1001}, "#address_string", id="too long"),
    ],
)
def test_a_place_that_is_none_is_told_and_kept(lamp: Walker, where: dict[str, str], problem: str):
    answer = lamp.go(**where)

    assert answer.status_code == 400
    assert lamp.headline == "Where is it?"
    assert lamp.problems() == [problem]
    assert [lamp.value(name) for name in where] == [[value] for value in where.values()]
    assert parsed(answer).xpath(f"//*[@id='{problem[1:]}']/@aria-invalid") == ["true"]
    assert parsed(answer).findtext(".//title").startswith("Problem:")


def test_an_address_that_nobody_knows_may_stay_as_it_is(lamp: Walker, connection: "Connection[Any]"):
    lamp.go(address_string="Behind the old mill")
    assert "We do not know this address" in text(lamp.page)

    lamp.go(place="as-written")

    assert lamp.headline == "What is wrong?"
    assert lamp.value("address_string") == ["Behind the old mill"]


def test_an_address_of_the_city_is_found(lamp: Walker):
    lamp.go(address_string="700 Boylston St")

    assert lamp.headline == "What is wrong?"
    to_check_after_where(lamp)
    assert "We know it as" in text(lamp.page)


def test_what_is_required_is_asked_for_and_what_was_typed_stays(client: FlaskClient):
    walker = Walker(client, "illegal-dumping", city="seattle.gov")
    walker.go(lat="47.6062", long="-122.3321")

    answer = walker.go(description="A sofa")

    assert answer.status_code == 400
    assert walker.problems()
    assert walker.value("description") == ["A sofa"]
    for link in walker.problems():
        assert parsed(answer).xpath(f"//*[@id='{link[1:]}']")


def test_an_answer_that_does_not_fit_is_told(client: FlaskClient, connection: "Connection[Any]"):
    ask(connection, "number", "How many?")
    walker = Walker(client, "street-light-outages")
    walker.go(**LAMP)

    answer = walker.go(**{"attribute[Q]": "many"})

    assert answer.status_code == 400
    assert "Answer with a number, such as 3 or 2.5: How many?" in text(answer)
    assert walker.value("attribute[Q]") == ["many"]


@pytest.mark.parametrize(
    ("datatype", "sent", "kept", "shown"),
    [
        pytest.param("string", "blue", "blue", "blue", id="string"),
        pytest.param("text", "two\nlines", "two\nlines", "two lines", id="text"),
        pytest.param("number", "2.5", "2.5", "2.5", id="number"),
        pytest.param("datetime", "2026-01-31T09:30", "2026-01-31T14:30:00Z", "January 31, 2026, 9:30 AM", id="datetime"),
        pytest.param("singlevaluelist", "b", "b", "Bee", id="singlevaluelist"),
        pytest.param("multivaluelist", ["a", "b"], ["a", "b"], "Ay, Bee", id="multivaluelist"),
    ],
)
def test_each_datatype_can_be_answered(
    client: FlaskClient, connection: "Connection[Any]", datatype: str, sent: Any, kept: Any, shown: str
):
    ask(connection, datatype, "Which?")
    walker = to_check(Walker(client, "street-light-outages"), **{"attribute[Q]": sent})
    assert shown in text(walker.page).replace("\u202f", " ").replace("\u00a0", " ")

    walker.go()

    assert rows(connection)[0][6] == {"Q": kept}


def ask(connection: "Connection[Any]", datatype: str, question: str) -> None:
    """Let the lamp's form have this question, which must be answered."""
    values = '[{"key": "a", "name": "Ay"}, {"key": "b", "name": "Bee"}]' if "list" in datatype else "[]"
    connection.execute(
        "insert into service_attribute (jurisdiction_id, service_id, code, position, datatype, variable, required, "
        "description, values) select jurisdiction_id, id, 'Q', 1, %s, true, true, %s, %s::jsonb from service "
        "where code = 'street-light-outages'",
        [datatype, question, values],
    )


def test_a_photo_is_shown_and_comes_with_the_report(lamp: Walker, client: FlaskClient, connection: "Connection[Any]"):
    lamp.go(**LAMP)
    lamp.go()
    lamp.go(photos=((photo(), "lamp.jpg"),))
    (thumbnail,) = parsed(lamp.page).xpath("//main//img/@src")
    assert client.get(thumbnail).status_code == 200
    lamp.go()
    lamp.go()

    lamp.go()

    assert rows(connection)[0][5].startswith("/media/boston.gov/")


def test_a_photo_can_be_taken_out_again(lamp: Walker, connection: "Connection[Any]"):
    lamp.go(**LAMP)
    lamp.go()
    lamp.go(photos=((photo(), "lamp.jpg"), (photo("red"), "other.jpg")))

    lamp.go("remove:0")

    assert len(parsed(lamp.page).xpath("//main//img")) == 1


def test_what_is_no_photo_is_told_by_its_name(lamp: Walker):
    lamp.go(**LAMP)
    lamp.go(description="Lamp is out")

    answer = lamp.go(photos=((b"MZ\x90", SCRIPT),))

    assert answer.status_code == 400
    assert lamp.problems() == ["#files"]
    assert SCRIPT in text(answer)
    assert "at most 16 MB and 40 million pixels" in text(answer)
    assert parsed(answer).xpath("//script[not(@src)]") == []
    assert lamp.value("description") == ["Lamp is out"]


def test_a_photo_of_another_draft_is_left_out(client: FlaskClient, lamp: Walker):
    lamp.go(**LAMP)
    lamp.go()
    lamp.go(photos=((photo(), "lamp.jpg"),))
    stolen = lamp.value("photo")
    other = Walker(client, "street-light-outages")

    other.go(photo=[*stolen, "forged", stolen[0] + "x"], **LAMP)

    assert other.value("photo") == []


def test_photos_that_no_report_has_are_removed_a_day_later(
    app: Any, lamp: Walker, client: FlaskClient, connection: "Connection[Any]"
):
    lamp.go(**LAMP)
    lamp.go()
    lamp.go(photos=((photo(), "lamp.jpg"), (photo("red"), "other.jpg")))
    used, unused = parsed(lamp.page).xpath("//main//img/@src")
    lamp.go("remove:1")
    lamp.go()
    lamp.go()
    lamp.go()
    job = connection.execute("select args from procrastinate_jobs where task_name = 'remove_unused_files'").fetchone()
    assert job is not None

    remove_unused_files(**job[0])

    assert client.get(used).status_code == 200
    assert client.get(unused).status_code == 404
    settings: Settings = app.config["OPEN311"]
    with pytest.raises(NotKept):
        media_store(settings).open(unused.removeprefix("/media/"))


def test_what_was_reported_nearby_can_be_followed_instead(lamp: Walker, make: Factory):
    make.request("A-1", description="Lamp is out")
    lamp.go(**LAMP)
    lamp.go()

    lamp.go()

    assert lamp.headline == "Is it one of these?"
    assert "/track/A-1#follow" in parsed(lamp.page).xpath("//main//a/@href")


def test_what_is_nearby_is_looked_up_once_a_step(lamp: Walker, make: Factory, monkeypatch: pytest.MonkeyPatch):
    make.request("SAME-1")
    looked: list[Any] = []
    look_up = report_steps.similar_rows
    monkeypatch.setattr(report_steps, "similar_rows", lambda *given, **said: looked.append(said) or look_up(*given, **said))
    lamp.go(**LAMP)
    lamp.go(description="Lamp is out")

    lamp.go()

    assert lamp.headline == "Is it one of these?"
    assert len(looked) == 1


def test_a_bad_address_of_mail_is_told(lamp: Walker):
    lamp.go(**LAMP)
    lamp.go(description="Lamp is out")
    lamp.go()

    answer = lamp.go(email="ann@")

    assert answer.status_code == 400
    assert lamp.problems() == ["#email"]
    assert lamp.value("email") == ["ann@"]


def test_one_can_go_back_and_nothing_is_lost(lamp: Walker):
    to_check(lamp, description="Lamp is out")

    lamp.go("back")
    lamp.go("back")
    lamp.go("back")
    assert lamp.headline == "What is wrong?"
    assert lamp.value("description") == ["Lamp is out"]
    lamp.go("back")
    lamp.go("back")

    assert lamp.headline == "What do you want to report?"
    assert lamp.value("description") == ["Lamp is out"]


def test_one_thing_can_be_changed_at_the_end(lamp: Walker, connection: "Connection[Any]"):
    to_check(lamp, description="Lamp is out")
    lamp.go("edit:details")

    lamp.go(description="Lamp flickers")
    assert lamp.headline == "Please check your report"
    lamp.go()

    assert rows(connection)[0][1] == "Lamp flickers"


def test_the_service_can_be_changed_and_the_answers_to_another_stay_behind(client: FlaskClient, connection: "Connection[Any]"):
    ask(connection, "string", "Which?")
    walker = to_check(Walker(client, "street-light-outages"), **{"attribute[Q]": "this"})
    walker.go("edit:what")
    walker.go(service_code="abandoned-bicycle")
    walker.go()
    walker.go(description="A bicycle")
    walker.go()
    walker.go()

    walker.go()

    assert [(row[1], row[6]) for row in rows(connection)] == [("A bicycle", {})]


def test_a_step_that_was_left_out_is_asked_for_at_the_end(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    answer = lamp.go(step="check")

    assert answer.status_code == 400
    assert lamp.headline == "Where is it?"
    assert rows(connection) == []


def test_the_language_can_be_changed_in_the_middle(lamp: Walker):
    lamp.go(**LAMP)

    lamp.go(lang="es", description="Lamp is out")

    assert lamp.headline == "¿Qué pasa?"
    assert lamp.value("description") == ["Lamp is out"]


def test_a_reporter_is_written_to_in_their_language(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    to_check(lamp)
    client.set_cookie("open311_language", "es")

    lamp.go()

    assert connection.execute("select language from follower").fetchall() == [("es",)]


@pytest.mark.parametrize("field", ["description", "address_string", "first_name"])
def test_a_script_is_text_on_every_page(client: FlaskClient, lamp: Walker, connection: "Connection[Any]", field: str):
    lamp.go(**{**LAMP, field: SCRIPT})
    steps = 1
    while lamp.page.status_code == 200:
        assert parsed(lamp.page).xpath("//script[not(@src)]") == []
        lamp.go()
        steps += 1

    assert steps >= 5
    number = rows(connection)[0][0]
    assert parsed(client.get(lamp.page.headers["Location"])).xpath("//script[not(@src)]") == []
    assert parsed(client.get(f"/track/{number}")).xpath("//script[not(@src)]") == []


def test_a_form_of_another_page_sends_nothing_and_loses_nothing(client: FlaskClient, connection: "Connection[Any]"):
    forged = {
        "service_code": "street-light-outages",
        "step": "check",
        "go": "next",
        "draft": "x",
        "description": "Lamp",
        **LAMP,
    }

    answer = client.post("/", data=forged)

    assert answer.status_code == 400
    assert "Please press the button again" in text(answer)
    assert "Lamp" in text(answer)
    assert rows(connection) == []


def test_a_form_of_another_page_puts_nothing_into_the_store(client: FlaskClient, lamp: Walker, settings: Any, tmp_path: Path):
    settings(media_dir=str(tmp_path))
    lamp.go(**LAMP)
    lamp.go()
    sent = {**lamp.filled(go="back", csrf="forged"), "files": [(BytesIO(photo()), "wall.jpg")]}

    answer = client.post("/", data=sent, content_type="multipart/form-data")

    assert answer.status_code == 400
    assert parsed(answer).xpath("//main//ul[@class='photos']") == []
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("how", ["next", "back", "search", "remove:0"])
@pytest.mark.parametrize("steps", [0, 1])
def test_photos_that_are_kept_no_longer_are_asked_for_again(
    lamp: Walker, monkeypatch: pytest.MonkeyPatch, how: str, steps: int
):
    lamp.go(**LAMP)
    lamp.go()
    lamp.go(photos=((photo(), "wall.jpg"),))
    for _each in range(steps):
        lamp.go()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: time() + 25 * 3600)

    lamp.go(how)

    assert lamp.page.status_code == 400
    assert lamp.headline == "Do you have a photo?"
    assert "kept for a day alone" in text(lamp.page)
    lamp.go()
    assert lamp.page.status_code == 200


def test_the_last_page_says_what_was_promised_when_it_came_in(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    to_check(lamp)
    first = lamp.filled(go="next")
    said = text(client.get(client.post("/", data=first).headers["Location"]))
    connection.execute("update service_request set expected_at = '2031-05-06T16:00:00Z' where channel = 'portal'")

    again = text(client.get(client.post("/", data=first).headers["Location"]))

    assert len(rows(connection)) == 1
    assert "Public Works Department" in said
    assert "2031" not in said
    assert "by May 6, 2031" in again


def test_an_unknown_service_is_a_404_page(client: FlaskClient):
    assert client.get("/?service=no-such").status_code == 404


def test_a_private_service_gives_a_number_and_no_page(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    connection.execute("update service set is_private = true where code = 'street-light-outages'")
    to_check(lamp)

    done = client.get(lamp.go().headers["Location"])

    assert rows(connection)[0][0] in text(done)
    assert parsed(done).xpath("//a[@class='button']") == []


def test_a_batch_service_gives_a_token(client: FlaskClient, lamp: Walker, connection: "Connection[Any]"):
    connection.execute("update service set type = 'batch' where code = 'street-light-outages'")
    to_check(lamp)

    said = text(client.get(lamp.go().headers["Location"]))
    assert "T-" in said
    # It is, once it has its number.
    assert "not shown in public" not in said


@pytest.mark.parametrize("receipt", ["forged", "WyJib3N0b24uZ292Il0.x"])
def test_a_receipt_that_we_did_not_write_is_a_404(client: FlaskClient, receipt: str):
    assert client.get(f"/reported/{receipt}").status_code == 404


@pytest.mark.parametrize("said", [["boston.gov", "K7M-4XQ-92R", None, "Lamp"], {"jurisdiction_id": "boston.gov"}, 7, None])
def test_a_receipt_that_we_wrote_otherwise_once_is_a_404(client: FlaskClient, settings: Any, said: Any):
    receipt = URLSafeSerializer(settings().secret_key, salt="open311 receipt", signer_kwargs={"digest_method": sha256}).dumps(
        said
    )

    assert client.get(f"/reported/{receipt}").status_code == 404


def test_without_a_key_no_receipt_is_read(client: FlaskClient, settings: Any):
    settings(secret_key="")
    receipt = URLSafeSerializer("", salt="open311 receipt", signer_kwargs={"digest_method": sha256}).dumps(
        {"jurisdiction_id": "boston.gov", "service_name": "Lamp", "department": "Pay at evil.example"}
    )

    answer = client.get(f"/reported/{receipt}")

    assert answer.status_code == 503
    assert "evil" not in text(answer)


def test_a_body_that_is_too_large_is_told(lamp: Walker, settings: Any):
    settings(max_body_bytes=2000)

    answer = lamp.go(description="x" * 3000)

    assert answer.status_code == 400
    assert "We could not read what you sent" in text(answer)


@pytest.mark.parametrize("how", [{"how": "back"}, {"how": "next", "lang": "es"}, {"how": "edit:where"}])
def test_photos_that_were_chosen_stay_whichever_button_is_pressed(lamp: Walker, how: dict[str, str]):
    lamp.go(**LAMP)
    lamp.go(description="Lamp")

    lamp.go(photos=((photo(), "lamp.jpg"),), **how)

    assert lamp.page.status_code == 200
    assert len(lamp.value("photo")) == 1


def test_of_several_files_those_that_are_photos_stay(lamp: Walker):
    lamp.go(**LAMP)
    lamp.go(description="Lamp")

    lamp.go(photos=((photo(), "lamp.jpg"), (b"no photo", "notes.txt")))

    assert lamp.page.status_code == 400
    assert lamp.problems() == ["#files"]
    assert len(lamp.value("photo")) == 1


def test_an_address_that_nobody_knows_is_told_as_a_problem_until_it_is_left_so(lamp: Walker):
    for _ in range(2):
        lamp.go(address_string="1 Nowhere Road")
        assert lamp.page.status_code == 400
        assert lamp.problems() == ["#place"]
        assert parsed(lamp.page).xpath("//input[@id='place']/@value") == ["as-written"]

    lamp.go(place="as-written")

    assert lamp.headline == "What is wrong?"


def test_an_address_that_was_corrected_is_not_left_as_it_was_before(lamp: Walker):
    lamp.go(address_string="1 Nowhere Road")

    lamp.go(address_string="2 Nowhere Road", place="as-written")

    assert lamp.page.status_code == 400
    assert lamp.value("address_string") == ["2 Nowhere Road"]


def test_a_store_that_is_away_is_told_at_the_photos_and_one_goes_on_without(lamp: Walker, monkeypatch: pytest.MonkeyPatch):
    def away(*_arguments: Any, **_names: Any) -> None:
        raise StoreAway("away")

    lamp.go(**LAMP)
    lamp.go(description="Lamp")
    monkeypatch.setattr("open311.web.report_steps._put", away)

    lamp.go(photos=((photo(), "lamp.jpg"),))

    assert lamp.page.status_code == 400
    assert lamp.problems() == ["#files"]
    assert lamp.value("description") == ["Lamp"]
    lamp.go()
    assert lamp.headline in ("How can we reach you?", "Is it one of these?")


def test_who_goes_back_and_changes_something_sends_another_report(
    client: FlaskClient, lamp: Walker, connection: "Connection[Any]"
):
    to_check(lamp, description="The first lamp")
    sent = lamp.filled(go="next")

    numbers = []
    for words in ("The first lamp", "The first lamp", "Another lamp"):
        answer = client.post("/", data={**sent, "description": words}, content_type="multipart/form-data")
        numbers.append(parsed(client.get(answer.headers["Location"])).findtext(".//strong[@class='number']"))

    assert numbers[0] == numbers[1] != numbers[2]
    assert [row[1] for row in rows(connection)] == ["The first lamp", "Another lamp"]


def test_a_photo_named_twice_is_there_once_and_no_more_than_may_be(client: FlaskClient, lamp: Walker, settings: Any):
    lamp.go(**LAMP)
    lamp.go(description="Lamp")
    lamp.go(photos=((photo(), "one.jpg"), (photo("red"), "two.jpg")))
    signed = lamp.value("photo")

    lamp.go("edit:photo", photo=[*signed, *signed])
    assert lamp.value("photo") == signed
    settings(default_jurisdiction="boston.gov", max_photos=1)
    lamp.go("edit:photo")

    assert len(lamp.value("photo")) == 1


def test_a_pin_far_from_the_address_beside_it_is_told(lamp: Walker):
    lamp.go(address_string="700 Boylston St", **{"lat": "42.2860", "long": "-71.0630"})

    assert lamp.page.status_code == 400
    assert lamp.problems() == ["#address_string"]
    assert "lie far apart" in text(lamp.page)


@pytest.mark.parametrize("go", ["remove:" + "9" * 5000, "remove:-1", "remove:x", "edit:", "back:"])
def test_a_button_that_there_is_not_does_no_harm(lamp: Walker, go: str):
    lamp.go(**LAMP)
    lamp.go(description="Lamp")

    assert lamp.go(go).status_code in (200, 400)
