"""Health: what a route answers to the probe."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "another path of a server whose health route answers": Said(
        'INFO:     169.254.1.1:1 - "GET /health HTTP/1.1" 200 OK\n'
        'INFO:     169.254.1.1:2 - "GET /favicon.ico HTTP/1.1" 404 Not Found',
        "",
    ),
    "400": Said(
        'INFO:     169.254.8.129:1 - "GET /v2/health/ready HTTP/1.1" 400 Bad Request\n'
        'INFO:     169.254.8.129:2 - "GET /v2/health/ready HTTP/1.1" 400 Bad Request',
        "ST767",
        (r"/v2/health/ready answers 400", r"\b200\b", r"2 times"),
    ),
    "redirect": Said(
        '10.0.0.1 - - [01/Jan/2025:10:00:00 +0000] "GET /health HTTP/1.1" 307 0 "-" "GoogleHC/1.0"',
        "ST767",
        (r"redirect",),
    ),
    "any path that the prober asks": Said(
        '169.254.8.129 - - [x] "GET /foo HTTP/1.1" 404 -', "ST767", (r"/foo answers 404",)
    ),
    "loading, then ready": Said(
        'INFO:     10.0.0.1:1 - "GET /health HTTP/1.1" 503 Service Unavailable\nINFO:     10.0.0.1:2 - "GET '
        '/health HTTP/1.1" 200 OK',
        "",
    ),
    "still loading": Said('INFO:     10.0.0.1:1 - "GET /health HTTP/1.1" 503 Service Unavailable', ""),
    "a route below a name that is like health": Said(
        'INFO:     10.0.0.1:1 - "GET /status/12 HTTP/1.1" 404 Not Found', ""
    ),
    "another path": Said('INFO:     10.0.0.1:1 - "GET /favicon.ico HTTP/1.1" 404 Not Found', ""),
    "kubelet": Said(
        "Warning  Unhealthy  2m  kubelet  Readiness probe failed: HTTP probe failed with statuscode: 404",
        "ST767",
        (r"got 404",),
    ),
    "nothing listens": Said(
        'Warning  Unhealthy  kubelet  Startup probe failed: Get "http://10.0.0.4:8080/health": dial tcp '
        "10.0.0.4:8080: connect: "
        "connection refused",
        "ST767",
        (r"0\.0\.0\.0",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
