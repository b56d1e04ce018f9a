"""open311 key: a secret shown once, a list that never shows it, and an end."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from open311.actors import NOTE, RECEIVE, SET_STATUS, Actor, allows
from open311.keys import KeyRefused, check_key
from tests.cli.conftest import Run, told, usage

Look = Callable[[str], list[Any]]
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def city_id(look: Look) -> int:
    """Boston's id."""
    return int(look("select id from jurisdiction where slug = 'boston.gov'")[0].id)


def use(url: str, secret: str, city_id: int, *, needs: str = "report", now: datetime = NOW) -> Actor:
    """Use the key as a POST does."""
    with psycopg.connect(url) as connection:
        return check_key(connection, secret, jurisdiction_id=city_id, needs=needs, origin=None, now=now)


def test_create_prints_the_secret_and_nothing_else(run: Run):
    result = run("key", "create", "portal")

    assert result.exit_code == 0
    assert result.stdout.startswith("d311-")
    assert len(result.stdout.split()) == 1


def test_only_the_hash_of_a_secret_is_kept(run: Run, look: Look):
    secret = run("key", "create", "portal").stdout.strip()

    (row,) = look("select * from api_key")

    assert row.digest == hashlib.sha256(secret.encode()).digest()
    assert not any(secret in str(value) for value in row)


def test_a_list_shows_how_a_key_begins_and_never_its_secret(run: Run):
    secret = run("key", "create", "portal", "--jurisdiction", "boston.gov", "--origin", "https://city.gov").stdout.strip()

    listed = run("key", "list").stdout

    assert secret not in listed
    assert secret[:12] in listed
    assert all(text in listed for text in ("portal", "boston.gov", "https://city.gov", "never"))
    assert "seattle.gov" not in listed


def test_a_key_of_no_city_and_no_origin_is_listed_as_good_everywhere(run: Run):
    run("key", "create", "portal")

    row = run("key", "list").stdout.splitlines()[-1].split()

    assert row[1:6] == ["portal", "report", "all", "all", "any"]


def test_a_name_is_listed_as_it_was_given(run: Run):
    run("key", "create", "portal [test] :smile: [/x]")

    assert "portal [test] :smile: [/x]" in run("key", "list").stdout


def test_the_list_shows_when_a_key_was_last_used(run: Run, own_url: str, city_id: int):
    secret = run("key", "create", "portal").stdout.strip()
    use(own_url, secret, city_id, now=datetime(2030, 1, 31, 9, 30, tzinfo=UTC))

    listed = run("key", "list").stdout

    assert "2030-01-31T09:30:00Z" in listed
    assert "never" not in listed


def test_the_use_of_a_key_is_recorded_to_the_minute(run: Run, own_url: str, city_id: int, look: Look):
    secret = run("key", "create", "portal").stdout.strip()

    for seconds in (0, 59, 60):
        use(own_url, secret, city_id, now=NOW + timedelta(seconds=seconds))
        if seconds == 59:
            (before,) = look("select last_used_at from api_key")

    (after,) = look("select last_used_at from api_key")
    assert (before.last_used_at, after.last_used_at) == (NOW, NOW + timedelta(minutes=1))


def test_a_key_of_one_city_is_refused_in_another(run: Run, own_url: str, city_id: int):
    secret = run("key", "create", "portal", "--jurisdiction", "seattle.gov").stdout.strip()

    with pytest.raises(KeyRefused, match="not good for this jurisdiction"):
        use(own_url, secret, city_id)


def test_a_revoked_key_is_refused(run: Run, own_url: str, city_id: int):
    secret = run("key", "create", "portal").stdout.strip()
    use(own_url, secret, city_id)

    result = run("key", "revoke", secret[:12])

    assert (result.exit_code, result.stdout) == (0, "revoked portal\n")
    with pytest.raises(KeyRefused, match="api_key is not known"):
        use(own_url, secret, city_id)


def test_a_key_can_be_revoked_by_the_whole_of_it_and_the_others_stay(run: Run, own_url: str, city_id: int):
    first, second = (run("key", "create", name).stdout.strip() for name in ("first", "second"))

    run("key", "revoke", first)

    assert use(own_url, second, city_id).name == "second"
    with pytest.raises(KeyRefused):
        use(own_url, first, city_id)


def test_a_key_that_is_revoked_already_cannot_be_revoked_again(run: Run):
    secret = run("key", "create", "portal").stdout.strip()
    run("key", "revoke", secret)

    assert told(run("key", "revoke", secret)) == f"not one good key begins with {secret[:12]}"


def test_a_prefix_that_no_key_has_is_told(run: Run):
    assert told(run("key", "revoke", "d311-nothing")) == "not one good key begins with d311-nothing"


def test_a_prefix_that_two_keys_have_revokes_neither(run: Run, look: Look, own_url: str):
    secret = run("key", "create", "first").stdout.strip()
    run("key", "create", "second")
    with psycopg.connect(own_url) as connection:
        connection.execute("update api_key set prefix = %s", (secret[:12],))

    message = told(run("key", "revoke", secret[:12]))

    assert message == f"not one good key begins with {secret[:12]}"
    assert [row.revoked_at for row in look("select revoked_at from api_key")] == [None, None]


def test_a_whole_key_revokes_itself_whatever_else_begins_so(run: Run, look: Look, own_url: str):
    secret = run("key", "create", "first").stdout.strip()
    run("key", "create", "second")
    with psycopg.connect(own_url) as connection:
        connection.execute("update api_key set prefix = %s", (secret[:12],))

    assert run("key", "revoke", secret).stdout == "revoked first\n"
    assert told(run("key", "revoke", secret[:-1] + ("0" if secret[-1] != "0" else "1"))).startswith("not one good key")
    assert [row.name for row in look("select name from api_key where revoked_at is null")] == ["second"]


def test_a_key_without_a_name_is_not_made(run: Run, look: Look):
    assert run("key", "create", " \x1b ").exit_code == 2
    assert look("select 1 from api_key") == []


def test_a_key_for_an_unknown_city_is_not_made(run: Run, look: Look):
    message = told(run("key", "create", "portal", "--jurisdiction", "atlantis.gov"))

    assert message == "no city here has the jurisdiction_id atlantis.gov"
    assert look("select 1 from api_key") == []


def test_a_key_reports_and_no_more_unless_it_is_said(run: Run, own_url: str, city_id: int):
    secret = run("key", "create", "portal").stdout.strip()

    actor = use(own_url, secret, city_id)

    assert (actor.kind, actor.name, allows(actor, RECEIVE), allows(actor, SET_STATUS)) == ("key", "portal", True, False)
    with pytest.raises(KeyRefused, match="not good for updates, only for report"):
        use(own_url, secret, city_id, needs="updates")


def test_a_key_for_updates_sets_statuses_in_its_city_and_reports_nothing(run: Run, own_url: str, city_id: int):
    secret = run("key", "create", "crews", "--scope", "updates").stdout.strip()

    actor = use(own_url, secret, city_id, needs="updates")

    assert [allows(actor, action) for action in (NOTE, SET_STATUS, RECEIVE)] == [True, True, False]
    with pytest.raises(KeyRefused, match="not good for report, only for updates"):
        use(own_url, secret, city_id)


def test_a_key_of_every_scope_is_good_for_both(run: Run, own_url: str, city_id: int, look: Look):
    secret = run("key", "create", "both", "--scope", "updates", "--scope", "report", "--scope", "report").stdout.strip()

    assert use(own_url, secret, city_id) == use(own_url, secret, city_id, needs="updates")
    assert [row.scopes for row in look("select scopes from api_key")] == [["report", "updates"]]


def test_a_key_of_a_department_updates_what_that_and_its_units_answer_for(run: Run, own_url: str, city_id: int, look: Look):
    kin = look("""
        select u.id, u.code, p.id as parent_id, p.code as parent from department u
        join department p on p.jurisdiction_id = u.jurisdiction_id and p.id = u.parent_id order by u.id limit 1
    """)[0]
    of_boston = ("--scope", "updates", "--jurisdiction", "boston.gov")
    for code in (kin.code, kin.parent):
        secret = run("key", "create", "crews", *of_boston, "--department", code).stdout.strip()

        actor = use(own_url, secret, city_id, needs="updates")

        assert allows(actor, SET_STATUS, department_ids=[kin.id]) and allows(actor, SET_STATUS, department_ids=[kin.parent_id])
        assert not allows(actor, SET_STATUS, department_ids=[0])


def test_the_list_shows_scopes_and_department(run: Run, look: Look):
    code = look("select d.code from department d join jurisdiction j on j.id = jurisdiction_id where slug = 'boston.gov'")[
        0
    ].code
    run("key", "create", "crews", "--scope", "updates", "--jurisdiction", "boston.gov", "--department", code)

    row = run("key", "list").stdout.splitlines()[-1].split()

    assert row[1:6] == ["crews", "updates", "boston.gov", code, "any"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--scope", "everything"], "'everything' is not one of 'report', 'updates'", id="no-such-scope"),
        pytest.param(["--scope", "updates", "--department", "PWDx"], "name it with --jurisdiction", id="no-city"),
        pytest.param(
            ["--scope", "updates", "--department", "PWDx", "--jurisdiction", "boston.gov", "--jurisdiction", "seattle.gov"],
            "is of one city",
            id="two-cities",
        ),
        pytest.param(["--department", "PWDx", "--jurisdiction", "boston.gov"], "add --scope updates", id="reports-only"),
    ],
)
def test_scopes_that_cannot_be_are_not_made(run: Run, look: Look, words: list[str], message: str):
    assert message in usage(run("key", "create", "crews", *words))
    assert look("select 1 from api_key") == []


def test_a_department_of_another_city_is_told(run: Run, look: Look):
    theirs = look("""
        select d.code from department d join jurisdiction j on j.id = d.jurisdiction_id where slug = 'seattle.gov'
        and d.code not in (select code from department where jurisdiction_id <> d.jurisdiction_id)
    """)[0].code

    message = told(run("key", "create", "crews", "--scope", "updates", "--jurisdiction", "boston.gov", "--department", theirs))

    assert message == f"no department or unit of the city has the code {theirs}"
    assert look("select 1 from api_key") == []
