"""What there is on the server, and the ways back: status, rollback, undeploy, and the undoing of an interrupted run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.api_core.exceptions import GoogleAPICallError

from seatrial.deploy.candidate import Candidate
from seatrial.deploy.deployment import Artifact, Deployment
from seatrial.deploy.vertex import diagnosis, endpoints, versions
from seatrial.deploy.vertex.endpoints import Record
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import UsageError
from seatrial.findings import Phase, Stage, Step, watched

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as v1

    from seatrial.deploy.site import Site
    from seatrial.deploy.vertex.versions import Version


def describe(site: Site) -> Stage[list[str]]:
    """Say what there is: versions, aliases, what serves, what is under way.

    Raises:
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("status")
    site.progress.status = "described"
    try:
        return _lines(site)
    except GoogleAPICallError as error:
        yield diagnosis.of_call(error, "a question")
        return []


def _lines(site: Site) -> list[str]:
    endpoint = site.endpoint()
    known = versions.listing(site.vertex, site.model_id)
    lines = [f"version {each.id}: {', '.join(each.aliases) or 'no alias'}" for each in known]
    lines = (
        [f"model {site.model_id}: {len(known)} versions", *lines] if known else [f"there is no model {site.model_id}"]
    )
    if endpoint is None:
        return [*lines, f"there is no endpoint {site.endpoint_id}"]
    split = dict(endpoint.traffic_split)
    for model in endpoint.deployed_models:
        machine = model.dedicated_resources.machine_spec.machine_type
        what = f"{model.model.rpartition('/')[2]}@{model.model_version_id}"
        lines.append(f"deployed model {model.id}: {what}, {split.get(model.id, 0)} % of the traffic, {machine}")
    record = endpoints.record_of(endpoint)
    if record is not None:
        ways = "--rollback again, or deploy" if record.back else "deploy again, or --rollback"
        lines.append(f"the {'rollback to' if record.back else 'rollout of'} {record.rollout} is not finished: {ways}")
    lines += [f"running: {operation.name}" for operation in site.vertex.operations(endpoint.name)]
    if endpoint.deployed_models:
        lines.append("what is deployed costs money until `seatrial deploy --undeploy`" if _costs(site) else _FREE)
    return lines


_FREE = "a rehearsal costs nothing; its servers start again when they are asked"


def _costs(site: Site) -> bool:
    return site.vertex.target.kind == "vertex"


def undeploy(site: Site) -> Stage[list[str]]:
    """Stop all that serves this model; versions and the endpoint, which cost nothing, stay.

    Raises:
        StillRunningError: it did not end in time.
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("undeploy")
    site.progress.changed = True
    try:
        yield from site.remove_staging()
        endpoint = yield from site.settled()
        ours = [model.id for model in endpoint.deployed_models if site.serves(model)] if endpoint else []
        if endpoint is not None:
            yield from site.undeploy(endpoint, ours)
            yield from endpoints.change(site.vertex, endpoint.name, _without_record)
            site.endpoint()
    except (OperationFailedError, GoogleAPICallError) as error:
        site.progress.status = "failed"
        yield from _explained(site, error)
        return []
    site.progress.status = "undeployed"
    return [f"{each} is undeployed" for each in ours] or ["nothing was deployed"]


def rollback(site: Site) -> Stage[list[str]]:
    """Undo a rollout that was left unfinished; where there is none, serve the version before again.

    A rollback that was itself left unfinished is gone on with.

    Raises:
        UsageError: there is nothing to go back to.
        StillRunningError: it did not end in time.
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("state")
    try:
        leaving = endpoints.undeploys(site.vertex, site.endpoint_id)
        going = yield from _going_back(site)
        if going is None and (undone := (yield from _undone(site, leaving=leaving))):
            site.progress.status = "rolled-back"
            return [f"{undone} is undone"]
        now, before = going or _before(site)
    except (OperationFailedError, GoogleAPICallError) as error:
        site.progress.status = "failed"
        yield from _explained(site, error)
        return []
    yield Step(f"from {now.name} back to {before.name}", lasting=True)
    former = Candidate("", before.digest, site.project.vertex.device, "")
    _, broken = yield from watched(Deployment(site, former, _nothing_to_provide, former=True).run())
    if broken:
        return []
    site.progress.status = "rolled-back"
    return [f"{now.name} is retired; deploy again to serve it"]


def _going_back(site: Site) -> Stage[tuple[Version, Version] | None]:
    """Give from where to where a rollback goes that was left unfinished; None where none was."""
    endpoint = yield from site.settled()
    record = endpoints.record_of(endpoint) if endpoint is not None else None
    if endpoint is None or record is None or not record.back:
        return None
    known = versions.listing(site.vertex, site.model_id)
    now = next((each for each in known if each.id == record.default), None)
    deployed = next((model for model in endpoint.deployed_models if model.id == record.rollout), None)
    before = next((each for each in known if deployed and each.id == deployed.model_version_id), None)
    return (now, before) if now and before else None


def _undone(site: Site, *, leaving: bool) -> Stage[str]:
    """Undo what a deploy left unfinished, whether it had come to a record on the endpoint or not; say what it was.

    Without a record, what is newer than the version that serves and has no traffic is left of a deploy that had begun;
    what is older may have been deployed by a rollback. What was `leaving` when this run began was being undone already.
    """
    endpoint = site.endpoint()
    record = endpoints.record_of(endpoint) if endpoint is not None else None
    undone = []
    site.progress.changed = True
    yield Phase("undo")
    if record is not None and (yield from site.put_back(record)):
        undone.append(f"the rollout of {record.rollout}")
    elif record is None and endpoint is not None:
        now = _older(site)[0]
        idle = [model.id for model in site.idle(endpoint) if now and int(model.model_version_id) > int(now.id)]
        yield from site.undeploy(endpoint, idle)
        undone += [f"the deployment of {each}" for each in idle]
        undone += ["what was being undeployed"] if leaving else []
    if (yield from site.remove_staging()):
        undone.append(f"endpoint {site.staging_id}")
    return ", ".join(undone)


def _before(site: Site) -> tuple[Version, Version]:
    """Give the version that is the default and the proven one before it."""
    now, before = _older(site)
    if now is None:
        raise UsageError(f"there is no model {site.model_id} to roll back", fix="run `seatrial deploy` first")
    if before is None:
        raise UsageError(f"no version before {now.name} was ever proven", fix="`--undeploy` stops what serves")
    return now, before


def _older(site: Site) -> tuple[Version | None, Version | None]:
    """Give the version that serves most here, else the default, and the proven one before it, as far as there are."""
    known = versions.listing(site.vertex, site.model_id)
    endpoint = site.endpoint()
    ours = [model for model in endpoint.deployed_models if site.serves(model)] if endpoint else []
    most = max(ours, key=lambda model: site.progress.traffic.get(model.id, 0), default=None)
    serving = most.model_version_id if most and site.progress.traffic.get(most.id) else ""
    now = next((each for each in known if each.id == serving), None)
    now = now or next((each for each in known if "default" in each.aliases), None)
    older = [each for each in known if now is not None and int(each.id) < int(now.id) and _is_proven(each)]
    return now, older[-1] if older else None


def _is_proven(version: Version) -> bool:
    return f"p-{version.digest[:16]}" in version.aliases


def _nothing_to_provide() -> Stage[Artifact]:
    yield Step("the version is there")
    return "", ""


def cancel(site: Site) -> Stage[None]:
    """Cancel what an interrupted run waits for, and put back what it changed, in as few calls as it takes."""
    yield Phase("cancel")
    yield from site.end_awaited()
    try:
        endpoint = site.endpoint()
        record = endpoints.record_of(endpoint) if endpoint is not None else None
        if record is None or record.rollout != site.progress.deployed_model:
            record = Record(site.progress.deployed_model, {}, "")
        if endpoint is not None:
            yield from site.put_back(record)
        yield from site.remove_staging()
    except (OperationFailedError, GoogleAPICallError) as error:
        yield from _explained(site, error)


def _explained(site: Site, error: OperationFailedError | GoogleAPICallError) -> Stage[None]:
    if isinstance(error, GoogleAPICallError):
        yield diagnosis.of_call(error, "a request")
    else:
        yield from diagnosis.of_operation(site.vertex, error, site.project, site.endpoint_id, "", 0)


def _without_record(endpoint: v1.Endpoint) -> v1.Endpoint | None:
    return endpoints.without_record(endpoint) if endpoints.record_of(endpoint) is not None else None
