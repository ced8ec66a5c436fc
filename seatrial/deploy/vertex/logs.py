"""What a container wrote: its lines in Cloud Logging, asked for by REST with the ambient identity.

Entries arrive with a delay, which is waited out. The query, the console's link and the `gcloud` command ask for the
same lines by hand. Nothing is judged here.
"""

from __future__ import annotations

import json
import shlex
import time
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from seatrial.deploy.vertex.client import Vertex
    from seatrial.deploy.vertex.target import Target

PAGE = 1000  # entries; the API's maximum
PAGES = 5  # of the earliest lines, where a failure to start shows
TIMEOUT = 30.0  # seconds for one page
SKEW = 60.0  # seconds by which the clocks of this machine and of the cloud may differ


def container_log(
    vertex: Vertex, endpoint_id: str, deployed_id: str, since: float, *, wait: float | None = None
) -> Stage[list[str]]:
    """Read the lines that a deployed model's containers wrote since a time, oldest first; [] if there are none.

    Waits until there are lines and no more come, at most `wait` seconds; by default as long as lines may take to
    arrive. `since` is in seconds since the epoch.

    Raises:
        GoogleAPICallError: the log may not be read.
        EnvironmentFaultError: the service does not answer.
    """
    kind = vertex.target.kind
    deadline = time.monotonic() + (kind.ingestion if wait is None else wait)
    query = log_filter(vertex.target, endpoint_id, deployed_id, since)
    yield Step(f"reading the container's log{kind.slow_log}")
    lines: list[str] = []
    while True:
        read = _read(vertex, query)
        if (read and len(read) == len(lines)) or time.monotonic() + kind.log_pause >= deadline:
            return read
        lines = read
        time.sleep(kind.log_pause)


def log_filter(target: Target, endpoint_id: str, deployed_id: str, since: float | None = None) -> str:
    """Return the filter, in Cloud Logging's language, of what the containers of a deployed model wrote."""
    parts = [
        'resource.type="aiplatform.googleapis.com/Endpoint"',
        f'resource.labels.endpoint_id="{endpoint_id}"',
        f'resource.labels.location="{target.region}"',
        f'labels.deployed_model_id="{deployed_id}"',
    ]
    if since is not None:
        parts.append(f'timestamp>="{datetime.fromtimestamp(since - SKEW, UTC):%Y-%m-%dT%H:%M:%SZ}"')
    return " AND ".join(parts)


def how_to_look(target: Target, endpoint_id: str, deployed_id: str) -> tuple[str, ...]:
    """Return the ways to ask for the log by hand: the query, and on Vertex the console's link and a command."""
    query = log_filter(target, endpoint_id, deployed_id)
    if target.traits.rehearsal:
        return (f"query: {query}",)
    link = f"https://console.cloud.google.com/logs/query;query={urllib.parse.quote(query, safe='')}"
    project = shlex.quote(target.project)
    return (
        f"query: {query}",
        f"console: {link}?project={urllib.parse.quote(target.project)}",
        f"command: gcloud logging read {shlex.quote(query)} --project {project} --order asc --limit 200",
    )


def _read(vertex: Vertex, query: str) -> list[str]:
    """Read the first pages of what the query finds."""
    body: dict[str, Any] = {
        "resourceNames": [f"projects/{vertex.target.project}"],
        "filter": query,
        "orderBy": "timestamp asc",
        "pageSize": PAGE,
    }
    lines: list[str] = []
    for _ in range(PAGES):
        answer = vertex.rest("logging", "POST", "/v2/entries:list", body, timeout=TIMEOUT)
        for entry in answer.get("entries", []):
            lines.extend(_lines(entry))
        if not answer.get("nextPageToken"):
            break
        body["pageToken"] = answer["nextPageToken"]
    return lines


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of an entry: text as it is; of an object its message and, if it has one, its traceback."""
    payload = entry.get("jsonPayload")
    if isinstance(payload, dict):
        texts = [payload[key] for key in ("message", "traceback") if isinstance(payload.get(key), str)]
        yield from "\n".join(texts or [json.dumps(payload, sort_keys=True)]).splitlines()
    else:
        yield from str(entry.get("textPayload", "")).splitlines()
