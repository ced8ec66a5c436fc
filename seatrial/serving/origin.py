"""Where a request comes from: its id and its place in a trace, which join its lines of the log with its caller's.

An id that a client sends is taken if it is short and plain; else the request gets a new one. Either way the answer
tells it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")  # what proxies make, and nothing that a reader of logs trips over
# W3C, Trace Context, 3.2: version, trace, span, flags. Only a version after 00 may have more behind them.
_PARENT = re.compile(
    rb"(?!ff|00.{53}.)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
# https://docs.cloud.google.com/trace/docs/trace-context: TRACE/SPAN;o=OPTIONS, where the span is decimal.
_CLOUD = re.compile(rb"(?!0{32})([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]{1,3}))?")
_SPANS = 1 << 64
# What Cloud Logging takes from a line into the fields of its entry, so that the entry is shown with its trace:
# https://docs.cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
_TRACE, _SPAN = "logging.googleapis.com/trace", "logging.googleapis.com/spanId"
_SAMPLED = "logging.googleapis.com/trace_sampled"


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """The id and the place of a request.

    Attributes:
        request_id: of the client, or made here.
        trace: `projects/PROJECT/traces/ID`, or the bare ID where the project is not known; "" for none.
        span: of the caller in the trace, 16 hexadecimal digits, or "".
        sampled: whether the caller keeps the trace.
    """

    request_id: str
    trace: str = ""
    span: str = ""
    sampled: bool = False

    def fields(self) -> dict[str, object]:
        """Return what a line of the log says of it."""
        if not self.request_id:
            return {}
        fields: dict[str, object] = {"request_id": self.request_id}
        if self.trace:
            # Cloud Logging finds a trace by the name of its project only.
            fields |= {_TRACE if "/" in self.trace else "trace": self.trace, _SAMPLED: self.sampled}
        if self.span:
            fields[_SPAN] = self.span
        return fields


NOBODY = Origin("")  # who asks for a first prediction


def origin_of(headers: Mapping[bytes, bytes], project: str) -> Origin:
    """Read where a request comes from; `project` is whose traces they are, "" if nobody knows."""
    given = headers.get(HEADER, b"")
    request_id = given.decode() if _ID.fullmatch(given) else os.urandom(16).hex()
    if b"traceparent" not in headers and b"x-cloud-trace-context" not in headers:
        return Origin(request_id)
    if parent := _PARENT.fullmatch(headers.get(b"traceparent", b"")):
        trace, span, flags = parent.groups()
        return Origin(request_id, _named(trace, project), span.decode(), bool(int(flags, 16) & 1))
    if cloud := _CLOUD.fullmatch(headers.get(b"x-cloud-trace-context", b"")):
        trace, number, options = cloud.groups()
        span_id = int(number or b"0")
        span_text = f"{span_id:016x}" if 0 < span_id < _SPANS else ""
        return Origin(request_id, _named(trace.lower(), project), span_text, bool(int(options or b"0") & 1))
    return Origin(request_id)


def _named(trace: bytes, project: str) -> str:
    return f"projects/{project}/traces/{trace.decode()}" if project else trace.decode()
