"""Sends prediction requests to an endpoint over gRPC.

Google's SDK asks a dedicated endpoint by `https://DNS/v1/NAME:predict` instead (Endpoint.predict in
google/cloud/aiplatform/models.py, 2.7.0), where the path names the endpoint. `addressed` is what gRPC needs for that.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

import grpc
from google.api_core import exceptions, gapic_v1
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from seatrial.deploy.exchange import Question, Reply
from seatrial.deploy.vertex.backoff import code_of

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint
    from seatrial.deploy.vertex.client import Vertex


# "For gRPC requests, the inclusion of the x-vertex-ai-endpoint-id header is mandatory":
# https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/get-online-predictions
ENDPOINT_ID = "x-vertex-ai-endpoint-id"


def addressed(endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    """Return the gRPC metadata that tells the service which endpoint a request is for."""
    routing = gapic_v1.routing_header.to_grpc_metadata((("endpoint", endpoint.name),))
    return (routing, (ENDPOINT_ID, endpoint.name.rpartition("/")[2])) if endpoint.host else (routing,)


class Predictions:
    """Prediction requests in flight; gRPC's own threads wait for them, so that none of ours can be left behind."""

    def __init__(self, vertex: Vertex, endpoint: Endpoint, timeout: float) -> None:
        """Send to an endpoint; an answer may take `timeout` seconds."""
        # The client's own method blocks; the call below it does not, and can be cancelled.
        self._predict = vertex.predictions(endpoint.host).transport.predict
        self._endpoint = endpoint.name
        self._timeout = timeout
        self._metadata = addressed(endpoint)
        self._done: queue.SimpleQueue[tuple[int, Question, float]] = queue.SimpleQueue()
        self._calls: dict[int, Any] = {}
        self._sent = 0

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""
        return len(self._calls)

    def send(self, question: Question) -> None:
        """Send a request."""
        request = v1.PredictRequest(endpoint=self._endpoint)
        for instance in question.instances:
            json_format.ParseDict(instance, v1.PredictRequest.pb(request).instances.add())
        self._sent = number = self._sent + 1
        began = time.monotonic()
        call = self._predict.future(request, timeout=self._timeout, metadata=self._metadata)
        self._calls[number] = call
        call.add_done_callback(lambda _: self._done.put((number, question, time.monotonic() - began)))

    def receive(self, wait: float) -> Reply | None:
        """Return a reply; None if none comes within `wait` seconds."""
        try:
            number, question, seconds = self._done.get(timeout=max(wait, 0.001))
        except queue.Empty:
            return None
        try:
            answer = v1.PredictResponse.pb(self._calls.pop(number).result())
        except grpc.RpcError as error:
            failure = exceptions.from_grpc_error(error)
            return Reply(question, seconds, error=str(failure), code=code_of(failure))
        predictions = tuple(_plain(value) for value in answer.predictions)
        return Reply(question, seconds, deployed_model=answer.deployed_model_id, predictions=predictions)

    def cancel(self) -> None:
        """Cancel what is in flight."""
        for call in self._calls.values():
            call.cancel()


def _plain(value: Any) -> Any:
    """Return a protobuf Value as JSON data. It knows only floats, so a whole number becomes an integer."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "struct_value":
        return {key: _plain(field) for key, field in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(element) for element in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
