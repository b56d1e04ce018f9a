"""open311 follower and message: who is told, what they were told, and what is sent again."""

import psycopg
import pytest

from tests.cli.conftest import Look, Run, good, told, usage

HERE = ("--jurisdiction", "seattle.gov")


@pytest.fixture
def district(look: Look) -> str:
    """LAYER:CODE of a district of Seattle."""
    (row,) = look(
        "select b.code from boundary b join layer l on l.id = b.layer_id join jurisdiction j on j.id = b.jurisdiction_id"
        " where j.slug = 'seattle.gov' and l.code = 'council' order by b.code limit 1"
    )
    return f"council:{row.code}"


def test_a_council_office_is_entered_listed_and_stopped(run: Run, look: Look, district: str):
    assert "clerk@seattle.gov" in good(run("follower", "add", "clerk@seattle.gov", "--district", district, *HERE))
    (row,) = look("select id, rhythm, confirmed_at is not null as is_told from follower")
    assert (row.rhythm, row.is_told) == ("week", True)
    listed = good(run("follower", "list", *HERE))
    assert "is told" in listed
    assert "c…@seattle.gov" in listed
    assert "clerk@" not in listed
    assert look("select count(*) from person_use") == [(0,)]
    assert "clerk@seattle.gov" in good(run("follower", "list", *HERE, "--reason", "he called", "--by", "Ann"))
    (use,) = look("select kind, facts from person_use")
    assert (use.kind, use.facts) == ("read", {"reason": "he called", "of": "followers", "by": "Ann"})

    good(run("follower", "stop", row.id, *HERE))

    assert "stopped" in good(run("follower", "list", *HERE))
    assert look("select count(*) from message") == [(0,)]


def test_who_had_stopped_is_told_again_when_entered_anew(run: Run, look: Look, own_url: str):
    ann = ("follower", "add", "ann@example.org", "--request")
    number = good(
        run("request", "receive", *HERE, "--channel", "phone", "--service-code", "graffiti", "--lat", 47.56, "--long", -122.38)
    ).strip()
    good(run(*ann, number, *HERE))
    assert "already" in told(run(*ann, number, *HERE))
    (row,) = look("select id from follower")
    good(run("follower", "stop", row.id, *HERE))

    good(run(*ann, number, *HERE))

    assert look("select stopped_at is null as a, confirmed_at is not null as b from follower") == [(True, True)]


def test_a_circle_is_entered(run: Run, look: Look):
    good(run("follower", "add", "ann@example.org", "--around", 47.6, -122.3, 300, "--rhythm", "day", *HERE))

    assert look("select radius_metres, rhythm from follower") == [(300, "day")]


def test_what_cannot_be_followed_is_refused(run: Run, look: Look):
    assert "one of" in usage(run("follower", "add", "ann@example.org", *HERE))
    assert "LAYER:CODE" in usage(run("follower", "add", "ann@example.org", "--district", "council", *HERE))
    assert "degrees" in usage(run("follower", "add", "ann@example.org", "--around", 95, 0, 10, *HERE))
    assert "degrees" in usage(run("follower", "add", "ann@example.org", "--around", 47, -122, 9999, *HERE))
    assert "council:none" in told(run("follower", "add", "ann@example.org", "--district", "council:none", *HERE))
    assert "one e-mail address" in told(run("follower", "add", "ann", "--around", 47, -122, 10, *HERE))
    assert "no-such" in told(run("follower", "add", "ann@example.org", "--request", "no-such", *HERE))
    assert "no follower 7" in told(run("follower", "stop", 7, *HERE))
    assert look("select count(*) from follower") == [(0,)]


def test_dead_messages_are_shown_and_sent_again(run: Run, look: Look, own_url: str):
    good(run("follower", "add", "ann@example.org", "--around", 47.6, -122.3, 300, *HERE))
    with psycopg.connect(own_url, autocommit=True) as connection:
        connection.execute(
            "insert into message (jurisdiction_id, follower_id, at, event, facts, subject, body, state, attempts, error)"
            " select jurisdiction_id, id, now(), 'digest', '{}', 'A [red] subject', 'The text', state, 10, '550 no such user'"
            " from follower, (values ('dead'), ('dead'), ('sent')) each (state)"
        )

    listed = good(run("message", "list", "--state", "dead", *HERE))
    assert listed.count("550 no such user") == 2
    assert "ann@" not in listed
    assert "--reason" in usage(run("message", "list", "--whole", *HERE))
    whole = good(run("message", "list", "--whole", "--most", 1, "--reason", "she asked", *HERE))
    assert "to ann@example.org\nSubject: A [red] subject\n\nThe text" in whole
    first, second = look("select id from message where state = 'dead' order by id")
    assert "again: 1" in good(run("message", "replay", first.id, *HERE))
    assert [row.state for row in look("select state from message order by id")] == ["waiting", "dead", "sent"]
    assert "again: 1" in good(run("message", "replay", *HERE))
    assert look("select distinct attempts from message where state = 'waiting'") == [(0,)]
    jobs = look("select args from procrastinate_jobs where task_name = 'send_message' order by id")
    assert [row.args["message_id"] for row in jobs] == [first.id, second.id]
    assert "again: 0" in good(run("message", "replay", *HERE))
