"""A project's resources on a platform: its model, its endpoint, and the endpoint that stages a version.

They are read from the server each time, never remembered from one run to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.deploy.progress import Progress
from seatrial.findings import Stage

if TYPE_CHECKING:
    from seatrial.deploy.platform import DeployedModel, Endpoint, Platform, Version
    from seatrial.facts.gather import Gathered
    from seatrial.project import Project


@dataclass(frozen=True, slots=True)
class Resources:
    """A project's resources on a platform, and what this run has reached there."""

    gathered: Gathered
    platform: Platform
    progress: Progress

    @property
    def project(self) -> Project:
        """The project's configuration."""
        return self.gathered.project

    @property
    def model_id(self) -> str:
        """The last part of the model's resource name."""
        return self.project.model_id

    @property
    def endpoint_id(self) -> str:
        """The last part of the endpoint's resource name."""
        return self.project.endpoint_id

    @property
    def staging_id(self) -> str:
        """The endpoint that `rollout.staging` proves a version on."""
        return f"{self.endpoint_id[:55]}-staging"

    @property
    def staging_labels(self) -> dict[str, str]:
        """What marks the staging endpoint as made for this endpoint, and for nothing else."""
        return {"seatrial-staging": self.endpoint_id}

    def is_staging(self, endpoint: Endpoint) -> bool:
        """Return whether an endpoint was made to prove this one's versions."""
        return self.staging_labels.items() <= dict(endpoint.labels).items()

    def version_of(self, digest: str) -> Version | None:
        """Find the version of a digest."""
        return self.platform.find_version(self.model_id, digest)

    def versions(self) -> list[Version]:
        """Return all versions of the model, lowest id first."""
        return self.platform.versions(self.model_id)

    def endpoint(self) -> Endpoint | None:
        """Read the endpoint; None if there is none."""
        found = self.platform.find_endpoint(self.endpoint_id)
        if found is not None:
            self.saw(found)
        return found

    def settled(self) -> Stage[Endpoint | None]:
        """Read the endpoint once nothing that an earlier deploy began works on it; None if there is none."""
        timeout = self.project.vertex.undeploy_timeout
        found = yield from self.platform.settled_endpoint(self.endpoint_id, timeout)
        if found is not None:
            self.saw(found)
        return found

    def saw(self, endpoint: Endpoint) -> None:
        """Note an endpoint as it was read."""
        self.progress.endpoint = endpoint.name
        self.progress.traffic = {name: share for name, share in endpoint.traffic_split.items() if share}

    def serves(self, model: DeployedModel) -> bool:
        """Return whether a deployed model is a version of this model."""
        return model.model_id == self.model_id

    def idle(self, endpoint: Endpoint, split: Mapping[str, int] | None = None) -> list[DeployedModel]:
        """Return the deployed models of this model that have no traffic, by the endpoint's split or by another."""
        split = endpoint.traffic_split if split is None else split
        return [model for model in endpoint.deployed_models if self.serves(model) and not split.get(model.id)]

    def serving(self, known: list[Version]) -> Version | None:
        """Return which of the known versions serves most, else which is the default; None if there is none."""
        endpoint = self.endpoint()
        ours = [model for model in endpoint.deployed_models if self.serves(model)] if endpoint else []
        most = max(ours, key=lambda model: self.progress.traffic.get(model.id, 0), default=None)
        serving = most.version_id if most and self.progress.traffic.get(most.id) else ""
        found = next((each for each in known if each.id == serving), None)
        return found or next((each for each in known if "default" in each.aliases), None)

    def undeploy(self, endpoint: Endpoint, ids: list[str]) -> Stage[None]:
        """Stop deployed models; those that do not exist are stopped."""
        yield from self.platform.undeploy(endpoint.name, ids, self.project.vertex.undeploy_timeout)
