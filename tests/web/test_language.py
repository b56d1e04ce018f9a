"""The languages of the public pages."""

from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

from open311.config import CHECKOUT
from open311.web.language import LANGUAGES
from tests.web.desk import parsed

pytestmark = pytest.mark.usefixtures("in_boston")

TEXTS = CHECKOUT / "open311/web/texts"
METHODS = [("**.py", "python"), ("templates/public/**.html", "jinja2"), ("static/*.js", "javascript")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
TRANSLATED = sorted(set(LANGUAGES) - {"en"})


@pytest.fixture(scope="module")
def said() -> set[object]:
    """Every text of the pages; one of several numbers as a pair."""
    found = extract_from_dir(CHECKOUT / "open311/web", METHODS, keywords=KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found}


def catalog(code: str) -> Catalog:
    """The texts of a language."""
    with (TEXTS / f"{code}.po").open("rb") as file:
        return read_po(file, locale={"zh": "zh_Hans"}.get(code, code))


def texts(code: str) -> Iterator[Message]:
    """Its messages, without the head."""
    return (each for each in catalog(code) if each.id)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(code: str, said: set[object]):
    known = {each.id for each in texts(code) if all([each.string] if isinstance(each.string, str) else each.string)}

    assert len(said) > 50
    assert said - known == set()
    assert {each.id for each in texts(code)} - said == set()


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_names_what_the_text_names(code: str):
    wrong = [(each.id, [str(error) for error in each.check(catalog(code))]) for each in texts(code)]

    assert [each for each in wrong if each[1]] == []


@pytest.mark.parametrize(("code", "headline"), [("en", "Track a report"), ("es", "Consultar un reporte"), ("zh", "查询报告")])
def test_a_page_speaks_the_language_that_its_address_names(client: FlaskClient, code: str, headline: str):
    page = parsed(client.get(f"/track?lang={code}"))

    assert page.findtext(".//h1") == headline
    assert page.get("lang") == code
    assert page.get("dir") == "ltr"


def test_a_language_once_chosen_stays(client: FlaskClient):
    client.get("/track?lang=es")

    assert parsed(client.get("/track")).get("lang") == "es"


def test_the_language_of_the_browser_is_spoken(client: FlaskClient):
    asked = {"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.5"}

    assert parsed(client.get("/track", headers=asked)).get("lang") == "zh"


def test_a_language_that_the_browser_refuses_is_not_spoken(client: FlaskClient):
    assert parsed(client.get("/track", headers={"Accept-Language": "es;q=0, fr"})).get("lang") == "en"


@pytest.mark.parametrize("code", ["xx", "", "../es", "ES"])
def test_a_language_that_we_do_not_speak_changes_nothing(client: FlaskClient, code: str):
    answer = client.get("/track", query_string={"lang": code})

    assert parsed(answer).get("lang") == "en"
    assert "open311_language" not in answer.headers.get("Set-Cookie", "")


def test_the_switch_leads_to_the_same_page(client: FlaskClient):
    page = parsed(client.get("/track/NO-SUCH?jurisdiction_id=boston.gov&lang=es"))

    assert "/track/NO-SUCH?jurisdiction_id=boston.gov&lang=zh" in page.xpath("//nav//a/@href")
