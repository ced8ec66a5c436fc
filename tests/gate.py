"""A gate before a real registry, which wants a valid token and breaks what a test chooses, and a source of tokens."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

USER = "oauth2accesstoken"  # the name that Artifact Registry takes access tokens under
Answer = tuple[int, str]


def errors(code: str, message: str) -> str:
    """Return the body of a refusal as registries write it."""
    return json.dumps({"errors": [{"code": code, "message": message}]})


@dataclass
class Gate:
    """What the gate lets pass, and what it saw.

    Attributes:
        tokens: those that are valid now; None asks for none.
        answer: what to answer instead of the registry, by method and path; None asks the registry. Status 0 breaks
            the connection without an answer.
        seen: method, path and the token of every request.
    """

    address: str
    tokens: set[str] | None = None
    answer: Callable[[str, str], Answer | None] = lambda _method, _path: None
    seen: list[tuple[str, str, str]] = field(default_factory=list)


@contextlib.contextmanager
def gate(registry: str) -> Iterator[Gate]:
    """Open a gate before the registry for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                super().handle_one_request()

        def answer(self) -> None:
            body = self._body()
            token = _token(self.headers.get("Authorization", ""))
            opened.seen.append((self.command, self.path, token))
            if opened.tokens is not None and token not in opened.tokens:
                refusal = errors("UNAUTHORIZED", "authentication failed")
                self._send(401, {"WWW-Authenticate": 'Basic realm="test"'}, refusal.encode())
                return
            instead = opened.answer(self.command, self.path)
            if instead is None:
                self._send(*self._forwarded(body))
            elif instead[0] == 0:
                self.close_connection = True
            else:
                self._send(instead[0], {"Content-Type": "application/json"}, instead[1].encode())

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = answer  # noqa: N815 - the names that http.server calls

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _forwarded(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            left_out = {"authorization", "transfer-encoding", "content-length", "connection"}
            headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            connection = http.client.HTTPConnection(registry, timeout=60)
            try:
                connection.request(self.command, self.path, body, headers)  # the host's name stays: links lead here
                found = connection.getresponse()
                return found.status, dict(found.getheaders()), found.read()
            finally:
                connection.close()

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    opened = Gate("")
    with _serving(Handler) as opened.address:
        yield opened


@dataclass
class Issuer:
    """A token service as workload identity federation has it.

    Attributes:
        lifetime: seconds, as it says of each token.
        refusing: whether it refuses to give one.
        issued: the tokens that it gave.
    """

    lifetime: int = 3600
    refusing: bool = False
    issued: list[str] = field(default_factory=list)


@contextlib.contextmanager
def issuer(folder: Path) -> Iterator[Issuer]:
    """Run a token service and make its identity the ambient one for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer: dict[str, object] = {"error": "invalid_grant", "error_description": "the subject is not known"}
            if not running.refusing:
                running.issued.append(f"ya29.local-{len(running.issued) + 1}")
                kind = "urn:ietf:params:oauth:token-type:access_token"
                answer = {"access_token": running.issued[-1], "issued_token_type": kind, "token_type": "Bearer"}
                answer["expires_in"] = running.lifetime
            body = json.dumps(answer).encode()
            self.send_response_only(400 if running.refusing else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    running = Issuer()
    (folder / "subject").write_text("who I am")
    with _serving(Handler) as address, pytest.MonkeyPatch.context() as patch:
        account = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/test/providers/test",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"http://{address}/v1/token",
            "credential_source": {"file": str(folder / "subject")},
        }
        (folder / "credentials.json").write_text(json.dumps(account))
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "credentials.json"))
        patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@contextlib.contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve HTTP on this machine and give host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False  # an engine may keep its connections open
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join(10)


def _token(authorization: str) -> str:
    """Return the token that came as a bearer's, or as the password of Google's name for them."""
    kind, _, value = authorization.partition(" ")
    if kind == "Basic":
        user, _, token = base64.b64decode(value).decode().partition(":")
        return token if user == USER else ""
    return value if kind == "Bearer" else ""
