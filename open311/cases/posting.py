"""What someone posts, read whole, and taken in when it is good; else everything that is wrong with it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from psycopg import Connection

from geo.districts import districts_at
from geo.point import Point
from open311.actors import Actor
from open311.cases import intake
from open311.cases.intake import Draft, NewMedia, Receipt
from open311.cases.locating import Located
from open311.cases.photos import BadPhoto, Photo, PhotoShelf, read_photo
from open311.config import Settings
from open311.jurisdictions import City
from open311.services import AskedService
from routing.decision import Decision
from schemas import submission
from schemas.definition import Answers, check
from schemas.problems import Problems

# Small files can hold huge pictures: so many of the largest size may come in one form, or more of smaller ones.
_PHOTOS_OF_LARGEST_SIZE = 3


class UploadedFile(Protocol):
    """A file of a form."""

    filename: str | None

    def read(self) -> bytes:
        """All of it."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A form for a service; `problems` is empty when it is good as far as can be told without the map."""

    service: AskedService
    submission: submission.Submission
    answers: Answers
    photos: Sequence[Photo]
    problems: Sequence[str]


def take_in(
    connection: "Connection[Any]",
    posted: Posted,
    located: Located,
    city: City,
    shelf: PhotoShelf,
    *,
    channel: str,
    now: datetime,
    api_key_id: int | None = None,
    client_reference: str | None = None,
    by: Actor | None = None,
    kept: Sequence[NewMedia] = (),
    language: str = "en",
) -> Receipt:
    """Route what was posted and lies there, and receive it as a request, its photos on the shelf.

    Addresses of photos count only where no file came.  kept: files that are in the store already.  language: of the letters
    to who reports it.  by: the member of staff who takes it in.
    Raises Problems with every problem, those of the place included.
    """
    sent = posted.submission
    decision = intake.route(
        connection,
        jurisdiction_id=city.id,
        service=posted.service.new,
        point=located.point,
        answers=posted.answers,
        default_department_id=city.default_department_id,
        at=now,
        unplaced_because=located.unplaced_because,
    )
    problems = list(posted.problems)
    if located.point is not None:
        problems += out_of_reach(connection, posted.service, located.point, decision, city, at=now)
    if problems:
        raise Problems(problems)
    media = [*kept, *(shelf.put(photo) for photo in posted.photos)] or [NewMedia(path=url) for url in sent.media_urls]
    draft = Draft(
        service=posted.service.new,
        decision=decision,
        point=located.point,
        found_how=located.as_facts,
        # Of an address_id alone nobody can see where it is.
        address=sent.address or (located.placed.line if located.placed else None),
        address_id=sent.address_id,
        description=sent.description,
        answers=posted.answers,
        person=sent.person,
        media=media,
        channel=channel,
        language=language,
        api_key_id=api_key_id,
        client_reference=client_reference,
        by=by,
    )
    receipt = intake.receive(connection, draft, jurisdiction_id=city.id, now=now)
    if not receipt.is_new:
        shelf.clear()
    return receipt


def out_of_reach(
    connection: "Connection[Any]", service: AskedService, point: Point, decision: Decision, city: City, *, at: datetime
) -> list[str]:
    """Why nobody answers at this point: it is outside the city, or the service is not offered there."""
    where = f"lat {point.lat}, long {point.long}"
    if city.outline_layer_id not in decision.layer_ids:
        return [f"{where} is outside the area served, {city.name}"]
    if service.offered_in is not None:
        districts = districts_at(connection, point, jurisdiction_ids=[city.id], at=at)
        if not service.is_offered(districts):
            return [f"{service.name} is not offered at {where}"]
    return []


def read_posted(
    fields: Mapping[str, Sequence[str]],
    files: Sequence[UploadedFile],
    *,
    service: AskedService,
    zone: ZoneInfo,
    limits: Settings,
) -> Posted:
    """What was posted in a form (field name: values as sent) with its files."""
    sent, problems = submission.read(fields)
    if service.needs_location and not sent.has_place and not sent.tried_a_place:
        problems.append("a location is required: lat and long, address_string or address_id")
    answers, wrong = check(service.questions, sent.submitted, zone)
    problems += wrong
    photos, bad = read_photos(files, limits)
    problems += bad
    return Posted(service=service, submission=sent, answers=answers, photos=photos, problems=problems)


def read_photos(files: Sequence[UploadedFile], limits: Settings) -> tuple[list[Photo], list[str]]:
    """The photos and then the documents of a form's files, and what is wrong with them.

    Photos stand first, so that the one shown as media_url is a picture wherever there is one.
    """
    if len(files) > limits.max_photos:
        return [], [f"at most {limits.max_photos} photos may be sent, got {len(files)}"]
    photos: list[Photo] = []
    problems: list[str] = []
    left = _PHOTOS_OF_LARGEST_SIZE * limits.max_photo_pixels
    for file in files:
        try:
            photo = read_photo(
                file.filename or "",
                file.read(),
                max_bytes=limits.max_file_bytes,
                max_pixels=min(left, limits.max_photo_pixels),
            )
            left -= photo.pixels
            photos.append(photo)
        except BadPhoto as error:
            problems.append(str(error))
    return sorted(photos, key=lambda each: each.pixels == 0), problems
