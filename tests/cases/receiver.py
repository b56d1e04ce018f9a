"""A receiver of webhooks on this machine, with a real server, that checks what it is sent as any other would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Thread
from typing import Any

from standardwebhooks import Webhook


class Receiver:
    """What it was sent, and what it answers: `answer` is status and headers; `meanwhile` is called before it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        self.meanwhile: Callable[[], Any] = lambda: None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook?of=311"

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each message."""
        return [headers["webhook-id"] for headers, _ in self.got]

    def verified(self, secret: str) -> list[Any]:
        """Every message, each with a signature by this secret; raises WebhookVerificationError."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.got]


@contextmanager
def receiving(tls: SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens meanwhile."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            receiver.paths.append(self.path)
            receiver.meanwhile()
            status, headers = receiver.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
