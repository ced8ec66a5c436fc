"""A server that keeps the whole contract, and on demand breaks one point of it, by the name of that point's check.

The tests of the suite run it in this process, or as a command: `python -m tests.contract.server FAULT...`.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

LIMIT = 2_000_000  # bytes of a body
GIVEN_UP = 1.5  # seconds after which a silent client is
MODES = {
    "image-grey": ("1", "L"), "image-palette": ("P",), "image-alpha": ("RGBA",), "image-grey-alpha": ("LA",),
    "image-cmyk": ("CMYK",), "image-16-bit": ("I", "I;16"),
}  # fmt: skip


class RefusedError(Exception):
    """A request is refused; `name` is the check that asks for it."""

    def __init__(self, status: int, message: str, name: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.more = more


class State:
    """What the server is doing, and what is wrong with it."""

    def __init__(self, faults: frozenset[str]) -> None:
        self.faults = faults
        self.loaded = True
        self.draining = False
        self.asked = 0  # health requests
        self.running = 0  # predictions
        self.connections = 0
        self.left = 0  # clients that broke off
        self.poison = 0  # good requests that fail because of a bad one
        self.lock = threading.RLock()
        self.reading = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm: bool = True  # type: ignore[misc]
    wbufsize: int = -1  # type: ignore[misc]
    timeout: float | None = GIVEN_UP  # type: ignore[misc]
    state: ClassVar[State]
    health_route = "/health"
    predict_route = "/predict"

    def has(self, fault: str) -> bool:
        return fault in self.state.faults

    def setup(self) -> None:
        self.requests = 0
        if self.has("http-keep-alive-75"):
            self.timeout = 0.1
        if self.state.faults & {"client-stalled-head", "http-1.0", "http-length-and-chunks"}:
            self.timeout = 60
        if self.has("http-no-stall"):  # head and body in packets of their own, the second after the first's receipt
            self.disable_nagle_algorithm, self.wbufsize = False, 0
        super().setup()

    def handle(self) -> None:
        with self.state.lock:
            self.state.connections += 1
            crowded = self.has("client-many") and self.state.connections > 50
        try:
            while crowded and self.state.connections > 50:
                time.sleep(0.01)
            super().handle()
        except ConnectionError:
            self.state.left += 1
        finally:
            with self.state.lock:
                self.state.connections -= 1

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def send_error(self, code: int, *_: object, **__: object) -> None:
        """Answer what http.server itself refuses."""
        wrong = (code == 431 and self.has("http-huge-header")) or (code == 400 and self.has("http-other-protocol"))
        status = 500 if wrong else code
        self.wfile.write(b"HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)
        self.close_connection = True

    def handle_expect_100(self) -> bool:
        if not self.has("http-expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        return True

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def answer(self) -> None:
        self.requests += 1
        try:
            status, body, more = self.route()
        except RefusedError as error:
            status = 500 if error.name in self.state.faults else error.status
            shown = {"code": status, "message": str(error), **error.more}
            body, more = json.dumps({"error": shown}).encode(), {"error": "1"}
            if self.has("body-error-private"):
                body = json.dumps({"error": 'Traceback (most recent call last):\n  File "x.py", line 1'}).encode()
            more = {"Allow": str(error.more["allow"])} if "allow" in error.more else {}
            if self.has("body-error-json"):
                more, body = {"Content-Type": "text/plain"}, b"no"
            if self.close_connection:
                more["Connection"] = "close"
            elif self.has("http-keep-alive-errors"):
                self.close_connection = True
        self.reply(status, body, more)
        if self.has("http-keep-alive"):
            self.close_connection = True
        if self.has("http-pipelining"):
            self.rfile = self.connection.makefile("rb")  # what was read ahead is lost

    def reply(self, status: int, body: bytes, more: Mapping[str, str]) -> None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}
        given = self.headers.get("X-Request-Id")
        if given and not self.has("http-request-id"):
            headers["X-Request-Id"] = given
        elif not given and not self.has("http-request-id-made"):
            headers["X-Request-Id"] = uuid.uuid4().hex
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" or self.has("health-head"):
            self.wfile.write(body)

    def route(self) -> tuple[int, bytes, dict[str, str]]:
        if "Host" not in self.headers and self.request_version == "HTTP/1.1":
            self.refuse("no Host", "http-no-host")
        path = self.path
        if path.startswith("http://") and not self.has("http-whole-address"):
            path = "/" + path.removeprefix("http://").partition("/")[2]
        bare = path.partition("?")[0]
        if (path if self.has("health-query") else bare) == self.health_route:
            return self.health()
        if (path if self.has("predict-query") else bare) == self.predict_route:
            return self.predict()
        if self.has("http-404"):
            return 200, b"{}", {}
        raise RefusedError(404, f"no route {path}")

    def refuse(self, message: str, name: str, status: int = 400, **more: Any) -> None:
        """Refuse a request, unless the fault is to accept it."""
        if name not in self.state.faults:
            raise RefusedError(status, message, **more)

    def health(self) -> tuple[int, bytes, dict[str, str]]:
        state = self.state
        if self.command == "POST":
            self.close_connection = True
            raise RefusedError(405, "GET it", "health-method", allow="GET, HEAD")
        if self.has("health-http-1.0") and self.request_version == "HTTP/1.0":
            raise RefusedError(505, "too old")
        state.asked += 1
        if state.running and self.has("health-while-predicting"):
            time.sleep(3)
        if state.running and self.has("health-quick"):
            time.sleep(0.5)
        if not state.loaded:
            return 404 if self.has("start-health-503") else 503, b"{}", {}
        flaps = self.has("health-steady") and state.asked % 5 == 0
        stops = state.draining and not self.has("stop-health")
        return 503 if flaps or stops or self.has("health-200") else 200, b"{}", {}

    def predict(self) -> tuple[int, bytes, dict[str, str]]:
        state = self.state
        if self.command != "POST":
            raise RefusedError(405, "POST it", "http-405", allow="POST")
        if not state.loaded or state.draining:
            self.close_connection = True
            raise RefusedError(503, "not now", "start-predict-503")
        kind = self.kind()
        body = self.decoded(self.body())
        if self.has("client-half-closed") and self.is_half_closed():
            self.close_connection = True
            raise ConnectionAbortedError
        if self.has("client-leaves-sending") and state.left > 3:
            raise RefusedError(500, "broken by clients that left")
        request = {"instances": [body]} if kind.startswith("image/") else self.parsed(body)
        with state.lock:
            state.running += 1
            busy = state.running > 1
        try:
            if busy and self.has("client-at-once"):
                raise RefusedError(500, "busy")
            predictions = self.predictions(request["instances"])
            time.sleep(0.002 * len(predictions))
        finally:
            with state.lock:
                state.running -= 1
        return self.answered(predictions)

    def answered(self, predictions: list[Any]) -> tuple[int, bytes, dict[str, str]]:
        if self.has("predict-answers"):
            return 200, b'{"outputs": []}', {}
        if self.has("predict-length"):
            predictions = predictions[:1]
        more = {"Content-Type": "text/html"} if self.has("predict-content-type") else {}
        if self.has("predict-accept") and self.headers.get("Accept"):
            more["Content-Type"] = str(self.headers["Accept"])
        return 200, json.dumps({"predictions": predictions}).encode(), more

    def kind(self) -> str:
        given = self.headers.get("Content-Type")
        if given is None and self.has("http-no-content-type"):
            raise RefusedError(500, "no content type")
        kind = given or "application/json"
        if not self.has("http-charset"):
            kind = kind.partition(";")[0].strip().lower()
        if kind.startswith("image/"):
            return kind
        if kind != "application/json":
            self.close_connection = True
            self.refuse(f"the type {kind}", "http-other-content-type", 415)
        return kind

    def decoded(self, body: bytes) -> bytes:
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "gzip":
            return body if self.has("http-gzip") else gzip.decompress(body)
        if encoding != "identity":
            self.refuse(f"the encoding {encoding}", "http-unknown-encoding", 415)
        return body

    def is_half_closed(self) -> bool:
        """Return whether the client closes its side, which it does a moment after its last byte."""
        readable, _, _ = select.select([self.connection], [], [], 0.1)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def body(self) -> bytes:
        if self.has("client-slow"):
            self.connection.settimeout(0.03)
        if self.has("client-stalled-body"):
            self.connection.settimeout(60)
        try:
            if self.has("client-stalls-no-other"):
                with self.state.reading:
                    return self.whole_body()
            return self.whole_body()
        except ConnectionError:
            self.state.left += 1
            raise

    def whole_body(self) -> bytes:
        chunks = "chunked" in self.headers.get("Transfer-Encoding", "") and not self.has("http-chunked")
        lengths = self.headers.get_all("Content-Length", [])
        if len(set(lengths)) > 1 and not self.has("http-two-lengths"):
            self.close_connection = True
            raise RefusedError(400, "two lengths")
        if chunks:
            self.close_connection = self.close_connection or (bool(lengths) and not self.has("http-length-and-chunks"))
            return self.chunks()
        if not lengths:
            if self.has("http-no-length"):
                return self.rfile.read()
            if not self.has("http-chunked"):
                raise RefusedError(411, "no length")
        text = lengths[0] if lengths else "0"
        if not text.isdigit():
            self.close_connection = True
            self.refuse("no length", "http-length-wrong")
            return b'{"instances": []}'
        return self.exactly(int(text))

    def exactly(self, size: int) -> bytes:
        limit = 1_000_000 if self.has("predict-large") else LIMIT
        if size > limit and not self.has("http-413"):
            self.close_connection = True
            raise RefusedError(413, "too large")
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionResetError
        return data

    def chunks(self) -> bytes:
        parts, size = [], 0
        while True:
            text = self.rfile.readline()
            if not self.has("http-chunk-extensions"):
                text = text.partition(b";")[0]
            try:
                length = int(text.strip(), 16)
            except ValueError:
                self.close_connection = True
                self.refuse("no chunk", "http-chunk-broken")
                return b'{"instances": []}'
            parts.append(self.rfile.read(length))
            size += length
            if size > LIMIT and not self.has("http-413-chunks"):
                self.close_connection = True
                raise RefusedError(413, "too large")
            end = self.rfile.readline()
            if length == 0:
                while end.strip():
                    end = self.rfile.readline()
                return b"".join(parts)

    def parsed(self, body: bytes) -> dict[str, Any]:
        request = self.parsed_json(body)
        if not isinstance(request, dict):
            raise RefusedError(400, "no object", "body-not-an-object")
        if "instances" not in request:
            raise RefusedError(400, "no instances", "body-no-instances")
        if not isinstance(request["instances"], list):
            raise RefusedError(400, "no list", "body-instances-not-a-list")
        parameters = request.get("parameters")
        if not isinstance(parameters, dict | None):
            raise RefusedError(400, "no object", "body-parameters-not-an-object")
        if parameters == {} and self.has("predict-empty-parameters"):
            raise RefusedError(400, "no parameters")
        if parameters and self.has("predict-unknown-parameter"):
            raise RefusedError(500, "an unknown parameter")
        if len(request) > 2 and self.has("predict-unknown-keys"):
            raise RefusedError(400, "unknown keys")
        if not request["instances"] and self.has("predict-empty"):
            raise RefusedError(500, "need at least one array to stack")
        return request

    def parsed_json(self, body: bytes) -> Any:
        for text, name in ((b"1e999", "body-infinite-number"), (b"ud800", "body-surrogate")):
            if text in body and self.has(name):
                raise RefusedError(500, "not foreseen")
        if self.has("predict-spelling") and (not body.startswith(b'{"instances"') or b"\\" in body):
            raise RefusedError(400, "not as Python writes it")
        if not body:
            raise RefusedError(400, "no body", "body-empty")
        try:
            return json.loads(body.decode(), parse_constant=self.constant, object_pairs_hook=self.pairs)
        except UnicodeDecodeError:
            raise RefusedError(400, "not UTF-8", "body-not-utf-8") from None
        except RecursionError:
            deep = "body-deep-parameters" if b"parameters" in body else "body-deep"
            raise RefusedError(400, "too deep", deep) from None
        except json.JSONDecodeError:
            raise RefusedError(400, "not JSON", "body-not-json") from None
        except ValueError:
            raise RefusedError(400, "too many digits", "body-big-integer") from None

    def constant(self, name: str) -> float:
        self.refuse(f"{name} is not JSON", "body-nan")
        return math.nan

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs) and self.has("body-duplicate-keys"):
            raise RefusedError(500, "a key twice")
        return found

    def predictions(self, instances: list[Any]) -> list[Any]:
        state = self.state
        if state.poison and self.has("instance-others-untouched"):
            state.poison -= 1
            raise RefusedError(500, "the batch failed")
        found = []
        for at, instance in enumerate(instances):
            try:
                found.append(self.prediction(instance))
            except RefusedError as error:
                state.poison = 2
                index = {} if self.has("instance-index") else {"instance": at}
                raise RefusedError(error.status, str(error), error.name, **index) from None
        if self.has("client-leaves-waiting") and state.left > 2:
            raise RefusedError(500, "broken by clients that left")
        return found

    def prediction(self, instance: Any) -> float:
        if isinstance(instance, bytes):
            if self.has("image-raw"):
                raise RefusedError(400, "JSON, please")
            data = instance
        else:
            data = self.file_in(instance)
        image = self.opened(data)
        tones = image.convert("L").tobytes()
        low, high = min(tones), max(tones)
        if low == high and self.has("predict-strict-json"):
            return math.nan
        return float(low + high)

    def file_in(self, instance: Any) -> bytes:
        text = instance.get("b64") if isinstance(instance, dict) else instance
        if not isinstance(text, str) or not text:
            raise RefusedError(400, "no text", "instance-wrong-type")
        if isinstance(instance, str) and self.has("image-base64-text"):
            raise RefusedError(400, "an object, please")
        if not self.has("image-data-url") and text.startswith("data:"):
            text = text.partition(",")[2]
        if not self.has("image-url-safe"):
            text = text.replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise RefusedError(400, "not base64", "image-bad-base64") from None

    def opened(self, data: bytes) -> Image.Image:
        try:
            image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "GIF", "TIFF"])
        except Image.DecompressionBombError:
            raise RefusedError(400, "too many pixels", "image-bomb") from None
        except OSError:
            raise RefusedError(400, "no image", "image-no-image") from None
        if any(image.mode in modes and self.has(name) for name, modes in MODES.items()):
            raise RefusedError(500, f"the mode {image.mode}")
        if image.getexif() and self.has("image-exif"):
            raise RefusedError(500, "turned")
        try:
            image.load()
        except OSError:
            self.refuse("it breaks off", "image-broken-off")
            return Image.new("L", (2, 2))
        return image


def made(faults: frozenset[str], address: tuple[str, int] = ("127.0.0.1", 0)) -> HTTPServer:
    """Return a server that listens, with these faults."""
    handler = type("OfTest", (Handler,), {"state": State(faults)})
    kind = HTTPServer if "health-beside-idle" in faults else _Threads
    if "http-1.0" in faults:
        handler.parse_request = _kept_open  # type: ignore[attr-defined]
    return kind(address, handler)


def _kept_open(self: Handler) -> bool:
    parsed = BaseHTTPRequestHandler.parse_request(self)
    if self.request_version == "HTTP/1.0":
        self.close_connection = False
    return parsed


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200

    def handle_error(self, *_: Any) -> None:
        """Print nothing: clients that break off are what the tests are about."""


def log(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve as a container would."""
    faults = frozenset(sys.argv[1:])
    if "stop-leaves-nothing" in faults:
        subprocess.Popen(["sleep", "60"])
    host = "127.0.0.1" if "start-all-interfaces" in faults else "0.0.0.0"  # noqa: S104
    port = 0 if "start-port" in faults else int(os.environ["AIP_HTTP_PORT"])
    server = made(faults, (host, port))
    handler: Any = server.RequestHandlerClass
    handler.health_route = os.environ["AIP_HEALTH_ROUTE"]
    handler.predict_route = os.environ["AIP_PREDICT_ROUTE"]
    state: State = handler.state
    state.loaded = False

    def ignored(*_: object) -> None:
        """Go on."""

    def stop(*_: object) -> None:
        if "stop-answers" in faults:
            os._exit(0)
        threading.Thread(target=drain).start()

    def drain() -> None:
        state.draining = True
        time.sleep(0.3)  # in which health says it
        while state.running:
            time.sleep(0.01)
        time.sleep(0.1)  # until the last answer is written
        log(json.dumps({"severity": "INFO", "message": "stopped"}))
        os._exit(3 if "stop-exit-code" in faults else 0)

    loading = "again-stop-while-loading" in faults
    loaded = ignored if "stop-in-time" in faults else stop
    signal.signal(signal.SIGTERM, ignored if loading else loaded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("loading" if "stop-log" in faults else json.dumps({"severity": "INFO", "message": "loading"}))
    time.sleep(1.0)
    uri = os.environ.get("AIP_STORAGE_URI", "")
    if "start-healthy" in faults:
        sys.exit(1)
    while uri and not Path(uri).exists():
        if "again-failed-load" not in faults:
            sys.exit(1)
        time.sleep(0.1)
    if loading:
        time.sleep(0.5)
        signal.signal(signal.SIGTERM, loaded)
    state.loaded = True
    while True:
        time.sleep(0.02)  # not pause(): a signal that another thread gets does not end it


if __name__ == "__main__":
    main()
