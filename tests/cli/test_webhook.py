"""open311 webhook: a secret shown once, a list that never shows it, and an end."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run, good, told, usage
from tests.small_city import SmallCity

Look = Callable[[str], list[Any]]
URL = "http://127.0.0.1:9/hook"
OF = ("--jurisdiction", "small.gov")


@pytest.fixture
def small(run: Run, folder: SmallCity, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Smallville, whose webhooks may go to this machine."""
    monkeypatch.setenv("OPEN311_WEBHOOK_NETWORKS", "127.0.0.0/8")
    good(run("city", "load", folder.path))
    return run


def test_add_prints_the_secret_once_and_the_list_does_not(small: Run, look: Look):
    asked = (
        "--department",
        "WORKS",
        "--service-code",
        "pothole",
        "--district",
        "ward:W",
        "--event",
        "closed",
        "--event",
        "routed",
    )
    secret = good(small("webhook", "add", "works", URL, *OF, *asked, "--by", "Ann")).strip()
    listed = good(small("webhook", "list", *OF))

    assert secret.startswith("whsec_")
    assert len(secret.split()) == 1
    assert look("select secret from webhook")[0].secret == secret
    assert secret not in listed
    assert listed.split()[listed.split().index("works") :][:6] == ["works", URL, "WORKS", "pothole", "ward:W", "closed,"]
    assert "webhook added" in good(small("user", "log"))


def test_a_webhook_of_everything_says_so(small: Run):
    good(small("webhook", "add", "all", URL, *OF))

    assert good(small("webhook", "list", *OF)).splitlines()[-1].split()[1:6] == [URL, "all", "all", "all", "all"]


def test_what_is_told_stands_among_the_messages(small: Run):
    good(small("webhook", "add", "works", URL, *OF, "--by", "Ann"))
    taken = ("--channel", "phone", "--service-code", "tree", "--lat", "42.35", "--long", "-71.15", "--by", "Ann")
    good(small("request", "receive", *OF, *taken))

    row = good(small("message", "list", *OF)).splitlines()
    assert any("received" in line and "works" in line and "waiting" in line for line in row)


def test_a_webhook_is_stopped_once(small: Run):
    good(small("webhook", "add", "all", URL, *OF))

    assert good(small("webhook", "stop", "all", *OF)) == "stopped all\n"
    assert told(small("webhook", "stop", "all", *OF)) == "the city tells no webhook all"
    assert told(small("webhook", "add", "all", URL, *OF)) == "the city has, or had, a webhook all already"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["a b", URL], "letters, digits, - and _ only", id="code"),
        pytest.param(["a", "hooks.city.gov"], "url must be like https://host/path", id="no-url"),
        pytest.param(["a", "https://10.0.0.1/"], "10.0.0.1 is not public: OPEN311_WEBHOOK_NETWORKS", id="inside"),
        pytest.param(["a", "http://8.8.8.8/"], "url must begin with https://", id="no-tls"),
        pytest.param(["a", "https://ann:secret@8.8.8.8/"], "no user, password or fragment", id="password"),
        pytest.param(["a", "https://nowhere.invalid/"], "nowhere.invalid has no address", id="no-host"),
        pytest.param(
            ["a", URL, "--department", "NONE"], "no department or unit of the city has the code NONE", id="department"
        ),
        pytest.param(["a", URL, "--service-code", "none"], "no active service has the service_code none", id="service"),
        pytest.param(["a", URL, "--district", "ward:Z"], "the city has no district ward:Z", id="district"),
    ],
)
def test_a_webhook_that_cannot_be_is_not_made(small: Run, look: Look, words: list[str], message: str):
    assert message in told(small("webhook", "add", *words, *OF))
    assert look("select 1 from webhook") == []


def test_an_event_that_there_is_not_is_told(small: Run):
    assert "'burnt' is not one of" in usage(small("webhook", "add", "a", URL, *OF, "--event", "burnt"))


def test_a_network_that_is_none_ends_a_command(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPEN311_WEBHOOK_NETWORKS", "home")

    assert told(run("webhook", "list", *OF)).startswith("OPEN311_WEBHOOK_NETWORKS must be like")
