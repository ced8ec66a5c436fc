"""Health: what a route answers to the platform's probe, read from lines of access logs of any server.

A route counts as that of health by its name, or because the platform's probe asks it. It is at fault only if it never
answered 200: a server that is still loading answers 503 first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.rules.deployment import containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement

_ACCESS = re.compile(
    r"(?P<client>(?:\d{1,3}\.){3}\d{1,3}|\[?[0-9a-f:]{3,}\]?)?[^\"\n]*\"(?P<method>GET|HEAD|POST|PUT|OPTIONS) "
    r"(?P<path>/[^\s\"?]*)[^\"\n]*(?:HTTP/[\d.]+)?\"\s+(?P<status>[1-5]\d\d)\b(?P<rest>[^\n]*)"
)
_OTHER_ACCESS = (
    re.compile(  # gin's, Go's and structured logs: `| 404 | … | GET "/health"`, `method=GET path=/ping status=404`
        r"\|\s*(?P<status>[1-5]\d\d)\s*\|[^\n]*?(?P<client>(?:\d{1,3}\.){3}\d{1,3})?[^\n|]*\|\s*(?P<method>GET|"
        r"HEAD)\s+\"?(?P<path>/[^\s\"]*)"
    )
)
_PROBE = re.compile(  # kubelet's event: `Readiness probe failed: HTTP probe failed with statuscode: 404`
    r"(?P<kind>[Ll]iveness|[Rr]eadiness|"
    r"[Ss]tartup) probe failed: (?P<why>HTTP probe failed with statuscode: (?P<status>\d{3})|[^\n]*)"
)
_HEALTH = re.compile(r"(?i)/(?:_?health\w*|healthz?|ping|ready\w*|readiness|live\w*|is_?alive|status)/?$|/v\d/health/")
_PROBERS = re.compile(r"169\.254\.\d+\.\d+|GoogleHC|kube-probe|Google-?Health|ELB-HealthChecker")
_CAUSES = {
    "3": (
        "It redirects, often from a path without to one with a slash at its end, or from http to https. The probe does "
        "not follow redirects."
    ),
    "400": (
        "The server refuses the request itself: a Host that is not allowed (ALLOWED_HOSTS), a model that is not ready, "
        "or a token that is missing."
    ),
    "401": "The route asks for a login, and the probe sends none.",
    "403": "The route asks for a login, and the probe sends none.",
    "404": "The server has no such route: its health route has another path than AIP_HEALTH_ROUTE.",
    "405": "The route exists, but not for GET.",
    "5": "The route exists, and its own check fails; the reason is in the lines before.",
    "503": "The server says that it is not ready: the model does not load, or is still loading.",
}
_FIXES = {
    "3": "answer 200 on exactly the path that is probed, without a redirect; exempt it from an https redirect",
    "401": "exempt the health route from the login",
    "403": "exempt the health route from the login",
    "404": "serve GET on the path of AIP_HEALTH_ROUTE, or set `serving_container_health_route` to the server's own",
    "405": "let the health route answer GET",
}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    status: str
    probe: bool


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of an access log, or an event about a probe."""
    if probe := _PROBE.search(statement.text):
        yield from _event(probe, statement, case)
        return
    request = _request(statement.text)
    if request is None or not _is_health(request) or not _is_bad(request):
        return
    same = [
        (other.position, found)
        for other in case.statements
        if (found := _request(other.text)) and found.path.rstrip("/") == request.path.rstrip("/") and _is_health(found)
    ]
    if any(found.status == "200" for _, found in same):
        return
    # What serves for Google's machines has their address in every request: a route of that name is the health route.
    named = (_request(other.text) for other in case.statements) if not _HEALTH.search(request.path) else ()
    if any(found and found.status == "200" and _HEALTH.search(found.path) for found in named):
        return
    bad = [position for position, found in same if found.path == request.path and _is_bad(found)]
    if bad and statement.position != bad[0]:
        return
    if request.status == "503" and len(bad) < _WAITS:
        return
    yield _answer(request.path, request.status, len(bad), statement.position)


_WAITS = 3  # answers of 503 that are normal while a server loads


def _request(text: str) -> _Request | None:
    found = _ACCESS.search(text) or _OTHER_ACCESS.search(text)
    if found is None:
        return None
    return _Request(found["method"], found["path"], found["status"], _PROBERS.search(text) is not None)


def _is_health(request: _Request) -> bool:
    return request.method in ("GET", "HEAD") and (_HEALTH.search(request.path) is not None or request.probe)


def _is_bad(request: _Request) -> bool:
    return request.status != "200" and not request.status.startswith("1") and request.status != "304"


def _answer(path: str, status: str, times: int, position: int) -> Diagnosis:
    cause = _CAUSES.get(status) or _CAUSES.get(status[0]) or "Vertex AI takes nothing but 200 as healthy."
    finding = containers.UNHEALTHY.finding(
        f"the health route {path} answers {status}, and Vertex AI wants 200",
        cause=cause,
        fix=_FIXES.get(status) or _FIXES.get(status[0]) or containers.UNHEALTHY.fix,
    )
    count = f"{times} times" if times > 1 else "once"
    return Diagnosis(finding, f"the access log has {path} {count} with {status} and never with 200", position)


def _event(probe: re.Match[str], statement: Statement, case: Case) -> Iterator[Diagnosis]:
    status = probe["status"] or ""
    first = next(s for s in case.statements if _PROBE.search(s.text))
    if first.position != statement.position:
        return
    if status:
        cause = _CAUSES.get(status) or _CAUSES.get(status[0], "")
        message = f"the {probe['kind'].lower()} probe of the health route got {status}, and 200 is wanted"
        fix = _FIXES.get(status) or _FIXES.get(status[0]) or containers.UNHEALTHY.fix
    else:
        message = f"the {probe['kind'].lower()} probe of the container failed: {probe['why'][:160]}"
        cause = (
            "Nothing listens on the probed port yet: the server is still loading, ended, or listens on another host "
            "or port."
            if "refused" in probe["why"]
            else "The server did not answer in time: it loads, or a prediction blocks it."
        )
        fix = "listen on 0.0.0.0 and the probed port, and let the probe wait longer than loading takes"
    yield Diagnosis(
        containers.UNHEALTHY.finding(message, cause=cause, fix=fix), "the kubelet reports the probe", statement.position
    )
