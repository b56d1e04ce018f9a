"""Style sheets and scripts, and how they are sent."""

import gzip
import json
import re

import pytest
from flask.testing import FlaskClient

from open311.web import files
from tests.web.desk import parsed

PACKED = {"Accept-Encoding": "gzip, br"}


def test_a_page_names_files_by_what_they_hold(client: FlaskClient):
    page = parsed(client.get("/track?jurisdiction_id=boston.gov"))

    for address in page.xpath("//link[@rel='stylesheet']/@href | //script/@src"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"] or address.startswith("/colors.css")


@pytest.mark.parametrize("path", ["/static/page.css", "/texts.json?lang=es", "/map?jurisdiction_id=boston.gov"])
def test_what_is_worth_it_is_packed_for_who_takes_that(client: FlaskClient, path: str):
    plain, packed = client.get(path), client.get(path, headers=PACKED)

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert len(packed.data) < len(plain.data)
    assert len(gzip.decompress(packed.data)) == pytest.approx(len(plain.data), abs=200)


def test_our_scripts_are_sent_without_comments_and_do_the_same(client: FlaskClient):
    source = (files.FOLDER / "widget.js").read_text(encoding="utf-8")
    sent = client.get("/widget.js").text

    assert "/**" in source
    assert "/**" not in sent
    assert not re.search(r"^\s*//", sent, re.MULTILINE)
    # All else is as it was written.
    left = iter(sent.splitlines())
    for line in source.splitlines():
        if not re.fullmatch(r"\s*(//.*|/\*.*\*/)", line):
            assert next(left) == line
    assert list(left) == []


def test_scripts_are_told_their_texts_in_a_language(client: FlaskClient):
    spanish = json.loads(client.get("/texts.json?lang=es").data)

    assert spanish["Nearer"] == "Acercar"
    assert spanish["%(num)s report here"] == ["%(num)s reporte aquí", "%(num)s reportes aquí", "%(num)s reportes aquí"]
    assert "Skip to main content" not in spanish


@pytest.mark.parametrize("code", ["en", "", "xx", "../es"])
def test_english_stands_in_the_scripts(client: FlaskClient, code: str):
    assert json.loads(client.get(f"/texts.json?lang={code}").data) == {}


@pytest.mark.parametrize("name", ["nothing.css", "../files.py", "page.css/", "vendor/", "..%2ffiles.py"])
def test_no_other_file_is_sent(client: FlaskClient, name: str):
    assert client.get(f"/static/{name}").status_code == 404


def test_the_widget_is_for_every_page_and_asked_for_anew_by_what_it_holds(client: FlaskClient):
    answer = client.get("/widget.js")

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert client.get("/widget.js", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_pages_go_without_what_set_up_did_not_bring(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    ours = {name: file for name, file in files._files().items() if not name.startswith(files.VENDOR)}
    monkeypatch.setattr(files, "_files", lambda: ours)

    for path in ("/map?jurisdiction_id=boston.gov", "/?service=street-light-outages&jurisdiction_id=boston.gov"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert parsed(answer).xpath("//*[@id='map']") == []
        assert "leaflet" not in answer.text


@pytest.mark.parametrize(
    "path", ["/static/page.css?v=another", "/static/page.css", "/colors.css?v=x&jurisdiction_id=boston.gov"]
)
def test_a_file_is_kept_for_good_only_under_the_address_that_names_what_it_holds(client: FlaskClient, path: str):
    assert client.get(path).headers["Cache-Control"] == "no-cache"
