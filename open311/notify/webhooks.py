"""Webhooks: which other systems are told of a request, and how a message to them is signed and goes out."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from psycopg import Connection
from sqlalchemy import BigInteger, Text, and_, any_, bindparam, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased
from standardwebhooks import Webhook as Signer

from db.driver import Statement, driver
from geo.models import Boundary, Layer
from open311.cases.jobs import PATIENTLY, WEBHOOKS, deferring, queue
from open311.config import Network, settings
from open311.models import Jurisdiction, Message, RequestDistrict, Service, ServiceRequest, Webhook
from open311.notify import receivers
from open311.notify.channels import Delayed
from open311.notify.delivery import DROP, END, held_elsewhere
from open311.notify.receivers import Gone
from routing.models import Department
from schemas.city import URL_SAFE
from schemas.moment import whole_second, write

EVENTS = ("received", "routed", "status", "noted", "closed", "reopened", "linked")
_SECRET_BYTES = 32


class BadWebhook(ValueError):
    """A webhook that cannot be made; the message says why."""


class UnknownWebhook(LookupError):
    """The city has no webhook of this code that is not stopped."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Of which requests a webhook is told, and what of them.  district: codes of layer and boundary.  None: of all."""

    department_id: int | None = None
    service_id: int | None = None
    district: tuple[str, str] | None = None
    events: Sequence[str] | None = None


def add(
    connection: "Connection[Any]",
    code: str,
    url: str,
    wanted: Wanted,
    *,
    jurisdiction_id: int,
    networks: Sequence[Network],
    now: datetime,
) -> str:
    """Let a receiver be told from now on; the secret that signs for it.  Raises BadWebhook, BadReceiver."""
    if not URL_SAFE.fullmatch(code):
        raise BadWebhook(f"the code of a webhook has letters, digits, - and _ only, got {code!r}")
    receivers.find(url, networks)
    layer_id, boundary_code = None, None
    if wanted.district is not None:
        layer_code, boundary_code = wanted.district
        row = _LAYER.run(
            connection, jurisdiction_id=jurisdiction_id, layer_code=layer_code, boundary_code=boundary_code
        ).fetchone()
        if row is None:
            raise BadWebhook(f"the city has no district {layer_code}:{boundary_code}")
        layer_id = row.id
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
    made = _ADD.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        code=code,
        url=url,
        secret=secret,
        department_id=wanted.department_id,
        service_id=wanted.service_id,
        layer_id=layer_id,
        boundary_code=boundary_code,
        events=list(wanted.events) if wanted.events else None,
        now=now,
    ).fetchone()
    if made is None:
        raise BadWebhook(f"the city has, or had, a webhook {code} already")
    return secret


def stop(connection: "Connection[Any]", code: str, *, jurisdiction_id: int, now: datetime) -> None:
    """Tell a receiver no more; what waits for it is dropped.  Raises UnknownWebhook."""
    if _STOP.run(connection, jurisdiction_id=jurisdiction_id, code=code, now=now).fetchone() is None:
        raise UnknownWebhook(code)


def list_webhooks(connection: "Connection[Any]", *, jurisdiction_id: int) -> Sequence[Any]:
    """Every webhook of a city by code, without its secret: rows as `webhook list` prints."""
    return _LIST.run(connection, jurisdiction_id=jurisdiction_id).fetchall()


def post(
    connection: "Connection[Any]",
    *,
    jurisdiction_id: int,
    request_id: int,
    event: str,
    now: datetime,
    parent: str | None = None,
    previous: tuple[int, int | None] | None = None,
) -> None:
    """Let the webhooks that want it be told of an event of a request, once this transaction is committed.

    parent: the number of the request that it follows from now on.  previous: the ids of the department and the unit that
    answered until now; their webhooks are told as well.
    """
    department_id, unit_id = previous or (None, None)
    rows = _POST.run(
        connection,
        jurisdiction_id=jurisdiction_id,
        request_id=request_id,
        event=event,
        parent=parent,
        previous_department_id=department_id,
        previous_unit_id=unit_id,
        now=now,
    ).fetchall()
    send_later(connection, [row.id for row in rows], jurisdiction_id=jurisdiction_id)


def send_later(connection: "Connection[Any]", ids: Sequence[int], *, jurisdiction_id: int) -> None:
    """Let jobs send these messages, each to its webhook, once this transaction is committed."""
    jobs: list[dict[str, Any]] = [{"jurisdiction_id": jurisdiction_id, "message_id": each} for each in ids]
    if jobs:
        deferring.configure_task("send_webhook", queue=WEBHOOKS, connection=connection).batch_defer(*jobs)


@queue.task(name="send_webhook", retry=PATIENTLY)
def send_webhook(jurisdiction_id: int, message_id: int) -> None:
    """Job: send a message to its webhook, if it waits.  Sent is sent: running it again sends nothing."""
    with driver.transaction() as connection:
        delayed = deliver(
            connection,
            settings().networks_of_webhooks,
            jurisdiction_id=jurisdiction_id,
            message_id=message_id,
            now=whole_second(datetime.now(UTC)),
        )
    if delayed is not None:
        # The attempt is on record; the queue tries again.
        raise delayed


def deliver(
    connection: "Connection[Any]", networks: Sequence[Network], *, jurisdiction_id: int, message_id: int, now: datetime
) -> Delayed | None:
    """Send a message that waits and that nobody else is sending; what to wait for, None when there is nothing more to do.

    Its row is held meanwhile: who dies in between leaves it waiting, with the same webhook-id.
    """
    key = {"jurisdiction_id": jurisdiction_id, "message_id": message_id}
    row = _CLAIM.run(connection, **key).fetchone()
    if row is None:
        return held_elsewhere(connection, **key)
    if row.stopped_at is not None:
        DROP.run(connection, **key)
        return None
    body: str = row.body or _written(row)
    state, error = _attempt(row, body, networks, key, now=now)
    if state == "dropped":
        _STOP.run(connection, jurisdiction_id=jurisdiction_id, code=row.code, now=now)
    is_sent = state == "sent"
    END.run(
        connection,
        **key,
        subject=None,
        body=body,
        state=state,
        sent_at=now if is_sent else None,
        sent_by="webhook" if is_sent else None,
        error=error and str(error),
    )
    return error if isinstance(error, Delayed) and state == "waiting" else None


def _written(row: Any) -> str:
    """The body, of which a signature is good for the bytes: written once and kept."""
    return msgspec.json.encode({"type": f"request.{row.event}", "timestamp": write(row.at), "data": row.facts}).decode()


def _attempt(
    row: Any, body: str, networks: Sequence[Network], key: dict[str, int], *, now: datetime
) -> tuple[str, Gone | Delayed | None]:
    """The state of a message after an attempt at it, and what was in the way."""
    # Without a full stop, which parts what is signed.
    name = f"msg_{key['jurisdiction_id']}_{key['message_id']}_{int(row.at.timestamp())}"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Dispatch311",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(row.secret).sign(name, now.astimezone(UTC), body),
    }
    try:
        receivers.post(row.url, body.encode(), headers, networks=networks)
    except Gone as error:
        return "dropped", error
    except Delayed as error:
        return "dead" if row.attempts + 1 >= (PATIENTLY.max_attempts or 1) else "waiting", error
    return "sent", None


def _parameter(name: str, type_: Any = BigInteger) -> Any:
    return bindparam(name, type_=type_)


_CITY: Any = _parameter("jurisdiction_id")
_NOW: Any = _parameter("now", TIMESTAMP(timezone=True))
_EVENT: Any = _parameter("event", Text)
_LAYER = Statement(
    select(Layer.id).where(
        Layer.jurisdiction_id == _CITY,
        Layer.code == _parameter("layer_code", Text),
        exists().where(
            Boundary.jurisdiction_id == _CITY,
            Boundary.layer_id == Layer.id,
            Boundary.code == _parameter("boundary_code", Text),
        ),
    )
)
_ADD = Statement(
    upsert(Webhook)
    .values(
        jurisdiction_id=_CITY,
        code=_parameter("code", Text),
        url=_parameter("url", Text),
        secret=_parameter("secret", Text),
        department_id=_parameter("department_id"),
        service_id=_parameter("service_id"),
        layer_id=_parameter("layer_id"),
        boundary_code=_parameter("boundary_code", Text),
        events=_parameter("events", ARRAY(Text)),
        created_at=_NOW,
    )
    .on_conflict_do_nothing()
    .returning(Webhook.id)
)
_STOP = Statement(
    update(Webhook)
    .where(Webhook.jurisdiction_id == _CITY, Webhook.code == _parameter("code", Text), Webhook.stopped_at.is_(None))
    .values(stopped_at=_NOW)
    .returning(Webhook.id)
)
_LIST = Statement(
    select(
        Webhook.code,
        Webhook.url,
        Department.code.label("department"),
        Service.code.label("service"),
        Layer.code.label("layer"),
        Webhook.boundary_code,
        Webhook.events,
        Webhook.created_at,
        Webhook.stopped_at,
    )
    .outerjoin(Department, and_(Department.jurisdiction_id == _CITY, Department.id == Webhook.department_id))
    .outerjoin(Service, and_(Service.jurisdiction_id == _CITY, Service.id == Webhook.service_id))
    .outerjoin(Layer, and_(Layer.jurisdiction_id == _CITY, Layer.id == Webhook.layer_id))
    .where(Webhook.jurisdiction_id == _CITY)
    .order_by(Webhook.code)
)

_REQUEST_ID: Any = _parameter("request_id")
_BEFORE = (_parameter("previous_department_id"), _parameter("previous_unit_id"))
# The department and the unit that answer, and those that did.
_DESKS = [aliased(Department, name=name) for name in ("department_now", "unit_now", "department_before", "unit_before")]
_FACTS = {
    "jurisdiction_id": Jurisdiction.slug,
    "service_request_id": ServiceRequest.number,
    "service_code": Service.code,
    "status": ServiceRequest.status,
    "case_status": ServiceRequest.case_status,
    **dict(zip(("department", "unit", "previous_department", "previous_unit"), (desk.code for desk in _DESKS), strict=True)),
    "parent_service_request_id": _parameter("parent", Text),
}
_ANSWERS = (ServiceRequest.department_id, ServiceRequest.unit_id, *_BEFORE)
_told = (
    select(
        _CITY,
        _REQUEST_ID,
        Webhook.id,
        _NOW,
        _EVENT,
        func.jsonb_strip_nulls(
            func.jsonb_build_object(*(part for name, value in _FACTS.items() for part in (literal(name, Text), value)))
        ),
    )
    .select_from(Webhook)
    .join(ServiceRequest, and_(ServiceRequest.jurisdiction_id == _CITY, ServiceRequest.id == _REQUEST_ID))
    .join(Jurisdiction, Jurisdiction.id == _CITY)
    .join(Service, and_(Service.jurisdiction_id == _CITY, Service.id == ServiceRequest.service_id))
)
for _desk, _id in zip(_DESKS, _ANSWERS, strict=True):
    _told = _told.outerjoin(_desk, and_(_desk.jurisdiction_id == _CITY, _desk.id == _id))
_IS_OF_THE_DISTRICT = (
    exists()
    .where(
        RequestDistrict.jurisdiction_id == _CITY,
        RequestDistrict.request_id == _REQUEST_ID,
        Boundary.jurisdiction_id == _CITY,
        Boundary.id == RequestDistrict.boundary_id,
        Boundary.layer_id == Webhook.layer_id,
        Boundary.code == Webhook.boundary_code,
    )
    .correlate(Webhook)
)
_POST = Statement(
    insert(Message)
    .from_select(
        ["jurisdiction_id", "request_id", "webhook_id", "at", "event", "facts"],
        _told.where(
            Webhook.jurisdiction_id == _CITY,
            Webhook.stopped_at.is_(None),
            or_(Webhook.events.is_(None), any_(Webhook.events) == _EVENT),
            or_(Webhook.department_id.is_(None), *(Webhook.department_id == each for each in _ANSWERS)),
            or_(Webhook.service_id.is_(None), Webhook.service_id == ServiceRequest.service_id),
            or_(Webhook.layer_id.is_(None), _IS_OF_THE_DISTRICT),
            # What the public does not see is for those who work it.
            or_(ServiceRequest.is_public, Webhook.department_id.is_not(None), Webhook.service_id.is_not(None)),
            # One of a batch service without its number is told when it has one.
            ServiceRequest.number.is_not(None),
        ),
    )
    .returning(Message.id)
)
_CLAIM = Statement(
    select(
        Message.at,
        Message.event,
        Message.facts,
        Message.body,
        Message.attempts,
        Webhook.code,
        Webhook.url,
        Webhook.secret,
        Webhook.stopped_at,
    )
    .join(Webhook, and_(Webhook.jurisdiction_id == _CITY, Webhook.id == Message.webhook_id))
    .where(Message.jurisdiction_id == _CITY, Message.id == _parameter("message_id"), Message.state == literal("waiting", Text))
    .with_for_update(of=Message, skip_locked=True)
)
