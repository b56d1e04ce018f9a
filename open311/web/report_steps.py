"""The steps of a report: what each shows, and what makes it good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from db.driver import driver
from geo.districts import districts_at
from geo.placing import Unplaced, place
from geo.point import Point, metres_between
from open311.api.form import Form
from open311.api.similar import similar_rows
from open311.cases import intake
from open311.cases.intake import NewMedia
from open311.cases.locating import Located, locate
from open311.cases.photos import BadPhoto, Photo, PhotoShelf, read_photo
from open311.config import settings
from open311.jurisdictions import City
from open311.media_store import StoreAway, media_store
from open311.notify.outbox import is_address
from open311.people.files import remove_unless_used
from open311.services import AskedService, show_definition
from open311.web import language
from open311.web.basemap import read_ground
from open311.web.draft import Draft, keep
from open311.web.language import gettext as _
from schemas import submission
from schemas.definition import check
from schemas.moment import NotAMoment, read
from schemas.representation import fields_of
from schemas.request import SimilarSchema
from schemas.service import AttributeSchema
from schemas.submission import MAX_DESCRIPTION_CHARACTERS, MAX_LINE_CHARACTERS
from schemas.text import clean, one_line

WHAT, WHERE, DETAILS, PHOTO, NEARBY, CONTACT, CHECK = "what", "where", "details", "photo", "nearby", "contact", "check"
STEPS = (WHERE, DETAILS, PHOTO, NEARBY, CONTACT, CHECK)
# What a step asks for itself, and so does not carry along.
SHOWN: dict[str, tuple[str, ...]] = {
    WHAT: ("service_code",),
    WHERE: ("address_string", "lat", "long"),
    DETAILS: ("description", "attribute"),
    CONTACT: ("first_name", "last_name", "email", "phone"),
}
# So far a pin may lie from the address beside it: a park is wide, and a house number is remembered badly.
_NEAR_METRES = 500
# What else of a form comes with its photos.
_ROOM_BYTES = 2**18
_AS_WRITTEN = "as-written"
_LINES = {"first_name": "given-name", "last_name": "family-name", "phone": "tel"}

Found = list[tuple[str, str]]


@dataclass(kw_only=True)
class Step:
    """A call of a step: the draft, and what it is about; what is looked up for it is looked up once."""

    form: Form
    city: City
    draft: Draft
    service: AskedService
    now: datetime

    @cached_property
    def located(self) -> Located:
        """Where the draft lies."""
        sent, _problems = submission.read(self.draft.fields)
        return locate(sent, self.city, settings())

    @cached_property
    def questions(self) -> list[dict[str, Any]]:
        """The questions of the service's form, each with the id of its field, what was answered and what it takes."""
        with driver.connection() as connection:
            _code, rows = show_definition(connection, one_line(self.draft.first("service_code")), jurisdiction_id=self.city.id)
        found = []
        for number, row in enumerate(rows, start=1):
            question = dict(zip(fields_of(AttributeSchema), row, strict=True))
            name = f"attribute[{question['code']}]"
            answers = [clean(text) for text in self.draft.fields.get(name, ()) if clean(text)]
            found.append({**question, "id": f"question-{number}", "field": name, "answers": answers})
        return found

    @cached_property
    def nearby(self) -> list[dict[str, Any]]:
        """What was reported already that is likely the same, by the names of the API."""
        address = one_line(self.draft.first("address_string"))
        if self.located.point is None and not address:
            return []
        with driver.connection() as connection:
            rows = similar_rows(
                connection,
                self.city,
                self.service.new.id,
                point=self.located.point,
                address=address,
                words=clean(self.draft.first("description")),
            )
        return [dict(zip(fields_of(SimilarSchema), row, strict=True)) for row in rows]


def _check_where(step: Step) -> tuple[dict[str, Any], Found]:
    draft, city = step.draft, step.city
    address, chosen = one_line(draft.first("address_string")), one_line(step.form.first("place"))
    # One that was corrected since is another question.
    is_chosen = bool(chosen) and address == one_line(step.form.first("place_of"))
    if is_chosen and chosen != _AS_WRITTEN:
        draft.put("address_string", chosen)
        address = chosen
    if len(address) > MAX_LINE_CHARACTERS:
        return {}, [("address_string", _("The address is too long."))]
    wrong: list[str] = []
    point = submission.find_point(draft.fields, wrong)
    if wrong:
        return {}, [("lat", _("Give latitude and longitude both, as numbers like 42.3601 and -71.0589."))]
    if point is not None:
        return {}, _reach(step, point) or _apart(step, address, point)
    if not address:
        return {}, [
            ("address_string", _("Enter an address or a crossing of two streets."))
        ] if step.service.needs_location else []
    with driver.connection() as connection:
        found = place(connection, address, jurisdiction_id=city.id, city_name=city.name)
    if not isinstance(found, Unplaced):
        return {}, _reach(step, found.point)
    if step.located.point is not None:
        return {}, _reach(step, step.located.point)
    if (is_chosen and chosen == _AS_WRITTEN) or step.form.first("step") != WHERE:
        return {}, []
    candidates = [each.line for each in found.candidates]
    advice = (
        _("Choose which of these places you mean, or leave it as you wrote it.")
        if candidates
        else _("We do not know this address: correct it, or leave it as you wrote it.")
    )
    return {"unknown_address": address, "candidates": candidates}, [("place", advice)]


def _apart(step: Step, address: str, point: Point) -> Found:
    """A pin and an address that cannot both be meant."""
    if not address:
        return []
    with driver.connection() as connection:
        found = place(connection, address, jurisdiction_id=step.city.id, city_name=step.city.name)
    if isinstance(found, Unplaced) or metres_between(found.point, point) <= _NEAR_METRES:
        return []
    return [
        ("address_string", _("The address and the place on the map lie far apart. Correct one of them, or empty the address."))
    ]


def _facts_of_where(step: Step) -> dict[str, Any]:
    with driver.connection() as connection:
        return {"ground": read_ground(connection, step.city, at=step.now)}


def _reach(step: Step, point: Point) -> Found:
    with driver.connection() as connection:
        districts = districts_at(connection, point, jurisdiction_ids=[step.city.id], at=step.now)
    at = "lat" if step.draft.first("lat") else "address_string"
    if all(each.layer_id != step.city.outline_layer_id for each in districts):
        return [(at, _("This place is outside of %(city)s.", city=step.city.name))]
    if not step.service.is_offered(districts):
        return [(at, _("%(service)s is not offered at this place.", service=step.service.name))]
    return []


def _check_details(step: Step) -> tuple[dict[str, Any], Found]:
    found: Found = []
    if len(clean(step.draft.first("description"))) > MAX_DESCRIPTION_CHARACTERS:
        most = language.number(MAX_DESCRIPTION_CHARACTERS)
        found.append(("description", _("Please say it in at most %(most)s characters.", most=most)))
    asked_for = {each["code"]: each for each in step.questions}
    for question in step.service.questions:
        shown = asked_for[question.code]
        _answers, wrong = check([question], {question.code: shown["answers"]}, step.city.zone)
        if wrong and question.variable:
            found.append((shown["id"], _advice(shown)))
    return {}, found


def _advice(question: dict[str, Any]) -> str:
    """What to do about an answer that is missing or does not fit."""
    about = question["description"]
    if not question["answers"]:
        return _("Answer this question: %(question)s", question=about)
    if question["datatype"] == "number":
        return _("Answer with a number, such as 3 or 2.5: %(question)s", question=about)
    if question["datatype"] == "datetime":
        return _("Answer with a date and a time: %(question)s", question=about)
    if question["values"]:
        return _("Choose from the answers: %(question)s", question=about)
    return _("The answer is too long: %(question)s", question=about)


def _check_photo(step: Step) -> tuple[dict[str, Any], Found]:
    """Put the photos that were sent into the store; what is no photo is told."""
    limits, files = settings(), step.form.files
    if len(files) + len(step.draft.photos) > limits.max_photos:
        return {}, [("files", _("At most %(most)s photos can come with a report.", most=limits.max_photos))]
    photos, found = [], []
    for file in files:
        try:
            photos.append(
                read_photo(
                    file.filename or "", file.read(), max_bytes=limits.max_file_bytes, max_pixels=limits.max_photo_pixels
                )
            )
        except BadPhoto:
            advice = _(
                "“%(name)s” cannot be taken. Choose a photo (JPEG, PNG, GIF, WebP, HEIC) or a PDF of at most %(size)s MB"
                " and %(pixels)s million pixels.",
                name=one_line(file.filename or "")[:100],
                size=language.number(limits.max_file_bytes / 2**20),
                pixels=language.number(limits.max_photo_pixels / 1e6),
            )
            found.append(("files", advice))
    if not photos:
        return {}, found
    try:
        kept = _put(step, photos)
    except StoreAway:
        return {}, [*found, ("files", _("Photos cannot be kept just now: please try again in a moment, or go on without."))]
    for each in kept:
        keep(step.draft, each, step.city)
    # Shown at once, so that one sees what came.
    return {"is_added": True}, found


def _put(step: Step, photos: Sequence[Photo]) -> list[NewMedia]:
    """The photos in the store, from which a job takes them again unless a report comes."""
    with (
        PhotoShelf(media_store(settings()), jurisdiction_id=step.city.jurisdiction_id) as shelf,
        driver.transaction() as connection,
    ):
        media = [shelf.put(photo) for photo in photos]
        remove_unless_used(
            connection,
            [path for each in media for path in (each.path, each.thumbnail_path)],
            jurisdiction_id=step.city.id,
            family=step.draft.family,
        )
    return media


def _check_contact(step: Step) -> tuple[dict[str, Any], Found]:
    found: Found = []
    email = one_line(step.draft.first("email"))
    if email and not is_address(email):
        found.append(("email", _("Enter an e-mail address like name@example.org.")))
    for name in _LINES:
        if len(one_line(step.draft.first(name))) > MAX_LINE_CHARACTERS:
            found.append((name, _("This is too long.")))
    return {}, found


def _foreseen(step: Step) -> tuple[str, datetime | None]:
    """The department that would answer, and by when."""
    service, city, located = step.service, step.city, step.located
    answers, _wrong = check(
        service.questions,
        {each["code"]: each["answers"] for each in step.questions},
        city.zone,
    )
    with driver.connection() as connection:
        decision = intake.route(
            connection,
            jurisdiction_id=city.id,
            service=service.new,
            point=located.point,
            answers=answers,
            default_department_id=city.default_department_id,
            at=step.now,
            unplaced_because=located.unplaced_because,
        )
        expected_at = intake.expected_at(connection, service.new, decision, jurisdiction_id=city.id, now=step.now)
    return decision.chosen.department, expected_at


def _facts_of_check(step: Step) -> dict[str, Any]:
    department, expected_at = _foreseen(step)
    placed = step.located.placed
    given = [each for each in step.questions if each["answers"] and each["variable"]]
    return {
        "department": department,
        "expected_at": expected_at,
        "answers": [(each["description"], _answered(each, step)) for each in given],
        "placed": placed.line if placed else None,
        "is_unplaced": step.located.unplaced_because is not None,
    }


def _answered(question: dict[str, Any], step: Step) -> str:
    """An answer in words."""
    names = dict(question["values"])
    if question["datatype"] == "datetime":
        try:
            return language.day_and_time(read(question["answers"][0], step.city.zone), step.city.zone)
        except NotAMoment:
            return str(question["answers"][0])
    return ", ".join(names.get(each, each) for each in question["answers"])


CHECKS: dict[str, Callable[[Step], tuple[dict[str, Any], Found]]] = {
    WHERE: _check_where,
    DETAILS: _check_details,
    PHOTO: _check_photo,
    CONTACT: _check_contact,
}
FACTS: dict[str, Callable[[Step], dict[str, Any]]] = {
    PHOTO: lambda step: {"most_bytes": settings().max_body_bytes - _ROOM_BYTES, "most_photos": settings().max_photos},
    WHERE: _facts_of_where,
    DETAILS: lambda step: {"questions": step.questions, "most": MAX_DESCRIPTION_CHARACTERS},
    NEARBY: lambda step: {"similar": step.nearby},
    CONTACT: lambda step: {"lines": _LINES},
    CHECK: _facts_of_check,
}
