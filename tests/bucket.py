"""A small store on the loopback that speaks as much S3 as files need, in one bucket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lxml import etree

BUCKET = "photos"


class Bucket:
    """What it holds, by key; broken_after: it answers 500 when so many objects more have been put (None: it is well)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.objects: dict[str, bytes] = {}
        self.broken_after: int | None = None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for a call."""
        bucket, _, key = path.partition("?")[0].lstrip("/").partition("/")
        if bucket != BUCKET:
            return 404, b"<Error><Code>NoSuchBucket</Code></Error>"
        if method == "PUT":
            if self.broken_after == 0:
                return 500, b"<Error><Code>InternalError</Code></Error>"
            if self.broken_after:
                self.broken_after -= 1
            self.objects[key] = body
            return 200, b""
        if method == "POST":
            keys = [each.text or "" for each in etree.fromstring(body).iter("{*}Key")]
            for each in keys:
                self.objects.pop(each, None)
            deleted = "".join(f"<Deleted><Key>{each}</Key></Deleted>" for each in keys)
            return 200, f"<DeleteResult>{deleted}</DeleteResult>".encode()
        if key not in self.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, self.objects[key]


@contextmanager
def bucket_server() -> Iterator[Bucket]:
    """The store, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, body = bucket.answer(self.command, self.path, self.rfile.read(length))
            self.send_response(status)
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Wed, 25 Nov 2026 12:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    bucket = Bucket(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
