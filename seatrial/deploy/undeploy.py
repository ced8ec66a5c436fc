"""Stops all that serves a model; versions and the endpoint, which cost nothing, stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.deploy.platform import PlatformError
from seatrial.deploy.record import record_of, without_record
from seatrial.deploy.undo import remove_staging
from seatrial.findings import Phase, Stage

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint
    from seatrial.deploy.resources import Resources


def undeploy(resources: Resources) -> Stage[list[str]]:
    """Undeploy every version of the model; return lines that say which.

    Raises:
        StillRunningError: it did not end in time.
        EnvironmentFaultError: the service does not answer.
    """
    yield Phase("undeploy")
    resources.progress.changed = True
    try:
        yield from remove_staging(resources)
        endpoint = yield from resources.settled()
        ours = [model.id for model in endpoint.deployed_models if resources.serves(model)] if endpoint else []
        if endpoint is not None:
            yield from resources.undeploy(endpoint, ours)
            yield from resources.platform.change_endpoint(endpoint.name, _without_record)
            resources.endpoint()
    except PlatformError as error:
        resources.progress.status = "failed"
        yield from resources.platform.explained(
            error, resources.gathered, what="a request", endpoint_id=resources.endpoint_id
        )
        return []
    resources.progress.status = "undeployed"
    return [f"{each} is undeployed" for each in ours] or ["nothing was deployed"]


def _without_record(endpoint: Endpoint) -> Endpoint | None:
    return without_record(endpoint) if record_of(endpoint) is not None else None
