"""What someone reported, read whole: good, or with everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from open311.cases.intake import Draft, NewMedia
from open311.cases.photos import BadPhoto, Photo, PhotoShelf, read_photo
from open311.config import Settings
from open311.jurisdictions import City
from open311.services import AskedService
from routing.decision import Decision
from schemas import submission
from schemas.definition import Answers, check
from schemas.problems import Problems


class UploadedFile(Protocol):
    """A file of a form."""

    filename: str | None

    def read(self) -> bytes:
        """All of it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report for a service; `problems` is empty when it is good as far as can be told without the map."""

    service: AskedService
    submission: submission.Submission
    answers: Answers
    photos: Sequence[Photo]
    problems: Sequence[str]

    def refuse_if_wrong(self, decision: Decision, city: City) -> None:
        """Raise Problems with every problem, those of the place included, when there is one."""
        problems = list(self.problems)
        point = self.submission.point
        if point is not None and city.outline_layer_id not in decision.layer_ids:
            problems.append(f"lat {point.lat}, long {point.long} is outside the area served, {city.name}")
        if problems:
            raise Problems(problems)

    def as_draft(
        self,
        decision: Decision,
        shelf: PhotoShelf,
        *,
        channel: str,
        api_key_id: int | None = None,
        client_reference: str | None = None,
    ) -> Draft:
        """The report as intake takes it, its photos on the shelf; addresses of photos count only where no file came."""
        media = [shelf.put(photo) for photo in self.photos]
        if not media:
            media = [NewMedia(path=url) for url in self.submission.media_urls]
        return Draft(
            service=self.service.new,
            decision=decision,
            point=self.submission.point,
            address=self.submission.address,
            address_id=self.submission.address_id,
            description=self.submission.description,
            answers=self.answers,
            person=self.submission.person,
            media=media,
            channel=channel,
            api_key_id=api_key_id,
            client_reference=client_reference,
        )


def read_report(
    fields: Mapping[str, Sequence[str]],
    files: Sequence[UploadedFile],
    *,
    service: AskedService,
    zone: ZoneInfo,
    limits: Settings,
) -> Report:
    """The report in a form (field name: values as sent) with its files."""
    sent, problems = submission.read(fields)
    if service.needs_location and not sent.has_place and not sent.tried_a_place:
        problems.append("a location is required: lat and long, address_string or address_id")
    answers, wrong = check(service.questions, sent.submitted, zone)
    problems += wrong
    if len(files) > limits.max_photos:
        problems.append(f"at most {limits.max_photos} photos may be sent, got {len(files)}")
        files = ()
    photos = []
    for file in files:
        try:
            photos.append(read_photo(file.filename or "", file.read(), max_pixels=limits.max_photo_pixels))
        except BadPhoto as error:
            problems.append(str(error))
    return Report(service=service, submission=sent, answers=answers, photos=photos, problems=problems)
