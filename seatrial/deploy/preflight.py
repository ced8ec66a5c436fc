"""What can be known in seconds, before anything slow: whether a deploy can come to its end, and what will then run.

Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial import golden
from seatrial.findings import Finding, Stage
from seatrial.rules.deployment.preflight import STAYS
from seatrial.rules.deployment.settings import machine_fits, regions_agree, requests_fit
from seatrial.rules.supply.variables import no_secrets

if TYPE_CHECKING:
    from seatrial.deploy.platform import Platform, Traits
    from seatrial.project import Project


def preflight(platform: Platform, project: Project, image: str = "") -> Stage[None]:
    """Check what can be checked before a deploy; `image` is REPOSITORY@DIGEST, or "" if there is none."""
    yield from machine_fits(project.vertex)
    yield from no_secrets(project.vertex.env)
    sizes = golden.request_sizes(project.artifacts_dir, golden.read(project.artifacts_dir))
    yield from requests_fit(sizes, project.vertex.endpoint_type)
    yield from regions_agree(image, platform.region, local=platform.traits.rehearsal)
    if (yield from platform.preflight(project, image)):
        yield from stays(project, platform.traits, platform.region)


def stays(project: Project, traits: Traits, region: str) -> Iterator[Finding]:
    """Yield the note of what a deploy leaves running and has to be paid for, and what stops it."""
    settings = project.vertex
    if traits.rehearsal:
        return
    replicas = str(settings.min_replicas)
    if settings.max_replicas > settings.min_replicas:
        replicas += f" to {settings.max_replicas}"
    machine = " or ".join(settings.machine_type)
    if settings.accelerator_type:
        machine += f" with {settings.accelerator_count} {settings.accelerator_type}"
    yield STAYS.finding(
        f"{replicas} x {machine} will run in {region} behind endpoint {settings.endpoint or project.name} and "
        "be paid for by the hour, until `seatrial deploy --undeploy`"
    )
