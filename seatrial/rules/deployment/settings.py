"""Family 7, settings: whether Vertex AI has what [tool.seatrial.vertex] asks for, decided without asking it.

The check applies these rules to the configuration, and the preflight of a deploy to its final settings.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.tables import machines
from seatrial.findings import Location, Severity
from seatrial.rules.cloud import COMPUTE, CONTAINER_REQUIREMENTS, DOCS
from seatrial.rules.deployment.written import deployments
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.project.vertex import VertexSettings

_CONFIGURATION = Location("pyproject.toml")

REGIONS = Rule(
    code="ST723",
    title="regions disagree",
    explanation=(
        "A model needs an image in an Artifact Registry repository of its own region; repositories of a multi-region "
        "are refused. Artifacts in a distant bucket slow down every start of a machine."
    ),
    fix="push to REGION-docker.pkg.dev of `vertex.region`, or change `vertex.region`",
    sources=(CONTAINER_REQUIREMENTS,),
    detected=(
        "The location in the name of the repository is compared with `vertex.region`. If a cloud project is "
        "configured, a repository outside Artifact Registry is refused."
    ),
    bad=(
        '[tool.seatrial.vertex]\nregion = "europe-west4"\n\n[tool.seatrial.image]\n'
        'repository = "us-docker.pkg.dev/p/r/i"'
    ),
    good=(
        '[tool.seatrial.vertex]\nregion = "europe-west4"\n\n[tool.seatrial.image]\n'
        'repository = "europe-west4-docker.pkg.dev/p/r/i"'
    ),
)


@REGIONS.decided_by
def _regions(facts: Facts) -> Iterator[Finding]:
    vertex, repository = facts.project.vertex, facts.project.image.repository
    if vertex.project:  # without one nothing leaves this machine
        yield from _configured(regions_agree(repository, vertex.region))


_REGISTRY = re.compile(r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+)+\d+")  # us-central1; multi-regions are `us`, `europe` and `asia`


def regions_agree(image: str, region: str, *, local: bool = False) -> Iterator[Finding]:
    """Yield a finding if no model of a region can be made from an image or repository.

    `local` is for a rehearsal, which accepts images of other registries too.
    """
    registry = _REGISTRY.match(image)
    if registry is None:
        if image and not local:
            message = f"{image.split('@')[0]} is not in Artifact Registry, where Vertex AI takes images from"
            yield REGIONS.finding(message)
    elif (where := registry["location"]) != region:
        what = where if _REGION.fullmatch(where) else f"the multi-region {where}"
        yield REGIONS.finding(
            f"the image is in {what}, the model in {region}",
            fix=f"push to {region}-docker.pkg.dev, or change `vertex.region`",
        )


TOO_LARGE = Rule(
    code="ST725",
    title="a golden request is larger than the endpoint accepts",
    explanation=(
        "A shared endpoint accepts requests and answers of up to 1.5 MB, a dedicated one of up to 10 MB. An image is "
        "sent as base64, which is a third larger than the file."
    ),
    fix='set `vertex.endpoint-type = "dedicated"`, send smaller images, or let the predictor read them from a bucket',
    cloud="400 Request payload size exceeds the limit: … bytes.",
    sources=(CONTAINER_REQUIREMENTS, f"{DOCS}/predictions/using-dedicated-endpoints"),
    symptoms=(
        Symptom(
            r"(?i)request payload size exceeds the limit: (?P<limit>\d+) bytes",
            "a request is larger than the {limit} bytes that the endpoint accepts",
        ),
        Symptom(
            r"The (?P<what>request|response) size \((?P<size>\d+) bytes\) exceeds (?P<limit>\S+) limit",
            "a {what} has {size} bytes, but the endpoint accepts {limit}",
        ),
    ),
    detected="By the size of each golden example, as a separate request, and the limit of `vertex.endpoint-type`.",
    bad='[tool.seatrial.vertex]\nendpoint-type = "shared"  # and a golden image of 2 MB',
    good='[tool.seatrial.vertex]\nendpoint-type = "dedicated"',
)


@TOO_LARGE.decided_by
def _requests(facts: Facts) -> Iterator[Finding]:
    yield from _configured(requests_fit(facts.golden_requests, facts.project.vertex.endpoint_type))


# Bytes of a request by type of endpoint; "Choose an endpoint type", docs.cloud.google.com/vertex-ai/docs/predictions
LIMITS = {"shared": 1_500_000, "dedicated": 10_000_000, "private": 10_000_000}
_SHOWN = 12  # golden requests that are named; more are not read


def requests_fit(sizes: Mapping[str, int], kind: str) -> Iterator[Finding]:
    """Yield a finding if golden requests, as name → bytes, are larger than an endpoint accepts."""
    limit = LIMITS[kind]
    large = [f"{name}: {size:,} bytes" for name, size in sizes.items() if size > limit]
    if large:
        message = f"{len(large)} golden requests are larger than the {limit:,} bytes that a {kind} endpoint accepts"
        fix = {} if kind == "shared" else {"fix": "send smaller images, or let the predictor read them from a bucket"}
        yield TOO_LARGE.finding(message, evidence=tuple(large[:_SHOWN]), **fix)


NO_PAIR = Rule(
    code="ST726",
    title="machine type and accelerator do not go together",
    explanation=(
        "Accelerators can be attached only to N1 machines, in fixed numbers that depend on their processors. The A and "
        "G series come with theirs: the machine's name determines type and number, but both must still be configured."
    ),
    fix="set `vertex.machine-type`, `vertex.accelerator-type` and `vertex.accelerator-count` to a pair that exists",
    cloud="400 List of found errors:\t1.Field: …machine_spec; Message: …\t",
    sources=(COMPUTE, "https://cloud.google.com/compute/docs/gpus"),
    detected=(
        "By a table of machine types and their accelerators; a machine that the table does not have is a warning, "
        "because the table may be older than the machine. Deploy scripts, `gcloud ai endpoints deploy-model` and "
        "Terraform's machine_spec are judged alike where they write the values out."
    ),
    bad='[tool.seatrial.vertex]\nmachine-type = "n1-standard-4"\naccelerator-type = "NVIDIA_L4"',
    good='[tool.seatrial.vertex]\nmachine-type = "g2-standard-4"\naccelerator-type = "NVIDIA_L4"',
)


@NO_PAIR.decided_by
def _machine(facts: Facts) -> Iterator[Finding]:
    yield from _configured(machine_fits(facts.project.vertex))
    for asked in deployments(facts):
        known = asked.machine in machines().machines
        # A word that is in no list may be a machine of another kind: one with TPUs, or a newer one.
        if known and asked.accelerator is not None:
            for finding in _pair_fits(asked.machine, asked.accelerator or None, asked.count):
                yield replace(finding, location=asked.location, fix=_AS_WRITTEN)


_AS_WRITTEN = "write a machine type, an accelerator type and a number that go together"


def machine_fits(settings: VertexSettings) -> Iterator[Finding]:
    """Yield a finding for each machine type that does not go with the accelerators; a warning for an unknown one."""
    for machine in settings.machine_type:
        yield from _pair_fits(machine, settings.accelerator_type, settings.accelerator_count)


def _pair_fits(name: str, kind: str | None, number: int) -> Iterator[Finding]:
    table = machines()
    machine = table.machines.get(name)
    if machine is None:
        message = f"{name} is not in the list of machine types of {table.read_on}; whether it exists is not known"
        yield NO_PAIR.finding(message, severity=Severity.WARNING, evidence=(f"list: {table.source}",))
        return
    possible = tuple(f"{each}: {_numbers(numbers)}" for each, numbers in sorted(machine.accelerators.items()))
    if kind is None and machine.built_in:
        yield NO_PAIR.finding(f"{name} comes with accelerators, but no accelerator type is named", evidence=possible)
    elif kind is not None and not machine.accelerators:
        yield NO_PAIR.finding(f"{name} takes no accelerator, but {number} {kind} is configured")
    elif kind is not None and not any(kind in each.accelerators for each in table.machines.values()):
        message = f"{kind} is not offered for any machine type ({table.read_on})"
        yield NO_PAIR.finding(message, evidence=possible)
    elif kind is not None and number not in machine.accelerators.get(kind, ()):
        yield NO_PAIR.finding(f"{name} cannot have {number} {kind}", evidence=possible)


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _configured(found: Iterator[Finding]) -> Iterator[Finding]:
    yield from (replace(finding, location=_CONFIGURATION) for finding in found)
