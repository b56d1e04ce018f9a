"""Settings: read once, refused when they cannot be used, and all of them documented."""

from dataclasses import fields

import pytest

from open311.config import CHECKOUT, BadSetting, Settings


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("OPEN311_POOL_SIZE", "0", "OPEN311_POOL_SIZE must be at least 1, got 0", id="no-connections"),
        pytest.param("OPEN311_MAX_PAGE_ROWS", "0", "OPEN311_MAX_PAGE_ROWS must be at least 1, got 0", id="empty-pages"),
        pytest.param("OPEN311_POOL_SIZE", "many", "must be a whole number, got 'many'", id="no-number"),
        pytest.param("OPEN311_GEOCODER_URL", "nominatim", "must be like https://host/search", id="no-scheme"),
        pytest.param("OPEN311_GEOCODER_URL", "http://host:port/", "must be like https://host/search", id="no-port"),
        pytest.param("OPEN311_GEOCODER_URL", "file:///etc/passwd", "must be like https://host/search", id="no-http"),
        pytest.param("SECRET_KEY", "x" * 31, "SECRET_KEY must have 32 characters at least, got 31", id="short-secret"),
        pytest.param("OPEN311_OIDC_ISSUER", "http://id.city.gov", "must be like https://id.city.gov", id="no-tls"),
        pytest.param("OPEN311_OIDC_ISSUER", "id.city.gov", "must be like https://id.city.gov", id="no-provider"),
        pytest.param(
            "OPEN311_OIDC_CLIENT_ID", "d311", "OPEN311_OIDC_ISSUER and OPEN311_OIDC_CLIENT_SECRET must be set too", id="alone"
        ),
        pytest.param("OPEN311_ENDPOINT_TYPE", "beta", "must be production or test, got 'beta'", id="no-such-type"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        Settings.from_environment({name: text})


def test_no_limit_is_a_limit_of_nought_days() -> None:
    assert Settings.from_environment({"OPEN311_MAX_SPAN_DAYS": "0"}).max_span_days == 0


def test_the_table_of_settings_says_what_is_so() -> None:
    lines = (CHECKOUT / "docs" / "settings.md").read_text().splitlines()

    for each in fields(Settings):
        default = f"`{each.default}`" if each.default != "" else ""
        assert f"| `{each.metadata['name']}` | {default} | {each.metadata['about']} |" in lines


def test_a_secret_is_not_told_when_it_cannot_be_used() -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.from_environment({"SECRET_KEY": "hunter2"})

    assert "hunter2" not in str(refused.value)
