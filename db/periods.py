"""Rows that count for a time: from valid_from (null: since ever) until valid_to (null: for good), which is not part of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

When = ColumnElement[datetime] | ColumnElement[datetime | None] | InstrumentedAttribute[datetime | None]


def has_begun(valid_from: When, at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the time has begun at a moment."""
    return or_(valid_from.is_(None), valid_from <= at)


def goes_on(valid_to: When, at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the time is not over at a moment."""
    return or_(valid_to.is_(None), valid_to > at)


def in_force(valid_from: When, valid_to: When, at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a moment lies within the time."""
    return and_(has_begun(valid_from, at), goes_on(valid_to, at))
