"""Where a submission lies: at the point it gives, or at that of its address."""

from dataclasses import dataclass
from typing import Any

from db.driver import driver
from geo.placing import Placed, Unplaced, place
from geo.point import Point
from open311.config import Settings
from open311.geocoding import geocoder_of, outline_of
from open311.jurisdictions import City
from schemas.submission import Submission


@dataclass(frozen=True, kw_only=True)
class Located:
    """A submission's point, and how it was found when only an address was given; or why the address has none."""

    point: Point | None = None
    placed: Placed | None = None
    unplaced_because: str | None = None

    @property
    def as_facts(self) -> dict[str, Any]:
        """What the history keeps of it."""
        if self.placed is None:
            return {}
        found = self.placed
        return {"placed": {"how": found.how, "address": found.line, "address_id": found.address_id}}


def locate(sent: Submission, city: City, settings: Settings) -> Located:
    """Where the submission lies.  A point goes before an address; lat and long that are no point are no reason to guess.

    Called outside of any transaction: where the settings name an outside geocoder, it is asked for what the city's own
    addresses do not know, and takes its time.
    """
    if sent.point is not None or sent.tried_a_place or not sent.has_place:
        return Located(point=sent.point)
    with driver.connection() as connection:
        found = place(connection, sent.address, jurisdiction_id=city.id, city_name=city.name, address_id=sent.address_id)
    geocoder = geocoder_of(settings)
    if isinstance(found, Unplaced) and geocoder is not None and sent.address is not None:
        with driver.connection() as connection:
            outline = outline_of(connection, city)
        elsewhere = geocoder.find(sent.address, outline=outline)
        # What the city's own table says of an address is more use than that somebody else does not know it either.
        found = elsewhere if isinstance(elsewhere, Placed) else found
    if isinstance(found, Placed):
        return Located(point=found.point, placed=found)
    return Located(unplaced_because=found.reason)
