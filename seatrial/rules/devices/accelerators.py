"""Family 6, accelerators: does the build of the locked torch fit the target's accelerator?"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import machines, torch_builds
from seatrial.findings import Severity
from seatrial.rules.deployment.written import deployments
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

CUDA_WITHOUT_ACCELERATOR = Rule(
    code="ST610",
    title="a CUDA lock is used for a target without an accelerator",
    explanation=(
        "The image is built for a machine without a GPU, but its lock holds NVIDIA's libraries. They work there "
        "too but are never used: the image is several gigabytes larger, and a deployment waits while "
        "each new machine pulls them."
    ),
    fix="run `seatrial lock --cpu`, which writes requirements-cpu.txt, and build again",
    severity=Severity.WARNING,
    sources=("https://pytorch.org/get-started/locally/",),
)

NO_KERNELS = Rule(
    code="ST611",
    title="the locked torch has no kernels for the configured accelerator",
    explanation=(
        "A build of torch holds code for some GPUs only. Since CUDA 13, which the default builds use from torch 2.11 "
        "on, the oldest is the T4: V100, P100 and P4 are left out. `torch.cuda.is_available()` is still True, but "
        "the first operation fails."
    ),
    fix="use an accelerator that the build has kernels for, such as NVIDIA_TESLA_T4 or NVIDIA_L4, or an older torch",
    detected=(
        "By `vertex.accelerator-type`, the accelerators in deploy scripts, and the torch pin of requirements.txt, "
        "against a table of architectures that was read from the published wheels. A build with a label is judged only "
        "where its CUDA is 13 or later. An "
        "accelerator in a deploy script is a warning, because the script may deploy another image."
    ),
    bad='accelerator-type = "NVIDIA_TESLA_V100"  # with torch==2.13.0',
    good='accelerator-type = "NVIDIA_L4"  # with torch==2.13.0',
    cloud="CUDA error: no kernel image is available for execution on the device",
    sources=(
        "https://github.com/Comfy-Org/ComfyUI/issues/16438",
        "https://github.com/vllm-project/vllm/issues/19185",
        "https://developer.nvidia.com/cuda-gpus",
    ),
)

_CUDA_WITHOUT_VOLTA = (13, Version("7.5"))  # the release notes of CUDA 13.0: its compilers support nothing older


@NO_KERNELS.decided_by
def _no_kernels(facts: Facts) -> Iterator[Finding]:
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if torch is None or torch.version is None:
        return
    configured = facts.project.vertex.accelerator_type
    if configured and (lacking := _lacking(configured, torch.version)):
        yield replace(lacking, location=torch.location)
    for asked in deployments(facts):
        offered = any(asked.accelerator in machine.accelerators for machine in machines().machines.values())
        if asked.accelerator and offered and (lacking := _lacking(asked.accelerator, torch.version)):
            cause = f"{lacking.cause}; whether it deploys this project's image cannot be seen"
            yield replace(lacking, location=asked.location, severity=Severity.WARNING, cause=cause)


def _lacking(accelerator: str, torch: Version) -> Finding | None:
    """Return a finding if a build of torch has no kernels for an accelerator."""
    capability = torch_builds().capabilities.get(accelerator)
    build = torch_builds().of(torch)
    if capability is None:
        return None
    label = torch.local or ""
    architectures: tuple[Version, ...]
    of_cuda = re.fullmatch(r"cu(\d\d)\d", label)
    if of_cuda and int(of_cuda[1]) >= _CUDA_WITHOUT_VOLTA[0]:
        architectures, cuda = (_CUDA_WITHOUT_VOLTA[1],), f"{of_cuda[1]}.{label[-1]}"
        missing = capability < architectures[0]
    elif not label and build and build.architectures:
        architectures, cuda = build.architectures, build.cuda
        missing = not any(a.major == capability.major and a <= capability for a in architectures)
    else:
        return None
    if not missing:
        return None
    return NO_KERNELS.finding(
        f"torch=={torch} has no kernels for {accelerator}, compute capability {capability}",
        subject=accelerator,
        cause=f"it is built for CUDA {cuda} and has kernels for {', '.join(map(str, architectures))}"
        + (" and later" if of_cuda else ""),
        fix=_other_accelerators(architectures, at_least=bool(of_cuda)),
    )


def _other_accelerators(architectures: tuple[Version, ...], *, at_least: bool) -> str:
    fitting = [
        name
        for name, capability in torch_builds().capabilities.items()
        if any((at_least or a.major == capability.major) and a <= capability for a in architectures)
    ]
    return f"use an accelerator that it has kernels for ({', '.join(fitting[:4])}), or pin an older torch"


CPU_BUILD = Rule(
    code="ST612",
    title="a CPU build of torch is used for a target with an accelerator",
    explanation=(
        "The lock that ships to a target with an accelerator is requirements.txt. With a +cpu build in it the server "
        "runs, but the accelerator is paid for and never used."
    ),
    fix="pin torch and torchvision without the label in requirements.in and run `seatrial lock`, or remove "
    "`accelerator-type`",
    severity=Severity.WARNING,
    detected="By the label of the torch pin of requirements.txt and `vertex.accelerator-type`.",
    bad='torch==2.8.0+cpu  # with accelerator-type = "NVIDIA_L4"',
    good='torch==2.8.0  # with accelerator-type = "NVIDIA_L4"',
    cloud="AssertionError: Torch not compiled with CUDA enabled",
    sources=("https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3250",),
)


@CPU_BUILD.decided_by
def _cpu_build(facts: Facts) -> Iterator[Finding]:
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if facts.project.vertex.accelerator_type and torch and torch.version and torch.version.local == "cpu":
        yield CPU_BUILD.finding(
            f"torch=={torch.version} is a CPU build, and the target has {facts.project.vertex.accelerator_type}",
            location=torch.location,
            cause="the model will run on the processor; whether that is intended cannot be seen here",
        )
