"""HTTP to package indexes: connections that are kept, time limits, redirects, proxies, certificates.

Nothing here knows what an index answers. urllib3 is imported with this module, which only a check that asks an index
imports.
"""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

import urllib3
from urllib3.exceptions import EmptyPoolError, HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as LateError

from seatrial.facts.packages.settings import certificates

TIMEOUT = 2.0  # seconds in which an index must go on answering
LARGEST = 33_554_432  # bytes of an answer, unpacked
FAULTS = (OSError, ValueError, EOFError, RecursionError)  # what a request, or reading its answer, may raise
# Connections to one host. Each looks its name up, and resolvers drop some of many look-ups that come at once.
_AT_ONCE = 8
_PIECE = 262_144  # bytes that are read at once
_HOPS = 10  # redirects that are followed, as in the standard library
_MAKING = threading.Lock()


class StatusError(OSError):
    """The server answered with an error; `code` is the status."""

    def __init__(self, code: int) -> None:
        super().__init__(f"status {code}")
        self.code = code


@contextlib.contextmanager
def answered(url: str, headers: Mapping[str, str], end: float) -> Iterator[tuple[urllib3.BaseHTTPResponse, str]]:
    """Yield the answer to a GET request, unread, and its final address; `end` is a moment of time.monotonic().

    A redirect is followed without the Authorization header to another host, and never from TLS to plain HTTP.

    Raises:
        StatusError: the status is not a success.
        TimeoutError: no answer in time; raised in the block too.
        OSError, ValueError: no answer, or a redirect that is not followed.
    """
    sent = {"User-Agent": "seatrial", **headers}
    try:
        for _ in range(_HOPS + 1):
            left = max(0.05, end - time.monotonic())
            answer = _pool(_proxy(url)).urlopen(
                "GET", url, headers=sent, timeout=min(TIMEOUT, left), pool_timeout=left, retries=False,
                redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                if not (target := answer.get_redirect_location()):
                    if not 200 <= answer.status < 300:
                        raise StatusError(answer.status)
                    yield answer, url
                    return
                if int(answer.headers.get("Content-Length", LARGEST)) <= _PIECE:
                    answer.drain_conn()
            finally:
                answer.close()  # unless its answer was read to the end; then the connection is kept
                answer.release_conn()
            old, new = urllib.parse.urlsplit(url), urllib.parse.urlsplit(url := urllib.parse.urljoin(url, target))
            if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
                raise OSError(f"a redirect to {new.scheme}")
            if new.netloc != old.netloc:
                sent.pop("Authorization", None)
        raise OSError("too many redirects")
    except HTTPError as error:
        # NewConnectionError, such as a refused connection, is a TimeoutError of urllib3 too.
        if isinstance(error, EmptyPoolError) or (
            isinstance(error, LateError) and not isinstance(error, NewConnectionError)
        ):
            raise TimeoutError("timed out") from None
        raise OSError(words(error)) from None


def get(url: str, login: str, end: float, accept: str = "*/*") -> tuple[bytes, str, str]:
    """Return a body, its content type and its final address; `login` is the value of an Authorization header.

    Raises:
        OSError, ValueError: there is no answer, or none that can be read.
    """
    headers = {"Accept": accept, "Accept-Encoding": "gzip"} | ({"Authorization": login} if login else {})
    with answered(url, headers, end) as (answer, final):
        parts: list[bytes] = []
        size = 0
        for part in answer.stream(_PIECE):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise ValueError("an answer of more than 32 MB")
            if time.monotonic() > end:
                raise TimeoutError("timed out")
        return b"".join(parts), answer.headers.get("Content-Type", ""), final


def words(error: Exception) -> str:
    """Return why a request failed, without addresses, which may hold a password."""
    text = re.sub(r"^.*?object at 0x\w+>: ", "", str(error))  # how urllib3 names a connection
    return re.sub(r"\S*://\S+", "an address", text)[:200] or type(error).__name__


def _proxy(url: str) -> str:
    """Return the proxy for an address, as the environment names it; "" for none."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    named = urllib.request.getproxies().get(parts.scheme, "")
    return named if "://" in named or not named else f"http://{named}"


def _pool(proxy: str) -> urllib3.PoolManager:
    """Return the connections through a proxy, or without one, which all threads share."""
    with _MAKING:  # reading the certificates takes longer than a request
        return _made(proxy)


@functools.cache
def _made(proxy: str) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    if file := certificates():
        context.load_verify_locations(file)
    if not proxy:
        return urllib3.PoolManager(maxsize=_AT_ONCE, block=True, ssl_context=context)
    parts = urllib.parse.urlsplit(proxy)
    login = ":".join(urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
    headers = urllib3.make_headers(proxy_basic_auth=login) if parts.username else None
    address = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return urllib3.ProxyManager(
        address, maxsize=_AT_ONCE, block=True, ssl_context=context, proxy_ssl_context=context, proxy_headers=headers
    )
