"""GET bulk/snapshots..., bulk/datapackage.json, bulk/data.json: what is kept of open data, and what describes it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
from flask import Blueprint, Response, abort, redirect, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from open311.api.access import asked_city, public, public_url
from open311.api.respond import respond_bytes
from open311.config import settings
from open311.jurisdictions import City
from open311.reports import snapshots
from open311.reports.snapshots import Snapshot
from schemas import as_json, moment
from schemas.catalog import MEDIA_TYPES, Download, catalogue, data_package

LATEST = "latest"
# So long a cache may give away what was taken back: a snapshot goes when something in it is redacted.
_MAX_AGE_SECONDS = 300
_OTHERS = {"json": "application/json", "gz": "application/gzip", "parquet": MEDIA_TYPES["parquet"]}


def add_routes(api: Blueprint) -> None:
    """The routes of this file."""
    api.get("/bulk/snapshots.json")(list_snapshots)
    api.get("/bulk/snapshots/<taken>/<name>")(show_snapshot)
    api.get("/bulk/datapackage.json")(show_package)
    api.get("/bulk/data.json")(show_catalogue)


@public
def list_snapshots() -> Response:
    """GET /bulk/snapshots.json: the snapshots that are kept, the newest first; 404 jurisdiction unknown."""
    city = asked_city()
    return _json(
        [
            {
                "taken_at": moment.write(each.taken_at),
                "changes_cursor": each.changes_cursor,
                "rows": each.rows,
                "files": [
                    {
                        "name": file.name,
                        "format": file.format,
                        "bytes": file.bytes,
                        "sha256": file.sha256,
                        "url": _address(city, f"snapshots/{each.name}/{file.name}"),
                    }
                    for file in each.files
                ],
            }
            for each in snapshots.kept(_shelf(city))
        ]
    )


@public
def show_snapshot(taken: str, name: str) -> Response:
    """GET /bulk/snapshots/{taken}/{name}: a file of a snapshot; 200, 206 of a Range, 302 from `latest`, 304, 404, 416."""
    city = asked_city()
    if taken == LATEST:
        newest = next(iter(snapshots.kept(_shelf(city))), None)
        if newest is None or newest.file(name) is None:
            abort(404)
        response = redirect(_address(city, f"snapshots/{newest.name}/{name}"))
        response.headers["Cache-Control"] = "no-cache"
        assert isinstance(response, Response)
        return response
    found = snapshots.find(_shelf(city), taken)
    path = found.file(name) if found else None
    if found is None or path is None:
        abort(404)
    known = {file.name: file.sha256 for file in found.files}
    if request.range is not None and len(request.range.ranges) > 1:
        # RFC 9110 14.2: who asks for several parts at once may be given the whole.
        del request.environ["HTTP_RANGE"]
    try:
        response = send_file(
            path,
            mimetype=_OTHERS.get(name.rpartition(".")[2], "text/plain"),
            etag=known.get(name, f"{found.name}-{name}"),
            last_modified=found.taken_at,
            max_age=_MAX_AGE_SECONDS,
            download_name=f"{city.jurisdiction_id}-{found.name}-{name}",
            as_attachment=name in known,
        )
    except FileNotFoundError:  # gone just now
        abort(404)
    except RequestedRangeNotSatisfiable as error:
        return Response(status=416, headers={"Content-Range": f"bytes */{path.stat().st_size}"}, response=str(error.name))
    response.cache_control.must_revalidate = True
    return response


@public
def show_package() -> Response:
    """GET /bulk/datapackage.json: a Frictionless data package of the newest snapshot, and of the files as they are now."""
    city, licence = asked_city(), settings().open_data_licence
    newest = next(iter(snapshots.kept(_shelf(city))), None)
    return _json(
        data_package(
            city.name,
            city.jurisdiction_id,
            licence=licence,
            modified=newest.taken_at if newest else None,
            downloads=_downloads(city, newest),
            changes_cursor=newest.changes_cursor if newest else None,
        )
    )


@public
def show_catalogue() -> Response:
    """GET /bulk/data.json: a DCAT-US 1.1 catalogue of one dataset, for the portals that harvest them."""
    city = asked_city()
    newest = next(iter(snapshots.kept(_shelf(city))), None)
    return _json(
        catalogue(
            city.name,
            city.jurisdiction_id,
            url=_address(city, "data.json"),
            contact=city.contact,
            licence=settings().open_data_licence,
            # Without a snapshot there is only what is so now.
            modified=newest.taken_at if newest else datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
            downloads=_downloads(city, newest),
        )
    )


def _downloads(city: City, newest: Snapshot | None) -> Sequence[Download]:
    kept = [
        Download(
            format=file.format,
            path=_address(city, f"snapshots/{newest.name}/{file.name}"),
            media_type=file.media_type,
            bytes=file.bytes,
            sha256=file.sha256,
        )
        for file in (newest.files if newest else ())
        if newest
    ]
    now = [
        Download(format=format, path=_address(city, f"requests.{format}"), media_type=MEDIA_TYPES[format])
        for format in snapshots.formats_here()
    ]
    return [*kept, *now]


def _address(city: City, path: str) -> str:
    base = request.path.partition("/bulk/")[0]
    return f"{public_url()}{base}/bulk/{path}?jurisdiction_id={quote(city.jurisdiction_id)}"


def _shelf(city: City) -> Any:
    return snapshots.shelf_of(settings().open_data_folder, city.jurisdiction_id)


def _json(content: Any) -> Response:
    return respond_bytes(msgspec.json.encode(content), as_json.CONTENT_TYPE)
