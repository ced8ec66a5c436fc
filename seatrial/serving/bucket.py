"""A bucket of Cloud Storage as far as a server needs it: list objects, and read a part of one.

It speaks the JSON API with the standard library, so that an image needs no SDK. A request that breaks is asked again,
from the byte where it broke, until nothing has come for a while. A refusal ends at once, in a sentence with its fix.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit

from seatrial.serving import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GOOGLE = "https://storage.googleapis.com"
METADATA = "metadata.google.internal"  # gives the service account's token on every machine of Google Cloud
TIMEOUT = 30.0  # seconds for one step of a request
PATIENCE = 120.0  # seconds without one new byte after which an object is given up
_CHUNK = 1 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 16.0  # seconds
_FIELDS = "items(name,size,crc32c,generation,contentEncoding),nextPageToken"
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # https://docs.cloud.google.com/storage/docs/retry-strategy
_LEFT = 60.0  # seconds before its end in which a token is no longer used


class StorageError(Exception):
    """The artifacts cannot be fetched; the text says why and what to do."""


class _BrokenError(Exception):
    """This request failed; the next one may not."""


@dataclass(frozen=True)
class Stored:
    """An object of a bucket. `crc32c` is base64 as the API gives it; `encoding` is "gzip" if it is stored packed."""

    name: str
    size: int
    crc32c: str
    generation: str
    encoding: str = ""


class Account(Protocol):
    """Whoever asks, as far as a bucket needs to know."""

    def token(self) -> str:
        """Return a token that is valid for a while; "" if there is none."""

    def forget(self, token: str) -> bool:
        """Forget a token that was refused; return whether another one may be accepted."""

    def email(self) -> str:
        """Return the account's name; "" if it is not known."""


class Bucket:
    """A bucket. Its methods may be called in several threads; each has a connection of its own."""

    def __init__(
        self,
        name: str,
        origin: str = GOOGLE,
        metadata: str | None = METADATA,
        patience: float = PATIENCE,
        account: Account | None = None,
    ) -> None:
        """`metadata` is the host that gives tokens, unless `account` does; without both, requests are anonymous."""
        self._name = name
        parts = urlsplit(origin if "://" in origin else f"http://{origin}")
        self._host, self._base = parts.netloc, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        # A token is a password for a while: never send it in the clear.
        self._account: Account | None = None
        if self._tls:
            self._account = account or (_MetadataServer(metadata) if metadata else None)
        self._patience = patience
        self._of_thread = threading.local()
        self._connections: set[http.client.HTTPConnection] = set()
        self._stopped = threading.Event()

    @classmethod
    def of(cls, name: str, environ: Mapping[str, str]) -> Bucket:
        """Return a bucket of Google's, or of the emulator that STORAGE_EMULATOR_HOST names."""
        emulator = environ.get("STORAGE_EMULATOR_HOST")
        if emulator:
            return cls(name, emulator, None)
        return cls(name, metadata=environ.get("GCE_METADATA_HOST") or METADATA)

    def stop(self) -> None:
        """End what other threads ask for; they raise StorageError soon."""
        self._stopped.set()

    def close(self) -> None:
        """Close all connections, when no thread asks for anything."""
        while self._connections:
            self._connections.pop().close()

    def note(self, severity: str, text: str) -> None:
        """Say how it goes, where a server says it: in its log."""
        log.write(severity, text, phase="fetch")

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield every object whose name begins with a prefix.

        Raises:
            StorageError: there is no such bucket, it may not be listed, or it does not answer.
        """
        query = {"prefix": prefix, "fields": _FIELDS, "maxResults": "1000"}
        while True:
            page = self._page(query)
            for item in page.get("items", ()):
                yield Stored(
                    name=item["name"],
                    size=int(item["size"]),
                    crc32c=item.get("crc32c", ""),
                    generation=str(item.get("generation", "")),
                    encoding=item.get("contentEncoding", ""),
                )
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def read(self, stored: Stored, start: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from `start` to before `end` in pieces; each is valid until the next.

        Raises:
            StorageError: it is no longer there or another one, it may not be read, or no byte comes any more.
        """
        place = f"/o/{quote(stored.name, safe='')}"
        query = {"alt": "media", **self._version(stored)}
        piece = memoryview(bytearray(min(_CHUNK, end - start)))
        tries = _Tries(f"gs://{self._name}/{stored.name}", self._patience, self._stopped, self.note)
        while start < end:
            with self._tried(tries):
                response = self._ask(place, query, {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"})
                self._require_part(response, stored, start)
                while start < end:
                    count = response.readinto(piece[: end - start])
                    if not count:
                        raise _BrokenError(f"the connection ended {end - start} bytes too early")
                    start += count
                    tries.succeeded()
                    if self._stopped.is_set():
                        raise StorageError("the fetch was stopped")
                    yield piece[:count]

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        tries = _Tries(f"the list of gs://{self._name}/{query['prefix']}", self._patience, self._stopped, self.note)
        page: Any = None
        while page is None:
            with self._tried(tries):
                page = json.loads(self._ask("/o", query, {}).read())
        if not isinstance(page, dict):
            raise StorageError(f"what answers for gs://{self._name} is not Cloud Storage")
        return page

    @contextmanager
    def _tried(self, tries: _Tries) -> Iterator[None]:
        """Wait after a request that failed for now; the caller asks again."""
        try:
            yield
        except _TEMPORARY as error:
            self._hang_up()
            tries.wait(error)

    def _ask(self, place: str, query: Mapping[str, str], headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send a request and return the answer whose body is still to be read.

        Raises:
            StorageError: it was refused.
            _BrokenError: it failed for now.
        """
        token = self._account.token() if self._account else ""
        if token:
            headers = {**headers, "Authorization": f"Bearer {token}"}
        connection = self._connection()
        path = f"{self._base}/storage/v1/b/{quote(self._name, safe='')}{place}?{urlencode(query)}"
        connection.request("GET", path, headers={"User-Agent": "seatrial-serving", **headers})
        response = connection.getresponse()
        if response.status in (200, 206):
            return response
        said = _said(response.read(1 << 16))
        self._hang_up()
        if response.status == 401 and self._account and self._account.forget(token):
            raise _BrokenError("the token is no longer accepted")
        if response.status in _AGAIN or "rateLimitExceeded" in said:
            raise _BrokenError(f"HTTP {response.status}: {said}")
        raise self._refused(response.status, said, "" if place == "/o" else unquote(place.removeprefix("/o/")))

    def _version(self, stored: Stored) -> dict[str, str]:
        """Return the parameters that ask for an object as it was listed, and for no later one."""
        return {"ifGenerationMatch": stored.generation} if stored.generation else {}

    def _refused(self, status: int, said: str, name: str) -> Exception:
        """Return the error for a request that was refused, for an object's content or, without a name, for the list."""
        return StorageError(self._refusal(status, said, listing=not name))

    def _refusal(self, status: int, said: str, *, listing: bool) -> str:
        whole = f"gs://{self._name}"
        email = self._account.email() if self._account else ""
        if status in (401, 403):
            may = f"may not {'list' if listing else 'read'} {whole}"
            if not email:
                return (
                    f"a client without a service account {may} (HTTP {status}: {said}); run it on Google Cloud with a "
                    "service account that may, or make the artifacts part of the bundle"
                )
            member = f"--member=serviceAccount:{email} --role=roles/storage.objectViewer"
            return (
                f"{email} {may} (HTTP {status}: {said}); grant it roles/storage.objectViewer on the bucket: "
                f"`gcloud storage buckets add-iam-policy-binding {whole} {member}`"
            )
        if status == 404 and listing:
            return f"there is no bucket {whole} (HTTP 404: {said}); correct the model's artifact URI"
        if status in (404, 412):
            return (
                f"an object of {whole} was {'removed' if status == 404 else 'replaced'} while it was fetched; start "
                "again, and give every model version a folder of its own"
            )
        return f"Cloud Storage refuses a request for {whole} with HTTP {status}: {said}"

    def _require_part(self, response: http.client.HTTPResponse, stored: Stored, start: int) -> None:
        given = response.headers.get("x-goog-generation") or stored.generation
        if given != stored.generation:  # an answer of a server that ignores ifGenerationMatch
            raise self._refused(412, "", stored.name)
        if response.status == 206:
            begins = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
        else:
            begins = "0"
        if begins != str(start):
            raise _BrokenError(f"the answer begins at byte {begins}, not at {start}")

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            if self._tls is None:
                connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
            else:
                connection = http.client.HTTPSConnection(self._host, timeout=TIMEOUT, context=self._tls)
            self._of_thread.connection = connection
            self._connections.add(connection)
        return connection

    def _hang_up(self) -> None:
        """Close this thread's connection, whose answer may be half read; the next request opens another."""
        connection = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()
            self._connections.discard(connection)
            self._of_thread.connection = None


_TEMPORARY = (_BrokenError, OSError, http.client.HTTPException, json.JSONDecodeError, UnicodeDecodeError)


@dataclass
class _Tries:
    """Pauses between the tries of one request: longer each time, and random so that clients do not come together."""

    what: str
    patience: float
    stopped: threading.Event
    note: Callable[[str, str], None]
    failed: int = 0
    last: float = field(default_factory=time.monotonic)  # success, or the beginning

    def succeeded(self) -> None:
        self.failed, self.last = 0, time.monotonic()

    def wait(self, error: Exception) -> None:
        """Wait before the next try.

        Raises:
            StorageError: another try is useless, nothing has come for too long, or the fetch was stopped.
        """
        text = f"{self.what}: {str(error) or type(error).__name__}"
        if isinstance(error, ssl.SSLCertVerificationError):
            raise StorageError(f"{text}; install the package ca-certificates in the image's base") from error
        self.failed += 1
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self.failed - 1, 10))
        pause = random.uniform(longest / 10, longest)  # noqa: S311 - no secret
        if time.monotonic() + pause - self.last > self.patience:
            raise StorageError(f"{text}; nothing came for {self.patience:.0f} s, after {self.failed} tries") from error
        self.note("WARNING", f"{text}; asked again in {pause:.1f} s")
        if self.stopped.wait(pause):
            raise StorageError("the fetch was stopped")


class _MetadataServer:
    """The service account of this machine, as its metadata server knows it; none where there is no such server."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        self._forgotten = 0

    def token(self) -> str:
        """Return a token that is valid for a while; "" if there is no metadata server.

        Raises:
            OSError: there is one, but it does not answer now.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                given = self._get("token")
                answer = json.loads(given) if given else {}
                self._token = answer.get("access_token", "")
                self._until = time.monotonic() + max(1.0, answer.get("expires_in", 3600) - _LEFT)
            return self._token

    def forget(self, token: str) -> bool:
        """Forget a token that was refused; return whether another one may be accepted."""
        with self._lock:
            if not token or self._forgotten > 2:
                return False
            if token == self._token:  # otherwise another thread was first
                self._until = 0.0
                self._forgotten += 1
            return True

    def email(self) -> str:
        """Return the account's name; "" if it is not known."""
        with suppress(OSError, http.client.HTTPException):
            return self._get("email").strip()
        return ""

    def _get(self, what: str) -> str:
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            path = f"/computeMetadata/v1/instance/service-accounts/default/{what}"
            connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
            response = connection.getresponse()
            text = response.read(1 << 16).decode()
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise
            return ""  # there is no such name: this is not Google Cloud
        finally:
            connection.close()
        if response.status == 404:
            return ""  # the machine has no service account
        if response.status != 200:
            raise _BrokenError(f"the metadata server answers HTTP {response.status}")
        return text


def _said(body: bytes) -> str:
    """Return the message of an error answer in one line."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        error = json.loads(text)["error"]
        reasons = [str(each["reason"]) for each in error.get("errors", ()) if "reason" in each]
        text = " ".join([str(error["message"]), *(f"[{reason}]" for reason in reasons)])
    return " ".join(text.split())[:300] or "no reason"
