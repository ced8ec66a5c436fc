"""HTTP to package indexes: one connection a request, time limits, redirects, certificates.

Nothing here knows what an index answers.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.client
import io
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from seatrial.facts.packages.settings import certificates

TIMEOUT = 2.0  # seconds in which an index must go on answering
LARGEST = 33_554_432  # bytes of an answer, unpacked
FAULTS = (OSError, http.client.HTTPException, ValueError, EOFError, RecursionError)  # what a request may raise


def get(url: str, login: str, end: float, accept: str = "*/*") -> tuple[bytes, str, str]:
    """Return a body, its content type and its final address; `login` is the value of an Authorization header.

    Raises:
        OSError, http.client.HTTPException, ValueError: there is no answer, or none that can be read.
    """
    headers_sent = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "seatrial"}
    if login:
        headers_sent["Authorization"] = login
    request = urllib.request.Request(url, headers=headers_sent)  # noqa: S310 - the next lines allow only HTTP
    if request.type not in ("http", "https"):
        raise ValueError(f"an address of {request.type}")
    timeout = max(0.05, min(TIMEOUT, end - time.monotonic()))
    with opener().open(request, timeout=timeout) as answer:
        body = read(answer, end)
        if answer.headers.get("Content-Encoding") == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as unpacked:
                body = unpacked.read(LARGEST)
        return body, answer.headers.get("Content-Type", ""), answer.url


def read(answer: Any, end: float) -> bytes:
    """Return the body of an answer, of at most 32 MB.

    Raises:
        ValueError: it is longer.
        TimeoutError: it is not complete at `end`.
    """
    parts: list[bytes] = []
    size = 0
    while part := answer.read(262_144):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise ValueError("an answer of more than 32 MB")
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return b"".join(parts)


def words(error: Exception) -> str:
    """Return why a request failed, without addresses, which may hold a password."""
    reason = getattr(error, "reason", None) or error
    return re.sub(r"\S*://\S+", "an address", str(reason))[:200] or type(error).__name__


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects: without the login to another host, and never from TLS to plain HTTP."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, hdrs: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme != "https"):
            raise urllib.error.URLError(f"a redirect to {new.scheme}")
        request = super().redirect_request(req, fp, code, msg, hdrs, newurl)
        if request is not None and new.netloc != old.netloc:
            request.remove_header("Authorization")
        return request


@functools.cache
def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses; it is made once, because reading the certificates takes longer than a request."""
    context = ssl.create_default_context()
    if file := certificates():
        context.load_verify_locations(file)
    return urllib.request.build_opener(_Secure(context=context), _Plain, _SameHost)


_RESOLVING = threading.Lock()
_RESOLVED: dict[tuple[str, int], list[str]] = {}


def _connect(address: tuple[str, int], timeout: Any = None, source: Any = None) -> socket.socket:
    """Connect to a host whose name is looked up once: many at once make resolvers drop some, for seconds."""
    with _RESOLVING:
        if address not in _RESOLVED:
            found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
            _RESOLVED[address] = list(dict.fromkeys(str(one[4][0]) for one in found))
    *others, last = _RESOLVED[address]
    for host in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((host, address[1]), timeout, source)
    return socket.create_connection((last, address[1]), timeout, source)


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._with = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._with)


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)
