"""Who does something, and whether they may."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from open311.models.account import STAFF_ROLES
from schemas.text import one_line

# What can be done with a request ...
RECEIVE = "receive"
READ = "read"
READ_PERSON = "read_person"
NOTE = "note"
CHANGE = "change"
FLAG = "flag"
REOPEN = "reopen"
LINK = "link"
REASSIGN = "reassign"
ACCEPT = "accept"
HAND_BACK = "hand_back"
ASSIGN_PERSON = "assign_person"
SET_STATUS = "set_status"
PHASES = "phases"
REDACT = "redact"
# ... and with what a department is led by: its plans, calendars, ladders and texts.
CONFIGURE = "configure"
# ... and with all that is kept of a person.
PERSONAL_DATA = "personal_data"

# Every action, and how an error names it.
ACTIONS = {
    RECEIVE: "take in requests",
    READ: "read this request with all that is internal",
    READ_PERSON: "read who reported this request",
    NOTE: "write notes on this request",
    CHANGE: "change this request",
    FLAG: "flag this request for attention",
    REOPEN: "reopen this request",
    LINK: "link this request with another",
    REASSIGN: "reassign this request",
    ACCEPT: "accept this request",
    HAND_BACK: "hand this request back",
    ASSIGN_PERSON: "assign this request to a person",
    SET_STATUS: "set the status of this request",
    PHASES: "change the phases of this request",
    REDACT: "redact this request",
    CONFIGURE: "change plans, calendars, ladders and texts of this department",
    PERSONAL_DATA: "export, erase and oversee personal data of this city",
}

# How far a role reaches in its city.
CITY, DEPARTMENT, DISTRICT = "city", "department", "district"


@dataclass(frozen=True)
class Role:
    """What a role may do, and for which requests: the whole city's, its department's, its district's."""

    words: str
    actions: frozenset[str]
    reach: str = CITY


_IN_A_DEPARTMENT = frozenset(
    [RECEIVE, READ, READ_PERSON, NOTE, ACCEPT, HAND_BACK, REASSIGN, ASSIGN_PERSON, SET_STATUS, PHASES, FLAG, REOPEN, LINK],
)
# The one table of who may do what; docs/roles.md shows it.
ROLES = {
    "call_taker": Role("call taker", frozenset([RECEIVE, READ, READ_PERSON, NOTE, CHANGE, FLAG, REOPEN, LINK, REASSIGN])),
    "department": Role("department", _IN_A_DEPARTMENT, DEPARTMENT),
    "supervisor": Role("supervisor", _IN_A_DEPARTMENT | {CONFIGURE, REDACT}, DEPARTMENT),
    "council_office": Role("council office", frozenset([READ]), DISTRICT),
    "administrator": Role("administrator", frozenset(ACTIONS)),
    "operator": Role("operator of this machine", frozenset(ACTIONS)),
    "system": Role("the service itself", frozenset(ACTIONS)),
    "report_key": Role("key for reports", frozenset([RECEIVE])),
    "updates_key": Role("key for updates", frozenset([NOTE, SET_STATUS, REOPEN])),
    "department_key": Role("key for updates", frozenset([NOTE, SET_STATUS, REOPEN]), DEPARTMENT),
}


class NotAllowed(PermissionError):
    """Who it is may not do this; the message names them, the action, and who might."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role in the city at hand, with what it reaches.

    department_ids: the department with all of its units, as a unit counts as its department.  where: how a message names
    the department or the district.
    """

    role: str
    department_ids: frozenset[int] = frozenset()
    layer_id: int | None = None
    boundary_code: str | None = None
    where: str = ""

    def __str__(self) -> str:
        words = ROLES[self.role].words
        return f"{words} of {self.where}" if self.where else words


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who does something in one city.  kind: "staff", "key", "operator" or "system"; name: as history shows it."""

    kind: str
    name: str
    grants: Sequence[Grant] = ()
    account_id: int | None = None
    api_key_id: int | None = None

    @property
    def as_facts(self) -> Mapping[str, Any]:
        """What history keeps of them: by, and account_id or api_key_id."""
        facts = {"by": self.name, "account_id": self.account_id, "api_key_id": self.api_key_id}
        return {name: value for name, value in facts.items() if value is not None}


SYSTEM = Actor(kind="system", name="Dispatch311", grants=(Grant(role="system"),))


def operator(name: str) -> Actor:
    """A person with a shell on this machine, who may do everything."""
    return Actor(kind="operator", name=one_line(name) or "operator", grants=(Grant(role="operator"),))


def allows(
    actor: Actor,
    action: str,
    *,
    department_ids: Collection[int] = (),
    districts: Collection[tuple[int, str]] = (),
) -> bool:
    """Whether the actor may do it, as `may` says."""
    return any(
        action in ROLES[grant.role].actions and _reaches(grant, action, department_ids, districts) for grant in actor.grants
    )


def may(
    actor: Actor,
    action: str,
    *,
    department_ids: Collection[int] = (),
    districts: Collection[tuple[int, str]] = (),
) -> None:
    """Nothing, when the actor may do it; else raises NotAllowed.

    department_ids: every department or unit that answers for the request, or for a phase of it that is open; for
    CONFIGURE, whose plans, calendars, ladders or texts they are: all of them must be the actor's.  districts: (layer_id,
    boundary code) of every district that the request is stamped with.
    """
    if allows(actor, action, department_ids=department_ids, districts=districts):
        return
    has = " and ".join(map(str, actor.grants)) or "without a role in this city"
    raise NotAllowed(f"{actor.name} ({has}) may not {ACTIONS[action]}: that takes {_needed(action)}")


def _reaches(grant: Grant, action: str, department_ids: Collection[int], districts: Collection[tuple[int, str]]) -> bool:
    reach = ROLES[grant.role].reach
    # Nobody answers yet for what comes in.
    if reach == CITY or action == RECEIVE:
        return True
    if reach == DISTRICT:
        return (grant.layer_id, grant.boundary_code) in districts
    if action == CONFIGURE:
        return bool(department_ids) and grant.department_ids.issuperset(department_ids)
    return not grant.department_ids.isdisjoint(department_ids)


_WHOSE = {CITY: "", DEPARTMENT: " of a department that answers for it", DISTRICT: " of its district"}


def _needed(action: str) -> str:
    able = [role for role in map(ROLES.__getitem__, STAFF_ROLES) if action in role.actions]
    reach_of = {role: CITY if action == RECEIVE else role.reach for role in able}
    by_reach = {reach: [role.words for role in able if reach_of[role] == reach] for reach in _WHOSE}
    return "the role " + ", or ".join(f"{' or '.join(words)}{_WHOSE[reach]}" for reach, words in by_reach.items() if words)
