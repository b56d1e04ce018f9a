"""What was said, wherever it stands: every text of all the rows that belong to requests, rewritten.

The one place where what was appended to a history is changed: personal data goes from there as well.
"""

import html
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Column, ColumnElement, Table, Text, and_, bindparam, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

import open311.models  # noqa: F401  (declares every table)
from db import Base
from db.driver import Statement

Say = Callable[[str], str]

REMOVED = "[removed]"

# Codes, names of files, keys: what nobody writes in words of their own.  A column that is not named here is looked through.
_CODES: Mapping[str, Collection[str]] = {
    "service_request": {
        "number", "token", "status", "case_status", "channel", "media_url", "client_reference", "address_id", "answered_from",
    },
    "request_event": {"kind"},
    "request_update": {"case_status", "media_urls", "client_update_id"},
    "request_phase": {"code", "state", "after"},
    "request_clock": {"target"},
    "media": {"path", "thumbnail_path", "content_type"},
    "message": {"event", "state", "sent_by"},
    "alert": {"role", "phase", "kind"},
    "person_use": {"kind"},
    "scorecard_fact": {"channel"},
}  # fmt: skip
# The people themselves, whose rows go as a whole.
_PEOPLE = ("reporter", "follower")
# The same within a fact of history.
_CODE_FACTS = (
    "status",
    "kind",
    "channel",
    "priority",
    "phase",
    "language",
    "article",
    "department",
    "parent",
    "child",
    "number",
    "service_code",
    "unit",
    "previous_department",
    "previous_unit",
    "case_status",
    "jurisdiction_id",
)
_SHORTEST_SOUGHT = 3
# What a whole text must have for its copies to be sought: "Main St" or "pothole" stand in what others wrote as well.
_TELLING_WORDS, _TELLING_CHARACTERS = 4, 20
# Between the words of a text that was wrapped, quoted, or written into HTML or JSON.
_GAP = r"(?:\s|\\[nrt]|>|&gt;|<br\s*/?>|&nbsp;)+"


def rewrite(connection: "Connection[Any]", ids: Sequence[int], say: Say, *, jurisdiction_id: int) -> dict[str, set[int]]:
    """Let each text of these requests be what `say` makes of it; by table, the requests whose rows are others now.

    The caller holds the requests.
    """
    changed: dict[str, set[int]] = {}
    for name, (read, write, columns) in _TABLES.items():
        for row in read.run(connection, jurisdiction_id=jurisdiction_id, ids=list(ids)).fetchall():
            values = {column: getattr(row, f"text_{column}") for column in columns}
            said = {column: _said(value, say) for column, value in values.items()}
            if said != values:
                keys = {f"key_{key}": value for key, value in row._asdict().items() if not key.startswith("text_")}
                write.run(connection, **keys, **{f"text_{each}": _bound(value) for each, value in said.items()})
                changed.setdefault(name, set()).add(row.of_request)
    return changed


def without(swaps: Iterable[tuple[str, str]]) -> Say:
    """What gives a text with every one of these put in another's place, however it is wrapped or escaped there.

    Only whole words; what has fewer than three letters is left, as it would be found everywhere.
    """
    sought = [(re.compile(_anyhow(old)), new) for old, new in swaps if len("".join(old.split())) >= _SHORTEST_SOUGHT]

    def say(text: str) -> str:
        for pattern, new in sought:
            text = pattern.sub(lambda _, new=new: new, text)  # type: ignore[misc]
        return text

    return say


def is_telling(text: str) -> bool:
    """Whether a text is long enough that what reads the same elsewhere is a copy of it."""
    return len(text.split()) >= _TELLING_WORDS or len(text) >= _TELLING_CHARACTERS


def _anyhow(text: str) -> str:
    words = text.split()
    forms = dict.fromkeys(
        _GAP.join(re.escape(written(word)) for word in words)
        for written in (str, html.escape, lambda word: html.escape(word, quote=False), _as_json, _as_ascii_json)
    )
    return rf"{_edge(words[0][0], '<!')}(?:{'|'.join(forms)}){_edge(words[-1][-1], '!')}"


def _as_json(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _as_ascii_json(word: str) -> str:
    return json.dumps(word)[1:-1]


def _edge(sign: str, side: str) -> str:
    return rf"(?{side}\w)" if re.match(r"\w", sign) else ""


def _said(value: Any, say: Say, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in _CODE_FACTS else say(value)
    if isinstance(value, list):
        return [_said(each, say, key) for each in value]
    if isinstance(value, dict):
        return {name: _said(each, say, name) for name, each in value.items()}
    return value


def _bound(value: Any) -> Any:
    # A list is one of texts, unless it stands in a document.
    return Jsonb(value) if isinstance(value, dict) else value


def _texts_of(table: Table) -> Iterator[Column[Any]]:
    """The columns of a table in which words may stand."""
    for column in table.columns:
        holds_text = isinstance(column.type, Text | JSONB) or (
            isinstance(column.type, ARRAY) and isinstance(column.type.item_type, Text)
        )
        if holds_text and not column.foreign_keys and column.computed is None and column.name not in _CODES.get(table.name, ()):
            yield column


def _names_one_of_them(message: Table) -> ColumnElement[bool]:
    """Whether a digest lists one of the requests."""
    asked = Base.metadata.tables["service_request"]
    return (
        select(asked.c.id)
        .where(
            asked.c.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
            asked.c.id == func.any(bindparam("ids", type_=ARRAY(BigInteger))),
            func.strpos(cast(message.c.facts, Text), asked.c.number) > 0,
        )
        .correlate(message)
        .exists()
    )


def _statements() -> Iterator[tuple[str, tuple[Statement, Statement, list[str]]]]:
    for name, table in sorted(Base.metadata.tables.items()):
        request_id = table.c.id if name == "service_request" else table.c.get("request_id")
        texts = list(_texts_of(table))
        if request_id is None or not texts or name in _PEOPLE:
            continue
        keys = list(table.primary_key.columns)
        of_them = request_id == func.any(bindparam("ids", type_=ARRAY(BigInteger)))
        if name == "message":
            of_them = or_(of_them, and_(request_id.is_(None), _names_one_of_them(table)))
        read = (
            select(*keys, request_id.label("of_request"), *(each.label(f"text_{each.name}") for each in texts))
            .where(
                table.c.jurisdiction_id == bindparam("jurisdiction_id", type_=BigInteger),
                of_them,
            )
            .order_by(*keys)
            # A message may be on its way: what is written of it then is read here.
            .with_for_update()
        )
        write = (
            update(table)
            .where(*(key == bindparam(f"key_{key.name}", type_=key.type) for key in keys))
            .values({each.name: bindparam(f"text_{each.name}", type_=each.type) for each in texts})
        )
        yield name, (Statement(read), Statement(write), [each.name for each in texts])


_TABLES = dict(_statements())
