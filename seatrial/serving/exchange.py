"""One request and its answer, as ASGI has them: headers in, a status and a body out, and what the log says of both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from seatrial.serving.origin import HEADER, origin_of
from seatrial.serving.refusal import AnswerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Header = tuple[bytes, bytes]

_SHOWN = 500  # characters of a path in the log
CLIENT_LEFT = 499  # as nginx calls it; nobody sees the status but log and metrics


class Exchange:
    """A request and its answer.

    Attributes:
        method: such as POST.
        path: without its query.
        headers: by their names in lower case.
        origin: its id and trace.
        receive: returns the next piece of its body.
        status: of the answer; until it is given, that of a client that left.
    """

    def __init__(self, scope: Message, receive: Receive, send: Send, project: str) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.origin = origin_of(self.headers, project)
        self.receive = receive
        self.status = CLIENT_LEFT
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the end of its headers."""
        return time.perf_counter() - self._began

    def require_host(self) -> None:
        """Refuse a request that does not name one host.

        Raises:
            AnswerError: status 400; with two of them, a proxy may have read another than is read here (RFC 9112, 3.2).
        """
        if self._scope["http_version"] != "1.1":
            return
        hosts = [name for name, _ in self._scope["headers"]].count(b"host")
        if hosts != 1:
            raise AnswerError(400, f"the request has {hosts} headers Host, not one")

    def text(self, name: bytes, default: str) -> str:
        """Return a header as text."""
        value = self.headers.get(name)
        return default if value is None else value.decode("latin-1")

    async def respond(self, status: int, body: bytes, *more: Header, kind: bytes = b"application/json") -> None:
        """Answer."""
        self.status = status
        length = str(len(body)).encode()
        about = (HEADER, self.origin.request_id.encode())
        headers = [(b"content-type", kind), (b"content-length", length), about, *more]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def fields(self) -> dict[str, object]:
        """Return what a line of the log says of it; Cloud Logging shows `httpRequest` as columns of its own."""
        request = {"requestMethod": self.method, "requestUrl": self.path[:_SHOWN], "status": self.status}
        return {"httpRequest": {**request, "latency": f"{self.seconds:.6f}s"}, **self.origin.fields()}
