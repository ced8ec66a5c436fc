"""What a deploy needs of a platform that serves models, in terms of no particular one.

Each platform implements `Platform` in a folder of its own; which one is used is chosen in `seatrial.cli.platforms`.
Nothing outside of such a folder imports a cloud's client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage

if TYPE_CHECKING:
    from seatrial.deploy.batch import Ended, Job, StoredFile
    from seatrial.deploy.exchange import Asker
    from seatrial.facts.gather import Gathered
    from seatrial.project import Project


@dataclass(frozen=True, slots=True)
class Traits:
    """How one target differs from the others.

    Attributes:
        name: what `--target` calls it.
        rehearsal: it runs on this machine. It costs nothing, asks for no identity and serves what is not pushed.
        bake: seconds to watch a new version before the former one goes, if `rollout.bake` is not set.
        settle: seconds after a change of the split in which a version without traffic is not yet suspicious.
    """

    name: str
    rehearsal: bool
    bake: float
    settle: float


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the registry.

    Attributes:
        model: the resource name of its model.
        id: a decimal number.
        digest: 64 hex digits; "" for a version that no deploy made.
        aliases: of this version.
    """

    model: str
    id: str
    digest: str
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource name of the version."""
        return f"{self.model}@{self.id}"


@dataclass(frozen=True, slots=True)
class Upload:
    """What a version is made from.

    Attributes:
        model_id: the last part of the model's resource name.
        digest: of the version, 64 hex digits.
        display_name: for a reader, at most 128 characters.
        image_uri: the container image.
        artifact_uri: the folder of a stored bundle, or "".
        labels: of the version.
        port: the port that the server listens on.
        health_route: asked with GET.
        predict_route: asked with POST.
        fields: what the project's settings fill in of the platform's model.
    """

    model_id: str
    digest: str
    display_name: str
    image_uri: str
    artifact_uri: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    port: int = 8080
    health_route: str = "/health"
    predict_route: str = "/predict"
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeployedModel:
    """A version that an endpoint runs.

    Attributes:
        id: its id on the endpoint.
        model_id: the last part of its model's resource name.
        version_id: the id of its version.
        machine_type: what it runs on.
    """

    id: str
    model_id: str
    version_id: str
    machine_type: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it was read.

    Attributes:
        name: its resource name.
        traffic_split: id of a deployed model → percent.
        labels: key → value.
        deployed_models: what it runs.
        host: the host name of a dedicated endpoint; "" for a shared one.
    """

    name: str
    traffic_split: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    deployed_models: tuple[DeployedModel, ...] = ()
    host: str = ""


class PlatformError(Exception):
    """The platform refused or failed; `Platform.explained` says why."""


class CallError(PlatformError):
    """A call was refused, or not answered in time."""


class OperationError(PlatformError):
    """An operation ended with an error."""


class ChangedBackError(EnvironmentFaultError):
    """Another client undid at once what an operation had done."""


class Platform(Protocol):
    """A platform that serves models, for as long as a command needs it.

    Every method that asks the platform raises:
        PlatformError: the platform refused or failed.
        EnvironmentFaultError: it does not answer, or something else stands where a deploy's own should.
        StillRunningError: an operation had not ended in time; it goes on.
    """

    @property
    def traits(self) -> Traits:
        """How it differs from other targets."""

    @property
    def region(self) -> str:
        """Where it serves, such as `us-central1`."""

    @property
    def awaited(self) -> Mapping[str, str]:
        """The operations that this run began and that have not ended: name → what they do."""

    def find_version(self, model_id: str, digest: str) -> Version | None:
        """Return the version of a digest; None if there is none."""

    def versions(self, model_id: str) -> list[Version]:
        """Return all versions of a model, lowest id first."""

    def find_or_upload(self, upload: Upload, timeout: float) -> Stage[tuple[Version, bool]]:
        """Return the one version of a digest, and whether this call made it."""

    def give_alias(self, version: Version, alias: str) -> Version:
        """Move an alias to a version, and return the version as it is then."""

    def find_endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint; None if there is none."""

    def get_endpoint(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint that must be there."""

    def settled_endpoint(self, endpoint_id: str, timeout: float) -> Stage[Endpoint | None]:
        """Return an endpoint once no operation works on it any more; None if there is none."""

    def find_or_create_endpoint(
        self, project: Project, endpoint_id: str, labels: Mapping[str, str] | None = None
    ) -> Stage[tuple[Endpoint, bool]]:
        """Return an endpoint that is as the project's settings say, and whether this call made it.

        `labels` are given to a new one.
        """

    def is_configured(self, endpoint_id: str, project: Project) -> bool:
        """Return whether an endpoint is as the project's settings say."""

    def change_endpoint(self, name: str, edit: Callable[[Endpoint], Endpoint | None]) -> Stage[Endpoint]:
        """Change labels and split in one call, provided that nobody else changed the endpoint since it was read.

        `edit` gets the endpoint as it is and returns it as it should be, or None if there is nothing to do. It is
        called again after a conflict or a lost answer.
        """

    def delete_endpoint(self, name: str, timeout: float) -> Stage[None]:
        """Delete an endpoint; one that does not exist is deleted."""

    def deployed_id(self, digest: str, project: Project) -> str:
        """Return the id that a version gets when it is deployed with the project's settings."""

    def find_or_deploy(self, endpoint: str, version: Version, project: Project, timeout: float) -> Stage[str]:
        """Return the id of a version as a deployed model; one that this call deploys has no traffic."""

    def undeploy(self, endpoint: str, ids: Iterable[str], timeout: float) -> Stage[None]:
        """Undeploy deployed models; one that does not exist is undeployed."""

    def is_undeploying(self, endpoint_id: str) -> bool:
        """Return whether something is just being undeployed from an endpoint."""

    def running(self, resource: str) -> list[str]:
        """Return the names of the operations that work on a model or endpoint."""

    def cancel(self, operation: str, what: str, timeout: float) -> Stage[None]:
        """Ask for an operation to be cancelled, and wait until it has ended."""

    def reach(self, endpoint: Endpoint, timeout: float) -> Stage[None]:
        """Wait until an endpoint's host can be connected to."""

    def asker(self, endpoint: Endpoint, timeout: float) -> Asker:
        """Return what sends prediction requests to an endpoint; `timeout` is that of one answer."""

    def preflight(self, project: Project, image: str, *, batch: bool = False) -> Stage[bool]:
        """Check whether the platform will allow a deploy or a batch prediction; False if nobody is known who could."""

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
        """Yield findings that say why something failed.

        `what` names a call that was refused. For an operation the container's log is read, where `deployed_model`
        names a container that can have been the reason; `since` is when the deploy began, in seconds since the epoch.
        """

    def find_or_run_job(self, job: Job, project: Project, *, again: bool) -> Stage[Ended]:
        """Return a job when it has ended well: one of the same key that runs or has succeeded, else a new one.

        With `again` one that has succeeded does not count.
        """

    def cancel_job(self, name: str, timeout: float) -> Stage[None]:
        """Ask for a job to be cancelled, and wait until it has ended."""

    def files(self, uri: str) -> list[StoredFile]:
        """Return the files in a bucket that a URI names, which may have wildcards."""

    def failed_rows(self, folder: str) -> Counter[str]:
        """Return why rows of a job failed → how many, as far as its folder tells; the rows themselves are not shown."""

    def put(self, name: str, content: bytes) -> str:
        """Write a file into the bucket of a rehearsal, and return its URI."""

    def store(self, folder: Path, digest: str) -> Stage[str]:
        """Store a bundle unless it is there, and return its URI."""
