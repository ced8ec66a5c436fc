"""The calls of EndpointService about endpoints themselves: create, get, list, update, delete.

A dedicated endpoint gets a port of its own when it is created and keeps it. So does a private one, whose name would be
resolved only in a network of the cloud; both say which in `dedicated_endpoint_dns`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from seatrial.emulator.api import listing, refusals, validation
from seatrial.emulator.api.models import copy_field, staged
from seatrial.emulator.api.operations import Operations, Work, now
from seatrial.emulator.api.resource_names import Names, new_etag, new_id
from seatrial.emulator.api.state import Message, State, Transaction

Endpoint = v1.Endpoint.pb()
_OUTPUT_ONLY = (  # Output only in endpoint.proto: ignored in requests
    "name",
    "deployed_models",
    "etag",
    "create_time",
    "update_time",
    "model_deployment_monitoring_job",
    "dedicated_endpoint_dns",
    "satisfies_pzs",
    "satisfies_pzi",
)


class Ports(Protocol):
    """Opens and closes the ports that dedicated endpoints answer on."""

    def open(self, port: int) -> int:
        """Listen on a port, 0 for any; return the port.

        Raises:
            OSError: it is taken.
        """

    def shut(self, port: int) -> None:
        """Stop listening there."""


class Endpoints:
    """Answers EndpointService's calls about endpoints themselves."""

    def __init__(self, state: State, names: Names, operations: Operations) -> None:
        self._state = state
        self._names = names
        self._operations = operations
        self._ports: Ports | None = None

    def attach(self, ports: Ports) -> None:
        """Use these ports, and open those of existing endpoints, at their old numbers if possible."""
        self._ports = ports
        with self._state.transaction() as tx:
            for name, endpoint in tx.below(Endpoint, ""):
                if not has_own_host(endpoint):
                    continue
                port = 0
                with suppress(OSError):
                    port = ports.open(_port(endpoint))
                endpoint.dedicated_endpoint_dns = _dns(port or ports.open(0))
                tx.put(name, endpoint)

    def create(self, request: Message) -> Message:
        """Begin to create an endpoint."""
        parent = self._names.location(request.parent, "parent")
        validation.create_endpoint(request)
        name = f"{parent}/endpoints/{request.endpoint_id or new_id()}"
        with self._state.transaction() as tx:
            if tx.get(Endpoint, name) is not None or tx.reserved(name):
                raise refusals.already_exists("endpoint", name)
            operation = self._operations.begin(tx, name, v1.CreateEndpointOperationMetadata.pb()())
            tx.reserve(name, operation)

        def worker(work: Work) -> Callable[[Transaction], Message]:
            work.stage()
            endpoint = Endpoint()
            endpoint.CopyFrom(request.endpoint)
            for field in _OUTPUT_ONLY:
                endpoint.ClearField(field)
            endpoint.name = name
            if has_own_host(endpoint) and self._ports is not None:
                port = self._ports.open(0)
                work.undo = lambda: self._shut(port)
                endpoint.dedicated_endpoint_dns = _dns(port)
            return lambda tx: self._put_new(tx, endpoint)

        return self._operations.run(operation, "CreateEndpoint", worker)

    def get(self, request: Message) -> Message:
        """Answer GetEndpoint."""
        name = self._names.endpoint(request.name, "name")
        with self._state.transaction() as tx:
            return known(tx, name.name)

    def list(self, request: Message) -> Message:
        """Answer ListEndpoints, newest first."""
        parent = self._names.location(request.parent, "parent")
        with self._state.transaction() as tx:
            found = [endpoint for _, endpoint in tx.below(Endpoint, f"{parent}/endpoints/")]
        found.sort(key=lambda endpoint: -endpoint.create_time.ToNanoseconds())
        fields = {"endpoint": lambda m: m.name.rpartition("/")[2], "display_name": lambda m: m.display_name}
        endpoints, token = listing.page(
            request, found, fields=fields, order=("display_name", "create_time", "update_time")
        )
        return v1.ListEndpointsResponse.pb()(endpoints=endpoints, next_page_token=token)

    def update(self, request: Message) -> Message:
        """Answer UpdateEndpoint: change the fields that the mask names, at once."""
        name = self._names.endpoint(request.endpoint.name, "endpoint.name")
        validation.update_endpoint(request)
        with self._state.transaction() as tx:
            endpoint = known(tx, name.name)
            if request.endpoint.etag and request.endpoint.etag != endpoint.etag:
                raise refusals.stale_etag(name.name)
            for field in request.update_mask.paths:
                copy_field(request.endpoint, endpoint, field)
            if "traffic_split" in request.update_mask.paths:
                check_split(tx, endpoint, dict(endpoint.traffic_split))
            put(tx, endpoint)
            return endpoint

    def update_long_running(self, request: Message) -> Message:
        """Begin to change how long an endpoint waits for an answer."""
        name = self._names.endpoint(request.endpoint.name, "endpoint.name")
        validation.update_endpoint_long_running(request)
        with self._state.transaction() as tx:
            known(tx, name.name)
            operation = self._operations.begin(tx, name.name, v1.UpdateEndpointOperationMetadata.pb()())

        def commit(tx: Transaction) -> Message:
            endpoint = known(tx, name.name)
            copy_field(request.endpoint, endpoint, "client_connection_config")
            put(tx, endpoint)
            return endpoint

        return self._operations.run(operation, "UpdateEndpointLongRunning", staged(commit))

    def delete(self, request: Message) -> Message:
        """Begin to delete an endpoint without deployed models."""
        name = self._names.endpoint(request.name, "name")
        with self._state.transaction() as tx:
            _empty(tx, name.name)
            operation = self._operations.begin(tx, name.name, v1.DeleteOperationMetadata.pb()())

        def commit(tx: Transaction) -> Message:
            endpoint = _empty(tx, name.name)
            tx.remove(Endpoint, name.name)
            self._shut(_port(endpoint))
            return empty_pb2.Empty()

        return self._operations.run(operation, "DeleteEndpoint", staged(commit))

    def _put_new(self, tx: Transaction, endpoint: Message) -> Message:
        endpoint.create_time.CopyFrom(now())
        put(tx, endpoint)
        return endpoint

    def _shut(self, port: int) -> None:
        if self._ports is not None and port:
            self._ports.shut(port)


def known(tx: Transaction, name: str) -> Message:
    """Return an endpoint's record.

    Raises:
        RefusedError: NOT_FOUND.
    """
    endpoint = tx.get(Endpoint, name)
    if endpoint is None:
        raise refusals.not_found("endpoint", name)
    return endpoint


def has_own_host(endpoint: Message) -> bool:
    """Return whether predictions go to a host of the endpoint's own: it is dedicated or private."""
    private = endpoint.private_service_connect_config.enable_private_service_connect
    return bool(endpoint.dedicated_endpoint_enabled or private)


def put(tx: Transaction, endpoint: Message) -> None:
    """Write a changed endpoint, with a new etag and update time."""
    endpoint.etag = new_etag()
    endpoint.update_time.CopyFrom(now())
    tx.put(endpoint.name, endpoint)


def check_split(tx: Transaction, endpoint: Message, split: dict[str, int]) -> None:
    """Check a split against what is deployed.

    Raises:
        RefusedError: it names what is not deployed, or gives traffic to what is being undeployed.
    """
    ids = {deployed.id for deployed in endpoint.deployed_models}
    if missing := [i for i in split if i not in ids]:
        raise refusals.unknown_deployed_models(missing)
    leaving = [i for i, percent in split.items() if percent and tx.reserved(leaving_name(endpoint.name, i))]
    if leaving:
        raise refusals.precondition(f"The following DeployedModel ID(s) [{', '.join(leaving)}] are being undeployed.")


def leaving_name(endpoint: str, deployed_id: str) -> str:
    """Return the name that an undeployment reserves."""
    return f"{endpoint}/leaving/{deployed_id}"


def coming_name(endpoint: str, deployed_id: str) -> str:
    """Return the name that a deployment reserves."""
    return f"{endpoint}/coming/{deployed_id}"


def _empty(tx: Transaction, name: str) -> Message:
    endpoint = known(tx, name)
    if endpoint.deployed_models or tx.any_reserved(f"{name}/"):
        raise refusals.precondition(f"Endpoint {name} has DeployedModels, deployed or being so. Undeploy them first.")
    return endpoint


def _dns(port: int) -> str:
    return f"127.0.0.1:{port}"


def _port(endpoint: Message) -> int:
    port = endpoint.dedicated_endpoint_dns.rpartition(":")[2]
    return int(port) if port else 0
