"""Scorecards: what of each request its figures count, the figures by group and period, and how current both are."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Double, ForeignKeyConstraint, Index, Integer, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from db import Base, city_key


class ScorecardFact(Base):
    """What figures count of a request, as it was when it was last looked at; a column each of open311.reports.facts.

    Months are the first days of the city's own.  closed_at is never before requested_at.  response_seconds and
    closing_seconds: from coming in to the first response and to the closing, null where there was none.  lapsed_month: that
    of expected_at, when that had passed and the request was not closed by it.  kept_promise: null where none was made, or
    it is open.  verdicts: how many there are.  boundary_ids: its stamps, in order.
    """

    __tablename__ = "scorecard_fact"
    __table_args__ = (
        city_key("request_id", "service_request"),
        ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"]),
        # What will be overdue with no more than time.
        Index(
            "ix_scorecard_fact_expected",
            "jurisdiction_id",
            "expected_at",
            postgresql_where=text("closed_at is null and lapsed_month is null"),
        ),
    )

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    request_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    service_id: Mapped[int]
    department_id: Mapped[int]
    requested_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    expected_at: Mapped[datetime | None]
    received_month: Mapped[date] = mapped_column(Date)
    closed_month: Mapped[date | None] = mapped_column(Date)
    lapsed_month: Mapped[date | None] = mapped_column(Date)
    response_seconds: Mapped[int | None]
    closing_seconds: Mapped[int | None]
    verdicts: Mapped[int] = mapped_column(Integer)
    hour: Mapped[int] = mapped_column(SmallInteger)
    weekday: Mapped[int] = mapped_column(SmallInteger)
    kept_promise: Mapped[bool | None]
    is_reopened: Mapped[bool]
    is_duplicate: Mapped[bool]
    is_answered: Mapped[bool]
    channel: Mapped[str] = mapped_column(Text)
    boundary_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    is_public: Mapped[bool]


class ScorecardCell(Base):
    """The figures of one group in one period: see docs/scorecards.md for each.

    grouping (open311.reports.cells) says of which ids the group is; 0 and "" where it has none.  span: "month",
    "quarter" or "year", from the day `starts` on.  Percentiles are in seconds, and the period's own.  Of months alone: hours
    and weekdays (received by hour of the day, and from Monday on; null where services are told apart), and of the public
    requests that came in then those that at some time were the oldest open one, in order (oldest_requested_at,
    oldest_closed_at).
    lapsed: promises that came due then and were not kept by then.
    """

    __tablename__ = "scorecard_cell"
    __table_args__ = (ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"]),)

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    grouping: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    service_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    span: Mapped[str] = mapped_column(Text, primary_key=True)
    starts: Mapped[date] = mapped_column(Date, primary_key=True)
    received: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)
    answered: Mapped[int] = mapped_column(Integer)
    reopened: Mapped[int] = mapped_column(Integer)
    responded: Mapped[int] = mapped_column(Integer)
    response_median: Mapped[float | None] = mapped_column(Double)
    response_p90: Mapped[float | None] = mapped_column(Double)
    closed: Mapped[int] = mapped_column(Integer)
    closing_median: Mapped[float | None] = mapped_column(Double)
    closing_p90: Mapped[float | None] = mapped_column(Double)
    promised: Mapped[int] = mapped_column(Integer)
    kept: Mapped[int] = mapped_column(Integer)
    lapsed: Mapped[int] = mapped_column(Integer)
    verdicts: Mapped[int] = mapped_column(Integer)
    fixed: Mapped[int] = mapped_column(Integer)
    scored: Mapped[int] = mapped_column(Integer)
    scores: Mapped[int] = mapped_column(Integer)
    hours: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    weekdays: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    oldest_requested_at: Mapped[list[datetime] | None] = mapped_column(ARRAY(TIMESTAMP(timezone=True, precision=0)))
    oldest_closed_at: Mapped[list[datetime | None] | None] = mapped_column(ARRAY(TIMESTAMP(timezone=True, precision=0)))


class ScorecardRun(Base):
    """How current a city's figures are: as of when, and from where on the next run looks for changes.

    changed_from: every row of service_request that an earlier transaction wrote is counted.  event_from: likewise every fact
    of history up to that id; event_next, once the transactions before event_next_in have ended.  maps: which maps requests
    were stamped with, and how far.  Figures of another timezone or changes_epoch are made anew.
    """

    __tablename__ = "scorecard_run"
    __table_args__ = (ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"]),)

    jurisdiction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    as_of: Mapped[datetime]
    changed_from: Mapped[int]
    event_from: Mapped[int]
    event_next: Mapped[int]
    event_next_in: Mapped[int]
    maps: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    changes_epoch: Mapped[str] = mapped_column(Text)
