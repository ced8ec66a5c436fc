"""How a rollout is undone: after a failure, an interruption, or by hand.

The former split and the former default come back, and what was deployed for the rollout goes. The version itself stays
in the registry: it costs nothing, serves nothing, and a re-run finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.deploy.platform import OperationError, PlatformError
from seatrial.deploy.record import Record, record_of, without_record
from seatrial.deploy.split import shown
from seatrial.errors import EnvironmentFaultError, SeatrialError, StillRunningError
from seatrial.findings import Phase, Stage, Step
from seatrial.rules.deployment import operations

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint
    from seatrial.deploy.resources import Resources

CANCEL = 5.0  # seconds for an operation to end; GitHub kills a cancelled step 10 s after its first signal


def after_failure(resources: Resources, digest: str, *, made_endpoint: bool) -> Stage[None]:
    """Put back the former split and `default`, stop what this run started, and report it if that fails.

    `digest` is that of the version that was deployed; an endpoint that this run made goes too if nothing is on it.
    """
    progress = resources.progress
    yield Phase("undo")
    yield from _end_awaited(resources)
    try:
        endpoint = resources.endpoint()
        if endpoint is not None:
            yield from put_back(resources, _own_record(resources, endpoint))
        if progress.status == "superseded":
            yield from _pass_default_on(resources, digest)
            return  # a staging endpoint may belong to the other deploy
        yield from remove_staging(resources)
        endpoint = resources.endpoint()
        if made_endpoint and endpoint is not None and not endpoint.deployed_models:
            timeout = resources.project.vertex.endpoint_timeout
            yield from resources.platform.delete_endpoint(endpoint.name, timeout)
    except (PlatformError, EnvironmentFaultError, StillRunningError) as error:
        yield operations.SERVICE_FAILED.finding(
            f"what was begun could not be undone: {error}",
            cloud="",
            fix="run `seatrial deploy` again, which goes on from there; `--status` shows what runs",
        )


def after_interruption(resources: Resources) -> Stage[None]:
    """Cancel what an interrupted run waits for, and put back what it changed, in as few calls as possible."""
    yield Phase("cancel")
    yield from _end_awaited(resources)
    try:
        endpoint = resources.endpoint()
        if endpoint is not None:
            yield from put_back(resources, _own_record(resources, endpoint))
        yield from remove_staging(resources)
    except PlatformError as error:
        yield from resources.platform.explained(
            error, resources.gathered, what="a request", endpoint_id=resources.endpoint_id
        )


def unfinished(resources: Resources, *, leaving: bool) -> Stage[str]:
    """Undo what a deploy left unfinished, with or without a record on the endpoint; return what it was, in words.

    Without a record, a deployed model that is newer than the version that serves and has no traffic is left of a deploy
    that had begun; an older one may have been deployed by a rollback. `leaving` says that something was being
    undeployed when this run began: then it was being undone already.
    """
    endpoint = resources.endpoint()
    record = record_of(endpoint) if endpoint is not None else None
    undone = []
    resources.progress.changed = True
    yield Phase("undo")
    if record is not None and (yield from put_back(resources, record)):
        undone.append(f"the rollout of {record.rollout}")
    elif record is None and endpoint is not None:
        serving = resources.serving(resources.versions())
        newer = [each for each in resources.idle(endpoint) if serving and int(each.version_id) > int(serving.id)]
        yield from resources.undeploy(endpoint, [each.id for each in newer])
        undone += [f"the deployment of {each.id}" for each in newer]
        undone += ["what was being undeployed"] if leaving else []
    if (yield from remove_staging(resources)):
        undone.append(f"endpoint {resources.staging_id}")
    return ", ".join(undone)


def put_back(resources: Resources, record: Record) -> Stage[bool]:
    """Put back the split and the default that a rollout found, and undeploy its model; return whether that was done.

    A rollout that has all traffic and whose former version is retired stays, and only its record ends. So does one
    whose record has ended already.
    """
    endpoint = resources.endpoint()
    if endpoint is None:
        return True
    kept: PlatformError | None = None
    if not _stands(endpoint, record):
        try:
            yield from _give_default_back(resources, endpoint, record)
        except PlatformError as error:  # the alias serves no one; traffic and costs come first
            kept = error

    def edit(found: Endpoint) -> Endpoint | None:
        current = record_of(found)
        if current is None or current.rollout != record.rollout:
            return None
        split = found.traffic_split if _stands(found, current) else _former(found, current)
        changed = replace(found, traffic_split=split)
        return without_record(changed) if kept is None else changed

    changed = yield from resources.platform.change_endpoint(endpoint.name, edit)
    resources.saw(changed)
    undone = not resources.progress.traffic.get(record.rollout)
    if undone:
        yield from resources.undeploy(endpoint, [record.rollout])
        resources.endpoint()
        yield Step(f"the split is {shown(resources.progress.traffic)} again", lasting=True)
    if kept is not None:
        raise kept
    return undone


def remove_staging(resources: Resources) -> Stage[bool]:
    """Remove the staging endpoint with all that it serves; return whether there was one."""
    platform, settings = resources.platform, resources.project.vertex
    endpoint = platform.find_endpoint(resources.staging_id)
    if endpoint is None or not resources.is_staging(endpoint):
        return False
    endpoint = yield from platform.settled_endpoint(resources.staging_id, settings.undeploy_timeout)
    if endpoint is None:
        return False
    yield from resources.undeploy(endpoint, [model.id for model in endpoint.deployed_models])
    yield from platform.delete_endpoint(endpoint.name, settings.endpoint_timeout)
    return True


def _own_record(resources: Resources, endpoint: Endpoint) -> Record:
    """Return the record of this run's rollout; an empty one if the endpoint has none of it."""
    record = record_of(endpoint)
    own = resources.progress.deployed_model
    return record if record is not None and record.rollout == own else Record(own, {}, "")


def _end_awaited(resources: Resources) -> Stage[None]:
    """Cancel the operations that this run began and no longer waits for, so that none of them ends well later."""
    for name, what in list(resources.platform.awaited.items()):
        try:
            yield from resources.platform.cancel(name, what, CANCEL)
        except OperationError:
            continue  # as cancelled
        except (PlatformError, SeatrialError) as error:
            yield Step(f"{name} may still run: {error}", lasting=True)


def _pass_default_on(resources: Resources, digest: str) -> Stage[None]:
    """Move `default` from the version of a digest, which took it when it was overtaken, to the one that serves."""
    endpoint, known = resources.endpoint(), resources.versions()
    holder = next((version for version in known if "default" in version.aliases), None)
    if endpoint is None or holder is None or holder.digest != digest:
        return
    record = record_of(endpoint)
    serving = [model for model in endpoint.deployed_models if resources.progress.traffic.get(model.id) == 100]
    wanted = record.default if record else "".join(each.version_id for each in serving if resources.serves(each))
    former = next((version for version in known if version.id == wanted), None)
    if former is not None and former != holder:
        resources.platform.give_alias(former, "default")
        yield Step(f"{former.name} is the default again", lasting=True)


def _give_default_back(resources: Resources, endpoint: Endpoint, record: Record) -> Stage[None]:
    """Move `default` to the version that had it, if the version of this rollout has it now."""
    if not record.default:
        return
    known = resources.versions()
    holder = next((version for version in known if "default" in version.aliases), None)
    former = next((version for version in known if version.id == record.default), None)
    if former is None or holder is None:
        return
    deployed = next((model for model in endpoint.deployed_models if model.id == record.rollout), None)
    if deployed is not None:
        ours = deployed.version_id == holder.id
    else:
        ours = resources.platform.deployed_id(holder.digest, resources.project) == record.rollout
    if ours:
        resources.platform.give_alias(former, "default")
        yield Step(f"{former.name} is the default again", lasting=True)


def _former(endpoint: Endpoint, record: Record) -> Mapping[str, int]:
    """Return the split before a rollout; an empty one if not all of its deployed models are there any more."""
    there = {model.id for model in endpoint.deployed_models}
    return record.former if there.issuperset(record.former) else {}


def _stands(endpoint: Endpoint, record: Record) -> bool:
    """Return whether a rollout's former version is retired by now, so that undoing it would end all service."""
    all_traffic = endpoint.traffic_split.get(record.rollout) == 100
    return all_traffic and bool(record.former) and not _former(endpoint, record)
