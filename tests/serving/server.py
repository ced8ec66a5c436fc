"""A real server process on a small predictor module, and what a client sees of it.

The predictor is a module `served` in the test's folder, which is on the server's path; the log is a file.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPOSITORY = Path(__file__).parents[2]
DIGEST = "0" * 64
PATIENCE = 20.0  # seconds after which a test stops waiting


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Parse the body as strict JSON, without NaN and Infinity."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} in {self.body!r}")

        return json.loads(self.body, parse_constant=refuse)

    @property
    def error(self) -> dict[str, Any]:
        """The object under "error", whose code must be the status."""
        error: dict[str, Any] = self.json()["error"]
        assert error["code"] == self.status
        return error


class Server:
    """A running server: its process, its log and requests to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def health(self) -> Reply:
        return self.request("GET", "/health")

    def predict(self, *instances: Any, parameters: Any = None) -> Reply:
        body: dict[str, Any] = {"instances": list(instances)}
        if parameters is not None:
            body["parameters"] = parameters
        return self.post(json.dumps(body).encode())

    def post(self, body: bytes | Iterator[bytes], content_type: str = "application/json") -> Reply:
        return self.request("POST", "/predict", body, {"Content-Type": content_type})

    def predictions(self, *instances: Any, parameters: Any = None) -> list[Any]:
        reply = self.predict(*instances, parameters=parameters)
        assert reply.status == 200, reply.body
        predictions: list[Any] = reply.json()["predictions"]
        return predictions

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.output()
            try:
                return self.health().status == 200
            except ConnectionRefusedError:
                return False

        wait_for(ready)

    def output(self) -> str:
        return (self.folder / "stdout").read_text() + (self.folder / "stderr").read_text()

    def log(self, **fields: object) -> list[dict[str, Any]]:
        """Return the log entries that have all these fields; other lines than JSON objects are ignored."""
        lines = (self.folder / "stdout").read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if fields.items() <= entry.items()]

    def touch(self, name: str) -> None:
        """Create a file that the predictor waits for."""
        (self.folder / name).touch()

    def wait_for_file(self, name: str) -> None:
        wait_for((self.folder / name).exists)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@contextmanager
def launched(
    folder: Path,
    code: str,
    *,
    environ: Mapping[str, str] | None = None,
    command: list[str] | None = None,
    **bundle: Any,
) -> Iterator[Server]:
    """Start a server on the predictor class `P` of `code`; it is killed at the end if it still runs."""
    (folder / "artifacts").mkdir(exist_ok=True)
    (folder / "served.py").write_text(PREAMBLE + textwrap.dedent(code))
    description = {"format": 1, "name": "test", "digest": DIGEST, "predictor": "served:P", **bundle}
    (folder / "bundle.json").write_text(json.dumps(description))
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIP_", "OMP_", "PYTHON"))}
    path = os.pathsep.join([str(folder), str(REPOSITORY)])
    arguments = [
        *(command or [sys.executable, "-m", "seatrial.serving"]),
        "--bundle",
        str(folder / "bundle.json"),
    ]
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            arguments,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env={
                **clean,
                "PYTHONPATH": path,
                "AIP_HTTP_PORT": str(port),
                "FOLDER": str(folder),
                **(environ or {}),
            },
        )
    try:
        yield Server(process, port, folder)
    finally:
        process.kill()
        process.wait(PATIENCE)


@contextmanager
def served(folder: Path, code: str, **options: Any) -> Iterator[Server]:
    """Start a server as `launched` does and wait until it is ready."""
    with launched(folder, code, **options) as server:
        server.wait_until_ready()
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def b64(data: bytes) -> dict[str, str]:
    """Wrap an image file as an instance."""
    return {"b64": base64.b64encode(data).decode()}


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gray(value: int, size: tuple[int, int] = (2, 2)) -> dict[str, str]:
    """Return a PNG of one gray value as an instance."""
    return b64(file_of(Image.new("L", size, value)))


PREAMBLE = """
import os
import pathlib
import time

import numpy as np

FOLDER = pathlib.Path(os.environ["FOLDER"])


def wait(name):
    while not (FOLDER / name).exists():
        time.sleep(0.005)


"""
