"""open311 user: accounts, their passwords and their roles, with an error for everything that cannot be."""

from collections.abc import Callable
from typing import Any

import pytest

from open311.passwords import matches
from tests.cli.conftest import Run, good, told, usage

Look = Callable[[str], list[Any]]

PASSWORD = "correct horse battery"
BOSTON = ("--jurisdiction", "boston.gov")
# A department that Seattle has and Boston has not.
SEATTLES = """
    select d.code from department d join jurisdiction j on j.id = d.jurisdiction_id where slug = 'seattle.gov'
    and d.code not in (select code from department where jurisdiction_id <> d.jurisdiction_id) order by d.id limit 1
"""
KINDS = ("key revoked", "key created", "role given", "account created")
GRANTS = """
    select slug, role, d.code as department, l.code as layer, boundary_code from account_grant g
    join jurisdiction j on j.id = g.jurisdiction_id left join department d on d.id = department_id
    left join layer l on l.id = layer_id order by g.id
"""


@pytest.fixture
def ann(run: Run) -> str:
    """An account without a password or a role."""
    good(run("user", "create", "ann@city.gov", "--name", "Ann Lee", "--no-password"))
    return "ann@city.gov"


@pytest.fixture
def department(look: Look) -> str:
    """The code of a department of Boston."""
    return str(
        look("select d.code from department d join jurisdiction j on j.id = jurisdiction_id where slug = 'boston.gov'")[0].code
    )


def test_an_account_is_made_with_a_password_that_is_typed_twice_and_not_shown(run: Run, look: Look):
    made = run("user", "create", " Ann@City.GOV", "--name", "Ann Lee", input=f"{PASSWORD}\n{PASSWORD}\n")

    assert good(made) == "made ann@city.gov\n"
    assert PASSWORD not in made.output
    (row,) = look("select * from account")
    assert (row.email, row.name, row.is_active) == ("ann@city.gov", "Ann Lee", True)
    assert matches(row.password_hash, PASSWORD)
    assert row.password_hash.startswith("$argon2id$")


def test_a_password_is_read_from_standard_input(run: Run, look: Look):
    good(run("user", "create", "ann@city.gov", "--name", "Ann", "--password-stdin", input=f"{PASSWORD}\r\nsecond line\n"))

    assert matches(look("select password_hash from account")[0].password_hash, PASSWORD)


def test_an_account_without_a_password_has_none(ann: str, look: Look):
    assert look("select password_hash from account")[0].password_hash is None


@pytest.mark.parametrize(
    ("email", "name", "password", "message"),
    [
        pytest.param("ann", "Ann", PASSWORD, "the e-mail address must be like ann@city.gov, got 'ann'", id="no-address"),
        pytest.param("a b@c.gov", "Ann", PASSWORD, "must be like ann@city.gov, got 'a b@c.gov'", id="space"),
        pytest.param("a" * 250 + "@c.gov", "Ann", PASSWORD, "must be like ann@city.gov, got 'aaa", id="long"),
        pytest.param("ann@city.gov", " \x1b ", PASSWORD, "the name must say something", id="no-name"),
        pytest.param("ann@city.gov", "Ann", "elevenchars", "must have 12 to 1000 characters, got 11", id="short-password"),
        pytest.param("ann@city.gov", "Ann", "", "must have 12 to 1000 characters, got 0", id="no-password"),
        pytest.param("ann@city.gov", "Ann", "x" * 1001, "must have 12 to 1000 characters, got 1001", id="long-password"),
    ],
)
def test_an_account_that_cannot_be_is_not_made(run: Run, look: Look, email: str, name: str, password: str, message: str):
    assert message in told(run("user", "create", email, "--name", name, "--password-stdin", input=password))
    assert look("select 1 from account") == []


def test_a_password_that_is_typed_differently_is_asked_for_again(run: Run, look: Look):
    lines = f"{PASSWORD}\nanother password\n{PASSWORD}\n{PASSWORD}\n"

    result = run("user", "create", "ann@city.gov", "--name", "Ann", input=lines)

    assert result.exit_code == 0 and "do not match" in result.output


def test_a_password_is_no_word_of_a_command_line(run: Run, look: Look):
    assert "No such option" in usage(run("user", "create", "ann@city.gov", "--name", "Ann", "--password", PASSWORD))
    assert "unexpected extra argument" in usage(run("user", "password", "ann@city.gov", PASSWORD))


def test_a_password_and_none_at_once_is_a_mistake(run: Run):
    words = ("user", "create", "ann@city.gov", "--name", "Ann", "--password-stdin", "--no-password")

    assert "cannot be together" in usage(run(*words))


def test_an_address_has_one_account(run: Run, ann: str, look: Look):
    message = told(run("user", "create", "ANN@city.gov", "--name", "Another", "--no-password"))

    assert message == "ann@city.gov has an account already"
    assert [row.name for row in look("select name from account")] == ["Ann Lee"]


@pytest.mark.parametrize("role", ["call_taker", "administrator"])
def test_a_role_of_the_whole_city(run: Run, ann: str, look: Look, role: str):
    said = good(run("user", "grant", ann, "--role", role, *BOSTON))

    assert said == f"ann@city.gov is {role.replace('_', ' ')} in boston.gov\n"
    assert [tuple(row) for row in look(GRANTS)] == [("boston.gov", role, None, None, None)]


@pytest.mark.parametrize("role", ["department", "supervisor"])
def test_a_role_of_a_department(run: Run, ann: str, look: Look, department: str, role: str):
    said = good(run("user", "grant", ann, "--role", role, *BOSTON, "--department", department))

    assert said == f"ann@city.gov is {role} of {department} in boston.gov\n"
    assert [tuple(row) for row in look(GRANTS)] == [("boston.gov", role, department, None, None)]


def test_a_role_of_a_district(run: Run, ann: str, look: Look):
    said = good(run("user", "grant", ann, "--role", "council_office", *BOSTON, "--district", "council:4"))

    assert said == "ann@city.gov is council office of council:4 in boston.gov\n"
    assert [tuple(row) for row in look(GRANTS)] == [("boston.gov", "council_office", None, "council", "4")]


def test_several_roles_in_several_cities_are_listed(run: Run, ann: str, department: str):
    good(run("user", "grant", ann, "--role", "supervisor", *BOSTON, "--department", department))
    good(run("user", "grant", ann, "--role", "council_office", *BOSTON, "--district", "council:4"))
    good(run("user", "grant", ann, "--role", "call_taker", "--jurisdiction", "seattle.gov"))

    listed = " ".join(good(run("user", "list")).split())

    assert "ann@city.gov Ann Lee" in listed
    for role in (
        f"boston.gov: supervisor of {department}",
        "boston.gov: council office of council:4",
        "seattle.gov: call taker",
    ):
        assert role in listed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--role", "department"], "the role department takes a department", id="no-department"),
        pytest.param(["--role", "supervisor"], "the role supervisor takes a department", id="supervisor-of-nothing"),
        pytest.param(["--role", "council_office"], "the role council_office takes a district", id="no-district"),
        pytest.param(["--role", "call_taker", "--department", "X"], "the role call_taker has no department", id="department"),
        pytest.param(["--role", "administrator", "--district", "a:b"], "the role administrator has no district", id="district"),
        pytest.param(
            ["--role", "department", "--department", "DRAGONS"],
            "no department or unit of the city has the code DRAGONS",
            id="unknown-department",
        ),
        pytest.param(
            ["--role", "council_office", "--district", "realm:4"], "City of Boston has no layer 'realm'", id="unknown-layer"
        ),
        pytest.param(
            ["--role", "council_office", "--district", "council:40"],
            "layer council of City of Boston has no district '40': it has 1, 2, 3, 4, 5, 6, 7, 8, 9",
            id="unknown-district",
        ),
    ],
)
def test_a_role_that_cannot_be_is_not_given(run: Run, ann: str, look: Look, words: list[str], message: str):
    assert told(run("user", "grant", ann, *BOSTON, *words)) == message
    assert look(GRANTS) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--role", "king", *BOSTON], "'king' is not one of", id="no-such-role"),
        pytest.param(["--role", "call_taker"], "Missing option '--jurisdiction'", id="no-city"),
        pytest.param(["--role", "council_office", *BOSTON, "--district", "4"], "must be LAYER:CODE", id="no-layer"),
        pytest.param(["--role", "council_office", *BOSTON, "--district", "council:"], "must be LAYER:CODE", id="no-code"),
    ],
)
def test_a_role_that_is_typed_wrongly_is_not_given(run: Run, ann: str, look: Look, words: list[str], message: str):
    assert message in usage(run("user", "grant", ann, *words))
    assert look(GRANTS) == []


def test_a_department_of_another_city_is_not_given(run: Run, ann: str, look: Look):
    theirs = look(SEATTLES)[0].code

    message = told(run("user", "grant", ann, "--role", "department", *BOSTON, "--department", theirs))

    assert message == f"no department or unit of the city has the code {theirs}"
    assert look(GRANTS) == []


def test_a_role_is_given_once(run: Run, ann: str, look: Look):
    good(run("user", "grant", ann, "--role", "call_taker", *BOSTON))

    assert told(run("user", "grant", ann, "--role", "call_taker", *BOSTON)) == "ann@city.gov has that role already"
    assert len(look(GRANTS)) == 1


def test_a_role_is_taken_away_and_the_others_stay(run: Run, ann: str, look: Look):
    good(run("user", "grant", ann, "--role", "council_office", *BOSTON, "--district", "council:4"))
    good(run("user", "grant", ann, "--role", "council_office", *BOSTON, "--district", "council:5"))
    good(run("user", "grant", ann, "--role", "call_taker", "--jurisdiction", "seattle.gov"))

    said = good(run("user", "revoke-grant", ann, "--role", "council_office", *BOSTON, "--district", "council:4"))

    assert said == "ann@city.gov is not council office of council:4 in boston.gov any more\n"
    assert [(row.slug, row.boundary_code) for row in look(GRANTS)] == [("boston.gov", "5"), ("seattle.gov", None)]


def test_a_role_that_is_not_there_cannot_be_taken_away(run: Run, ann: str):
    message = told(run("user", "revoke-grant", ann, "--role", "call_taker", *BOSTON))

    assert message == "ann@city.gov does not have that role (open311 user list shows those it has)"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["grant", "--role", "call_taker", *BOSTON], id="grant"),
        pytest.param(["revoke-grant", "--role", "call_taker", *BOSTON], id="revoke-grant"),
        pytest.param(["disable"], id="disable"),
        pytest.param(["enable"], id="enable"),
        pytest.param(["password", "--password-stdin"], id="password"),
    ],
)
def test_an_address_without_an_account_is_told(run: Run, words: list[str]):
    verb, *options = words

    assert told(run("user", verb, "Bob@city.gov", *options, input=PASSWORD)) == "no account has the e-mail address bob@city.gov"


def test_a_city_that_is_not_here_is_told(run: Run, ann: str):
    message = told(run("user", "grant", ann, "--role", "call_taker", "--jurisdiction", "atlantis.gov"))

    assert message == "no city here has the jurisdiction_id atlantis.gov"


def test_an_account_is_stopped_and_goes_on(run: Run, ann: str, look: Look):
    assert good(run("user", "disable", ann)) == "disabled ann@city.gov\n"
    assert "disabled" in good(run("user", "list"))
    assert look("select is_active from account")[0].is_active is False

    assert good(run("user", "enable", ann)) == "enabled ann@city.gov\n"

    assert "disabled" not in good(run("user", "list"))
    assert look("select is_active from account")[0].is_active is True


def test_a_new_password_ends_a_lock_out(run: Run, ann: str, look: Look):
    look("update account set failed_logins = 10, locked_until = now() + interval '15 minutes' returning 1")
    assert "locked until" in good(run("user", "list"))

    assert good(run("user", "password", ann, "--password-stdin", input=PASSWORD)) == "ann@city.gov has a new password\n"

    (row,) = look("select * from account")
    assert matches(row.password_hash, PASSWORD)
    assert (row.failed_logins, row.locked_until) == (0, None)
    assert "locked" not in good(run("user", "list"))


def test_a_short_password_leaves_the_old_one(run: Run, ann: str, look: Look):
    good(run("user", "password", ann, "--password-stdin", input=PASSWORD))

    assert "must have 12 to 1000 characters" in told(run("user", "password", ann, "--password-stdin", input="short"))

    assert matches(look("select password_hash from account")[0].password_hash, PASSWORD)


@pytest.mark.parametrize("verb", ["disable", "password"])
def test_who_is_stopped_or_has_a_new_password_is_signed_out(run: Run, ann: str, look: Look, verb: str):
    look("insert into account_session select '\\x00', id, now(), now() + interval '1 hour' from account returning 1")

    good(run("user", verb, ann, *(["--password-stdin"] if verb == "password" else []), input=PASSWORD))

    assert look("select 1 from account_session") == []


def test_a_list_shows_how_each_signs_in(run: Run, ann: str, look: Look):
    good(run("user", "create", "bob@city.gov", "--name", "Bob", "--password-stdin", input=PASSWORD))
    look("update account set oidc_issuer = 'https://id.city.gov', oidc_subject = '7' where name = 'Bob' returning 1")

    listed = [" ".join(line.split()) for line in good(run("user", "list")).splitlines()]

    assert "none OpenID Connect, not yet" in listed[1]
    assert "none password, OpenID Connect" in listed[2]


def test_who_did_what_to_accounts_and_keys_is_kept(run: Run, ann: str):
    good(run("user", "grant", ann, "--role", "call_taker", *BOSTON, "--by", "Root"))
    secret = good(run("key", "create", "an app", *BOSTON, "--by", "Root")).strip()
    good(run("key", "revoke", secret[:12], "--by", "Root"))

    lines = good(run("user", "log")).splitlines()[1:]

    assert [line.split("  ")[1].strip() for line in lines[:3]] == ["Root"] * 3
    assert [kind in line for line, kind in zip(lines, KINDS, strict=True)] == [True] * 4
    assert all(said in lines[2] for said in ("account ann@city.gov", "role call taker", "city boston.gov"))
    assert secret not in "".join(lines)
