"""The bucket of a rehearsal: gcp-storage-emulator as a child process, on disk, on a port that the system chose.

The child ends when its standard input closes, so it does not outlive a killed emulator.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from seatrial.deploy.vertex import wildcards
from seatrial.emulator.api import refusals
from seatrial.emulator.api.hosting import HostingError
from seatrial.errors import EnvironmentFaultError
from seatrial.system import process

BUCKET = "seatrial-local"
_TIMEOUT = 60.0  # seconds for one answer
_END_TIMEOUT = 5.0  # seconds from the end of its input to its own end


class Storage:
    """The running child."""

    def __init__(self, folder: Path) -> None:
        """Start it with the content of `folder`; `url` waits until it answers."""
        self._folder = folder
        command = [sys.executable, "-m", __name__, str(folder.resolve())]
        # The child must find the same modules as this process, wherever the tool is installed.
        env = process.install_environment(PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
        self._process = process.start(command, env=env, piped=True)
        self._url = ""

    @property
    def pid(self) -> int:
        """The number of its process, which leads a group."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Its base URL.

        Raises:
            EnvironmentFaultError: it ended instead of answering.
        """
        if not self._url:
            assert self._process.stdout is not None  # noqa: S101 - process.start() gives a pipe
            line = self._process.stdout.readline()
            if not line.startswith("{"):
                raise EnvironmentFaultError(
                    f"the storage emulator did not start:\n{line}{self._process.stdout.read()}",
                    fix=f"remove {self._folder.parent} if the output names something in it; else install the tool "
                    "with its extra `deploy`",
                )
            self._url = f"http://127.0.0.1:{json.loads(line)['port']}"
            threading.Thread(target=self._drain, daemon=True).start()
        return self._url

    def stop(self) -> None:
        """End it and wait for that."""
        assert self._process.stdin is not None  # noqa: S101 - process.start() gives a pipe
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT)
        process.kill(self._process)

    def _drain(self) -> None:
        """Read its output: a full pipe would stop it."""
        assert self._process.stdout is not None  # noqa: S101 - process.start() gives a pipe
        for _ in self._process.stdout:
            pass


class Bucket:
    """The objects in it, as a batch prediction reads and writes them; see `seatrial.emulator.api.hosting.Objects`."""

    def __init__(self, url: Callable[[], str]) -> None:
        """`url` returns the base URL of the storage emulator."""
        self._url = url

    def matching(self, uri: str) -> list[str]:
        """Return the URIs of the objects that a URI names."""
        bucket, name = _parts(uri)
        wanted = wildcards.pattern(name)
        with self._client() as client, _answering(uri):
            blobs = client.list_blobs(bucket, prefix=wildcards.prefix(name), timeout=_TIMEOUT)
            found = [f"gs://{bucket}/{blob.name}" for blob in blobs if wanted.fullmatch(blob.name)]
        if not found:
            raise HostingError(refusals.NOT_FOUND, f"No object matches {uri}.")
        return found

    def read(self, uri: str) -> bytes:
        """Return an object's content."""
        bucket, name = _parts(uri)
        with self._client() as client, _answering(uri):
            content: bytes = client.bucket(bucket).blob(name).download_as_bytes(timeout=_TIMEOUT)
        return content

    def write(self, uri: str, content: bytes) -> None:
        """Write an object."""
        bucket, name = _parts(uri)
        with self._client() as client, _answering(uri):
            client.bucket(bucket).blob(name).upload_from_string(content, timeout=_TIMEOUT)

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage  # 0.2 s, which an emulator without batch predictions saves

        options = {"api_endpoint": self._url()}
        client = storage.Client(project="emulated", credentials=AnonymousCredentials(), client_options=options)
        with contextlib.closing(client):
            yield client


@contextlib.contextmanager
def _answering(uri: str) -> Iterator[None]:
    """Raise what the storage answers as Vertex tells it."""
    from google.api_core.exceptions import GoogleAPIError, NotFound
    from requests import RequestException

    try:
        yield
    except NotFound:
        raise HostingError(refusals.NOT_FOUND, f"There is no {uri}.") from None
    except (GoogleAPIError, RequestException) as error:
        raise HostingError(refusals.UNAVAILABLE, f"{uri} cannot be used: {error}") from None


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name


class _Server(HTTPServer):
    """The storage emulator's server; it takes one request at a time, and others wait in its queue."""

    request_queue_size = 128


def _serve(folder: Path) -> None:
    """Serve in this process until standard input ends."""
    from gcp_storage_emulator.handlers.buckets import create_bucket
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage as Store

    class Handler(RequestHandler):  # type: ignore[misc]  # it has no types
        def handle_one_request(self) -> None:
            """Answer 507 if the disk does not take a file: a client would repeat any other failure for minutes."""
            try:
                super().handle_one_request()
            except ConnectionError:
                raise
            except Exception as error:
                self.close_connection = True
                if not _is_full(error):
                    raise
                said = {"error": {"code": 507, "message": f"{folder}: {os.strerror(errno.ENOSPC)}"}}
                content = json.dumps(said).encode()
                self.send_response(507)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

    def opened() -> Store:
        store = Store(data_dir=str(folder))
        if store.get_bucket(BUCKET) is None:
            create_bucket(BUCKET, store)
        return store

    try:
        try:
            store = opened()
        except (ValueError, TypeError, LookupError, AttributeError):  # a damaged index, without which nothing is found
            shutil.rmtree(folder)
            store = opened()
    except OSError as error:
        sys.exit(f"{error.filename or folder}: {error.strerror or error}")
    with _Server(("127.0.0.1", 0), partial(Handler, store)) as server:
        sys.stdout.write(json.dumps({"port": server.server_address[1]}) + "\n")
        sys.stdout.flush()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        sys.stdin.read()
        server.shutdown()


def _is_full(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, is a full disk."""
    while error is not None:
        inner = getattr(error, "exc", None)  # of the library that the bucket is written with
        if any(getattr(each, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for each in (error, inner)):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
