"""Entries of structured logs: what a person would read of them, in the order in which they were written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.diagnosis.envelopes.order import is_newest_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Where objects of logs and of the cloud keep what a person would read; what comes first was written first.
TEXTS = (
    "message", "msg", "event", "log", "textPayload", "text", "error", "errors", "detail", "details", "traceback",
    "exc_info", "exc_text", "exception", "stack_trace", "stackTrace", "stack", "jsonPayload", "protoPayload", "status",
    "partialFailures", "genericMetadata", "metadata", "record", "reason", "error_description", "description",
    "response",
    "entries",
)  # fmt: skip
_TIMES = ("timestamp", "time", "receiveTimestamp", "ts", "@timestamp", "asctime")
_LEVELS = ("severity", "levelname", "level", "levelName", "log.level")
_QUIET = frozenset(("warning", "warn", "debug"))
DEPTH = 8  # of objects in objects


def in_order(entries: Sequence[Any]) -> list[str]:
    """Return the lines of entries, the oldest first."""
    texts = [list(lines_of(entry)) for entry in entries]
    times = [_time(entry) for entry in entries]
    if is_newest_first([lines[0] if lines else "" for lines in texts], times):
        texts.reverse()
    return [line for lines in texts for line in lines]


def lines_of(entry: Any) -> Iterator[str]:
    """Yield the lines of what a person would read of an entry; none of a request that its client got wrong."""
    if _is_refusal(entry):
        return
    lines = [line for text in texts(entry, DEPTH) for line in text.splitlines()]
    if any(line.startswith("Traceback (most recent") for line in lines) and _is_quiet(entry):
        yield f"WARNING:  {lines[0]}" if not lines[0].startswith("Traceback") else "WARNING:  it was caught"
        lines = lines[0 if lines[0].startswith("Traceback") else 1 :]
    yield from lines


def texts(value: Any, depth: int) -> Iterator[str]:
    """Yield what a person would read of JSON data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for each in value:
            yield from texts(each, depth - 1)
    elif isinstance(value, dict) and depth:
        for key in TEXTS:
            if key in value:
                yield from texts(value[key], depth - 1)


def is_entry(value: Any) -> bool:
    """Return whether an object is an entry of Cloud Logging."""
    return isinstance(value, dict) and not value.keys().isdisjoint(("textPayload", "jsonPayload", "protoPayload"))


def _time(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    return next((str(entry[key]) for key in _TIMES if isinstance(entry.get(key), str | int | float)), "")


def _is_refusal(entry: Any) -> bool:
    """Return whether an entry only notes that a server refused a request for its client's fault."""
    own = entry.get("jsonPayload", entry) if isinstance(entry, dict) else {}
    if not isinstance(own, dict) or "INFO" not in (entry.get("severity"), own.get("severity")):
        return False
    request = entry.get("httpRequest", own.get("httpRequest"))  # Cloud Logging takes it out of the payload
    status = request.get("status") if isinstance(request, dict) else None
    return isinstance(status, int) and 400 <= status < 500


def _is_quiet(entry: Any) -> bool:
    """Return whether the process itself calls it a warning; the severity of plain text is that of its stream."""
    own = entry.get("jsonPayload", entry) if isinstance(entry, dict) else {}
    if not isinstance(own, dict) or "textPayload" in own:
        return False
    return any(str(own.get(key, "")).lower() in _QUIET for key in _LEVELS)
