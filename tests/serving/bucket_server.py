"""A real HTTP server that answers as Cloud Storage's JSON API does, and breaks where a test says so."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_OBJECTS = re.compile(r"/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?")
_SERVICE_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default/"


_GENERATION = "1700000000000001"


@dataclass
class Faults:
    """What goes wrong.

    Attributes:
        break_after: bytes of an object after which each of the first `breaks` answers ends.
        statuses: statuses of the first answers, of all kinds.
        corrupt: how many answers with an object's content have a wrong last byte.
        ignore_range: answer with the whole object.
        gone: names that are listed and not found.
        replaced: names that are listed with another generation than the one that is there.
        sizes: name → size that is listed instead of the true one.
        refuse_after: how many answers have an object's content; all later ones are 403.
        held: kinds of requests, "list" or "read", that are answered when `let` is set.
    """

    break_after: int = 0
    breaks: int = 0
    statuses: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    corrupt: int = 0
    ignore_range: bool = False
    gone: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    refuse_after: int | None = None
    held: str = ""
    let: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Repeated:
    """A large file that takes little memory: a block again and again."""

    block: bytes
    times: int

    def __len__(self) -> int:
        return len(self.block) * self.times

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        first, last = start // len(self.block), -(-stop // len(self.block))
        skipped = first * len(self.block)
        return (self.block * (last - first))[start - skipped : stop - skipped]


@dataclass
class Content:
    """A running server.

    Attributes:
        objects: name → content of the one bucket.
        encodings: name → content encoding.
        generations: name → generation, if it is not the usual one.
        page: objects on a page of a list.
        tokens: the tokens that are accepted; anonymous requests are accepted if it is None.
        given: the tokens that the metadata server gives, the last one again and again; [] is no service account.
        asked: requests by their kind, "list", "read" or "token".
        ranges: the header Range of every request for content.
        most: the largest number of requests for content at one time.
    """

    objects: dict[str, bytes | Repeated] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)
    generations: dict[str, str] = field(default_factory=dict)
    page: int = 1000
    tokens: Collection[str] | None = None
    given: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    asked: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    most: int = 0
    host: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: int = 0


@contextmanager
def running(content: Content, *, certificate: tuple[Path, Path] | None = None) -> Iterator[Content]:
    """Serve until the block ends; `content.host` is host:port."""

    class Handler(_Handler):
        served = content

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    content.host = f"{'localhost' if certificate else '127.0.0.1'}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield content
    finally:
        server.shutdown()
        server.server_close()


def crc32c(data: bytes | Repeated) -> str:
    checksum = 0
    for _ in range(data.times if isinstance(data, Repeated) else 1):
        checksum = google_crc32c.extend(checksum, data.block if isinstance(data, Repeated) else data)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


class _Handler(BaseHTTPRequestHandler):
    served: Content
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path.startswith(_SERVICE_ACCOUNT):
            return self._metadata(parts.path.removeprefix(_SERVICE_ACCOUNT))
        found = _OBJECTS.fullmatch(parts.path)
        assert found is not None, self.path
        kind = "read" if found["name"] else "list"
        with self.served.lock:
            self.served.asked[kind] += 1
            fault = self.served.faults.statuses.pop(0) if self.served.faults.statuses else None
        if kind == self.served.faults.held:
            self.served.faults.let.wait(20)
        if fault:
            return self._json(*fault)
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if self.served.tokens is not None and token not in self.served.tokens:
            return self._json(401, {"error": {"message": "Invalid Credentials"}})
        if found["name"]:
            return self._read(unquote(found["name"]), query)
        return self._list(query)

    def _metadata(self, what: str) -> None:
        assert self.headers["Metadata-Flavor"] == "Google"
        with self.served.lock:
            self.served.asked[what] += 1
            given = self.served.given
            token = given[0] if len(given) == 1 else given.pop(0) if given else ""
        if not token:
            return self._send(404, b"", "text/html")
        if what == "email":
            return self._send(200, b"server@project.iam.gserviceaccount.com", "text/plain")
        return self._json(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _list(self, query: dict[str, str]) -> None:
        names = sorted(name for name in self.served.objects if name.startswith(query["prefix"]))
        begin = int(query.get("pageToken", 0))
        page: dict[str, object] = {"kind": "storage#objects"}
        if items := [self._item(name) for name in names[begin : begin + self.served.page]]:
            page["items"] = items
        if names[begin + self.served.page :]:
            page["nextPageToken"] = str(begin + self.served.page)
        self._json(200, page)

    def _item(self, name: str) -> dict[str, str]:
        data = self.served.objects[name]
        size = self.served.faults.sizes.get(name, len(data))
        item = {"name": name, "size": str(size), "crc32c": crc32c(data)}
        item["generation"] = self.served.generations.get(name, _GENERATION)
        if name in self.served.encodings:
            item["contentEncoding"] = self.served.encodings[name]
        return item

    def _read(self, name: str, query: dict[str, str]) -> None:
        faults = self.served.faults
        assert query["alt"] == "media"
        if name not in self.served.objects or name in faults.gone:
            return self._json(404, {"error": {"message": "No such object"}})
        generation = self.served.generations.get(name, _GENERATION)
        if query.get("generation", generation) != generation:
            return self._json(404, {"error": {"message": f"No such object: {name}#{query['generation']}"}})
        if query.get("ifGenerationMatch", generation) != generation or name in faults.replaced:
            return self._json(412, {"error": {"message": "At least one precondition did not hold"}})
        with self.served.lock:
            if faults.refuse_after is not None and len(self.served.ranges) >= faults.refuse_after:
                return self._json(403, {"error": {"message": "reader does not have storage.objects.get access"}})
            self.served.ranges.append(self.headers["Range"])
            self.served.running += 1
            self.served.most = max(self.served.most, self.served.running)
            breaks, faults.breaks = faults.breaks > 0, faults.breaks - 1
            corrupt, faults.corrupt = faults.corrupt > 0, faults.corrupt - 1
        try:
            self._send_part(self.served.objects[name], breaks=breaks, corrupt=corrupt)
        finally:
            with self.served.lock:
                self.served.running -= 1

    def _send_part(self, data: bytes | Repeated, *, breaks: bool, corrupt: bool) -> None:
        first, last = (int(text) for text in self.headers["Range"].removeprefix("bytes=").split("-"))
        if self.served.faults.ignore_range:
            first, last = 0, len(data) - 1
        part = data[first : last + 1]
        if corrupt:
            part = part[:-1] + bytes([part[-1] ^ 1])
        self.send_response(200 if self.served.faults.ignore_range else 206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: self.served.faults.break_after] if breaks else part)
        if breaks:
            self.close_connection = True

    def _json(self, status: int, content: dict[str, object]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
