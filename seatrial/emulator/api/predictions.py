"""PredictionService: each request goes to one deployed model, drawn by the traffic split.

A dedicated endpoint answers at its own port only, and only a request whose header names it too. The server's answer is
passed on unchanged.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from google.api import httpbody_pb2
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from seatrial.emulator.api import refusals, validation
from seatrial.emulator.api.deployments import Deployments
from seatrial.emulator.api.endpoints import has_own_host, known
from seatrial.emulator.api.hosting import Hosting, HostingError, Placement, Reply
from seatrial.emulator.api.models import answer, find
from seatrial.emulator.api.resource_names import EndpointName, ModelName, Names
from seatrial.emulator.api.state import Message, State

# https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type
SHARED_LIMIT = 1_500_000  # bytes of a request, and of an answer
DEDICATED_LIMIT = 10_000_000
SHARED_TIMEOUT = 60.0  # seconds
DEDICATED_TIMEOUT = 600.0  # if client_connection_config does not set another
_PREDICT = v1.PredictResponse.pb()


@dataclass(frozen=True, slots=True)
class Served:
    """A server's answer, and which deployed model gave it."""

    reply: Reply
    endpoint_id: str
    deployed_model_id: str
    model: str
    model_version_id: str
    model_display_name: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an answer to RawPredict."""
        # "The response includes the following HTTP headers": prediction_service.proto
        return {
            "X-Vertex-AI-Endpoint-Id": self.endpoint_id,
            "X-Vertex-AI-Deployed-Model-Id": self.deployed_model_id,
        }


@dataclass(frozen=True, slots=True)
class Door:
    """The address of a dedicated endpoint that a request came to over gRPC.

    Attributes:
        port: its port.
        endpoint_id: what the request's header `x-vertex-ai-endpoint-id` says; empty without one.
    """

    port: int
    endpoint_id: str


class Predictions:
    """Answers PredictionService's calls."""

    def __init__(self, state: State, names: Names, deployments: Deployments, hosting: Hosting) -> None:
        self._state = state
        self._names = names
        self._deployments = deployments
        self._hosting = hosting

    def predict(self, request: Message, door: Door | None) -> Message:
        """Answer Predict; `door` is None for the shared address."""
        name = self._names.endpoint(request.endpoint, "endpoint")
        validation.predict(request)
        body: dict[str, Any] = {"instances": [json_format.MessageToDict(value) for value in request.instances]}
        if request.HasField("parameters"):
            body["parameters"] = json_format.MessageToDict(request.parameters)
        served = self._ask(name, json.dumps(body).encode(), "application/json", request.ByteSize(), door)
        response = _PREDICT(
            deployed_model_id=served.deployed_model_id,
            model=served.model,
            model_version_id=served.model_version_id,
            model_display_name=served.model_display_name,
        )
        _refuse_status(served.reply)
        for prediction in parsed(served.reply.body):
            json_format.ParseDict(prediction, response.predictions.add())
        return response

    def raw_predict(self, request: Message, door: Door | None) -> tuple[Message, Served]:
        """Answer RawPredict: body and content type as the server sent them."""
        name = self._names.endpoint(request.endpoint, "endpoint")
        body = request.http_body
        served = self._ask(name, body.data, body.content_type or "application/json", len(body.data), door)
        answered = httpbody_pb2.HttpBody(content_type=served.reply.content_type, data=served.reply.body)
        return answered, served

    def _ask(self, name: EndpointName, body: bytes, content_type: str, size: int, door: Door | None) -> Served:
        where, served, limit, timeout = self._route(name, size, door)
        try:
            reply = self._hosting.ask(where, body, content_type, timeout)
        except HostingError as error:
            raise refusals.RefusedError(error.code, error.message) from error
        if len(reply.body) > limit:
            raise refusals.too_large(len(reply.body), limit, "response")
        return Served(reply, name.id, *served)

    def _route(
        self, name: EndpointName, size: int, door: Door | None
    ) -> tuple[Placement, tuple[str, str, str, str], int, float]:
        with self._state.transaction() as tx:
            endpoint = known(tx, name.name)
            dns = endpoint.dedicated_endpoint_dns
            if has_own_host(endpoint) and door is None:
                raise refusals.wrong_address(dns)
            if door is not None:
                _let_in(door, name, dns)
            limit = DEDICATED_LIMIT if has_own_host(endpoint) else SHARED_LIMIT
            if size > limit:
                raise refusals.too_large(size, limit)
            split = {i: percent for i, percent in endpoint.traffic_split.items() if percent}
            if not split:
                raise refusals.no_traffic_split(name.name)
            drawn = random.choices(list(split), weights=list(split.values()))[0]  # noqa: S311  # no secret
            deployed = next(d for d in endpoint.deployed_models if d.id == drawn)
            where = self._deployments.placement(tx, name, deployed)
            version = find(tx, ModelName(deployed.model, "", "", deployed.model_version_id))
            title = answer(tx, deployed.model, version).display_name
        served = (drawn, deployed.model, deployed.model_version_id, title)
        return where, served, limit, _timeout(endpoint)


def _let_in(door: Door, name: EndpointName, dns: str) -> None:
    """Refuse a request that came to another endpoint's address, or whose header does not name the endpoint."""
    if dns.rpartition(":")[2] != str(door.port):
        raise refusals.not_found("endpoint", name.name)
    if door.endpoint_id != name.id:
        raise refusals.wrong_endpoint_id(door.endpoint_id, name.id)


def code_of(status: int) -> int:
    """Return the status code for a server's HTTP status; 0 for success."""
    if 200 <= status < 300:
        return refusals.OK
    return refusals.CODE_OF_HTTP.get(status, refusals.INVALID_ARGUMENT if status < 500 else refusals.INTERNAL)


def refusal(reply: Reply) -> refusals.RefusedError | None:
    """Return the error for a server's failed answer, with its body as the message; None for success."""
    code = code_of(reply.status)
    return refusals.RefusedError(code, reply.body.decode("utf-8", "replace")) if code else None


def _refuse_status(reply: Reply) -> None:
    if error := refusal(reply):
        raise error


def parsed(body: bytes) -> list[Any]:
    """Return the predictions of a server's answer.

    Raises:
        RefusedError: INTERNAL, it is not JSON, or has no list of predictions.
    """
    try:
        read = json.loads(body, parse_constant=_no_number)
    except ValueError as error:
        raise refusals.RefusedError(refusals.INTERNAL, f"The model server's answer is not JSON: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("predictions"), list):
        raise refusals.RefusedError(refusals.INTERNAL, "The model server's answer has no list of predictions.")
    return list(read["predictions"])


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _timeout(endpoint: Message) -> float:
    if not has_own_host(endpoint):
        return SHARED_TIMEOUT
    said: float = endpoint.client_connection_config.inference_timeout.ToTimedelta().total_seconds()
    return said or DEDICATED_TIMEOUT
