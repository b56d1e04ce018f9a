"""POST followers: be told of a request, a place or a district."""

from datetime import UTC, datetime

from flask import Blueprint, Response
from werkzeug.exceptions import ServiceUnavailable

from db.driver import driver
from open311.actors import Actor
from open311.api.access import with_key
from open311.api.form import Form
from open311.api.respond import FORMATS, respond
from open311.config import settings
from open311.jurisdictions import City
from open311.keys import REPORT
from open311.notify import following
from open311.notify.following import DIGESTS, MAX_RADIUS_METRES, NotAnAddress, Wish
from open311.notify.texts import LANGUAGES
from schemas import follower
from schemas.moment import whole_second
from schemas.problems import Problems


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.post(f"/followers.<{FORMATS}:format>")(create_follower)


@with_key(needs=REPORT)
def create_follower(form: Form, city: City, actor: Actor, format: str) -> Response:
    """POST /followers.{json,xml}.  Our extension.  200 a letter went out; 400; 403 key; 404 request or district unknown;
    429 too many letters; 503 no link can be signed.
    """
    if not settings().secret_key:
        raise ServiceUnavailable("nobody can follow anything here until the operator sets SECRET_KEY")
    asked, problems = follower.read(form.fields, languages=LANGUAGES, rhythms=DIGESTS, max_radius_metres=MAX_RADIUS_METRES)
    if asked is None:
        raise Problems(problems)
    wish = Wish(
        email=asked.email,
        language=asked.language,
        number=asked.number,
        point=asked.point,
        radius_metres=asked.radius_metres,
        district=asked.district,
        rhythm=asked.rhythm,
    )
    try:
        with driver.transaction() as connection:
            following.ask(connection, city, wish, now=whole_second(datetime.now(UTC)))
    except NotAnAddress as error:
        raise Problems([f"email must be one address, got {str(error)[:100]!r}"]) from None
    # The same for who follows it already: nobody learns by it what another person follows.
    return respond(follower.FOLLOWERS, [("asked",)], format)
