"""The control plane over gRPC: the same service and method names, messages and status codes as Google's.

Google ships no servicer classes, and none are needed: a method's name finds its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from seatrial.emulator.api import predictions, refusals
from seatrial.emulator.api.control_plane import Answer, Caller, ControlPlane
from seatrial.emulator.api.state import Message
from seatrial.emulator.wire.relay import Relay

_PACKAGES = ("google.cloud.aiplatform.v1.", "google.longrunning.")
_THREADS = 256  # simultaneous calls; one that is never answered keeps its thread
_LARGEST = 32 << 20  # bytes of a message: above every limit of Vertex, so that clients get Vertex's refusal


class Server:
    """A running gRPC server; `port` is the shared address, dedicated endpoints have further ones."""

    def __init__(self, plane: ControlPlane, port: int) -> None:
        options = [
            ("grpc.max_receive_message_length", _LARGEST),
            ("grpc.max_send_message_length", _LARGEST),
            ("grpc.so_reuseport", 0),
        ]
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._server = grpc.server(self._pool, options=options)
        self._relay = Relay(self._server.add_insecure_port("127.0.0.1:0"))
        self._server.add_generic_rpc_handlers((_Handler(plane, self),))
        self._server.start()
        try:
            self.port = self._relay.open(port)
            plane.attach(self._relay)
        except BaseException:
            self.stop()
            raise

    @property
    def address(self) -> str:
        """Host and port of the shared address."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop answering."""
        self._relay.close()
        self._server.stop(grace=0).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def caller(self, context: Any) -> Caller:
        """Return the caller."""
        peer = context.peer()
        port = self._relay.port_of(peer)
        return Caller(
            port=None if port == self.port else port,
            endpoint_id=dict(context.invocation_metadata()).get("x-vertex-ai-endpoint-id", ""),
            waiting=context.is_active,
            drop=lambda: self._relay.drop(peer),
        )


def serve(plane: ControlPlane, port: int = 0) -> Server:
    """Answer a control plane's calls on a port of 127.0.0.1, 0 for any.

    Raises:
        OSError: the port is taken.
    """
    return Server(plane, port)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, plane: ControlPlane, server: Server) -> None:
        self._plane = plane
        self._server = server

    def service(self, details: Any) -> Any:
        service, _, method = details.method.lstrip("/").partition("/")
        if not service.startswith(_PACKAGES) or method not in self._plane.methods:
            return None  # UNIMPLEMENTED
        return grpc.unary_unary_rpc_method_handler(
            self._behaviour(method),
            request_deserializer=self._plane.request_type(method).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _behaviour(self, method: str) -> Callable[[Message, Any], Message]:
        def run(request: Message, context: Any) -> Message:
            try:
                answer = self._plane.call(method, request, self._server.caller(context))
            except refusals.RefusedError as error:
                _abort(context, error)
            return _message(answer, context)

        return run


def _message(answer: Answer, context: Any) -> Message:
    if answer.served is not None:
        context.send_initial_metadata([(name.lower(), value) for name, value in answer.served.headers.items()])
        if error := predictions.refusal(answer.served.reply):
            _abort(context, error)
    return answer.message


def _abort(context: Any, error: refusals.RefusedError) -> NoReturn:
    context.abort(refusals.STATUS[error.code], error.message)
    raise AssertionError("abort() always raises")
