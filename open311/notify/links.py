"""Signed addresses in messages: who has one may do what it says for one follower, and nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from itsdangerous import BadData, URLSafeSerializer

from open311.config import Settings

# What a link is for, as its path begins.
CONFIRM, STOP, VERDICT, MINE = "follow", "stop", "fixed", "mine"
# Those whose page has a button.
PURPOSES = (CONFIRM, STOP, VERDICT)
# So long a link to somebody's own reports is good, from when it was asked for.
MINE_LASTS_HOURS = 24
MINE_LASTS = timedelta(hours=MINE_LASTS_HOURS)


class ForgedLink(ValueError):
    """No link of ours."""


class ExpiredLink(ForgedLink):
    """A link of ours whose time is over."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a link says.  closed_at: of a question whether it was fixed, which closing.  expires_at: of one's own reports."""

    jurisdiction_id: int
    follower_id: int
    closed_at: datetime | None = None
    expires_at: datetime | None = None


class Links:
    """The addresses that a message to one follower holds."""

    def __init__(self, settings: Settings) -> None:
        self._secret_key = settings.secret_key
        self._base = settings.public_url.rstrip("/")

    @property
    def are_possible(self) -> bool:
        """Whether links can be written: there is a key to sign them and an address to put before them."""
        return bool(self._secret_key and self._base)

    def url(self, purpose: str, link: Link) -> str:
        """The address of a link."""
        facts = [link.jurisdiction_id, link.follower_id]
        moment = link.expires_at or link.closed_at
        if moment is not None:
            facts.append(int(moment.timestamp()))
        return f"{self._base}/{purpose}/{_signer(self._secret_key, purpose).dumps(facts)}"

    def own_reports(self, link: Link, jurisdiction_id: str) -> str:
        """The address of the page with somebody's own reports, until link.expires_at."""
        return f"{self.url(MINE, link)}?jurisdiction_id={jurisdiction_id}"

    def page(self, number: str, jurisdiction_id: str) -> str:
        """The address of a request's public page."""
        return f"{self._base}/track/{number}?jurisdiction_id={jurisdiction_id}"


def read_link(secret_key: str, purpose: str, token: str, *, now: datetime) -> Link:
    """The link that an address ends with.  Raises ForgedLink, also for one that was made for something else; ExpiredLink."""
    try:
        jurisdiction_id, follower_id, *seconds = _signer(secret_key, purpose).loads(token)
    except BadData:
        raise ForgedLink from None
    moment = datetime.fromtimestamp(seconds[0], UTC) if seconds else None
    if purpose == MINE:
        if moment is None or moment <= now:
            raise ExpiredLink
        return Link(jurisdiction_id=jurisdiction_id, follower_id=follower_id, expires_at=moment)
    return Link(jurisdiction_id=jurisdiction_id, follower_id=follower_id, closed_at=moment)


def _signer(secret_key: str, purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt=f"open311 {purpose}", signer_kwargs={"digest_method": sha256})
