"""Where a model lives on the server: its model, its endpoint, and how a rollout there is undone.

What was found is read from the server each time, never remembered from one run to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.deploy import endpoints, versions
from seatrial.deploy.endpoints import Record
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as v1

    from seatrial.deploy.client import Vertex
    from seatrial.deploy.versions import Version
    from seatrial.project import Project


@dataclass(slots=True)
class Progress:
    """What a deploy has reached; filled as it goes, so that whatever ends it can say what there is.

    Attributes:
        status: one of `outcome.STATUSES`.
        version: of the registry, as MODEL@ID; `deployed_model` is its id on the endpoint.
        traffic: the endpoint's split as last read: id of a deployed model → percent.
        changed: whether this run may have changed anything on the server.
        gates: the numbers of every gate, passed or not.
        unproven: what a green end does not prove.
    """

    status: str = "error"
    model: str = ""
    version: str = ""
    endpoint: str = ""
    deployed_model: str = ""
    traffic: dict[str, int] = field(default_factory=dict)
    changed: bool = False
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """A project's place on a target, and what this run has reached there."""

    project: Project
    vertex: Vertex
    progress: Progress

    @property
    def model_id(self) -> str:
        """The last part of the model's resource name."""
        return self.project.vertex.model or self.project.name

    @property
    def endpoint_id(self) -> str:
        """The last part of the endpoint's resource name."""
        return self.project.vertex.endpoint or self.project.name

    @property
    def staging_id(self) -> str:
        """The endpoint that `rollout.staging` proves a version on."""
        return f"{self.endpoint_id[:55]}-staging"

    def version_of(self, digest: str) -> Version | None:
        """Find the version of a digest."""
        return versions.find(self.vertex, self.model_id, digest)

    def endpoint(self) -> v1.Endpoint | None:
        """Read the endpoint; None where there is none."""
        found = endpoints.find(self.vertex, self.endpoint_id)
        if found is not None:
            self.saw(found)
        return found

    def saw(self, endpoint: v1.Endpoint) -> None:
        """Note an endpoint as it was read."""
        self.progress.endpoint = endpoint.name
        self.progress.traffic = {name: share for name, share in dict(endpoint.traffic_split).items() if share}

    def serves(self, model: v1.DeployedModel) -> bool:
        """Tell whether a deployed model is of this model, in whichever version."""
        return bool(model.model.partition("@")[0].rpartition("/")[2] == self.model_id)

    def put_back(self, record: Record) -> Stage[None]:
        """Undo a rollout: the split and the default that it found are back, and its deployed model is gone."""
        yield from self._give_default_back(record)
        endpoint = self.endpoint()
        if endpoint is None:
            return

        def edit(found: v1.Endpoint) -> v1.Endpoint | None:
            current = endpoints.record_of(found)
            if current is None or current.rollout != record.rollout:
                return None
            alive = {model.id for model in found.deployed_models}
            former = {name: share for name, share in current.former.items() if name in alive}
            if sum(former.values()) != 100:  # nothing to go back to: the split ends with its last deployed model
                return endpoints.without_record(found)
            return endpoints.without_record(with_split(found, former))

        self.saw((yield from endpoints.change(self.vertex, endpoint.name, edit)))
        yield from self.undeploy(endpoint, [record.rollout])
        self.endpoint()
        yield Step(f"the split is {shown(self.progress.traffic)} again", lasting=True)

    def undeploy(self, endpoint: v1.Endpoint, ids: list[str]) -> Stage[None]:
        """Stop deployed models; those that are not there are done."""
        yield from endpoints.undeploy(self.vertex, endpoint.name, ids, self.project.vertex.undeploy_timeout)

    def remove_staging(self) -> Stage[None]:
        """Remove the staging endpoint with all that it serves, where there is one."""
        endpoint = endpoints.find(self.vertex, self.staging_id)
        if endpoint is not None:
            yield from self.undeploy(endpoint, [model.id for model in endpoint.deployed_models])
            yield from endpoints.delete(self.vertex, endpoint.name, self.project.vertex.endpoint_timeout)

    def _give_default_back(self, record: Record) -> Stage[None]:
        """Move `default` to the version that had it, if the version of this rollout has it now."""
        if not record.default:
            return
        known = versions.listing(self.vertex, self.model_id)
        holder = next((version for version in known if "default" in version.aliases), None)
        former = next((version for version in known if version.id == record.default), None)
        if former is None or holder is None:
            return
        if endpoints.deployed_id(holder.digest, self.project) == record.rollout:
            versions.give(self.vertex, former, "default")
            yield Step(f"{former.name} is the default again", lasting=True)


def with_split(endpoint: v1.Endpoint, split: Mapping[str, int]) -> v1.Endpoint:
    """Give a copy of an endpoint with another split."""
    changed = type(endpoint)(endpoint)
    changed.traffic_split = dict(split)
    return changed


def shown(split: Mapping[str, int]) -> str:
    """Give a split in words."""
    return ", ".join(f"{share} % {name}" for name, share in sorted(split.items())) or "empty"
