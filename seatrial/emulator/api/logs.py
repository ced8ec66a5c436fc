"""What deployed models print, stored and answered as Cloud Logging answers `entries.list`.

Each deployed model has a file with one entry on each line. As with Google's logging agent, a printed line of JSON
becomes `jsonPayload` and its `severity` the entry's; any other line becomes `textPayload`, an ERROR if it came from
standard error.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from seatrial.emulator.api.hosting import Placement

# LogSeverity of logging.v2, in its order.
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
RESOURCE = "aiplatform.googleapis.com/Endpoint"
PAGE = 50  # entries, if a request has no pageSize; reference of entries.list

# One comparison of Google's logging query language; several are joined by AND, a space or a new line.
_COMPARISON = re.compile(
    r'\s*(?:AND\s+)?(?P<field>[A-Za-z][\w.]*(?:\."[^"]+")?)\s*(?P<op>>=|<=|!=|=|>|<|:)\s*'
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"()]+))\s*'
)

Entry = dict[str, Any]


class QueryError(ValueError):
    """A request that this log does not support; the text says why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on an entry: `severity>=ERROR`."""

    field: str
    operator: str
    value: str

    def holds(self, entry: Entry) -> bool:
        """Return whether an entry matches; one without the field matches only `!=`."""
        found = _value(entry, self.field)
        if found is None:
            return self.operator == "!="
        if self.operator == ":":
            return self.value.lower() in found.lower()
        mine, other = _comparable(self.field, found), _comparable(self.field, self.value)
        answers = {
            "=": mine == other,
            "!=": mine != other,
            ">=": mine >= other,
            "<=": mine <= other,
            ">": mine > other,
            "<": mine < other,
        }
        return bool(answers[self.operator])


class Logs:
    """The folder with the entries of every deployed model."""

    def __init__(self, folder: Path) -> None:
        """`folder` is created if missing."""
        self._folder = folder
        self._lock = threading.Lock()
        self._run = format(int(datetime.now(UTC).timestamp() * 1e6), "x")
        self._count = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, placement: Placement, line: str, *, error: bool = False) -> None:
        """Store a line that a deployed model printed, on standard error if `error`."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        project = f"projects/{placement.project_number}"
        entry = {
            "insertId": f"{self._run}{next(self._count):08x}",
            "logName": f"{project}/logs/aiplatform.googleapis.com%2Fprediction_container",
            "resource": {
                "type": RESOURCE,
                "labels": {
                    "endpoint_id": placement.endpoint_id,
                    "location": placement.region,
                    "resource_container": project,
                },
            },
            "labels": {"deployed_model_id": placement.deployed_model_id, "replica_id": "emulated-0"},
            "timestamp": now,
            "receiveTimestamp": now,
            **_payload(line, error=error),
        }
        file = self._folder / f"{placement.endpoint_id}-{placement.deployed_model_id}.jsonl"
        with self._lock, file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")

    def follow(self, placement: Placement, stream: IO[str], *, error: bool) -> Callable[[], None]:
        """Store each line of a stream from now on; the returned function waits for the end of the stream."""

        def read() -> None:
            with stream:
                for line in stream:
                    self.write(placement, line.rstrip("\n"), error=error)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        return functools.partial(reader.join, 5)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer `entries.list` with `filter`, a conjunction of comparisons, `orderBy` and pages.

        Raises:
            QueryError: the filter or the order is not supported, or the page token is not valid.
        """
        size, order = request.get("pageSize", PAGE), request.get("orderBy", "timestamp asc")
        if not request.get("resourceNames") or not isinstance(size, int) or size < 0:
            raise QueryError("resourceNames must be given, and pageSize must not be negative")
        if order not in ("timestamp asc", "timestamp desc"):
            raise QueryError(f"Unrecognized orderBy: {order}")
        token = request.get("pageToken") or "0"
        if not str(token).isdecimal():
            raise QueryError(f"Invalid page token: {token}")
        comparisons = parsed(request.get("filter", ""))
        found = [entry for entry in self._entries() if all(each.holds(entry) for each in comparisons)]
        found.sort(key=lambda entry: (entry["timestamp"], entry["insertId"]), reverse=order.endswith("desc"))
        first, last = int(token), int(token) + (size or PAGE)
        answer: dict[str, Any] = {"entries": found[first:last]} if found[first:last] else {}
        return answer | ({"nextPageToken": str(last)} if last < len(found) else {})

    def _entries(self) -> Iterator[Entry]:
        for file in self._folder.glob("*.jsonl"):
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.endswith("}"):  # the last line of a killed emulator may be incomplete
                    yield json.loads(line)


def parsed(query: str) -> list[Comparison]:
    """Read a filter.

    Raises:
        QueryError: it is more than comparisons joined by AND.
    """
    found, place = [], 0
    while place < len(query.rstrip()):
        match = _COMPARISON.match(query, place)
        if match is None:
            raise QueryError(f"Unparseable filter: this log reads comparisons joined by AND, not {query[place:]!r}")
        value = match["bare"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
        comparison = Comparison(match["field"], match["op"], value)
        try:
            _comparable(comparison.field, comparison.value)
        except ValueError:
            raise QueryError(f"Unparseable filter: {value!r} is not a {comparison.field}") from None
        found.append(comparison)
        place = match.end()
    return found


def _payload(line: str, *, error: bool) -> dict[str, Any]:
    severity = "ERROR" if error else "INFO"
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return {"textPayload": line, "severity": severity}
    stated = str(record.pop("severity", severity)).upper()
    return {"jsonPayload": record, "severity": stated if stated in SEVERITIES else "DEFAULT"}


def _value(entry: Entry, field: str) -> str | None:
    """Return the text of a field by its path, such as `resource.labels.endpoint_id`."""
    found: Any = entry
    for part in re.findall(r'"([^"]+)"|([^."]+)', field):
        found = found.get(part[0] or part[1]) if isinstance(found, dict) else None
    return None if found is None else found if isinstance(found, str) else json.dumps(found)


def _comparable(field: str, text: str) -> Any:
    """Return a value in the form by which its field is ordered: times as times, severities by rank."""
    if field == "severity":
        return SEVERITIES.index(text.upper())
    if field in ("timestamp", "receiveTimestamp"):
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return text
