"""The form of a POST: its texts and its files, read strictly."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.datastructures import FileStorage, Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from open311.config import Settings

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

# How many times the largest body allowed is still read, when one is too large, before the connection is closed on it.
_PATIENCE_BODIES = 4


class BadForm(ValueError):
    """A body that cannot be read as a form; the message says why."""


@dataclass(frozen=True)
class Form:
    """Field name to values as sent, and the uploaded files in order; parts without a file name chosen are left out."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: list[FileStorage] = field(default_factory=list)

    def first(self, name: str) -> str:
        """The first value that is not blank, or the empty text."""
        return next((text.strip() for text in self.fields.get(name, ()) if text.strip()), "")


def read_form(request: Request, settings: Settings) -> Form:
    """The form in the body together with the arguments of the query (some clients send the key there).

    Raises BadForm: too large, too many fields, not UTF-8, a boundary that does not fit, another media type.
    """
    kind = request.mimetype
    if kind not in (MULTIPART, URLENCODED, ""):
        raise BadForm(f"Content-Type must be {URLENCODED} or {MULTIPART}, got {kind[:100]}")
    body = _body(request, settings)
    if kind == MULTIPART:
        pairs, files = _multipart(request, body, settings)
    else:
        pairs, files = _urlencoded(body, settings), []
    pairs += _urlencoded(request.query_string, settings)
    form = Form(files=files)
    for name, text in pairs:
        form.fields.setdefault(name, []).append(text)
    return form


def _body(request: Request, settings: Settings) -> bytes:
    """All of the body; one that ends before its Content-Length is refused, for what it says may be cut short."""
    source, length, most = request.environ["wsgi.input"], request.content_length, settings.max_body_bytes
    wanted = most + 1 if length is None else min(length, most + 1)
    pieces, left = [], wanted
    while left > 0 and (piece := source.read(min(left, 2**16))):
        pieces.append(piece)
        left -= len(piece)
    body = b"".join(pieces)
    if len(body) > most:
        _let_it_finish(source, _PATIENCE_BODIES * most)
        raise BadForm(f"the body must be at most {most} bytes")
    if length is not None and len(body) < length:
        raise BadForm(f"the body ended after {len(body)} of {length} bytes")
    return body


def _let_it_finish(source: IO[bytes], most: int) -> None:
    """Read on for a while and forget it: many clients look for an answer only when all they send was taken."""
    while most > 0 and (piece := source.read(min(most, 2**16))):
        most -= len(piece)


def _urlencoded(body: bytes, settings: Settings) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=settings.max_form_fields)
    except UnicodeDecodeError as error:
        raise BadForm("the form must be UTF-8, percent-encoded") from error
    except ValueError as error:
        raise BadForm(f"the form must have at most {settings.max_form_fields} fields") from error


class _Lossless(MultiPartParser):
    """Werkzeug puts U+FFFD where bytes are not UTF-8; Latin-1 keeps them, so that we can tell."""

    def get_part_charset(self, headers: Headers) -> str:
        return "latin-1"


def _in_memory(*about: object, **more: object) -> BytesIO:
    """A file part is read whole in any case, and the body is limited: nothing is left open or lying about."""
    return BytesIO()


def _multipart(request: Request, body: bytes, settings: Settings) -> tuple[list[tuple[str, str]], list[FileStorage]]:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    if not boundary:
        raise BadForm("the multipart form names no boundary")
    parser = _Lossless(
        stream_factory=_in_memory,
        max_form_memory_size=settings.max_body_bytes,
        max_form_parts=settings.max_form_fields,
    )
    try:
        texts, parts = parser.parse(BytesIO(body), boundary, len(body))
    except RequestEntityTooLarge as error:
        raise BadForm(f"the form must have at most {settings.max_form_fields} fields") from error
    except ValueError as error:
        raise BadForm(f"the multipart form cannot be read: {error}") from error
    pairs: list[tuple[str, str]] = []
    for name, text in texts.items(multi=True):
        if not name:
            continue  # a part without a name says nothing
        try:
            pairs.append((name, text.encode("latin-1").decode("utf-8")))
        except UnicodeDecodeError as error:
            raise BadForm(f"{name[:100]} must be UTF-8") from error
    files: list[Any] = [part for _, part in parts.items(multi=True) if part.filename]
    return pairs, files
