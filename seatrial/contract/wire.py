"""HTTP/1.1 on a raw socket: exactly the bytes that a check wants to send, and the answer as it came.

`http.client` corrects what is sent and hides what comes back. Here nothing is corrected, so that broken requests can
be sent, and every interim answer can be seen.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

_MOST = 256_000_000  # bytes of an answer; nothing that is asked for here comes near
_CHUNK = 65_536


class NoAnswerError(Exception):
    """No whole answer came; the text says how the wait for it ended."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: such as 200.
        headers: names in lower case, values as they came.
        body: without the frame of a chunked body.
        seconds: from the end of what was sent to the end of the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    def json(self) -> Any:
        """Return the body as strict JSON.

        Raises:
            ValueError: it is not JSON in UTF-8, or holds NaN or Infinity.
        """
        return json.loads(self.body.decode("utf-8"), parse_constant=_refuse)

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def closes(self) -> bool:
        """Whether the server says that it closes the connection."""
        return self.headers.get("connection", "").lower() == "close"

    def __str__(self) -> str:
        text = " ".join(self.body[:160].decode("utf-8", "replace").split())
        return f"HTTP {self.status} {text}".rstrip()


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def message(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a request.

    `headers` replace those that every request has: Host, and with a body Content-Type and Content-Length. The value ""
    leaves a header out.
    """
    usual = {"Host": "localhost"}
    if body or method == "POST":
        usual |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    named = {name: value for name, value in {**usual, **(headers or {})}.items() if value}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(parts: list[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """Return a body in chunks, each with `extension` behind its length."""
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts if part)
    return framed + b"0\r\n" + trailer + b"\r\n"


class Connection:
    """A connection, and what has come on it and was not read yet."""

    CAN_ACKNOWLEDGE_AT_ONCE = hasattr(socket, "TCP_QUICKACK")  # on Linux

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = b""
        self._start_read = b""  # status line and headers of the last answer
        self._sent_at = time.monotonic()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, timeout: float = 30.0) -> bool:
        """Send everything; return False if the server has closed the connection meanwhile, which may be its answer."""
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise NoAnswerError(f"nothing more of the request was read for {timeout:g} s") from None
        except OSError:
            return False
        finally:
            self._sent_at = time.monotonic()
        return True

    def acknowledge_at_once(self) -> None:
        """Acknowledge the next packets when they come; the kernel soon goes back to waiting for data to send along."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def end(self) -> None:
        """Close the half of the connection that sends."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection: the server's next write fails."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def answer(self, timeout: float, *, head: bool = False) -> Reply:
        """Return the final answer; `head` is whether it is one to HEAD, which has no body.

        Raises:
            NoAnswerError: it does not come in time, not whole, or is not HTTP.
        """
        deadline = time.monotonic() + timeout
        while (status := (start := self._start(deadline))[0]) < 200:
            pass  # an interim answer
        headers = start[1]
        if head or status in (204, 304):
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = self._chunks(deadline)
        elif "content-length" in headers:
            body = self._exactly(self._number(headers["content-length"], 10), deadline)
        else:
            body = self._rest(deadline)
        return Reply(status, headers, body, time.monotonic() - self._sent_at)

    def interim(self, timeout: float) -> int:
        """Return the status of the next answer, also of an interim one; the rest of a final one stays unread."""
        status, _ = self._start(time.monotonic() + timeout)
        if status >= 200:
            self._buffer = self._start_read + self._buffer
        return status

    def is_closed(self, timeout: float) -> bool:
        """Return whether the server closes the connection within `timeout` seconds; what it still sends is dropped."""
        deadline = time.monotonic() + timeout
        try:
            while self._more(deadline):
                self._buffer = b""
        except NoAnswerError:
            return False
        return True

    def _start(self, deadline: float) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > 12 and not self._buffer.startswith(b"HTTP/1."):
                raise NoAnswerError(f"what came back is not HTTP: {self._buffer[:60]!r}")
            if not self._more(deadline):
                said = f" after {self._buffer[:60]!r}" if self._buffer else " without an answer"
                raise NoAnswerError(f"the server closed the connection{said}")
        start, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self._start_read = start + b"\r\n\r\n"
        first, *rest = start.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if not parts[0].startswith("HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
            raise NoAnswerError(f"what came back is not HTTP: {first[:60]!r}")
        pairs = (line.partition(":") for line in rest)
        return int(parts[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _chunks(self, deadline: float) -> bytes:
        parts = []
        while size := self._number(self._line(deadline).partition(";")[0], 16):
            parts.append(self._exactly(size, deadline))
            self._line(deadline)
        while self._line(deadline):
            pass  # a trailer
        return b"".join(parts)

    def _line(self, deadline: float) -> str:
        while b"\r\n" not in self._buffer:
            self._need_more(deadline)
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def _exactly(self, size: int, deadline: float) -> bytes:
        while len(self._buffer) < size:
            self._need_more(deadline)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _rest(self, deadline: float) -> bytes:
        while self._more(deadline):
            pass
        data, self._buffer = self._buffer, b""
        return data

    def _number(self, text: str, base: int) -> int:
        try:
            number = int(text, base)
        except ValueError:
            raise NoAnswerError(f"the answer has the length {text[:20]!r}") from None
        if not 0 <= number <= _MOST:
            raise NoAnswerError(f"the answer has the length {number}")
        return number

    def _need_more(self, deadline: float) -> None:
        if not self._more(deadline):
            raise NoAnswerError("the server closed the connection in the middle of its answer")

    def _more(self, deadline: float) -> bool:
        """Read what comes next; return False at the end."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError("no answer in time")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise NoAnswerError("no answer in time") from None
        except OSError:
            data = b""  # reset, which is an end too
        self._buffer += data
        return bool(data)
