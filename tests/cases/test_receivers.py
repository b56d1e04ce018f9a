"""A receiver is reached where it may be and nowhere else: never inside, whatever a name, an address or a redirect says."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from open311.config import BadSetting, Settings
from open311.notify import receivers
from open311.notify.channels import Delayed
from open311.notify.receivers import BadReceiver
from tests.cases.receiver import Receiver, receiving

LOCAL = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""
    with receiving() as receiver:
        yield receiver


def named(monkeypatch: pytest.MonkeyPatch, **places: list[str]) -> list[str]:
    """Names (a_b for a.b) that mean these addresses; which were asked for, as they are."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        found = places.get(host.replace(".", "_"), [host])
        return [each for place in found for each in real(place, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "2130706433", "0x7f.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fd00::1]", "[fe80::1]", "[fec0::1]",
        "[ff0e::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
        "[64:ff9b::127.0.0.1]", "[64:ff9b::a00:1]", "[2001:db8::1]", "[2001:0:7f00:1::]",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused_unless_a_network_names_it(host: str):
    with pytest.raises(BadReceiver, match="is not public: OPEN311_WEBHOOK_NETWORKS"):
        receivers.find(f"https://{host}/hook", [])


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]", "[2002:808:808::1]"]
)
def test_what_is_public_is_reached_by_tls_alone(host: str):
    assert receivers.find(f"https://{host}/hook", []).port == 443
    with pytest.raises(BadReceiver, match="url must begin with https://"):
        receivers.find(f"http://{host}/hook", [])


@pytest.mark.parametrize(
    ("host", "network"),
    [("10.1.2.3", "10.1.0.0/16"), ("[fd00::1]", "fd00::/8"), ("[::ffff:10.1.2.3]", "10.1.0.0/16"), ("8.8.8.8", "8.8.8.0/24")],
)
def test_a_network_that_is_named_may_be_sent_to(host: str, network: str):
    assert receivers.find(f"http://{host}:81/hook", [ip_network(network)]).port == 81


def test_every_address_of_a_name_must_be_allowed(monkeypatch: pytest.MonkeyPatch):
    named(monkeypatch, hooks_test=["8.8.8.8", "10.0.0.1"])

    with pytest.raises(BadReceiver, match=r"hooks\.test is at 10\.0\.0\.1, which is not public"):
        receivers.find("https://hooks.test/", [])


def test_a_name_that_means_a_machine_inside_since_is_not_sent_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    url = f"https://hooks.test:{receiver.port}/"
    named(monkeypatch, hooks_test=["8.8.8.8"])
    assert receivers.find(url, []).port == receiver.port
    named(monkeypatch, hooks_test=["127.0.0.1"])

    with pytest.raises(Delayed, match=r"hooks\.test is at 127\.0\.0\.1, which is not public"):
        receivers.post(url, b"{}", {}, networks=[])
    assert receiver.got == []


def test_the_name_is_asked_for_once_and_its_address_is_connected_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    asked = named(monkeypatch, hooks_test=["127.0.0.1"])

    receivers.post(f"http://hooks.test:{receiver.port}/", b"{}", {}, networks=LOCAL)

    assert asked == ["hooks.test"]
    assert receiver.got[0][0]["host"] == f"hooks.test:{receiver.port}"


def certificate(folder: Path, name: str) -> Path:
    """A file with a certificate for a name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(made.public_bytes(pem) + private)
    return file


@pytest.mark.parametrize(("shown", "error"), [("hooks.test", None), ("other.test", "Hostname mismatch")])
def test_tls_is_with_who_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, error: str | None):
    file = certificate(tmp_path, shown)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    names: list[str | None] = []
    server.sni_callback = lambda sock, name, context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(receivers, "_tls", lambda: trusting)
    named(monkeypatch, hooks_test=["127.0.0.1"])
    with receiving(server) as receiver:
        expected = pytest.raises(Delayed, match=error) if error else nullcontext()
        with expected:
            receivers.post(f"https://hooks.test:{receiver.port}/", b"{}", {}, networks=LOCAL)

    assert names == ["hooks.test"]
    assert len(receiver.got) == (0 if error else 1)


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.test", "ftp://hooks.test/", "https://", "https:///hook", "https://a b/", "https://hooks.test/a b", "https://münchen.de/",
        "https://hooks.test:0/", "https://hooks.test:99999/", "https://hooks.test:x/", "https://rita:secret@hooks.test/",
        "https://good.test\\@hooks.test/", "https://hooks.test/#part", "https://hooks.test/\r\nX: y", "https://[::1/",
        "https://a..b/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver_is_refused(url: str):
    with pytest.raises(BadReceiver) as refused:
        receivers.find(url, LOCAL)

    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "home", "10.0.0.0/33", "10.0.0.0/8;fd00::/8"])
def test_networks_that_are_none_are_refused(networks: str):
    with pytest.raises(BadSetting, match=r"OPEN311_WEBHOOK_NETWORKS must be like 10\.1\.0\.0/16,fd00::/8: "):
        Settings(webhook_networks=networks)


def test_networks_are_parted_by_commas():
    found = Settings(webhook_networks="10.1.0.0/16, fd00::/8").networks_of_webhooks

    assert found == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert Settings().networks_of_webhooks == ()
