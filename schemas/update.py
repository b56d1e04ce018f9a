"""Service request updates, as FixMyStreet reads and posts them.  Source: spec 5.4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from marshmallow import Schema

from schemas import moment
from schemas.representation import Moment, Representation, Several, Text
from schemas.submission import MAX_DESCRIPTION_CHARACTERS, line_of, media_urls_of
from schemas.text import clean, one_line

PERSON_FIELDS = ("email", "first_name", "last_name", "phone", "account_id")
MAX_UPDATE_ID_CHARACTERS = 200
# The words of spec 5.4 that are no status: leave it, and open again.
UNCHANGED, REOPEN = "unchanged", "reopen"


class UpdateSchema(Schema):
    """An update of a request, as public reads show it."""

    update_id = Text(required=True)
    service_request_id = Text(required=True)
    status = Text(required=True)
    updated_datetime = Moment(required=True)
    description = Text(allow_none=True)
    media_url = Several()


class ReceiptSchema(Schema):
    """The answer to a POST."""

    update_id = Text(required=True)


UPDATES = Representation(schema=UpdateSchema, plural="service_request_updates", singular="request_update")
RECEIPT = Representation(schema=ReceiptSchema, plural="service_request_updates", singular="request_update")


@dataclass(frozen=True, kw_only=True)
class PostedUpdate:
    """What a client says of a request.  update_id: its own; status: in lower case; updated_at: by its clock."""

    update_id: str
    number: str
    status: str
    updated_at: datetime
    description: str | None
    person: Mapping[str, str]
    media_urls: Sequence[str]


def read(form: Mapping[str, Sequence[str]], *, zone: ZoneInfo) -> tuple[PostedUpdate | None, list[str]]:
    """The update in a form (field name: values as sent), None when what is wrong (second) leaves none."""
    problems: list[str] = []
    needed = {name: line_of(form, name, problems) for name in ("update_id", "service_request_id", "status", "updated_datetime")}
    problems += [f"{name} is required" for name, text in needed.items() if not text]
    if "description" not in form:
        problems.append("description is required")
    # FixMyStreet writes - for a name that it does not know.
    person = {name: line_of(form, name, problems) for name in PERSON_FIELDS}
    description = clean(next((text for text in form.get("description", ()) if text.strip()), ""))
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        problems.append(f"description must be at most {MAX_DESCRIPTION_CHARACTERS} characters, got {len(description)}")
    update_id = needed["update_id"] or ""
    if len(update_id) > MAX_UPDATE_ID_CHARACTERS:
        problems.append(f"update_id must be at most {MAX_UPDATE_ID_CHARACTERS} characters, got {len(update_id)}")
    urls = media_urls_of(form, problems)
    updated_at = None
    if needed["updated_datetime"]:
        try:
            updated_at = moment.read(needed["updated_datetime"], zone)
        except moment.NotAMoment as error:
            problems.append(f"updated_datetime {error}")
    if updated_at is None or not all(needed.values()):
        return None, problems
    return (
        PostedUpdate(
            update_id=update_id,
            number=needed["service_request_id"] or "",
            status=one_line(needed["status"] or "").lower(),
            updated_at=updated_at,
            description=description or None,
            person={name: text for name, text in person.items() if text and text != "-"},
            media_urls=urls,
        ),
        problems,
    )
