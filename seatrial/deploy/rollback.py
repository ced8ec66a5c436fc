"""The way back: a rollout that was left unfinished is undone; without one, the version before serves again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.deploy import undo
from seatrial.deploy.candidate import Candidate
from seatrial.deploy.deployment import Artifact, Deployment
from seatrial.deploy.platform import PlatformError
from seatrial.deploy.record import record_of
from seatrial.errors import UsageError
from seatrial.findings import Phase, Stage, Step, watched

if TYPE_CHECKING:
    from seatrial.deploy.platform import Version
    from seatrial.deploy.resources import Resources


def rollback(resources: Resources) -> Stage[list[str]]:
    """Undo an unfinished rollout, or serve the version before again; return lines that say what was done.

    A rollback that was itself left unfinished is finished.

    Raises:
        UsageError: there is nothing to go back to.
        StillRunningError: it did not end in time.
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("state")
    try:
        leaving = resources.platform.is_undeploying(resources.endpoint_id)
        going = yield from _going_back(resources)
        if going is None and (undone := (yield from undo.unfinished(resources, leaving=leaving))):
            resources.progress.status = "rolled-back"
            return [f"{undone} is undone"]
        now, before = going or _before(resources)
    except PlatformError as error:
        resources.progress.status = "failed"
        yield from resources.platform.explained(
            error, resources.gathered, what="a request", endpoint_id=resources.endpoint_id
        )
        return []
    yield Step(f"from {now.name} back to {before.name}", lasting=True)
    former = Candidate("", before.digest, resources.project.vertex.device, "")
    _, broken = yield from watched(Deployment(resources, former, _nothing_to_provide, former=True).run())
    if broken:
        return []
    resources.progress.status = "rolled-back"
    return [f"{now.name} is retired; deploy again to serve it"]


def _going_back(resources: Resources) -> Stage[tuple[Version, Version] | None]:
    """Return the versions that an unfinished rollback leaves and goes back to; None if there is none."""
    endpoint = yield from resources.settled()
    record = record_of(endpoint) if endpoint is not None else None
    if endpoint is None or record is None or not record.back:
        return None
    known = resources.versions()
    now = next((each for each in known if each.id == record.default), None)
    deployed = next((model for model in endpoint.deployed_models if model.id == record.rollout), None)
    before = next((each for each in known if deployed and each.id == deployed.version_id), None)
    return (now, before) if now and before else None


def _before(resources: Resources) -> tuple[Version, Version]:
    """Return the version that serves, or is the default, and the proven one before it."""
    known = resources.versions()
    now = resources.serving(known)
    if now is None:
        raise UsageError(f"there is no model {resources.model_id} to roll back", fix="run `seatrial deploy` first")
    older = [each for each in known if int(each.id) < int(now.id) and _is_proven(each)]
    if not older:
        raise UsageError(f"no version before {now.name} was ever proven", fix="`--undeploy` stops what serves")
    return now, older[-1]


def _is_proven(version: Version) -> bool:
    return f"p-{version.digest[:16]}" in version.aliases


def _nothing_to_provide() -> Stage[Artifact]:
    yield Step("the version is there")
    return "", ""
