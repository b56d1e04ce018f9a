"""Every command of README.md, run; every path it mentions, looked for."""

import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
import pytest
from click.testing import CliRunner
from lxml import etree

from open311.cli import main
from open311.config import CHECKOUT
from tests.live.server import Live

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

README = CHECKOUT / "README.md"
MAX_LINES = 120
DOCUMENTED_URL, DOCUMENTED_KEY = "http://127.0.0.1:8311", "$(cat var/demo-key)"

# What differs from run to run: numbers, tokens, times, addresses of photos.
_NUMBER = r"[0-9BCDFGHJKMNPQRSTVWXYZ]{3}(-[0-9BCDFGHJKMNPQRSTVWXYZ]{3}){2}"
CHANGING = {
    "service_request_id": re.compile(_NUMBER),
    "token": re.compile(r"T-[0-9A-Z]{24}"),
    "requested_datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "updated_datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "expected_datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
}
NUMBER = re.compile(rf"\b{_NUMBER}\b")
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=.*", re.DOTALL)
# In the text: `like/this`, and [links](like/this.md).
QUOTED, LINKED = re.compile(r"`([^`\n]+)`"), re.compile(r"\]\(([^)\s]+)\)")
# Made as the service runs.
MADE = ("var/", ".venv/")
FILE_SUFFIXES = (".py", ".md", ".cfg", ".toml", ".txt", ".yml", ".csv", ".gz", ".json", ".xml", ".html", ".sh")


@dataclass(frozen=True)
class Command:
    """A command of a sh block: where it stands, its text, and the block that follows (language, text), if one does."""

    line: int
    text: str
    answer: tuple[str, str] | None

    @property
    def words(self) -> list[str]:
        """Its words, as a shell splits them; $(...) stays as it is written, assignments before it are left out."""
        words = shlex.split(self.text)
        while words and ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        return words

    @property
    def assignments(self) -> list[str]:
        """Names of the variables that are set before it."""
        names = []
        for word in shlex.split(self.text):
            if not ASSIGNMENT.fullmatch(word):
                break
            names.append(word.partition("=")[0])
        return names


@dataclass
class _Block:
    language: str
    line: int
    lines: list[str] = field(default_factory=list)


def blocks_of(text: str) -> list[_Block]:
    """The fenced blocks."""
    blocks: list[_Block] = []
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            if not inside:
                blocks.append(_Block(language=line[3:].strip(), line=number))
            inside = not inside
        elif inside:
            blocks[-1].lines.append(line)
    assert not inside, f"the block of line {blocks[-1].line} does not end"
    return blocks


def commands_of(text: str) -> list[Command]:
    """The commands of the sh blocks, lines that end with a backslash joined, comments left out."""
    blocks = blocks_of(text)
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language != "sh":
            continue
        joined: list[tuple[int, str]] = []
        goes_on = False
        for number, line in enumerate(block.lines, start=block.line + 1):
            if goes_on:
                joined[-1] = (joined[-1][0], f"{joined[-1][1]}\n{line}")
            elif line.strip() and not line.lstrip().startswith("#"):
                joined.append((number, line))
            else:
                continue
            goes_on = line.endswith("\\") or _has_open_quote(joined[-1][1])
        answer = None
        if after is not None and after.language in ("json", "xml"):
            answer = (after.language, "\n".join(after.lines))
        for number, command in joined:
            is_last = (number, command) == joined[-1]
            found.append(Command(line=number, text=command.replace("\\\n", " "), answer=answer if is_last else None))
    return found


def _has_open_quote(text: str) -> bool:
    try:
        shlex.split(text.rstrip("\\"), comments=True)
    except ValueError:
        return True
    return False


@pytest.fixture(scope="module")
def readme() -> str:
    """The text."""
    return README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def commands(readme: str) -> list[Command]:
    """Its commands."""
    return commands_of(readme)


def test_the_readme_is_short(readme: str) -> None:
    assert len(readme.splitlines()) <= MAX_LINES


def test_the_readme_mentions_only_paths_that_exist(readme: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)
    mentioned = {text for text in QUOTED.findall(prose) if _is_path(text)}
    mentioned |= {target.partition("#")[0] for target in LINKED.findall(prose) if "://" not in target}
    # A block without a language is the list of the folders: a folder a line, and what is in it.
    mentioned |= {line.split()[0] for block in blocks_of(readme) if not block.language for line in block.lines}

    assert [text for text in sorted(mentioned) if not _exists(text)] == []


def _is_path(text: str) -> bool:
    """Whether a quoted text means something of this tree, and not a URL, a media type, or a piece of code."""
    if re.fullmatch(r"\.?\w[\w./*-]*", text, re.ASCII) is None:
        return False
    is_file = text.endswith(FILE_SUFFIXES) and text not in FILE_SUFFIXES
    return is_file or ("/" in text and (CHECKOUT / text.split("/")[0]).exists())


def _exists(text: str) -> bool:
    if text.startswith(MADE) or any(CHECKOUT.glob(text.rstrip("/"))):
        return True
    # A file that several folders have is called by its name alone.
    return "/" not in text and any(CHECKOUT.glob(f"fixtures/*/{text}"))


def test_every_command_is_one_we_know(commands: list[Command]) -> None:
    assert commands
    unknown = [f"README.md:{each.line}: {each.text}" for each in commands if _problem(each)]

    assert unknown == []


def _problem(command: Command) -> str | None:
    """Why a command can't be right, as far as that is told without running it."""
    words = command.words
    documented = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name in command.assignments:
        if f"`{name}`" not in documented:
            return f"{name} is not in docs/operations.md"
    if not words:
        return "no command"
    if words[0] == "curl":
        return None
    if words[0] in ("open311", ".venv/bin/open311"):
        return _problem_of_open311(words[1:])
    path = CHECKOUT / words[0]
    if words[0].startswith("script/") and path.is_file() and os.access(path, os.X_OK):
        gone = [word for word in words[1:] if "/" in word and not (CHECKOUT / word).exists()]
        return f"{gone} does not exist" if gone else None
    return "not recognised"


def _problem_of_open311(words: Sequence[str]) -> str | None:
    """Why a line of the `open311` command can't be right: the sub-commands and options that its --help names."""
    names = []
    group: click.Command = main
    for word in words:
        found = group.get_command(click.Context(group), word) if isinstance(group, click.Group) else None
        if found is None:
            break
        group = found
        names.append(word)
    if isinstance(group, click.Group):
        return f"open311 {' '.join(words)} is no command"
    asked = CliRunner().invoke(main, [*names, "--help"])
    if asked.exit_code != 0:
        return asked.output
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    unknown = [option for option in options if not re.search(rf"(?<!\S){option}\b", asked.output)]
    return f"open311 {' '.join(names)} has no option {unknown}" if unknown else None


def test_every_open311_command_does_its_work(commands: list[Command], live: Live) -> None:
    own = [command for command in commands if command.words[:1] in (["open311"], [".venv/bin/open311"])]

    for command in own:
        line = [str(CHECKOUT / ".venv" / "bin" / "open311"), *command.words[1:]]
        environment = {**os.environ, "DATABASE_URL": live.database_url}
        done = subprocess.run(line, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"README.md:{command.line}: {done.stdout}{done.stderr}"


def test_every_call_answers_what_the_readme_says(commands: list[Command], live: Live) -> None:
    calls = [command for command in commands if command.words[:1] == ["curl"]]
    assert any("-d" in call.words or "--data" in call.words for call in calls), "no POST"
    assert any(call.answer for call in calls), "no answer is shown"
    # A number that an answer shows is that of a request of its own here; the calls that follow ask for that one.
    numbers: dict[str, str] = {}

    for call in calls:
        text = NUMBER.sub(lambda found: numbers.get(found[0], found[0]), call.text)
        status, content_type, body = run_curl(text.replace(DOCUMENTED_URL, live.url).replace(DOCUMENTED_KEY, live.key))
        where = f"README.md:{call.line}"
        assert status == 200, f"{where}: {status} {body.decode()}"
        if call.answer is None:
            continue
        language, shown = call.answer
        assert language in content_type, where
        read = json.loads if language == "json" else _as_data
        _assert_alike(read(shown), read(body.decode()), where=where, numbers=numbers)


def run_curl(text: str) -> tuple[int, str, bytes]:
    """Status, type and body of what a curl command line fetches."""
    words = shlex.split(text)
    if shutil.which("curl") is None:
        return _without_curl(words[1:])
    marker = "\n%{http_code} %{content_type}"
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    command = [*words, "-sS", "--max-time", "20", "-w", marker]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, f"{text}: {done.stderr.decode()}"
    body, _, last = done.stdout.rpartition(b"\n")
    status, _, content_type = last.decode().partition(" ")
    return int(status), content_type, body


# curl's options that a README may use: those with a value, and those without.
_FIELDS, _URLENCODED, _HEADERS, _METHOD = ("-d", "--data"), "--data-urlencode", ("-H", "--header"), ("-X", "--request")
_PLAIN = ("-s", "-S", "-sS", "--silent", "--show-error", "-f", "--fail", "-i")


def _without_curl(words: Sequence[str]) -> tuple[int, str, bytes]:
    """What curl would fetch, fetched with http.client."""
    fields: list[str] = []
    headers: dict[str, str] = {}
    method, url, rest, as_query = None, None, list(words), False
    while rest:
        word = rest.pop(0)
        if word in _FIELDS:
            fields.append(rest.pop(0))
        elif word == _URLENCODED:
            name, _, value = rest.pop(0).partition("=")
            fields.append(f"{name}={quote(value, safe='')}")
        elif word in _HEADERS:
            name, _, value = rest.pop(0).partition(":")
            headers[name] = value.strip()
        elif word in _METHOD:
            method = rest.pop(0)
        elif word in ("-G", "--get"):
            as_query = True
        elif not word.startswith("-"):
            url = word
        else:
            assert word in _PLAIN, f"curl {word} is not known here"
    assert url is not None
    parts = urlsplit(url)
    target, body = f"{parts.path}?{parts.query}" if parts.query else parts.path, "&".join(fields)
    if as_query and fields:
        target, body = f"{target}{'&' if parts.query else '?'}{body}", ""
    if body:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method or ("POST" if body else "GET"), target, body=body.encode() or None, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def _as_data(text: str) -> Any:
    def data(element: etree._Element) -> Any:
        if not len(element):
            return element.text
        return [{child.tag: data(child)} for child in element]

    root = etree.fromstring(text.strip().encode())
    return {root.tag: data(root)}


def _assert_alike(shown: Any, got: Any, *, where: str, numbers: dict[str, str], name: str = "") -> None:
    """What came has everything that is shown, in its place; what changes from run to run has its form.  "..." is anything."""
    if isinstance(shown, Mapping):
        assert isinstance(got, Mapping), where
        assert list(shown) == list(got), where
        for key in shown:
            _assert_alike(shown[key], got[key], where=f"{where} {key}", numbers=numbers, name=key)
    elif isinstance(shown, list):
        assert isinstance(got, list), where
        assert len(shown) == len(got), where
        for one, other in zip(shown, got, strict=True):
            _assert_alike(one, other, where=where, numbers=numbers, name=name)
    elif name in CHANGING:
        assert CHANGING[name].fullmatch(str(shown)), f"{where}: {shown!r} has another form"
        assert CHANGING[name].fullmatch(str(got)), f"{where}: {got!r} has another form"
        if name == "service_request_id":
            assert numbers.setdefault(str(shown), str(got)) == got, where
    elif shown not in ("...", "…"):
        assert got == shown, where


# --- this file's own reading of Markdown and of curl -------------------------------------------------------------


def test_commands_are_found_with_what_follows_them() -> None:
    text = (
        "```sh\n# a comment\nscript/test -k a\nPORT=1 curl x \\\n  -d 'a b'\n```\nIt answers\n```json\n[1]\n```\n```\nno\n```\n"
    )

    first, second = commands_of(text)

    assert (first.line, first.words, first.answer) == (3, ["script/test", "-k", "a"], None)
    assert (second.words, second.assignments) == (["curl", "x", "-d", "a b"], ["PORT"])
    assert second.answer == ("json", "[1]")


@pytest.mark.parametrize(
    "text",
    [
        "make install",
        "script/nothing",
        "script/test tests/nothing.py",
        "open311 nothing",
        "open311 city",
        "open311 city load fixtures/boston --nothing",
        "NOTHING=1 script/server",
    ],
)
def test_a_command_that_does_not_exist_is_found_out(text: str) -> None:
    assert _problem(Command(line=1, text=text, answer=None)) is not None


@pytest.mark.parametrize("text", ["PORT=8080 script/server", "open311 city load fixtures/boston --dates-to-now"])
def test_a_command_that_exists_passes(text: str) -> None:
    assert _problem(Command(line=1, text=text, answer=None)) is None


@pytest.mark.parametrize(
    ("text", "is_missing"),
    [
        ("open311/web/track.py", False),
        ("docs/operations.md", False),
        ("PROVENANCE.md", False),
        (".xml", False),
        ("fixtures/", False),
        ("var/demo-key", False),
        ("open311/nothing", True),
        ("docs/nothing.md", True),
        ("NOTHING.md", True),
        ("/open311/v2", False),
        ("application/json", False),
        ("https://example.org/a.md", False),
    ],
)
def test_paths_are_told_from_other_words(text: str, is_missing: bool) -> None:
    assert (_is_path(text) and not _exists(text)) is is_missing


@pytest.mark.parametrize("with_curl", [True, False], ids=["curl", "http.client"])
def test_curl_and_its_stand_in_do_the_same(live: Live, monkeypatch: pytest.MonkeyPatch, with_curl: bool) -> None:
    if with_curl and shutil.which("curl") is None:
        pytest.skip("curl is not here")
    if not with_curl:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    place = urlencode({"jurisdiction_id": "boston.gov", "service_code": "street-light-outages"})

    posted = run_curl(
        f"curl {live.url}/open311/v2/requests.json -d api_key={live.key} -d '{place}' -d lat=42.3474"
        " -d long=-71.0944 --data-urlencode 'description=out & about'"
    )
    number = json.loads(posted[2])[0]["service_request_id"]
    status, content_type, body = run_curl(f"curl '{live.url}/open311/v2/requests/{number}.xml?jurisdiction_id=boston.gov'")

    assert posted[:2] == (200, "application/json; charset=utf-8")
    assert (status, content_type) == (200, "text/xml; charset=utf-8")
    assert "out &amp; about" in body.decode()
