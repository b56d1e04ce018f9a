"""What describes the open data: a Frictionless data package, and a DCAT catalogue as data.gov reads it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas import moment
from schemas.open_data import OpenRequestSchema
from schemas.query import STATUSES
from schemas.representation import Moment, Number, Order, fields_of
from schemas.working import PRIORITIES

ABOUT = {
    "service_request_id": "The number of the request, unique in the city",
    "status": "open or closed",
    "status_notes": "What was said of its status last",
    "service_name": "The name of the type of request",
    "service_code": "The code of the type of request",
    "description": "What the resident wrote, with what is personal taken out where the city has done so",
    "agency_responsible": "The department whose it is",
    "service_notice": "What the city says of requests of this type",
    "requested_datetime": "When it was made",
    "updated_datetime": "When it was last changed",
    "expected_datetime": "When it is expected to be done",
    "address": "Its address; null where places are shown coarsely",
    "address_id": "The identifier of that address",
    "zipcode": "The postal code",
    "lat": "Latitude, WGS84 degrees",
    "long": "Longitude, WGS84 degrees",
    "media_url": "The address of its first photo",
    "closed_date": "When it was closed",
    "status_description": "The city's own name of its status",
    "source": "The channel by which it came in",
    "service_subtype": "Always null",
    "service_group": "The group of the type of request",
    "agency_code": "The code of the department whose it is",
    "unit": "The unit of that department whose it is",
    "priority": "normal, high or urgent",
    "times_reopened": "How often it was opened again",
    "parent_service_request_id": "The request of the same thing that is worked in its stead",
    "districts": "The districts it lies in as they are drawn now, LAYER:CODE each, joined by ;",
}
MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "geojson": "application/geo+json",
    "parquet": "application/vnd.apache.parquet",
}
_TITLES = {"csv": "CSV", "ndjson": "NDJSON", "geojson": "GeoJSON", "parquet": "GeoParquet"}
_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_POD = "https://project-open-data.cio.gov/v1.1/schema"


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to be had: path is its address, or its name beside the description; bytes and sha256 of one that is kept."""

    format: str
    path: str
    media_type: str
    bytes: int | None = None
    sha256: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it is a file of a snapshot."""
        return self.sha256 is not None


def table_schema() -> dict[str, Any]:
    """The columns of the CSV as a Frictionless Table Schema."""
    fields = []
    for name, field in fields_of(OpenRequestSchema).items():
        declared: dict[str, Any] = {"name": name, "type": "string", "description": ABOUT[name]}
        if isinstance(field, Moment):
            declared |= {"type": "datetime", "format": "%Y-%m-%dT%H:%M:%SZ"}
        elif isinstance(field, Number):
            most = 90 if name == "lat" else 180
            declared |= {"type": "number", "constraints": {"minimum": -most, "maximum": most}}
        elif isinstance(field, Order):
            declared |= {"type": "integer", "constraints": {"minimum": 0}}
        if field.required:
            declared.setdefault("constraints", {})["required"] = True
        if name in ("status", "priority"):
            declared["constraints"]["enum"] = list(STATUSES if name == "status" else PRIORITIES)
        fields.append(declared)
    return {"fields": fields, "primaryKey": ["service_request_id"], "missingValues": [""]}


def data_package(
    city: str,
    jurisdiction_id: str,
    *,
    licence: str,
    modified: datetime | None,
    downloads: Sequence[Download],
    changes_cursor: str | None = None,
) -> dict[str, Any]:
    """A Frictionless data package of these files.  changes_cursor: where the changes after the kept ones begin."""
    package: dict[str, Any] = {
        "profile": "data-package",
        "name": f"service-requests-{re.sub('[^a-z0-9._-]', '-', jurisdiction_id.lower())}",
        "title": _title(city),
        "description": _description(city),
        "licenses": [_licence(licence)],
    }
    if modified is not None:
        package["created"] = moment.write(modified)
    if changes_cursor is not None:
        package["changes_cursor"] = changes_cursor
    return {**package, "resources": [_resource(each) for each in downloads]}


def catalogue(
    city: str,
    jurisdiction_id: str,
    *,
    url: str,
    contact: str,
    licence: str,
    modified: datetime,
    downloads: Sequence[Download],
) -> dict[str, Any]:
    """A catalogue of one dataset in DCAT-US 1.1 (Project Open Data); url: where it is to be had, with the jurisdiction_id."""
    found = _MAIL.search(contact)
    about_contact: dict[str, Any] = {"@type": "vcard:Contact", "fn": f"311 of {city}"}
    if found:
        about_contact["hasEmail"] = f"mailto:{found[0]}"
    dataset = {
        "@type": "dcat:Dataset",
        "identifier": url,
        "title": _title(city),
        "description": _description(city),
        "keyword": ["311", "open311", "service requests"],
        "modified": moment.write(modified),
        "accrualPeriodicity": "R/P1D",
        "publisher": {"@type": "org:Organization", "name": city},
        "contactPoint": about_contact,
        "accessLevel": "public",
        "license": _licence(licence)["path"],
        "distribution": [
            {
                "@type": "dcat:Distribution",
                "title": f"Requests, {_TITLES[each.format]}, {'last night' if each.is_kept else 'as they are now'}",
                "format": _TITLES[each.format],
                "mediaType": each.media_type,
                "downloadURL": each.path,
            }
            for each in downloads
        ],
    }
    return {
        "@context": f"{_POD}/catalog.jsonld",
        "@id": url,
        "@type": "dcat:Catalog",
        "conformsTo": _POD,
        "describedBy": f"{_POD}/catalog.json",
        "dataset": [dataset],
    }


def _title(city: str) -> str:
    return f"Service requests of {city}"


def _description(city: str) -> str:
    return f"Every public request to {city} for a service that is not an emergency: what, where, when, whose, and how it ended."


def _licence(licence: str) -> dict[str, str]:
    """licence: a name as SPDX has it, or the address of its text."""
    if licence.startswith(("https://", "http://")):
        return {"path": licence, "title": licence}
    return {"name": licence, "path": f"https://spdx.org/licenses/{licence}.html"}


def _resource(download: Download) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "name": f"requests-{download.format}{'' if download.is_kept else '-now'}",
        "path": download.path,
        "format": download.format,
        "mediatype": MEDIA_TYPES[download.format],
    }
    if download.media_type == "application/gzip":
        resource["compression"] = "gz"
    if download.is_kept:
        resource |= {"bytes": download.bytes, "hash": f"sha256:{download.sha256}"}
    if download.format == "csv":
        resource |= {
            "profile": "tabular-data-resource",
            "encoding": "utf-8",
            "dialect": {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "doubleQuote": True, "header": True},
            "schema": table_schema(),
        }
    return resource
