"""Bulk files over a real connection: broken off they never look whole, and who goes away holds nothing."""

import csv
import gzip
import http.client
import io
import json
import socket
from collections.abc import Iterator

import pytest

from tests.live.server import Live, eventually

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

CITY = "jurisdiction_id=seattle.gov"
# Some megabytes more than sockets hold: long words that do not compress, which searches leave out.
_ROWS = 6000
_LONG = """
insert into service_request (jurisdiction_id, number, service_id, status, case_status, description, department_id, requested_at,
  updated_at, channel, is_public)
select j.id, 'LONG-' || n, (select min(id) from service where jurisdiction_id = j.id and not is_private), 'open', 'open',
  (select string_agg(md5(n || '-' || k), '') from generate_series(1, 120) k), j.default_department_id,
  timestamptz '2001-01-01 00:00Z', timestamptz '2001-01-01 00:00Z', 'app', true
from jurisdiction j, generate_series(1, %s) n where j.slug = 'seattle.gov'
"""
_COPYING = "from pg_stat_activity where datname = current_database() and state = 'active' and query like 'copy (%%'"


@pytest.fixture(scope="module")
def long_file(live: Live) -> Iterator[None]:
    """A file of Seattle that takes a while."""
    with live.connect() as connection:
        connection.execute(_LONG, [_ROWS])
    yield
    live.take_out("LONG-%")


class Download:
    """A file of which little is read until `rest` is asked for."""

    def __init__(self, live: Live, path: str, **headers: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self._socket.connect(("127.0.0.1", live.port))
        self._socket.settimeout(60)
        self._connection = http.client.HTTPConnection("127.0.0.1", live.port)
        self._connection.sock = self._socket
        self._connection.request("GET", f"/open311/v2/bulk/{path}?{CITY}", headers=headers)
        self.response = self._connection.getresponse()
        self.begin = self.response.read(1000)

    def rest(self) -> bytes:
        """All that comes, from its begin; what came when the connection broke."""
        try:
            return self.begin + self.response.read()
        except http.client.IncompleteRead as error:
            return self.begin + error.partial

    def leave(self) -> None:
        """Go away."""
        self.response.close()
        self._socket.close()


def copying(live: Live) -> int:
    """How many files are read from the database."""
    with live.connect() as connection:
        row = connection.execute(f"select count(*) {_COPYING}").fetchone()  # type: ignore[arg-type]
        assert row is not None
        return int(row[0])


def read_csv(body: bytes) -> None:
    """Read a CSV as strictly as there is a way to."""
    list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


def read_lines(body: bytes) -> None:
    """Read NDJSON."""
    for line in body.splitlines():
        json.loads(line)


def read_parquet(body: bytes) -> None:
    """Read Parquet."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.read_table(pyarrow.BufferReader(body))


READERS = {
    "csv": (read_csv, csv.Error),
    "ndjson": (read_lines, json.JSONDecodeError),
    "geojson": (json.loads, json.JSONDecodeError),
    "parquet": (read_parquet, OSError),
}


@pytest.mark.parametrize("packing", ["identity", "gzip"])
@pytest.mark.parametrize("format", ["csv", "ndjson", "geojson"])
def test_a_file_that_an_error_breaks_off_is_read_by_nobody(live: Live, long_file: None, format: str, packing: str) -> None:
    read, error = READERS[format]
    download = Download(live, f"requests.{format}", **{"Accept-Encoding": packing})
    assert download.response.status == 200
    assert copying(live) == 1

    with live.connect() as connection:
        connection.execute(f"select pg_terminate_backend(pid) {_COPYING}")  # type: ignore[arg-type]
    body = download.rest()

    assert len(body) > 1000
    if packing == "gzip":
        with pytest.raises(EOFError):
            gzip.decompress(body)
    else:
        with pytest.raises(error):
            read(body)
    download.leave()


@pytest.mark.parametrize("format", READERS)
def test_a_file_that_is_read_slowly_is_whole(live: Live, long_file: None, format: str) -> None:
    download = Download(live, f"requests.{format}")

    others = [live.get(f"/open311/v2/requests.json?{CITY}").status for _ in range(10)]
    body = download.rest()

    assert others == [200] * 10
    READERS[format][0](body)
    if format != "parquet":
        assert body.count(b"LONG-") >= _ROWS
    download.leave()


def test_who_goes_away_in_the_middle_holds_nothing(live: Live, long_file: None) -> None:
    for _ in range(3):
        downloads = [Download(live, "requests.csv") for _ in range(4)]
        assert copying(live) >= 1
        for download in downloads:
            download.leave()
        eventually(lambda: copying(live) == 0, seconds=20, what="no more copying")

    assert live.get(f"/open311/v2/bulk/requests.csv?{CITY}").status == 200


def test_head_is_answered_at_once_and_without_a_body(live: Live, long_file: None) -> None:
    answer = live.call("HEAD", f"/open311/v2/bulk/requests.csv?{CITY}")

    assert (answer.status, answer.body) == (200, b"")
    assert copying(live) == 0
