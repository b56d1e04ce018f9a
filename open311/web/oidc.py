"""Signing in by OpenID Connect.  Source: OpenID Connect Core 1.0, authorization code flow; RFC 7636 (PKCE)."""

from typing import Any

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Response, abort, current_app, session
from flask import request as asked
from joserfc.errors import JoseError
from requests import RequestException

from db.driver import driver
from open311.api.access import public, public_url
from open311.config import Settings, settings
from open311.sign_in import Identity, account_of
from open311.web.access import DESK, require_secret_key, sign_in
from open311.web.login import to_page
from schemas.text import one_line

log = structlog.get_logger()

_TIMEOUT_SECONDS = 10
# Signed with a key of which only the provider has the private half.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_NEXT = "next"
# What the other side can send instead of what it should: Authlib takes it apart before it looks at it.
_FAULTS = (AuthlibBaseError, JoseError, RequestException, RuntimeError, ValueError, TypeError, KeyError, AttributeError)


class SignInRefused(PermissionError):
    """The identity provider, or the person there, did not want it; the message says what it said."""


class ProviderFault(RuntimeError):
    """The identity provider does not answer, or not as it should."""


def add_routes(desk: Blueprint) -> None:
    """The routes of this file."""
    desk.get("/login/oidc")(begin_oidc)
    desk.get("/login/oidc/callback")(end_oidc)


@public
def begin_oidc() -> Response:
    """GET /desk/login/oidc: 302 to the identity provider; 404 when none is set; 502; 503 without SECRET_KEY."""
    client = _client()
    # What other attempts left: a cookie holds little.
    for name in [name for name in session if name.startswith("_state_")]:
        del session[name]
    session[_NEXT] = asked.args.get("next", "")[:1000]
    try:
        _check_metadata(client)
        response: Response = client.authorize_redirect(f"{public_url()}{DESK}/login/oidc/callback")
    except _FAULTS as error:
        raise ProviderFault(str(error)) from error
    return response


@public
def end_oidc() -> Response:
    """GET /desk/login/oidc/callback: 303 to the page that was asked for; 403 nobody of ours; 404; 502; 503."""
    client = _client()
    if asked.args.get("error"):
        said = asked.args.get("error_description") or asked.args["error"]
        raise SignInRefused(f"the identity provider said {one_line(said)[:200]!r}")
    try:
        _check_metadata(client)
        identity = _identity(client)
    except MismatchingStateError:
        raise SignInRefused("it was begun in another window, or too long ago; please begin again") from None
    except _FAULTS as error:
        raise ProviderFault(str(error)) from error
    with driver.transaction() as connection:
        account_id = account_of(connection, identity)
    next_page = session.get(_NEXT, "")
    sign_in(account_id)
    log.info("signed in", account_id=account_id, by="OpenID Connect")
    return to_page(next_page)


def _identity(client: Any) -> Identity:
    """Who it is, by the ID token; where that does not tell the address, by what the provider tells of the same subject."""
    token = client.authorize_access_token()
    claims = token["userinfo"]
    told = claims
    if "email" not in claims and "userinfo_endpoint" in client.server_metadata:
        told = client.userinfo(token=token)
        if told.get("sub") != claims["sub"]:
            raise ValueError("the provider told of another subject than that of its ID token")
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=str(told.get("email") or ""),
        # Not the text "true", which others write as readily as "false".
        is_verified=told.get("email_verified") is True,
    )


def _client() -> Any:
    """Authlib's client of the provider, made once; it keeps what the provider publishes of itself.  404 when none is set."""
    require_secret_key()
    limits = settings()
    if not limits.oidc_issuer:
        abort(404)
    made = current_app.extensions.setdefault("open311.oidc", {})
    key = (limits.oidc_issuer, limits.oidc_client_id, limits.oidc_client_secret)
    if key not in made:
        made[key] = _made(limits)
    return made[key]


def _made(limits: Settings) -> Any:
    return OAuth(current_app).register(
        "oidc",
        server_metadata_url=f"{limits.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_id=limits.oidc_client_id,
        client_secret=limits.oidc_client_secret,
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "default_timeout": _TIMEOUT_SECONDS,
            # Used at once: one that is good for a minute only is good enough.
            "leeway": 0,
        },
    )


def _check_metadata(client: Any) -> None:
    """Raises ValueError unless the provider is the one that was set; leaves only algorithms that prove who signed."""
    metadata, issuer = client.load_server_metadata(), settings().oidc_issuer
    if str(metadata.get("issuer")).rstrip("/") != issuer.rstrip("/"):
        raise ValueError(f"{issuer} says that it is {metadata.get('issuer')}")
    name = "id_token_signing_alg_values_supported"
    metadata[name] = [each for each in metadata.get(name, ["RS256"]) if each in _ALGORITHMS]
