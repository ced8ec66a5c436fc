"""Entries of structured logs: what of them is no failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.diagnosis.translate import diagnose

CUT_OFF = "the image cannot be decoded: image file is truncated (5 bytes not processed)"


def line(severity: str, status: int) -> dict[str, Any]:
    """Return a line as the serving runtime writes it."""
    return {"severity": severity, "message": CUT_OFF, "phase": "predict", "httpRequest": {"status": status}}


def lifted(written: dict[str, Any]) -> dict[str, Any]:
    """Return a line as Cloud Logging keeps it."""
    rest = {key: value for key, value in written.items() if key not in ("severity", "httpRequest")}
    return {"jsonPayload": rest, "severity": written["severity"], "httpRequest": written["httpRequest"]}


@pytest.mark.parametrize("form", [dict, lifted])
def test_a_request_that_its_client_got_wrong_is_no_failure_of_the_server(form: Any) -> None:
    assert not diagnose(json.dumps(form(line("INFO", 400))))
    assert not diagnose(json.dumps(form(line("INFO", 413))))


@pytest.mark.parametrize(("severity", "status"), [("ERROR", 500), ("ERROR", 400), ("INFO", 200)])
@pytest.mark.parametrize("form", [dict, lifted])
def test_what_another_line_says_is_read(form: Any, severity: str, status: int) -> None:
    assert [found.code for found in diagnose(json.dumps(form(line(severity, status))))] == ["ST433"]
