"""The control plane: every call that it answers, whether the call came over gRPC or REST.

Before and after each call it applies the faults that are due, and it checks that the caller may make the call. It
knows neither gRPC nor HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2

from seatrial.emulator.api import refusals
from seatrial.emulator.api.deployments import Deployments
from seatrial.emulator.api.endpoints import Endpoints, Ports
from seatrial.emulator.api.faults import Faults, spoil
from seatrial.emulator.api.hosting import Hosting, Objects
from seatrial.emulator.api.jobs import Jobs
from seatrial.emulator.api.models import Models
from seatrial.emulator.api.operations import Operations
from seatrial.emulator.api.predictions import Door, Predictions, Served
from seatrial.emulator.api.resource_names import Names
from seatrial.emulator.api.state import Message, State

PROJECT_NUMBER = "123456789012"  # of the emulator's only project, whatever id a request names
API = "aiplatform.googleapis.com"
_WAIT = 60.0  # seconds that WaitOperation waits if the request does not say

# The permission each call needs: https://cloud.google.com/vertex-ai/docs/general/iam-permissions
_PERMISSIONS = {
    "UploadModel": "aiplatform.models.upload",
    "GetModel": "aiplatform.models.get",
    "ListModels": "aiplatform.models.list",
    "ListModelVersions": "aiplatform.models.list",
    "UpdateModel": "aiplatform.models.update",
    "MergeVersionAliases": "aiplatform.models.update",
    "DeleteModel": "aiplatform.models.delete",
    "DeleteModelVersion": "aiplatform.models.delete",
    "CreateEndpoint": "aiplatform.endpoints.create",
    "GetEndpoint": "aiplatform.endpoints.get",
    "ListEndpoints": "aiplatform.endpoints.list",
    "UpdateEndpoint": "aiplatform.endpoints.update",
    "UpdateEndpointLongRunning": "aiplatform.endpoints.update",
    "DeleteEndpoint": "aiplatform.endpoints.delete",
    "DeployModel": "aiplatform.endpoints.deploy",
    "UndeployModel": "aiplatform.endpoints.undeploy",
    "MutateDeployedModel": "aiplatform.endpoints.deploy",
    "CreateBatchPredictionJob": "aiplatform.batchPredictionJobs.create",
    "GetBatchPredictionJob": "aiplatform.batchPredictionJobs.get",
    "ListBatchPredictionJobs": "aiplatform.batchPredictionJobs.list",
    "CancelBatchPredictionJob": "aiplatform.batchPredictionJobs.cancel",
    "Predict": "aiplatform.endpoints.predict",
    "RawPredict": "aiplatform.endpoints.predict",
}
_NUMBERED = re.compile(r"projects/(?P<project>[0-9]+)/")
_NAMED_BY = ("name", "parent", "endpoint")  # the fields that name the resource of a call


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller, as far as the transport knows it.

    Attributes:
        port: the port of a dedicated endpoint that the call came to; None for the shared address.
        endpoint_id: what the header `x-vertex-ai-endpoint-id` says; empty without one.
        waiting: returns whether the caller still waits for an answer.
        drop: cuts the caller's connection.
    """

    port: int | None = None
    endpoint_id: str = ""
    waiting: Callable[[], bool] = lambda: True
    drop: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Answer:
    """The answer to a call; `served` only for a prediction that was passed on unread."""

    message: Message
    served: Served | None = field(default=None)


class ControlPlane:
    """Vertex AI's ModelService, EndpointService, PredictionService, JobService and operations for one project."""

    def __init__(
        self,
        state: Path,
        hosting: Hosting,
        faults: Faults | None = None,
        *,
        objects: Objects | None = None,
        project_number: str = PROJECT_NUMBER,
    ) -> None:
        """`state` is the SQLite file with all records, created if missing; without `objects` there are no jobs."""
        self.faults = faults or Faults()
        self.project_number = project_number
        self._state = State(state)
        names = Names(project_number)
        self.operations = Operations(self._state, names, self.faults)
        self.models = Models(self._state, names, self.operations)
        self.endpoints = Endpoints(self._state, names, self.operations)
        self.deployments = Deployments(self._state, names, self.operations, hosting, self.faults)
        self.predictions = Predictions(self._state, names, self.deployments, hosting)
        self.jobs = Jobs(self._state, names, hosting, objects, self.faults)
        self._methods: dict[str, tuple[Any, Callable[[Any], Message]]] = {
            "UploadModel": (v1.UploadModelRequest, self.models.upload),
            "GetModel": (v1.GetModelRequest, self.models.get),
            "ListModels": (v1.ListModelsRequest, self.models.list),
            "ListModelVersions": (v1.ListModelVersionsRequest, self.models.list_versions),
            "UpdateModel": (v1.UpdateModelRequest, self.models.update),
            "MergeVersionAliases": (v1.MergeVersionAliasesRequest, self.models.merge_aliases),
            "DeleteModel": (v1.DeleteModelRequest, self.models.delete),
            "DeleteModelVersion": (v1.DeleteModelVersionRequest, self.models.delete_version),
            "CreateEndpoint": (v1.CreateEndpointRequest, self.endpoints.create),
            "GetEndpoint": (v1.GetEndpointRequest, self.endpoints.get),
            "ListEndpoints": (v1.ListEndpointsRequest, self.endpoints.list),
            "UpdateEndpoint": (v1.UpdateEndpointRequest, self.endpoints.update),
            "UpdateEndpointLongRunning": (v1.UpdateEndpointLongRunningRequest, self.endpoints.update_long_running),
            "DeleteEndpoint": (v1.DeleteEndpointRequest, self.endpoints.delete),
            "DeployModel": (v1.DeployModelRequest, self.deployments.deploy),
            "UndeployModel": (v1.UndeployModelRequest, self.deployments.undeploy),
            "MutateDeployedModel": (v1.MutateDeployedModelRequest, self.deployments.mutate),
            "CreateBatchPredictionJob": (v1.CreateBatchPredictionJobRequest, self.jobs.create),
            "GetBatchPredictionJob": (v1.GetBatchPredictionJobRequest, self.jobs.get),
            "ListBatchPredictionJobs": (v1.ListBatchPredictionJobsRequest, self.jobs.list),
            "CancelBatchPredictionJob": (v1.CancelBatchPredictionJobRequest, self.jobs.cancel),
            "GetOperation": (operations_pb2.GetOperationRequest, lambda r: self.operations.get(r.name)),
            "ListOperations": (operations_pb2.ListOperationsRequest, self.operations.list),
            "CancelOperation": (operations_pb2.CancelOperationRequest, lambda r: self.operations.cancel(r.name)),
            "DeleteOperation": (operations_pb2.DeleteOperationRequest, lambda r: self.operations.delete(r.name)),
            "WaitOperation": (operations_pb2.WaitOperationRequest, self._wait),
            "Predict": (v1.PredictRequest, lambda _: None),
            "RawPredict": (v1.RawPredictRequest, lambda _: None),
        }

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the RPCs that are answered."""
        return tuple(self._methods)

    def request_type(self, method: str) -> type[Message]:
        """Return the protobuf class of a method's request."""
        kind: Any = self._methods[method][0]
        found: type[Message] = kind.pb() if hasattr(kind, "pb") else kind
        return found

    def attach(self, ports: Ports) -> None:
        """Let dedicated endpoints answer at ports of their own, and go on with unfinished jobs."""
        self.endpoints.attach(ports)
        self.jobs.resume()

    def call(self, method: str, request: Message, caller: Caller) -> Answer:
        """Answer a call.

        Raises:
            RefusedError: the error to answer with.
        """
        spoil(self.faults, self.faults.of_call(method, "before"), caller.waiting, caller.drop)
        self._allow(method, request)
        try:
            answer = self._answer(method, request, caller)
        except OSError as error:
            if refused := refusals.of_this_machine(error):
                raise refused from error
            raise
        spoil(self.faults, self.faults.of_call(method, "after"), caller.waiting, caller.drop)
        return answer

    def begin_to_close(self) -> None:
        """Take what ends from now on for interrupted, not for failed."""
        self.operations.closing.set()
        self.jobs.closing.set()

    def close(self) -> None:
        """Stop; running operations end as failed on the next start. The caller closes the hosting."""
        self.faults.clear()
        self.jobs.close()
        self.operations.close()
        self._state.close()

    def _answer(self, method: str, request: Message, caller: Caller) -> Answer:
        door = None if caller.port is None else Door(caller.port, caller.endpoint_id)
        if method == "Predict":
            return Answer(self.predictions.predict(request, door))
        if method == "RawPredict":
            return Answer(*self.predictions.raw_predict(request, door))
        if caller.port is not None:
            raise refusals.RefusedError(refusals.UNIMPLEMENTED, f"{method} is not answered by a dedicated endpoint.")
        return Answer(self._methods[method][1](request))

    def _allow(self, method: str, request: Message) -> None:
        if API in self.faults.disabled:
            self.faults.mark("disabled", API)
            raise refusals.disabled(API, "Vertex AI API", self.project_number)
        permission = _PERMISSIONS.get(method, "")
        if permission and permission in self.faults.denied:
            self.faults.mark("denied", permission)
            raise refusals.denied(permission, _about(request))
        # An id may be any, as this emulator has one project; a number that is not its own is another project's.
        number = _NUMBERED.match(_about(request)) if permission else None
        if number and number["project"] != self.project_number:
            raise refusals.denied(permission, _about(request))

    def _wait(self, request: Message) -> Message:
        seconds = request.timeout.ToTimedelta().total_seconds()
        return self.operations.wait(request.name, min(seconds, _WAIT) or _WAIT)


def _about(request: Message) -> str:
    for name in _NAMED_BY:
        value = getattr(request, name, None)
        if value is not None:
            return value if isinstance(value, str) else value.name
    return str(request.model.name)
