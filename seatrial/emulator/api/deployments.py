"""The calls of EndpointService about deployed models: deploy, undeploy, mutate.

A deployment goes through Vertex's stages while the hosting really gets and starts the server. The endpoint changes
only at the very end, so a deployment that fails or is interrupted leaves nothing deployed.
"""

from __future__ import annotations

from collections.abc import Callable

from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api import machines, refusals, validation
from seatrial.emulator.api.endpoints import check_split, coming_name, known, leaving_name, put
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import Hosting, Placement
from seatrial.emulator.api.models import answer, copy_field, find
from seatrial.emulator.api.operations import Operations, Stage, Work, now
from seatrial.emulator.api.resource_names import EndpointName, ModelName, Names, new_id
from seatrial.emulator.api.state import Message, State, Transaction

_SELF = "0"  # in a split, the model being deployed: endpoint_service.proto


class Deployments:
    """Answers EndpointService's calls about deployed models."""

    def __init__(self, state: State, names: Names, operations: Operations, hosting: Hosting, faults: Faults) -> None:
        self._state = state
        self._names = names
        self._operations = operations
        self._hosting = hosting
        self._faults = faults

    def deploy(self, request: Message) -> Message:
        """Begin to deploy a model version to an endpoint."""
        endpoint = self._names.endpoint(request.endpoint, "endpoint")
        validation.deploy_model(request)
        model = self._names.model(request.deployed_model.model, "deployed_model.model")
        with self._state.transaction() as tx:
            record = known(tx, endpoint.name)
            version = find(tx, model)
            self._within_quota(request.deployed_model.dedicated_resources)
            deployed = _deployed(request.deployed_model, model, version, answer(tx, model.name, version).display_name)
            if any(d.id == deployed.id for d in record.deployed_models):
                raise refusals.already_exists("DeployedModel", f"{endpoint.name}:{deployed.id}")
            if request.traffic_split:
                check_split(tx, record, {i: p for i, p in request.traffic_split.items() if i != _SELF})
            operation = self._operations.begin(tx, endpoint.name, v1.DeployModelOperationMetadata.pb()())
            if not tx.reserve(coming_name(endpoint.name, deployed.id), operation):
                raise refusals.already_exists("DeployedModel", f"{endpoint.name}:{deployed.id}")
            tx.reserve(f"{model.name}@{version.version_id}/{operation}", operation)
        split = dict(request.traffic_split)
        where = self._placement(endpoint, deployed, version)

        def worker(work: Work) -> Callable[[Transaction], Message]:
            self._start(work, where)
            return lambda tx: _add(tx, endpoint.name, deployed, split)

        return self._operations.run(operation, "DeployModel", worker)

    def undeploy(self, request: Message) -> Message:
        """Begin to undeploy a deployed model that gets no traffic, or gets none by this request's split."""
        endpoint = self._names.endpoint(request.endpoint, "endpoint")
        validation.undeploy_model(request)
        gone = request.deployed_model_id
        with self._state.transaction() as tx:
            record = known(tx, endpoint.name)
            if gone not in {d.id for d in record.deployed_models}:
                raise refusals.RefusedError(refusals.NOT_FOUND, refusals.unknown_deployed_models([gone]).message)
            split = dict(request.traffic_split or record.traffic_split)
            check_split(tx, record, split)
            if split.get(gone) and len(record.deployed_models) > 1:
                raise refusals.precondition(
                    f"DeployedModel {gone} has traffic assigned to it: {split[gone]}%. Unassign it before undeploying."
                )
            operation = self._operations.begin(tx, endpoint.name, v1.UndeployModelOperationMetadata.pb()())
            if not tx.reserve(leaving_name(endpoint.name, gone), operation):
                raise refusals.precondition(f"DeployedModel {gone} is being undeployed.")
            if request.traffic_split:
                _set_split(record, split)
                put(tx, record)

        def worker(work: Work) -> Callable[[Transaction], Message]:
            work.stage()
            self._hosting.stop(endpoint.id, gone)
            return lambda tx: _remove(tx, endpoint.name, gone)

        return self._operations.run(operation, "UndeployModel", worker)

    def mutate(self, request: Message) -> Message:
        """Begin to change the replicas, the autoscaling or the logging of a deployed model."""
        endpoint = self._names.endpoint(request.endpoint, "endpoint")
        with self._state.transaction() as tx:
            changed = _mutated(known(tx, endpoint.name), request)
            validation.mutate_deployed_model(request, changed)
            operation = self._operations.begin(tx, endpoint.name, v1.MutateDeployedModelOperationMetadata.pb()())

        def commit(tx: Transaction) -> Message:
            record = known(tx, endpoint.name)
            changed = _mutated(record, request)
            for deployed in record.deployed_models:
                if deployed.id == changed.id:
                    deployed.CopyFrom(changed)
            put(tx, record)
            return v1.MutateDeployedModelResponse.pb()(deployed_model=changed)

        def worker(work: Work) -> Callable[[Transaction], Message]:
            work.stage()
            return commit

        return self._operations.run(operation, "MutateDeployedModel", worker)

    def placement(self, tx: Transaction, endpoint: EndpointName, deployed: Message) -> Placement:
        """Return what the hosting must know of a deployed model.

        Raises:
            RefusedError: NOT_FOUND, its version no longer exists.
        """
        model = self._names.model(deployed.model, "model")
        version = find(tx, ModelName(model.name, model.id, model.region, deployed.model_version_id))
        return self._placement(endpoint, deployed, version)

    def _placement(self, endpoint: EndpointName, deployed: Message, version: Message) -> Placement:
        return Placement(
            project_number=self._names.project_number,
            region=endpoint.region,
            endpoint_id=endpoint.id,
            deployed_model_id=deployed.id,
            model=v1.Model(version),
            machine_spec=v1.MachineSpec(deployed.dedicated_resources.machine_spec),
        )

    def _start(self, work: Work, where: Placement) -> None:
        def stop() -> None:
            self._hosting.stop(where.endpoint_id, where.deployed_model_id)

        work.on_cancel = work.undo = stop
        work.stage(Stage.STARTING_DEPLOYMENT)
        work.stage(Stage.PREPARING_MODEL)
        self._hosting.prepare(where)
        work.stage(Stage.CREATING_SERVING_CLUSTER)
        work.stage(Stage.ADDING_NODES_TO_CLUSTER)
        work.stage(Stage.GETTING_CONTAINER_IMAGE)
        self._hosting.fetch(where)
        work.stage(Stage.STARTING_MODEL_SERVER)
        self._hosting.start(where)
        work.stage(Stage.FINISHING_UP)

    def _within_quota(self, resources: Message) -> None:
        spec = resources.machine_spec
        machine = spec.machine_type or machines.DEFAULT
        accelerator = v1.AcceleratorType(spec.accelerator_type).name if spec.accelerator_type else ""
        metric = machines.quota_metric(machine, accelerator, spot=resources.spot)
        each = spec.accelerator_count if accelerator else machines.cores(machine)
        asked = each * (resources.max_replica_count or resources.min_replica_count)
        if asked > self._faults.quota.get(metric, asked):
            self._faults.mark("quota", metric)
            raise refusals.quota_exceeded([f"aiplatform.googleapis.com/{metric}"])


def _deployed(request: Message, model: ModelName, version: Message, display_name: str) -> Message:
    deployed = type(request)()
    deployed.CopyFrom(request)
    for field in ("create_time", "private_endpoints", "status"):  # Output only in endpoint.proto
        deployed.ClearField(field)
    deployed.id = request.id or new_id()
    deployed.model = model.name
    deployed.model_version_id = version.version_id
    deployed.display_name = request.display_name or display_name
    resources = deployed.dedicated_resources
    resources.machine_spec.machine_type = resources.machine_spec.machine_type or machines.DEFAULT
    resources.max_replica_count = resources.max_replica_count or resources.min_replica_count
    return deployed


def _add(tx: Transaction, endpoint: str, deployed: Message, split: dict[str, int]) -> Message:
    record = known(tx, endpoint)
    deployed.create_time.CopyFrom(now())
    record.deployed_models.append(deployed)
    if split:
        split = {deployed.id if i == _SELF else i: percent for i, percent in split.items()}
        check_split(tx, record, split)
        _set_split(record, split)
    put(tx, record)
    return v1.DeployModelResponse.pb()(deployed_model=deployed)


def _remove(tx: Transaction, endpoint: str, gone: str) -> Message:
    record = known(tx, endpoint)
    kept = [deployed for deployed in record.deployed_models if deployed.id != gone]
    split = {i: percent for i, percent in record.traffic_split.items() if i != gone} if kept else {}
    del record.deployed_models[:]
    record.deployed_models.extend(kept)
    _set_split(record, split)
    put(tx, record)
    return v1.UndeployModelResponse.pb()()


def _set_split(record: Message, split: dict[str, int]) -> None:
    record.traffic_split.clear()
    record.traffic_split.update(split)


def _mutated(record: Message, request: Message) -> Message:
    for deployed in record.deployed_models:
        if deployed.id == request.deployed_model.id:
            changed = type(deployed)()
            changed.CopyFrom(deployed)
            for path in request.update_mask.paths:
                parent, _, field = path.rpartition(".")
                if path in validation.DEPLOYED_FIELDS:
                    copy_field(_part(request.deployed_model, parent), _part(changed, parent), field)
            return changed
    raise refusals.RefusedError(
        refusals.NOT_FOUND, refusals.unknown_deployed_models([request.deployed_model.id]).message
    )


def _part(deployed: Message, name: str) -> Message:
    return getattr(deployed, name) if name else deployed
