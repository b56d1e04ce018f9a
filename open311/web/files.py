"""The files that pages are made of in the browser: style sheets, scripts, their texts; packed on the way there."""

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from babel.messages.extract import extract
from flask import Flask, Response, abort
from flask import request as asked

from open311.api.access import public
from open311.api.cors import allow_every_origin
from open311.notify.texts import ENGLISH
from open311.web import language

FOLDER = Path(__file__).with_name("static")
# What set-up puts there; pages go without when it is not.
VENDOR = "vendor/"
WIDGET = "widget.js"
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
JAVASCRIPT_KEYWORDS: Mapping[str, Any] = {"_": None, "ngettext": (1, 2)}
LEAST_PACKED_BYTES = 1000
_YEAR_SECONDS, _HOUR_SECONDS = 31_536_000, 3600
_PAGE_PACKING = 5


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as it is sent.  version: what tells it from an earlier one."""

    content: bytes
    packed: bytes
    content_type: str
    version: str


def register(app: Flask) -> None:
    """Put the files at the root."""
    app.get("/static/<path:name>")(show_static)
    app.get(f"/{WIDGET}")(show_widget)
    app.get("/texts.json")(show_texts)


@public
def show_static(name: str) -> Response:
    """GET /static/{name}: a file of the pages.  200; 404.  Its address changes whenever it does."""
    if name not in _files():
        abort(404)
    file = _files()[name]
    return _answer(file, caching(asked.args.get("v") == file.version))


@public
def show_widget() -> Response:
    """GET /widget.js: the elements that other pages report and look by, for every origin.  200; 304."""
    file = _files()[WIDGET]
    response = _answer(file, f"public, max-age={_HOUR_SECONDS}")
    response.set_etag(file.version, weak=True)
    response.make_conditional(asked)
    return _for_every_page(response)


@public
def show_texts() -> Response:
    """GET /texts.json?lang=es: what our scripts say, from English to that language, for every origin.  200.

    {"one text": "translated", "%(num)s of it": ["one", "many"]}; empty where there is nothing to translate.
    """
    code = asked.args.get(language.ARGUMENT, "")
    file = _texts(code if code in language.LANGUAGES else ENGLISH)
    return _for_every_page(_answer(file, f"public, max-age={_HOUR_SECONDS}"))


def caching(is_named: bool) -> str:
    """How long a browser may keep a file: for good where its address names what it holds, else no moment without asking."""
    return f"public, max-age={_YEAR_SECONDS}, immutable" if is_named else "no-cache"


def has_file(name: str) -> bool:
    """Whether the file is there: those of others may not be."""
    return name in _files()


def static_url(name: str) -> str:
    """The address of a file as it is now."""
    return f"/static/{name}?v={_files()[name].version}"


def packed(response: Response) -> Response:
    """The response in gzip's form, where it is worth that and the browser takes it."""
    body = response.get_data()
    response.vary.add("Accept-Encoding")
    if len(body) >= LEAST_PACKED_BYTES and "Content-Encoding" not in response.headers and _takes_packed():
        response.set_data(gzip.compress(body, compresslevel=_PAGE_PACKING, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def our_scripts() -> Iterator[Path]:
    """The scripts that we wrote."""
    yield from sorted(FOLDER.glob("*.js"))


# Lines of a script that are nothing but a comment: a tenth of what would be sent.
_COMMENTS = re.compile(rb"^[ \t]*(?://.*|/\*.*\*/)\n", re.MULTILINE)


def _answer(file: File, caching: str) -> Response:
    is_packed = _takes_packed()
    response = Response(file.packed if is_packed else file.content, content_type=file.content_type)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = caching
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _for_every_page(response: Response) -> Response:
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return allow_every_origin(response)


def _takes_packed() -> bool:
    return asked.accept_encodings.quality("gzip") > 0


@cache
def _files() -> dict[str, File]:
    """Every file by its name, our scripts without their comments; read once, for they change with the program alone."""
    paths = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in KINDS]
    ours = set(our_scripts())
    return {
        path.relative_to(FOLDER).as_posix(): _file(
            _COMMENTS.sub(b"", path.read_bytes()) if path in ours else path.read_bytes(), KINDS[path.suffix]
        )
        for path in paths
    }


def _file(content: bytes, content_type: str) -> File:
    return File(
        content=content,
        packed=gzip.compress(content, mtime=0),
        content_type=content_type,
        version=sha256(content).hexdigest()[:12],
    )


@cache
def _texts(code: str) -> File:
    """What our scripts say in a language, of those that it has a text of."""
    known = language.texts(code)
    said = {message if isinstance(message, str) else message[0] for message in _said()}
    return _file(msgspec.json.encode({text: known[text] for text in sorted(said) if text in known}), "application/json")


def _said() -> Iterator[Any]:
    for path in our_scripts():
        with path.open("rb") as file:
            for _line, message, _comments, _context in extract("javascript", file, keywords=JAVASCRIPT_KEYWORDS):
                yield message
