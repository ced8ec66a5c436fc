"""Calls the API: the only module that makes channels, and where every call gets its time limit and its retries.

Reads are asked again while the failure is transient. A write is sent once: whoever sends it looks at the server
before sending it again, since a lost answer does not say whether the change was made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

import grpc
import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.deploy.vertex.backoff import TRANSIENT, again, ambiguous, code_of, name_of, pause_after
from seatrial.deploy.vertex.target import Limits, Target
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step
from seatrial.system import identity

_LARGEST = 32 * 1024 * 1024  # bytes of a message; gRPC's own limit of 4 MiB is below the 10 MB of a dedicated endpoint
_OPTIONS = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),  # a new endpoint's host name may take minutes to resolve
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.max_send_message_length", _LARGEST),
)

T = TypeVar("T")


class Vertex:
    """The API at a target, for as long as a command needs it; a context manager that closes its channels.

    Attributes:
        target: where it is.
        limits: how long its callers wait.
        models: the client of ModelService.
        endpoints: the client of EndpointService.
        jobs: the client of JobService.
        awaited: the operations that are waited for, name → what they do; one that was left running stays in it.
        credentials: those of google-auth; None locally.
    """

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        """Find the identity; nothing is asked yet.

        Raises:
            EnvironmentFaultError: there is none, and the target is on Google Cloud.
        """
        self.target = target
        self.limits = limits or target.kind.limits
        self.awaited: dict[str, str] = {}
        self.credentials = None if target.traits.rehearsal else identity.credentials()
        self._session: requests.Session | None = None
        self._channels: dict[str, grpc.Channel] = {}
        self._predictions: dict[str, Any] = {}
        self._reached: set[str] = set()
        channel = self._channel(target.api)
        self.models = _client(v1.ModelServiceClient, channel)
        self.endpoints = _client(v1.EndpointServiceClient, channel)
        self.jobs = _client(v1.JobServiceClient, channel)

    def __enter__(self) -> Vertex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for channel in self._channels.values():
            channel.close()
        if self._session is not None:
            self._session.close()

    def predictions(self, host: str) -> v1.PredictionServiceClient:
        """Return the client that asks an endpoint at its own host; "" stands for the region's."""
        host = host or self.target.api
        if host not in self._predictions:
            self._predictions[host] = _client(v1.PredictionServiceClient, self._channel(host))
        return self._predictions[host]

    def reach(self, host: str, timeout: float) -> Stage[None]:
        """Wait until an endpoint's host can be connected to; a new name takes minutes to resolve.

        Raises:
            EnvironmentFaultError: it could not be within `timeout` seconds.
        """
        host = host or self.target.api
        if host in self._reached:  # a second watch on a channel that is then closed ends in a thread's traceback
            return
        deadline = time.monotonic() + timeout
        ready = grpc.channel_ready_future(self._channel(host))
        try:
            while True:
                remaining = deadline - time.monotonic()
                try:
                    ready.result(timeout=max(0.0, min(self.limits.heartbeat, remaining)))
                except grpc.FutureTimeoutError:
                    if remaining <= self.limits.heartbeat:
                        raise EnvironmentFaultError(
                            f"{host} could not be connected to within {timeout:.0f} s",
                            fix="a new endpoint's host name takes minutes to resolve: run `seatrial deploy` again",
                        ) from None
                    yield Step(f"waiting for {host} to be reachable", lasting=True)
                else:
                    self._reached.add(host)
                    return
        finally:
            ready.cancel()

    def read(self, method: Callable[..., T], request: Any, *, timeout: float | None = None) -> T | None:
        """Ask, and ask again while the failure is transient; return None if there is no such thing.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: the last failure.
        """
        limits = self.limits
        try:
            return again(limits, lambda: method(request=request, timeout=timeout or limits.call, retry=None))
        except exceptions.NotFound:
            return None

    def pages(self, method: Callable[..., Any], request: Any) -> Iterator[Any]:
        """Yield the pages of a list, each a response; none if there is no such parent."""
        while True:
            page = self.read(method, request)
            if page is None:
                return
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def write(self, method: Callable[..., T], request: Any, *, timeout: float | None = None) -> T:
        """Send a change once.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: it failed; `ambiguous` says whether it may have been made.
        """
        return method(request=request, timeout=timeout or self.limits.write, retry=None)

    def settle(self, what: str, write: Callable[[], T], look: Callable[[], T | None]) -> Stage[T]:
        """Write once; after a failure look whether the change was made, and write again only if it was not.

        Args:
            what: for the reader, such as "uploading version".
            write: sends the change once and returns its result.
            look: reads whether the change was made, and returns its result; None if it was not.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: it was not made, and another attempt would not help.
        """
        attempt = 0
        while True:
            try:
                return write()
            except exceptions.GoogleAPICallError as error:
                attempt += 1
                if ambiguous(error):
                    yield Step(f"{what}: {name_of(code_of(error))}; looking whether it happened", lasting=True)
                if code_of(error) in TRANSIENT:
                    time.sleep(pause_after(self.limits, attempt))  # a change may still be on its way
                found = look()
                if found is not None:
                    return found
                if code_of(error) not in TRANSIENT or attempt >= self.limits.attempts:
                    raise

    def operation(self, name: str, *, timeout: float | None = None) -> operations_pb2.Operation:
        """Read an operation, once.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: any failure.
        """
        request = operations_pb2.GetOperationRequest(name=name)
        return self.models.get_operation(request, timeout=timeout or self.limits.call, retry=None)

    def operations(self, resource_name: str, *, running: bool = True) -> list[operations_pb2.Operation]:
        """Return the operations of a model or endpoint; none if the server does not list them.

        The API's reference allows a server not to implement it, and names no field of its filter, so none is sent.
        """
        request = operations_pb2.ListOperationsRequest(name=resource_name)
        found: list[operations_pb2.Operation] = []
        try:
            for page in self.pages(self.models.list_operations, request):
                found.extend(page.operations)
        except (exceptions.MethodNotImplemented, exceptions.PermissionDenied):
            return []  # what runs is then found by its result
        return [operation for operation in found if not (running and operation.done)]

    def cancel(self, name: str) -> None:
        """Ask for an operation to be cancelled; the server does it when it can, or not at all.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: the request failed.
        """
        request = operations_pb2.CancelOperationRequest(name=name)
        self.models.cancel_operation(request, timeout=self.limits.call, retry=None)

    def rest(
        self, api: str, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Ask another of Google's APIs, which must only read; transient failures are asked again.

        Args:
            api: the API's name, such as `logging`.
            method: of HTTP.
            path: with its version, such as `/v2/entries:list`.
            body: the JSON of the request.
            timeout: seconds for one attempt.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: the last failure, with a gRPC status code.
        """
        url = (self.target.services or f"https://{api}.googleapis.com") + path
        session = self._rest_session()
        return again(self.limits, lambda: _request(session, method, url, body, timeout or self.limits.call))

    def _rest_session(self) -> requests.Session:
        if self._session is None:
            if self.credentials is None:
                self._session = requests.Session()
                self._session.trust_env = False  # no proxy stands between this machine and itself
            else:
                from google.auth.transport.requests import AuthorizedSession

                self._session = AuthorizedSession(self.credentials)
        return self._session

    def _channel(self, host: str) -> grpc.Channel:
        if host not in self._channels:
            if self.credentials is None:
                channel = grpc.insecure_channel(host, options=[*_OPTIONS, ("grpc.enable_http_proxy", 0)])
            else:
                transport = v1.ModelServiceClient.get_transport_class("grpc")
                address = host if ":" in host else f"{host}:443"
                channel = transport.create_channel(address, credentials=self.credentials, options=list(_OPTIONS))
            self._channels[host] = channel
        return self._channels[host]


def _client(kind: Any, channel: grpc.Channel) -> Any:
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def _request(session: requests.Session, method: str, url: str, body: Any, timeout: float) -> dict[str, Any]:
    try:
        response = session.request(method, url, json=body, timeout=timeout)
    except requests.Timeout as error:
        raise exceptions.from_grpc_status(grpc.StatusCode.DEADLINE_EXCEEDED, str(error)) from None
    except (requests.RequestException, GoogleAuthError) as error:
        raise exceptions.from_grpc_status(grpc.StatusCode.UNAVAILABLE, str(error)) from None
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.ok and isinstance(answer, dict):
        return answer
    fault = answer.get("error") if isinstance(answer, dict) else None
    status, message = (fault.get("status"), fault.get("message")) if isinstance(fault, dict) else (None, None)
    known = grpc.StatusCode.__members__.get(str(status), _STATUS.get(response.status_code, grpc.StatusCode.UNKNOWN))
    raise exceptions.from_grpc_status(known, str(message or f"HTTP {response.status_code} from {url}"))


_STATUS = {  # google/rpc/code.proto: the HTTP status of each code, here the other way round
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
