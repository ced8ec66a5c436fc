"""What there is on the server: versions, aliases, what serves, what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.deploy.platform import PlatformError
from seatrial.deploy.record import record_of
from seatrial.findings import Phase, Stage

if TYPE_CHECKING:
    from seatrial.deploy.resources import Resources


def describe(resources: Resources) -> Stage[list[str]]:
    """Return lines that say what there is.

    Raises:
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("status")
    resources.progress.status = "described"
    try:
        return _lines(resources)
    except PlatformError as error:
        yield from resources.platform.explained(error, resources.gathered, what="a question")
        return []


def _lines(resources: Resources) -> list[str]:
    endpoint = resources.endpoint()
    known = resources.versions()
    if known:
        lines = [f"model {resources.model_id}: {len(known)} versions"]
        lines += [f"version {each.id}: {', '.join(each.aliases) or 'no alias'}" for each in known]
    else:
        lines = [f"there is no model {resources.model_id}"]
    if endpoint is None:
        return [*lines, f"there is no endpoint {resources.endpoint_id}"]
    for model in endpoint.deployed_models:
        share = endpoint.traffic_split.get(model.id, 0)
        what = f"{model.model_id}@{model.version_id}"
        lines.append(f"deployed model {model.id}: {what}, {share} % of the traffic, {model.machine_type}")
    record = record_of(endpoint)
    if record is not None:
        ways = "--rollback again, or deploy" if record.back else "deploy again, or --rollback"
        lines.append(f"the {'rollback to' if record.back else 'rollout of'} {record.rollout} is not finished: {ways}")
    lines += [f"running: {name}" for name in resources.platform.running(endpoint.name)]
    if endpoint.deployed_models:
        free = resources.platform.traits.rehearsal
        lines.append(_FREE if free else "what is deployed costs money until `seatrial deploy --undeploy`")
    return lines


_FREE = "a rehearsal costs nothing; its servers start again when they are asked"
