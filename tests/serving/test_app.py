"""The ASGI application in this process: what must never happen over HTTP, or would take too long there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from seatrial.serving import bodies
from seatrial.serving.app import App
from seatrial.serving.dispatch import Dispatch
from seatrial.serving.frames import Ready
from seatrial.serving.metrics import Metrics
from seatrial.serving.settings import Bundle, Contract, ImageSettings

from .server import DIGEST

BUNDLE = Bundle(Path(), "test", DIGEST, "served:P", "batched", ImageSettings(), 8, 1000)
CONTRACT = Contract(8080, "/health", "/predict", "")
WHOLE = {"type": "http.request", "body": b"{}", "more_body": False}


class Broken(Dispatch):
    """A queue that fails in a way that nobody foresaw."""

    def submit(self, *what: object, **_: object) -> NoReturn:
        raise ZeroDivisionError(f"nobody foresaw {what}")


def answered(
    *received: dict[str, Any], path: str = "/predict", method: str = "POST", bundle: Bundle = BUNDLE
) -> tuple[int, dict[str, str], bytes]:
    """Ask with these messages and then nothing; return status, headers and body."""
    sent: list[dict[str, Any]] = []
    messages = iter(received)

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError("nothing more arrives")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def ask() -> None:
        app = App(bundle, CONTRACT, Broken(max_batch=1, max_waiting=1, cores=1), Metrics())
        app.served = Ready("cpr", splits=False, no_image="", seconds=0)
        headers = [(b"host", b"a"), (b"content-length", b"500")]
        scope = {"path": path, "method": method, "http_version": "1.1", "headers": headers}
        await asyncio.wait_for(app(scope, receive, send), 20)
        assert await app.drain(20)  # nothing is left in flight

    asyncio.run(ask())
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"]


def test_a_body_that_never_ends_is_408_and_its_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    status, headers, body = answered({**WHOLE, "more_body": True})
    assert (status, json.loads(body)["error"]["code"]) == (408, 408)
    assert headers["connection"] == "close"


def test_an_unexpected_exception_is_500_as_json_and_its_traceback_is_logged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    status, _, body = answered(WHOLE)
    assert (status, json.loads(body)["error"]["message"]) == (500, "ZeroDivisionError: nobody foresaw ([b'{}'],)")
    (entry,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (entry["severity"], entry["phase"]) == ("ERROR", "predict")
    assert "in submit" in entry["traceback"]


def test_metrics_have_a_route_that_can_be_moved_and_turned_off() -> None:
    def asked(path: str, route: str) -> tuple[int, bytes]:
        status, _, body = answered(path=path, method="GET", bundle=replace(BUNDLE, metrics_route=route))
        return status, body

    assert asked("/metrics", "/metrics")[1].startswith(b"# HELP seatrial_")
    assert asked("/internal/metrics", "/internal/metrics")[0] == 200
    assert asked("/metrics", "/internal/metrics")[0] == asked("/metrics", "")[0] == asked("/", "")[0] == 404
    assert b"/health and /predict" in asked("/metrics", "")[1]


def test_a_route_of_the_platform_goes_before_that_of_the_metrics(capfd: pytest.CaptureFixture[str]) -> None:
    status, _, body = answered(path="/health", method="GET", bundle=replace(BUNDLE, metrics_route="/health"))
    assert (status, body) == (200, b'{"status": "ready"}')
    assert "there are no metrics: /health is a route of the platform" in capfd.readouterr().out
