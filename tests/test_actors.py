"""Who may do what: the table, and how far each role reaches."""

import pytest

from open311.actors import (
    ACCEPT,
    ACTIONS,
    CONFIGURE,
    NOTE,
    READ,
    RECEIVE,
    ROLES,
    SET_STATUS,
    SYSTEM,
    Actor,
    Grant,
    NotAllowed,
    allows,
    may,
    operator,
)
from open311.config import CHECKOUT
from open311.models.account import DEPARTMENT_ROLES, STAFF_ROLES

WORKS, YARD, PARKS = 1, 2, 3
COUNCIL = 7
# As grants are read: a department with all of its units.
OF_WORKS = Grant(role="department", department_ids=frozenset([WORKS, YARD]), where="WORKS")
LED_BY = Grant(role="supervisor", department_ids=frozenset([WORKS, YARD]), where="WORKS")
OF_DISTRICT = Grant(role="council_office", layer_id=COUNCIL, boundary_code="4", where="council:4")


def ann(*grants: Grant) -> Actor:
    """A member of staff."""
    return Actor(kind="staff", name="Ann Lee", grants=grants, account_id=5)


def reach(role: str) -> Grant:
    """The role, with the department WORKS or the district 4 where it needs one."""
    changes = {"department": OF_WORKS, "district": OF_DISTRICT}.get(ROLES[role].reach)
    return Grant(role=role) if changes is None else Grant(**{**vars(changes), "role": role})


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_within_its_reach_what_the_table_says_and_nothing_else(role: str):
    actor = ann(reach(role))

    allowed = {action for action in ACTIONS if allows(actor, action, department_ids=[WORKS], districts=[(COUNCIL, "4")])}

    assert allowed == ROLES[role].actions


# What comes in is nobody's yet: who may take it in may take in whatever it is.
@pytest.mark.parametrize("action", [action for action in ACTIONS if action != RECEIVE])
@pytest.mark.parametrize("role", [role for role in ROLES if ROLES[role].reach != "city"])
def test_a_role_of_a_part_may_do_nothing_beyond_it(role: str, action: str):
    assert not allows(ann(reach(role)), action, department_ids=[PARKS], districts=[(COUNCIL, "5"), (8, "4")])


@pytest.mark.parametrize("action", [action for action in ACTIONS if action != RECEIVE])
@pytest.mark.parametrize("role", [role for role in ROLES if ROLES[role].reach != "city"])
def test_a_role_of_a_part_may_do_nothing_with_what_is_nobodys(role: str, action: str):
    assert not allows(ann(reach(role)), action)


@pytest.mark.parametrize("action", ACTIONS)
def test_who_has_no_role_may_do_nothing(action: str):
    assert not allows(ann(), action, department_ids=[WORKS], districts=[(COUNCIL, "4")])


def test_a_department_that_answers_beside_others_is_enough():
    may(ann(OF_WORKS), ACCEPT, department_ids=[PARKS, YARD])


def test_a_supervisor_configures_what_is_wholly_their_own():
    may(ann(LED_BY), CONFIGURE, department_ids=[WORKS, YARD])

    assert not allows(ann(LED_BY), CONFIGURE, department_ids=[WORKS, PARKS])


def test_of_several_roles_one_that_allows_it_is_enough():
    two = ann(OF_DISTRICT, OF_WORKS)

    assert allows(two, NOTE, department_ids=[WORKS]) and allows(two, READ, districts=[(COUNCIL, "4")])
    # A role does not borrow the reach of another.
    assert not allows(two, NOTE, department_ids=[PARKS], districts=[(COUNCIL, "4")])


@pytest.mark.parametrize(
    ("actor", "action", "message"),
    [
        pytest.param(
            ann(Grant(role="call_taker")),
            ACCEPT,
            "Ann Lee (call taker) may not accept this request: that takes the role administrator, or department or supervisor "
            "of a department that answers for it",
            id="another-role",
        ),
        pytest.param(
            ann(OF_WORKS),
            READ,
            "Ann Lee (department of WORKS) may not read this request with all that is internal: that takes the role call taker "
            "or administrator, or department or supervisor of a department that answers for it, or council office of its "
            "district",
            id="another-department",
        ),
        pytest.param(
            ann(),
            CONFIGURE,
            "Ann Lee (without a role in this city) may not change plans, calendars, ladders and texts of this department: "
            "that takes the role administrator, or supervisor of a department that answers for it",
            id="no-role",
        ),
        pytest.param(
            Actor(kind="key", name="crews", grants=[Grant(role="report_key"), Grant(role="department_key", where="PARKS")]),
            SET_STATUS,
            "crews (key for reports and key for updates of PARKS) may not set the status of this request: that takes the role "
            "administrator, or department or supervisor of a department that answers for it",
            id="key-of-another-department",
        ),
    ],
)
def test_who_may_not_is_told_what_it_takes(actor: Actor, action: str, message: str):
    with pytest.raises(NotAllowed) as refused:
        may(actor, action, department_ids=[PARKS])

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("actor", "facts"),
    [
        pytest.param(ann(), {"by": "Ann Lee", "account_id": 5}, id="staff"),
        pytest.param(Actor(kind="key", name="crews", api_key_id=9), {"by": "crews", "api_key_id": 9}, id="key"),
        pytest.param(operator("root"), {"by": "root"}, id="operator"),
        pytest.param(SYSTEM, {"by": "Dispatch311"}, id="system"),
    ],
)
def test_history_keeps_who_it_was(actor: Actor, facts: dict[str, object]):
    assert actor.as_facts == facts


@pytest.mark.parametrize("actor", [operator("root"), SYSTEM], ids=["operator", "system"])
@pytest.mark.parametrize("action", ACTIONS)
def test_the_operator_and_the_service_may_do_everything(actor: Actor, action: str):
    may(actor, action)


def test_the_database_asks_for_a_department_or_district_where_a_role_reaches_no_further():
    assert set(DEPARTMENT_ROLES) == {role for role in STAFF_ROLES if ROLES[role].reach == "department"}
    assert {"council_office"} == {role for role in STAFF_ROLES if ROLES[role].reach == "district"}


def test_the_table_of_the_documentation_says_what_is_so():
    lines = (CHECKOUT / "docs" / "roles.md").read_text(encoding="utf-8").splitlines()

    shown = [line for line in lines if line.startswith("|")]

    assert shown == [
        f"| role | reaches | {' | '.join(ACTIONS)} |",
        "| --- " * (len(ACTIONS) + 2) + "|",
        *(
            f"| `{name}` | {role.reach} | {' | '.join('yes' if action in role.actions else '' for action in ACTIONS)} |"
            for name, role in ROLES.items()
        ),
    ]
