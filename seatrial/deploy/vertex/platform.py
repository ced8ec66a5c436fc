"""Vertex AI as a platform, on Google Cloud or at the emulator: what the modules beside this one do, in one place."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from google.api_core.exceptions import GoogleAPICallError

from seatrial.deploy.platform import CallError, Endpoint, PlatformError, Traits, Upload, Version
from seatrial.deploy.vertex import (
    batches,
    deployments,
    diagnosis,
    endpoint_settings,
    endpoints,
    messages,
    poller,
    preflight,
    storage,
    versions,
)
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.predictions import Predictions
from seatrial.deploy.vertex.target import Target
from seatrial.findings import Finding, Stage, Step
from seatrial.rules.deployment import operations

if TYPE_CHECKING:
    from seatrial.deploy.batch import Ended, Job, StoredFile
    from seatrial.facts.gather import Gathered
    from seatrial.project import Project


@contextlib.contextmanager
def connected(target: Target) -> Iterator[VertexPlatform]:
    """Yield the platform at a target; its connections are closed when the block ends.

    Raises:
        EnvironmentFaultError: there is no identity to deploy with.
    """
    with Vertex(target) as client:
        yield VertexPlatform(client)


class VertexPlatform:
    """Vertex AI; see `seatrial.deploy.platform.Platform`."""

    def __init__(self, client: Vertex) -> None:
        """`client` is closed by its owner."""
        self._client = client

    @property
    def traits(self) -> Traits:
        """How it differs from other targets."""
        return self._client.target.traits

    @property
    def region(self) -> str:
        """Where it serves."""
        return self._client.target.region

    @property
    def awaited(self) -> Mapping[str, str]:
        """The operations that this run began and that have not ended."""
        return self._client.awaited

    def find_version(self, model_id: str, digest: str) -> Version | None:
        """Return the version of a digest; None if there is none."""
        with _calls():
            return versions.find(self._client, model_id, digest)

    def versions(self, model_id: str) -> list[Version]:
        """Return all versions of a model, lowest id first."""
        with _calls():
            return versions.listing(self._client, model_id)

    def find_or_upload(self, upload: Upload, timeout: float) -> Stage[tuple[Version, bool]]:
        """Return the one version of a digest, and whether this call made it."""
        with _calls():
            return (yield from versions.find_or_upload(self._client, upload, timeout))

    def give_alias(self, version: Version, alias: str) -> Version:
        """Move an alias to a version."""
        with _calls():
            return versions.give(self._client, version, alias)

    def find_endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint; None if there is none."""
        with _calls():
            return endpoints.find(self._client, endpoint_id)

    def get_endpoint(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint that must be there."""
        with _calls():
            return endpoints.get(self._client, endpoint_id)

    def settled_endpoint(self, endpoint_id: str, timeout: float) -> Stage[Endpoint | None]:
        """Return an endpoint once no operation works on it any more; None if there is none."""
        with _calls():
            return (yield from endpoints.settled(self._client, endpoint_id, timeout))

    def find_or_create_endpoint(
        self, project: Project, endpoint_id: str, labels: Mapping[str, str] | None = None
    ) -> Stage[tuple[Endpoint, bool]]:
        """Return an endpoint, and whether this call made it."""
        with _calls():
            found = yield from endpoints.find_or_create(self._client, project, endpoint_id, labels=labels)
            yield from endpoint_settings.configure(self._client, project, endpoint_id)
            return found

    def is_configured(self, endpoint_id: str, project: Project) -> bool:
        """Return whether an endpoint is as the project's settings say."""
        with _calls():
            return endpoint_settings.is_configured(self._client, project, endpoint_id)

    def change_endpoint(self, name: str, edit: Callable[[Endpoint], Endpoint | None]) -> Stage[Endpoint]:
        """Change labels and split in one call, by etag."""
        with _calls():
            return (yield from endpoints.change(self._client, name, edit))

    def delete_endpoint(self, name: str, timeout: float) -> Stage[None]:
        """Delete an endpoint."""
        with _calls():
            yield from endpoints.delete(self._client, name, timeout)

    def deployed_id(self, digest: str, project: Project) -> str:
        """Return the id that a version gets when it is deployed with the project's settings."""
        return messages.deployed_id(digest, project)

    def find_or_deploy(self, endpoint: str, version: Version, project: Project, timeout: float) -> Stage[str]:
        """Return the id of a version as a deployed model."""
        with _calls():
            return (yield from deployments.find_or_deploy(self._client, endpoint, version, project, timeout))

    def undeploy(self, endpoint: str, ids: Iterable[str], timeout: float) -> Stage[None]:
        """Undeploy deployed models."""
        with _calls():
            yield from deployments.undeploy(self._client, endpoint, ids, timeout)

    def is_undeploying(self, endpoint_id: str) -> bool:
        """Return whether something is just being undeployed from an endpoint."""
        with _calls():
            return deployments.is_undeploying(self._client, endpoint_id)

    def running(self, resource: str) -> list[str]:
        """Return the names of the operations that work on a model or endpoint."""
        with _calls():
            return [operation.name for operation in self._client.operations(resource)]

    def cancel(self, operation: str, what: str, timeout: float) -> Stage[None]:
        """Ask for an operation to be cancelled, and wait until it has ended."""
        with _calls():
            self._client.cancel(operation)
            yield Step(f"asked to cancel: {what}", lasting=True)
            yield from poller.wait(self._client, operation, what=what, timeout=timeout)

    def reach(self, endpoint: Endpoint, timeout: float) -> Stage[None]:
        """Wait until an endpoint's host can be connected to."""
        yield from self._client.reach(endpoint.host, timeout)

    def asker(self, endpoint: Endpoint, timeout: float) -> Predictions:
        """Return what sends prediction requests to an endpoint."""
        return Predictions(self._client, endpoint, timeout)

    def preflight(self, project: Project, image: str, *, batch: bool = False) -> Stage[bool]:
        """Check identity, APIs, permissions and quota."""
        with _calls():
            return (yield from preflight.preflight(self._client, project, image, batch=batch))

    def find_or_run_job(self, job: Job, project: Project, *, again: bool) -> Stage[Ended]:
        """Return a batch prediction job when it has ended well."""
        with _calls():
            return (yield from batches.find_or_run(self._client, job, project, again=again))

    def cancel_job(self, name: str, timeout: float) -> Stage[None]:
        """Ask for a batch prediction job to be cancelled, and wait until it has ended."""
        with _calls():
            yield from batches.cancel(self._client, name, timeout)

    def files(self, uri: str) -> list[StoredFile]:
        """Return the files in a bucket that a URI names."""
        return storage.files(self._client, uri)

    def failed_rows(self, folder: str) -> Counter[str]:
        """Return why rows of a job failed → how many."""
        return storage.failed_rows(self._client, folder)

    def put(self, name: str, content: bytes) -> str:
        """Write a file into the bucket of a rehearsal."""
        return storage.put(self._client.target, name, content)

    def explained(
        self,
        error: PlatformError,
        gathered: Gathered,
        *,
        what: str,
        endpoint_id: str = "",
        deployed_model: str = "",
        since: float = 0.0,
    ) -> Stage[None]:
        """Yield findings that say why a call or an operation failed."""
        if isinstance(error, OperationFailedError):
            found = diagnosis.of_operation(self._client, error, gathered, endpoint_id, deployed_model, since)
            for event in found:
                yield self._of_here(event) if isinstance(event, Finding) else event
        elif isinstance(error.__cause__, GoogleAPICallError):
            yield self._of_here(diagnosis.of_call(error.__cause__, what))
        else:
            raise error

    def _of_here(self, finding: Finding) -> Finding:
        """Return a finding as it is on this target: a rehearsal's failures are not Google Cloud's."""
        rehearsed = self.traits.rehearsal and finding.code == operations.SERVICE_FAILED.code
        return replace(finding, fix=operations.EMULATOR_FAILED) if rehearsed else finding

    def store(self, folder: Path, digest: str) -> Stage[str]:
        """Store a bundle unless it is there, and return its URI."""
        return storage.store(self._client.target, folder, digest)


@contextlib.contextmanager
def _calls() -> Iterator[None]:
    """Raise the API's errors as those of a platform."""
    try:
        yield
    except GoogleAPICallError as error:
        raise CallError(str(error)) from error
