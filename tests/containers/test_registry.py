"""Reading a manifest: with and without proxies, from a real registry; refusals; no token goes to another host."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from seatrial.containers.registry import read_manifest
from seatrial.errors import EnvironmentFaultError
from seatrial.system.identity import RefusedError
from tests import certificates
from tests.engines import ROOM, Base
from tests.gate import errors, gate

HOST = "registry.example"  # no such host, by RFC 2606: only the proxy knows where it is
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass
class Proxy:
    """A proxy that tunnels every host to one address of this machine, and the requests that it got."""

    address: str
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def proxy(behind: str) -> Iterator[Proxy]:
    """Run a tunnelling proxy, which clients use for TLS."""
    host, _, port = behind.partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    running = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def tunnel(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            running.asked.append(head.split(b"\r\n")[0].decode())
            assert b"Bearer" not in head
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=forward, args=(server, client), daemon=True).start()
                forward(client, server)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=tunnel, args=(listener.accept()[0],), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        listener.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a certificate for the host, with its key in the same file, and trust it."""
    public, key = certificates.make(tmp_path, HOST, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    file = tmp_path / "both.pem"
    file.write_text(key.read_text() + public.read_text())
    return file


@pytest.fixture
def secure_registry(base: Base, certificate: Path, tmp_path: Path) -> Iterator[str]:
    """Serve the run's registry over TLS."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    assert program is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(ROOM / "registry")}},
        "http": {"addr": address, "tls": {"certificate": str(certificate), "key": str(certificate)}},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(config))
    with (
        (tmp_path / "registry.log").open("wb") as log,
        subprocess.Popen([program, "serve", str(tmp_path / "registry.yml")], stdout=log, stderr=log) as running,
    ):
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(address[10:]))):
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield address
        finally:
            running.kill()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_registry_behind_a_proxy_is_read_through_it(
    secure_registry: str, base: Base, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with proxy(secure_registry) as between:
        monkeypatch.setenv(variable, between.address)
        manifest = read_manifest(HOST, "base", "1", "ya29.token")
    assert manifest is not None
    assert base.reference.endswith(manifest.digest)
    assert between.asked == [f"CONNECT {HOST}:443 HTTP/1.0"]


def test_a_registry_in_no_proxy_is_read_without_the_proxy(
    secure_registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(secure_registry) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.address)
        monkeypatch.setenv("NO_PROXY", ".example")
        with pytest.raises(EnvironmentFaultError, match=f"{HOST} does not answer") as failed:
            read_manifest(HOST, "base", "1", "ya29.token")
    assert between.asked == []
    assert "HTTPS_PROXY" in failed.value.fix


def test_a_registry_of_this_machine_is_read_without_any_proxy(
    registry: str, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(registry) as between:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, between.address)
        manifest = read_manifest(registry, "base", "1", None)
    assert manifest is not None
    assert base.reference.endswith(manifest.digest)
    assert between.asked == []


def test_a_redirect_does_not_carry_the_token_to_another_host(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            self.send_response_only(307)
            self.send_header("Location", f"https://elsewhere.example{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        with proxy(f"127.0.0.1:{server.server_address[1]}") as between:
            monkeypatch.setenv("HTTPS_PROXY", between.address)
            with pytest.raises(EnvironmentFaultError, match=f"{HOST} answers 307"):
                read_manifest(HOST, "base", "1", "ya29.token")
    finally:
        server.shutdown()
        server.server_close()
        serving.join(10)
    assert between.asked == [f"CONNECT {HOST}:443 HTTP/1.0"]
    assert tokens == ["Bearer ya29.token"]


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (401, errors("UNAUTHORIZED", "authentication failed"), True),
        (403, errors("DENIED", "Permission denied on resource"), True),
        (429, errors("TOOMANYREQUESTS", "Quota exceeded"), False),
        (503, "<html>", False),
        (200, "<html>a page of a proxy</html>", False),
        (200, "[]", False),
        (200, '{"layers": [3]}', False),
    ],
)
def test_an_answer_that_is_not_a_manifest_is_an_error_with_a_fix(
    registry: str, status: int, body: str, refused: bool
) -> None:
    with gate(registry) as opened:
        opened.answer = lambda _method, _path: (status, body)
        with pytest.raises(EnvironmentFaultError, match=f"the registry {opened.address}") as failed:
            read_manifest(opened.address, "base", "1", None)
    assert isinstance(failed.value, RefusedError) == refused
    assert failed.value.fix
    assert len(opened.seen) == 1


def test_a_missing_tag_has_no_manifest(registry: str) -> None:
    assert read_manifest(registry, "nobody/nothing", "1", None) is None
