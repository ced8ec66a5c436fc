"""Ask what serves now whether it still answers as it was proven. Nothing on the server is changed.

Every version that has traffic is asked the golden requests of the project as it is here. So it is run from the commit
that was deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.deploy.platform import PlatformError
from seatrial.deploy.proof import Proof, prove
from seatrial.deploy.requests import Limits
from seatrial.errors import UsageError
from seatrial.findings import Event, Finding, Phase, Stage, Step
from seatrial.rules.deployment import live

if TYPE_CHECKING:
    from seatrial.deploy.platform import DeployedModel, Endpoint
    from seatrial.deploy.resources import Resources

_REACHABLE = 60.0  # seconds; an endpoint that serves has been reachable for long


def watch(resources: Resources) -> Stage[list[Proof]]:
    """Return what each version with traffic has proven.

    Raises:
        UsageError: there is no endpoint of this name.
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("live")
    try:
        endpoint = resources.endpoint()
        if endpoint is None:
            fix = "name the endpoint with `--live ENDPOINT`; `seatrial deploy --status` says what is there"
            raise UsageError(f"there is no endpoint {resources.endpoint_id}", fix=fix)
        serving = [model for model in endpoint.deployed_models if endpoint.traffic_split.get(model.id)]
        if not serving:
            yield live.DRIFTED.finding(f"endpoint {resources.endpoint_id} serves nothing", subject=endpoint.name)
            return []
        yield from resources.platform.reach(endpoint, _REACHABLE)
        return (yield from _asked(resources, endpoint, serving))
    except PlatformError as error:
        yield from resources.platform.explained(error, resources.gathered, what="a question")
        return []


def _asked(resources: Resources, endpoint: Endpoint, serving: Sequence[DeployedModel]) -> Stage[list[Proof]]:
    proofs = []
    for model in serving:
        yield Step(f"asking {_name(model)} its golden requests")
        proofs.append((yield from _prove(resources, endpoint, model)))
    return proofs


def _prove(resources: Resources, endpoint: Endpoint, model: DeployedModel) -> Stage[Proof]:
    limits = replace(Limits.of(resources.project, resources.platform.traits), settle=0.0)  # its split has arrived
    stage = prove(resources.platform, endpoint, model.id, resources.gathered, limits=limits)
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield from _of_now(event, model)


def _of_now(event: Event, model: DeployedModel) -> Iterator[Event]:
    """Say of a version that serves what a rollout says of a new one."""
    if isinstance(event, Finding) and event.code == live.OTHER_ANSWER.code:
        message = f"{_name(model)} answers otherwise than it was proven: {event.message}"
        yield live.DRIFTED.finding(message, subject=event.subject, evidence=event.evidence)
    elif isinstance(event, Finding):
        yield replace(event, message=f"{_name(model)}: {event.message}")
    else:
        yield event


def _name(model: DeployedModel) -> str:
    return f"{model.model_id}@{model.version_id}"
