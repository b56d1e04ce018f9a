"""Every setting, with its unit and default."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from db.cluster import demo_cluster, var_directory

Network = IPv4Network | IPv6Network
CHECKOUT = Path(__file__).resolve().parent.parent


class BadSetting(ValueError):
    """A setting whose value cannot be used."""


def _setting(name: str, default: Any, about: str) -> Any:
    return field(default=default, metadata={"name": name, "about": about})


_MIN_SECRET_KEY_CHARACTERS = 32
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=-]+)*/?")
_MAIL_FROM = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")
_OF_TILES = ("{z}", "{x}", "{y}")
_MAY_BE_ZERO = ("max_span_days", "fragment_bytes", "cities_max_age_seconds")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process, read from the environment once.  docs/settings.md is made from this table."""

    database_url: str = _setting(
        "DATABASE_URL", "", "PostgreSQL with PostGIS, `postgresql://…`; unset: the private cluster of this checkout"
    )
    secret_key: str = _setting(
        "SECRET_KEY",
        "",
        "what signs the cookie of staff, links and forms of the pages, 32 characters or more, the same for every process; "
        "unset: nobody can sign in, report or follow on a page (script/server makes one)",
    )
    default_jurisdiction: str = _setting(
        "OPEN311_DEFAULT_JURISDICTION",
        "",
        "the jurisdiction_id meant when a call names none, when it is loaded (script/server: boston.gov)",
    )
    public_url: str = _setting(
        "OPEN311_PUBLIC_URL",
        "",
        "scheme and host under which clients see the service; unset: those of each call, and commands and the worker, "
        "which get none, write the photos kept here as paths",
    )
    endpoint_type: str = _setting("OPEN311_ENDPOINT_TYPE", "production", "`production` or `test`, as discovery says it")
    media_dir: str = _setting("OPEN311_MEDIA_DIR", "", "folder of the photos; unset: `var/media` of the checkout")
    media_store: str = _setting(
        "OPEN311_MEDIA_STORE",
        "",
        "`s3://bucket` or `s3://bucket/prefix` where photos are kept instead, reached by the usual `AWS_*` variables; "
        "unset: that folder",
    )
    open_data_dir: str = _setting(
        "OPEN311_OPEN_DATA_DIR", "", "folder of the nightly snapshots of open data; unset: `var/open-data` of the checkout"
    )
    open_data_kept: int = _setting("OPEN311_OPEN_DATA_KEPT", 3, "how many snapshots of a city are kept")
    open_data_licence: str = _setting(
        "OPEN311_OPEN_DATA_LICENCE",
        "CC0-1.0",
        "licence of the open data: its name in the SPDX list, or the address of its text",
    )
    pool_size: int = _setting("OPEN311_POOL_SIZE", 8, "database connections a web process holds at most; one a thread")
    max_body_bytes: int = _setting("OPEN311_MAX_BODY_BYTES", 16 * 2**20, "largest body of a POST, in bytes")
    max_form_fields: int = _setting("OPEN311_MAX_FORM_FIELDS", 1000, "most fields in one form")
    max_photo_pixels: int = _setting("OPEN311_MAX_PHOTO_PIXELS", 40_000_000, "largest photo, in pixels (width × height)")
    max_photos: int = _setting("OPEN311_MAX_PHOTOS", 10, "most photos and documents in one request or update")
    max_file_bytes: int = _setting("OPEN311_MAX_FILE_BYTES", 16 * 2**20, "largest photo or document, in bytes")
    max_span_days: int = _setting("OPEN311_MAX_SPAN_DAYS", 90, "longest start_date to end_date, in days; 0: no limit")
    max_page_rows: int = _setting("OPEN311_MAX_PAGE_ROWS", 1000, "most requests in one answer")
    fragment_bytes: int = _setting(
        "OPEN311_FRAGMENT_BYTES",
        16 * 2**20,
        "bytes of rendered requests a process holds for lists (twice that at most); 0: none",
    )
    cities_max_age_seconds: int = _setting(
        "OPEN311_CITIES_MAX_AGE_SECONDS", 2, "how long a process may hold on to a city's own row, in seconds"
    )
    geocoder_url: str = _setting(
        "OPEN311_GEOCODER_URL",
        "",
        "search endpoint of a geocoder like Nominatim, asked for addresses that the city's table does not know; unset: none is",
    )
    geocoder_timeout_seconds: int = _setting(
        "OPEN311_GEOCODER_TIMEOUT_SECONDS", 2, "how long the geocoder may take for an answer, in seconds"
    )
    tile_url: str = _setting(
        "OPEN311_TILE_URL",
        "",
        "pictures that maps of the pages lie on, `https://tiles.city.gov/{z}/{x}/{y}.png`; unset: the city's own districts and "
        "streets, and no request leaves this service",
    )
    pmtiles_path: str = _setting(
        "OPEN311_PMTILES_PATH", "", "PMTiles file that maps lie on instead, of pictures or of Protomaps' vector tiles"
    )
    tile_attribution: str = _setting(
        "OPEN311_TILE_ATTRIBUTION", "", "who made what maps lie on, as the maps say it; needed with either of these two"
    )
    mail_url: str = _setting(
        "OPEN311_MAIL_URL",
        "",
        "mail server by which people are told, `smtp://user:password@host:587` or `smtps://…`; unset: messages go to the log",
    )
    mail_from: str = _setting("OPEN311_MAIL_FROM", "", "address that messages come from; needed with a mail server")
    webhook_networks: str = _setting(
        "OPEN311_WEBHOOK_NETWORKS",
        "",
        "networks that webhooks may be sent to though they are not public, and by `http://`, such as `10.1.0.0/16,fd00::/8`; "
        "unset: public addresses alone, by `https://`",
    )
    oidc_issuer: str = _setting(
        "OPEN311_OIDC_ISSUER", "", "identity provider by which staff may sign in, `https://…`; unset: by password only"
    )
    oidc_client_id: str = _setting("OPEN311_OIDC_CLIENT_ID", "", "how the identity provider knows this service")
    oidc_client_secret: str = _setting("OPEN311_OIDC_CLIENT_SECRET", "", "what this service proves that with")

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least = getattr(self, each.name), 0 if each.name in _MAY_BE_ZERO else 1
            if each.type is int and value < least:
                raise BadSetting(f"{each.metadata['name']} must be at least {least}, got {value}")
        if self.endpoint_type not in ("production", "test"):
            raise BadSetting(f"OPEN311_ENDPOINT_TYPE must be production or test, got {self.endpoint_type!r}")
        if self.media_store and not _BUCKET.fullmatch(self.media_store):
            raise BadSetting(f"OPEN311_MEDIA_STORE must be like s3://bucket/prefix, got {self.media_store!r}")
        if self.geocoder_url and not _is_url(self.geocoder_url, "http", "https"):
            raise BadSetting(f"OPEN311_GEOCODER_URL must be like https://host/search, got {self.geocoder_url!r}")
        if self.tile_url and not (_is_url(self.tile_url, "http", "https") and all(each in self.tile_url for each in _OF_TILES)):
            raise BadSetting(f"OPEN311_TILE_URL must be like https://host/{{z}}/{{x}}/{{y}}.png, got {self.tile_url!r}")
        if self.tile_url and self.pmtiles_path:
            raise BadSetting("OPEN311_TILE_URL and OPEN311_PMTILES_PATH: set one of them")
        if bool(self.tile_url or self.pmtiles_path) != bool(self.tile_attribution):
            raise BadSetting(
                "OPEN311_TILE_ATTRIBUTION must be set with OPEN311_TILE_URL or OPEN311_PMTILES_PATH, and only then"
            )
        if self.mail_url and not _is_url(self.mail_url, "smtp", "smtps"):
            # Without the value: it may hold a password.
            raise BadSetting("OPEN311_MAIL_URL must be like smtp://user:password@host:587 or smtps://host")
        if bool(self.mail_url) != bool(self.mail_from) or not _MAIL_FROM.fullmatch(self.mail_from or "a@b"):
            raise BadSetting("OPEN311_MAIL_FROM must be an address like 311@city.gov, set where OPEN311_MAIL_URL is")
        try:
            _networks(self.webhook_networks)
        except ValueError as error:
            raise BadSetting(f"OPEN311_WEBHOOK_NETWORKS must be like 10.1.0.0/16,fd00::/8: {error}") from None
        if self.secret_key and len(self.secret_key) < _MIN_SECRET_KEY_CHARACTERS:
            # Without the value, which is a secret.
            raise BadSetting(
                f"SECRET_KEY must have {_MIN_SECRET_KEY_CHARACTERS} characters at least, got {len(self.secret_key)}"
            )
        if self.oidc_issuer and not _is_trusted(self.oidc_issuer):
            raise BadSetting(f"OPEN311_OIDC_ISSUER must be like https://id.city.gov, got {self.oidc_issuer!r}")
        together = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
        missing = [each.metadata["name"] for each in fields(self) if each.name in together and not getattr(self, each.name)]
        if 0 < len(missing) < len(together):
            raise BadSetting(f"{' and '.join(missing)} must be set too: OpenID Connect takes all three")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Settings from environment variables; raises BadSetting naming the variable and what would do."""
        given: dict[str, Any] = {}
        for each in fields(cls):
            name = each.metadata["name"]
            text = environment.get(name, "").strip()
            if not text:
                continue
            if each.type is int:
                if not text.isdecimal():
                    raise BadSetting(f"{name} must be a whole number, got {text!r}")
                given[each.name] = int(text)
            else:
                given[each.name] = text
        return cls(**given)

    @property
    def libpq_url(self) -> str:
        """The database as the driver wants it: `postgresql://…`."""
        url = self.database_url or demo_cluster(CHECKOUT).url("dispatch311")
        scheme, _, rest = url.partition("://")
        if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
            raise BadSetting(f"DATABASE_URL must begin with postgresql://, got {scheme}://")
        try:
            make_url(f"postgresql://{rest}")
        except (ArgumentError, ValueError):
            # Without the value: it may hold a password.
            raise BadSetting("DATABASE_URL must be like postgresql://user:password@host:5432/name") from None
        return f"postgresql://{rest}"

    @property
    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy wants it: `postgresql+psycopg://…`."""
        return self.libpq_url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def networks_of_webhooks(self) -> tuple[Network, ...]:
        """The networks that webhooks may be sent to though they are not public."""
        return _networks(self.webhook_networks)

    @property
    def media_folder(self) -> Path:
        """Where photos are kept that are kept in no bucket."""
        return Path(self.media_dir) if self.media_dir else var_directory(CHECKOUT) / "media"

    @property
    def open_data_folder(self) -> Path:
        """Where snapshots of open data are kept, from the root: what serves a file would seek it beside the code."""
        return Path(self.open_data_dir).absolute() if self.open_data_dir else var_directory(CHECKOUT) / "open-data"


def _is_url(text: str, *schemes: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number
        return False


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def _is_trusted(text: str) -> bool:
    """Whether it is reached by TLS, or without leaving the machine."""
    return _is_url(text, "http", "https") and (
        text.startswith("https://") or urlsplit(text).hostname in ("127.0.0.1", "::1", "localhost")
    )


def settings() -> Settings:
    """The settings of the application at work."""
    found = current_app.config["OPEN311"]
    assert isinstance(found, Settings)
    return found
