"""All that is kept of a person, for that person: what they reported, how it went, what they wrote and sent."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from psycopg import Connection
from sqlalchemy import BigInteger, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.driver import Statement
from geo.queries import latitude, longitude
from open311.actors import PERSONAL_DATA, Actor, may
from open311.cases.phases import ReasonMissing
from open311.cases.photos import MEDIA_PREFIX
from open311.jurisdictions import City
from open311.media_store import MediaStore, NotKept
from open311.models import Media, Message, PersonUse, RequestEvent, RequestUpdate, Service, ServiceRequest, Verdict
from open311.notify.following import find_followed
from open311.people import record
from open311.people.identity import Asked, Found, find, nameless
from open311.people.reading import known
from schemas.submission import PERSONAL_FIELDS
from schemas.update import PERSON_FIELDS

# Of a fact, who of the city's people it was is theirs, not the person's.
_STAFF_FACTS = ("by", "account_id", "api_key_id", "to", "to_account_id")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """How much was written: requests that they reported, updates that they posted to any request, files."""

    requests: int
    updates: int
    files: int


def export(
    connection: "Connection[Any]",
    city: City,
    asked: Asked,
    output: Path,
    store: MediaStore,
    *,
    by: Actor,
    reason: str,
    now: datetime,
) -> Exported:
    """Write a ZIP archive with person.json and the files of a person: whole, readable by its owner alone, or not at all.

    That it was written is kept, and why.  Raises ReasonMissing, NotAllowed, SeveralPeople, StoreAway, OSError.
    """
    may(by, PERSONAL_DATA)
    if not reason.strip():
        raise ReasonMissing("exporting needs a reason")
    found = find(connection, asked, jurisdiction_id=city.id)
    told = _updates(connection, city, [row.update_id for row in found.updates])
    posted = [{**told[row.update_id], "you": known(row, PERSON_FIELDS)} for row in found.updates]
    requests = _requests(connection, city, found.request_ids, {row.request_id: row for row in found.reporters})
    document = {
        "jurisdiction_id": city.jurisdiction_id,
        "written_at": now.isoformat(),
        "requests": requests,
        "updates_you_posted": posted,
        "what_you_follow": _followed(connection, city, found),
    }
    paths = [path for each in (*requests, *posted) for path in each["files"] if path.startswith(f"{MEDIA_PREFIX}/")]
    _write(output, document, list(dict.fromkeys(paths)), store)
    counts = {"requests": len(requests), "updates": len(posted), "files": len(paths)}
    say = nameless(found.rows)
    record.keep(connection, "exported", {"reason": say(reason), **counts}, jurisdiction_id=city.id, by=by, now=now)
    return Exported(**counts)


def _requests(connection: "Connection[Any]", city: City, ids: Sequence[int], people: Mapping[int, Any]) -> list[dict[str, Any]]:
    key: dict[str, Any] = {"jurisdiction_id": city.id, "ids": ids}
    found: dict[int, dict[str, Any]] = {}
    for row in _REQUESTS.run(connection, **key):
        values = row._asdict()
        found[values.pop("id")] = {
            **values,
            "you": known(people[row.id], PERSONAL_FIELDS),
            "files": [],
            "history": [],
            "updates": [],
            "read": [],
        }
    for row in _MEDIA.run(connection, **key):
        about = {"path": row.path, "content_type": row.content_type, "taken_at_lat": row.lat, "taken_at_long": row.long}
        found[row.request_id]["files"].append(row.path)
        found[row.request_id].setdefault("about_files", []).append(about)
    for row in _EVENTS.run(connection, **key):
        facts = {name: value for name, value in row.facts.items() if name not in _STAFF_FACTS}
        found[row.request_id]["history"].append({"at": row.at, "kind": row.kind, **facts})
    for row in _TOLD.run(connection, **key):
        found[row.request_id]["updates"].append({"at": row.updated_at, "status": row.case_status, "words": row.description})
    for row in _READ.run(connection, **key):
        found[row.request_id]["read"].append({"at": row.at, "why": row.facts.get("reason"), "fields": row.facts.get("fields")})
    return list(found.values())


def _updates(connection: "Connection[Any]", city: City, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    return {
        row.id: {
            "service_request_id": row.number,
            "update_id": str(row.id),
            "at": row.updated_at,
            "status": row.case_status,
            "words": row.description,
            "files": row.media_urls,
        }
        for row in _POSTED.run(connection, jurisdiction_id=city.id, ids=ids)
    }


def _followed(connection: "Connection[Any]", city: City, found: Found) -> list[dict[str, Any]]:
    """What they follow, what they were told of it, and what they answered."""
    key: dict[str, Any] = {"jurisdiction_id": city.id}
    ids = [row.follower_id for row in found.followers]
    messages: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in _MESSAGES.run(connection, **key, ids=ids):
        values = row._asdict()
        messages[values.pop("follower_id")].append(values)
    answers: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in _ANSWERS.run(connection, **key, ids=ids):
        values = row._asdict()
        answers[values.pop("follower_id")].append(values)
    return [
        {
            "what": find_followed(connection, **key, follower_id=row.follower_id).what,
            "email": row.email,
            "since": row.created_at,
            "until": row.stopped_at,
            "messages": messages[row.follower_id],
            "answers": answers[row.follower_id],
        }
        for row in found.followers
    ]


def _write(output: Path, document: Mapping[str, Any], paths: Sequence[str], store: MediaStore) -> None:
    # Beside it, so that it is put in place by a change of name; made for its owner alone.
    with NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as draft:
        try:
            with ZipFile(draft, "w", ZIP_DEFLATED) as archive:
                text = json.dumps(document, ensure_ascii=False, indent=2, default=_as_text)
                archive.writestr("person.json", text + "\n")
                for path in paths:
                    try:
                        content = store.open(path.removeprefix(f"{MEDIA_PREFIX}/"))
                    except NotKept:
                        continue
                    archive.writestr(f"files/{Path(path).name}", content)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).replace(output)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


_CITY: Any = bindparam("jurisdiction_id", type_=BigInteger)
_IDS: Any = bindparam("ids", type_=ARRAY(BigInteger))
_REQUESTS = Statement(
    select(
        ServiceRequest.id,
        ServiceRequest.number.label("service_request_id"),
        Service.code.label("service_code"),
        Service.name.label("service_name"),
        ServiceRequest.status,
        ServiceRequest.case_status,
        ServiceRequest.status_notes,
        ServiceRequest.description,
        ServiceRequest.attributes,
        ServiceRequest.requested_at,
        ServiceRequest.updated_at,
        ServiceRequest.expected_at,
        ServiceRequest.closed_at,
        ServiceRequest.address,
        ServiceRequest.zipcode,
        latitude(ServiceRequest.location).label("lat"),
        longitude(ServiceRequest.location).label("long"),
        ServiceRequest.channel,
    )
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
    .where(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == func.any(_IDS))
    .order_by(ServiceRequest.requested_at, ServiceRequest.id)
)
_MEDIA = Statement(
    select(
        Media.request_id,
        Media.path,
        Media.content_type,
        latitude(Media.suggested_location).label("lat"),
        longitude(Media.suggested_location).label("long"),
    )
    .where(Media.jurisdiction_id == _CITY, Media.request_id == func.any(_IDS))
    .order_by(Media.request_id, Media.position)
)
_EVENTS = Statement(
    select(RequestEvent.request_id, RequestEvent.at, RequestEvent.kind, RequestEvent.facts)
    .where(RequestEvent.jurisdiction_id == _CITY, RequestEvent.request_id == func.any(_IDS))
    .order_by(RequestEvent.id)
)
_TOLD = Statement(
    select(RequestUpdate.request_id, RequestUpdate.updated_at, RequestUpdate.case_status, RequestUpdate.description)
    .where(RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.request_id == func.any(_IDS))
    .order_by(RequestUpdate.id)
)
_READ = Statement(
    select(PersonUse.request_id, PersonUse.at, PersonUse.facts)
    .where(PersonUse.jurisdiction_id == _CITY, PersonUse.request_id == func.any(_IDS), PersonUse.kind == "read")
    .order_by(PersonUse.id)
)
_POSTED = Statement(
    select(
        RequestUpdate.id,
        ServiceRequest.number,
        RequestUpdate.updated_at,
        RequestUpdate.case_status,
        RequestUpdate.description,
        RequestUpdate.media_urls,
    )
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == RequestUpdate.request_id))
    .where(RequestUpdate.jurisdiction_id == _CITY, RequestUpdate.id == func.any(_IDS))
)
_ANSWERS = Statement(
    select(Verdict.follower_id, Verdict.at, Verdict.closed_at, Verdict.is_fixed, Verdict.score, Verdict.comment)
    .where(Verdict.jurisdiction_id == _CITY, Verdict.follower_id == func.any(_IDS))
    .order_by(Verdict.id)
)
_MESSAGES = Statement(
    select(Message.follower_id, Message.at, Message.event, Message.subject, Message.body, Message.state, Message.sent_at)
    .where(Message.jurisdiction_id == _CITY, Message.follower_id == func.any(_IDS))
    .order_by(Message.id)
)
