"""How a webhook's receiver is reached: only where it may be, and at the very address that was looked at."""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from open311.config import Network
from open311.notify.channels import TIMEOUT_SECONDS, Delayed
from schemas.text import one_line

_URL = re.compile(r"https?://[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+")
_MAX_ERROR_CHARACTERS = 300
# RFC 6052: an IPv4 address as a translator of the network is asked for it.
_NAT64 = IPv6Network("64:ff9b::/96")
_GONE = 410


class BadReceiver(ValueError):
    """An address that nothing is sent to; the message says why, and what would do."""


class Gone(RuntimeError):
    """The receiver answered that it wants no more (410); its answer is the message."""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where messages go.  target: path and query.  places: (family, socket address) of each of its addresses."""

    is_tls: bool
    host: str
    port: int
    target: str
    places: Sequence[tuple[int, Any]]


def find(url: str, networks: Sequence[Network]) -> Receiver:
    """The receiver at an address, with what its name means now.  networks: those that may be reached though not public.

    Raises BadReceiver, also when one of several addresses may not be reached: who answers for the name chooses among them.
    """
    if not _URL.fullmatch(url):
        raise BadReceiver(f"url must be like https://host/path, in ASCII, got {url!r}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadReceiver(f"url must be like https://host/path, got {url!r}: {error}") from error
    if parts.username is not None or parts.fragment:
        raise BadReceiver(f"url must have no user, password or fragment, got host {host!r}: the signature says who sends")
    if not _HOST.fullmatch(host) or port == 0:
        raise BadReceiver(f"url must be like https://host/path, got {url!r}")
    is_tls = parts.scheme == "https"
    port = port or (443 if is_tls else 80)
    places = _places(host, port)
    for _, place in places:
        _require_allowed(host, ip_address(place[0]), networks, is_tls=is_tls)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Receiver(is_tls=is_tls, host=host, port=port, target=target, places=places)


def post(url: str, body: bytes, headers: Mapping[str, str], *, networks: Sequence[Network]) -> None:
    """POST it, once; taken when the answer is a 2xx.  Of the answer its status is read, and nothing is followed.

    Raises Gone for a 410, and Delayed for everything else, within TIMEOUT_SECONDS of which finding the host is a part.
    """
    ends_at = monotonic() + TIMEOUT_SECONDS
    try:
        status, answer = _exchange(find(url, networks), body, headers, ends_at)
    except BadReceiver as error:
        raise Delayed(_shortened(str(error))) from error
    except (OSError, HTTPException) as error:
        if monotonic() >= ends_at:
            raise Delayed(f"no answer within {TIMEOUT_SECONDS} seconds") from error
        raise Delayed(_shortened(f"{type(error).__name__}: {error}")) from error
    if status == _GONE:
        raise Gone(answer)
    if not 200 <= status < 300:
        raise Delayed(answer)


def _exchange(receiver: Receiver, body: bytes, headers: Mapping[str, str], ends_at: float) -> tuple[int, str]:
    """The status of the answer, and the answer in words."""
    with closing(_connected(receiver.places, ends_at)) as plain:
        # By the name: which certificate it must show is not for the address to say.
        sock = (
            _tls().wrap_socket(plain, server_hostname=receiver.host, do_handshake_on_connect=False)
            if receiver.is_tls
            else plain
        )
        with closing(sock), _cut_off(sock, ends_at):
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection = HTTPConnection(receiver.host, receiver.port)
            connection.sock = sock
            connection.default_port = 443 if receiver.is_tls else 80  # so that Host names another alone
            connection.request("POST", receiver.target, body, dict(headers))
            with closing(connection.getresponse()) as response:
                status, words, location = response.status, f"{response.status} {response.reason}", response.headers["Location"]
    if 300 <= status < 400:
        words = f"{words}: it points to {location or 'nowhere'}, and redirects are not followed"
    return status, _shortened(words)


def _connected(places: Sequence[tuple[int, Any]], ends_at: float) -> socket.socket:
    """A connection to the first of these that takes one; each has its share of the time.  Raises OSError."""
    refused = OSError("it has no address")
    for position, (family, place) in enumerate(places):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(ends_at) / (len(places) - position))
            sock.connect(place)
            sock.settimeout(_left(ends_at))
        except OSError as error:
            sock.close()
            refused = error
        else:
            return sock
    raise refused


def _left(ends_at: float) -> float:
    left = ends_at - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


@contextmanager
def _cut_off(sock: socket.socket, ends_at: float) -> Iterator[None]:
    """The connection ends at that moment, however busily the other side says a byte at a time."""

    def shut() -> None:
        with suppress(OSError):
            # Not that of TLS, which would say goodbye first.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = Timer(_left(ends_at), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _places(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadReceiver(f"{host} has no address: {error}") from error
    return [(family, place) for family, _, _, _, place in found]


def _require_allowed(host: str, address: IPv4Address | IPv6Address, networks: Sequence[Network], *, is_tls: bool) -> None:
    meant = _meant(address)
    if any(address in network or meant in network for network in networks):
        return
    where = host if host == str(address) else f"{host} is at {address}, which"
    if not _is_public(meant):
        raise BadReceiver(
            f"{where} is not public: OPEN311_WEBHOOK_NETWORKS names the networks that may be sent to all the same"
        )
    if not is_tls:
        raise BadReceiver(f"{where} is in no network of OPEN311_WEBHOOK_NETWORKS: url must begin with https://")


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address where packets for this IPv6 address end that only wraps one; else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    # Python calls some groups of receivers, and IPv6 ranges that nobody was given, global.
    is_odd = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not is_odd


def _shortened(words: str) -> str:
    return one_line(words)[:_MAX_ERROR_CHARACTERS]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
