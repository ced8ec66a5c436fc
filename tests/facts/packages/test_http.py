"""Requests to an index: redirects, logins, proxies and what counts as an answer, from real servers on this machine."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seatrial.facts.packages import http
from tests import certificates
from tests.facts.packages.test_index import Answers, answering

LOGIN = "Basic bWU6c2VjcmV0"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the connections of other tests, and the proxies of this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    http._made.cache_clear()
    yield
    http._made.cache_clear()


@pytest.fixture
def web() -> Iterator[Answers]:
    with answering() as answers:
        yield answers


@pytest.fixture
def other() -> Iterator[Answers]:
    """A server on another host, as its name says."""
    with answering() as answers:
        answers.url = answers.url.replace("127.0.0.1", "localhost")
        yield answers


def soon() -> float:
    return time.monotonic() + 10


def redirect(to: str) -> tuple[int, dict[str, str], bytes]:
    return 302, {"Location": to}, b""


def test_the_final_address_is_that_of_the_last_redirect(web: Answers, other: Answers) -> None:
    web.by_path["/a"] = redirect(f"{other.url}/hop")
    other.by_path["/hop"] = redirect("/final/")
    other.by_path["/final/"] = (200, {"Content-Type": "text/plain"}, b"here")
    assert http.get(f"{web.url}/a", LOGIN, soon()) == (b"here", "text/plain", f"{other.url}/final/")
    assert web.asked == [("/a", LOGIN)]
    assert other.asked == [("/hop", ""), ("/final/", "")]


def test_a_login_stays_with_redirects_of_its_own_host(web: Answers) -> None:
    web.by_path["/a"] = redirect("/b")
    web.by_path["/b"] = (200, {}, b"here")
    http.get(f"{web.url}/a", LOGIN, soon())
    assert web.asked == [("/a", LOGIN), ("/b", LOGIN)]


def test_a_login_does_not_come_back_with_a_redirect_to_its_host(web: Answers, other: Answers) -> None:
    web.by_path["/a"] = redirect(f"{other.url}/b")
    other.by_path["/b"] = redirect(f"{web.url}/c")
    web.by_path["/c"] = (200, {}, b"here")
    http.get(f"{web.url}/a", LOGIN, soon())
    assert web.asked == [("/a", LOGIN), ("/c", "")]


def test_a_redirect_from_tls_to_plain_http_is_not_followed(
    web: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Secured(tmp_path, f"{web.url}/plain") as address:
        monkeypatch.setenv("PIP_CERT", str(tmp_path / "certificate.pem"))
        with pytest.raises(OSError, match=r"^a redirect to http$"):
            http.get(address, LOGIN, soon())
    assert web.asked == []


def test_redirects_without_end_are_given_up(web: Answers) -> None:
    web.by_path["/a"] = redirect("/a")
    with pytest.raises(OSError, match=r"^too many redirects$"):
        http.get(f"{web.url}/a", "", soon())


@pytest.mark.parametrize("status", [300, 304, 404, 500])
def test_only_a_success_is_an_answer(web: Answers, status: int) -> None:
    web.by_path["/a"] = (status, {}, b"")
    with pytest.raises(http.StatusError) as error:
        http.get(f"{web.url}/a", "", soon())
    assert error.value.code == status


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_is_asked_unless_the_host_is_excepted(
    web: Answers, other: Answers, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    proxy = other.url.removeprefix("http://")
    monkeypatch.setenv("http_proxy", f"{scheme}{proxy}")
    other.by_path[f"{web.url}/a"] = (200, {}, b"by proxy")
    web.by_path["/a"] = (200, {}, b"direct")
    assert http.get(f"{web.url}/a", "", soon())[0] == b"by proxy"
    monkeypatch.setenv("no_proxy", web.url.removeprefix("http://"))
    assert http.get(f"{web.url}/a", "", soon())[0] == b"direct"


def test_a_login_is_not_sent_on_to_the_proxys_own_address(
    web: Answers, other: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", other.url)
    other.by_path[f"{web.url}/a"] = redirect(f"{other.url}/b")
    other.by_path[f"{other.url}/b"] = (200, {}, b"here")
    http.get(f"{web.url}/a", LOGIN, soon())
    assert other.asked == [(f"{web.url}/a", LOGIN), (f"{other.url}/b", "")]


def test_a_server_that_says_nothing_is_late(web: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.2)
    web.by_path["/a"] = (0, {}, b"")
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        http.get(f"{web.url}/a", "", soon())


def test_a_host_that_refuses_is_named_without_its_address(web: Answers) -> None:
    with pytest.raises(OSError, match="refused") as error:
        http.get("http://me:secret@127.0.0.1:9/a", "", soon())
    assert "secret" not in str(error.value)


class Secured:
    """A server with TLS that redirects everything to one address."""

    def __init__(self, folder: Path, target: str) -> None:
        self._cert, self._key = certificates.make(folder, "localhost")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._cert, self._key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"https://localhost:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_request_waits_for_a_connection_and_is_late_if_none_is_free_in_time(
    web: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_AT_ONCE", 1)
    monkeypatch.setattr(http, "TIMEOUT", 10.0)
    web.by_path["/slow"] = (0, {}, b"")
    web.by_path["/a"] = (200, {}, b"here")

    def hold() -> None:
        with contextlib.suppress(OSError):
            http.get(f"{web.url}/slow", "", soon())

    slow = threading.Thread(target=hold)
    slow.start()
    while not web.asked:
        time.sleep(0.01)
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        http.get(f"{web.url}/a", "", time.monotonic() + 0.2)
    web.held.set()
    assert http.get(f"{web.url}/a", "", soon())[0] == b"here"
    slow.join()
