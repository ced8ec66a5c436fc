"""Where a model lives on the server: its model, its endpoint, and how a rollout there is undone.

What was found is read from the server each time, never remembered from one run to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.api_core.exceptions import GoogleAPICallError

from seatrial.deploy.progress import Progress, shown
from seatrial.deploy.vertex import endpoints, poller, versions
from seatrial.deploy.vertex.endpoints import Record
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import SeatrialError
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as v1

    from seatrial.deploy.vertex.client import Vertex
    from seatrial.deploy.vertex.versions import Version
    from seatrial.project import Project

CANCEL = 5.0  # seconds for an operation to end; GitHub kills a cancelled step 10 s after its first signal


@dataclass(frozen=True, slots=True)
class Site:
    """A project's place on a target, and what this run has reached there."""

    project: Project
    vertex: Vertex
    progress: Progress

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

    def is_staging(self, endpoint: v1.Endpoint) -> bool:
        """Tell whether an endpoint was made to prove this one's versions."""
        return self.staging_labels.items() <= dict(endpoint.labels).items()

    def version_of(self, digest: str) -> Version | None:
        """Find the version of a digest."""
        return versions.find(self.vertex, self.model_id, digest)

    def endpoint(self) -> v1.Endpoint | None:
        """Read the endpoint; None where there is none."""
        found = endpoints.find(self.vertex, self.endpoint_id)
        if found is not None:
            self.saw(found)
        return found

    def settled(self) -> Stage[v1.Endpoint | None]:
        """Read the endpoint when nothing that an ended deploy began works on it any more; None where there is none."""
        found = yield from endpoints.settled(self.vertex, self.endpoint_id, self.project.vertex.undeploy_timeout)
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

    def idle(self, endpoint: v1.Endpoint) -> list[v1.DeployedModel]:
        """Give the deployed models of this model that have no traffic."""
        split = dict(endpoint.traffic_split)
        return [model for model in endpoint.deployed_models if self.serves(model) and not split.get(model.id)]

    def put_back(self, record: Record) -> Stage[bool]:
        """Undo a rollout: the split and the default that it found are back, and its deployed model is gone.

        One that has all traffic and whose former version is retired stands, and only its record ends; so does one
        whose record has ended already. Tell whether it was undone.
        """
        endpoint = self.endpoint()
        if endpoint is None:
            return True
        kept: GoogleAPICallError | None = None
        if not _stands(endpoint, record):
            try:
                yield from self._give_default_back(endpoint, record)
            except GoogleAPICallError as error:  # the alias serves nobody; traffic and what is paid for come first
                kept = error

        def edit(found: v1.Endpoint) -> v1.Endpoint | None:
            current = endpoints.record_of(found)
            if current is None or current.rollout != record.rollout:
                return None
            split = dict(found.traffic_split) if _stands(found, current) else _former(found, current)
            changed = with_split(found, split)
            return endpoints.without_record(changed) if kept is None else changed

        changed = yield from endpoints.change(self.vertex, endpoint.name, edit)
        self.saw(changed)
        undone = not self.progress.traffic.get(record.rollout)
        if undone:
            yield from self.undeploy(endpoint, [record.rollout])
            self.endpoint()
            yield Step(f"the split is {shown(self.progress.traffic)} again", lasting=True)
        if kept is not None:
            raise kept
        return undone

    def end_awaited(self) -> Stage[None]:
        """Cancel the operations that this run began and waits for no more, so that none of them ends well later."""
        for name, what in list(self.vertex.awaited.items()):
            try:
                self.vertex.cancel(name)
                yield Step(f"asked to cancel: {what}", lasting=True)
                yield from poller.wait(self.vertex, name, what=what, timeout=CANCEL)
            except OperationFailedError:
                continue  # as cancelled
            except (GoogleAPICallError, SeatrialError) as error:
                yield Step(f"{name} may still run: {error}", lasting=True)

    def pass_default_on(self, digest: str) -> Stage[None]:
        """Move `default` from the version of a digest, which took it when it was overtaken, to the one that serves."""
        endpoint, known = self.endpoint(), versions.listing(self.vertex, self.model_id)
        holder = next((version for version in known if "default" in version.aliases), None)
        if endpoint is None or holder is None or holder.digest != digest:
            return
        record = endpoints.record_of(endpoint)
        serving = [model for model in endpoint.deployed_models if self.progress.traffic.get(model.id) == 100]
        wanted = record.default if record else "".join(each.model_version_id for each in serving if self.serves(each))
        former = next((version for version in known if version.id == wanted), None)
        if former is not None and former != holder:
            versions.give(self.vertex, former, "default")
            yield Step(f"{former.name} is the default again", lasting=True)

    def undeploy(self, endpoint: v1.Endpoint, ids: list[str]) -> Stage[None]:
        """Stop deployed models; those that are not there are done."""
        yield from endpoints.undeploy(self.vertex, endpoint.name, ids, self.project.vertex.undeploy_timeout)

    def remove_staging(self) -> Stage[bool]:
        """Remove the staging endpoint with all that it serves; tell whether there was one."""
        settings = self.project.vertex
        endpoint = endpoints.find(self.vertex, self.staging_id)
        if endpoint is None or not self.is_staging(endpoint):
            return False
        endpoint = yield from endpoints.settled(self.vertex, self.staging_id, settings.undeploy_timeout)
        if endpoint is None:
            return False
        yield from self.undeploy(endpoint, [model.id for model in endpoint.deployed_models])
        yield from endpoints.delete(self.vertex, endpoint.name, settings.endpoint_timeout)
        return True

    def _give_default_back(self, endpoint: v1.Endpoint, record: Record) -> Stage[None]:
        """Move `default` to the version that had it, if the version of this rollout has it now."""
        if not record.default:
            return
        known = versions.listing(self.vertex, self.model_id)
        holder = next((version for version in known if "default" in version.aliases), None)
        former = next((version for version in known if version.id == record.default), None)
        if former is None or holder is None:
            return
        deployed = next((model for model in endpoint.deployed_models if model.id == record.rollout), None)
        ours = deployed.model_version_id == holder.id if deployed else self._is_deployed_as(holder, record.rollout)
        if ours:
            versions.give(self.vertex, former, "default")
            yield Step(f"{former.name} is the default again", lasting=True)

    def _is_deployed_as(self, version: Version, deployed_id: str) -> bool:
        return endpoints.deployed_id(version.digest, self.project) == deployed_id


def _former(endpoint: v1.Endpoint, record: Record) -> dict[str, int]:
    """Give the split before a rollout as far as it can be had again: empty where what it names is not all there."""
    there = {model.id for model in endpoint.deployed_models}
    return dict(record.former) if there.issuperset(record.former) else {}


def _stands(endpoint: v1.Endpoint, record: Record) -> bool:
    """Tell whether a rollout took the place of what is retired by now, so that undoing it would end all service."""
    all_traffic = dict(endpoint.traffic_split).get(record.rollout) == 100
    return all_traffic and bool(record.former) and not _former(endpoint, record)


def with_split(endpoint: v1.Endpoint, split: Mapping[str, int]) -> v1.Endpoint:
    """Give a copy of an endpoint with another split."""
    changed = type(endpoint)(endpoint)
    changed.traffic_split = dict(split)
    return changed
