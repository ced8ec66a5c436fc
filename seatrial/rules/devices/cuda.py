"""Family 6, CUDA: weights and code that ask for a GPU, on a machine with or without one.

The source seldom proves what a call gets or whether its line runs; then a finding is a warning and says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.python.calls import method_of
from seatrial.facts.tables import drivers, torch_builds
from seatrial.findings import Severity
from seatrial.rules.cloud import EXITED_SOURCE, SDK, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry, RequirementFile
    from seatrial.facts.python.calls import Call
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

OTHER_DEVICE = Rule(
    code="ST601",
    title="tensors are on a device that does not exist, or on two",
    explanation=(
        "A checkpoint remembers the device that each tensor was saved from, and torch.load puts it back "
        "there. Without that device the load fails. With it the weights are on the GPU, while the input may "
        "still be on the CPU."
    ),
    fix=(
        'load with map_location="cpu", choose `"cuda" if torch.cuda.is_available() else "cpu"` once, '
        "and move the model and every batch to it"
    ),
    cloud="Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.load.html",),
    symptoms=(
        Symptom(
            r"Attempting to deserialize object on (?:a )?CUDA device",
            "the weights were saved on a GPU and are loaded without map_location",
        ),
        Symptom(
            r"Torch not compiled with CUDA enabled",
            "the predictor asks for CUDA, and the locked torch is a CPU build",
        ),
        # After "CUDA initialization:" it is only a warning of is_available() on a machine without a GPU.
        Symptom(
            r"(?<!CUDA initialization: )Found no NVIDIA driver",
            "the predictor asks for CUDA, and the machine has no GPU",
        ),
        Symptom(
            (
                r"Expected all tensors to be on the same device, but (?:found at least two devices, |got )?"
                r"(?P<devices>[^\n!(]+)"
            ),
            "tensors of one operation are on two devices: {devices}",
        ),
        Symptom(
            r"Input type \((?P<input>[\w.]+)\) and weight type \((?P<weight>[\w.]+)\) should be the same",
            "the input is a {input}, the weights are a {weight}",
        ),
    ),
    detected=(
        "A checkpoint's tensors were saved from a GPU, and a torch.load that serving can reach has no "
        "map_location. Which file the call reads is not known, so it is a warning."
    ),
    bad="torch.load(path)  # the tensors were on cuda:0",
    good='torch.load(path, map_location="cpu")',
)


@OTHER_DEVICE.decided_by
def _other_device(facts: Facts) -> Iterator[Finding]:
    saved = [(c, [d for d in c.devices if d.startswith("cuda")]) for c in facts.checkpoints]
    on_gpu: list[tuple[Checkpoint, list[str]]] = [(c, devices) for c, devices in saved if devices]
    if not on_gpu:
        return
    for _, call in facts.sources.calls().of("torch.load"):
        if call.argument("map_location", 1) is None:
            yield OTHER_DEVICE.finding(
                "torch.load without map_location, and the artifacts hold tensors that were saved from a GPU",
                severity=Severity.WARNING,  # it loads on a machine that has this device
                location=call.location,
                evidence=tuple(f"{c.path}: tensors of {', '.join(devices)}" for c, devices in on_gpu),
            )


NO_CUDA = Rule(
    code="ST602",
    title="CUDA was asked for and cannot be used",
    explanation=(
        "The machine's driver is too old for the CUDA of the locked torch, or its GPU is too old for the "
        "kernels in the wheel: the published torch 2.11 and later run on compute capability 7.5 (T4) "
        "and newer. torch.cuda.is_available() may still be True."
    ),
    fix="use a machine with a newer driver or GPU, or lock a torch that was built for this one",
    cloud="CUDA error: no kernel image is available for execution on the device",
    sources=(
        "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html",
        "https://github.com/Comfy-Org/ComfyUI/issues/16438",
    ),
    symptoms=(
        Symptom(
            r"NVIDIA driver on your system is too old \(found version (?P<found>\d+)\)",
            "the NVIDIA driver (CUDA {found}) is too old for the locked torch",
        ),
        Symptom(
            r"which is of cuda capability (?P<has>[\d.]{1,6}\d)\.\s+PyTorch no longer supports this GPU",
            "the locked torch has no kernels for a GPU of compute capability {has}",
        ),
        Symptom(
            r"no kernel image is available for execution on the device",
            "the locked torch has no kernels for this GPU",
        ),
        Symptom(
            r"unsatisfied condition: (?P<what>cuda>=[\d.]+)",
            "the NVIDIA driver does not have {what}",
        ),
    ),
    detected=(
        "A trial on the GPU compares this machine's driver with the least one for the locked CUDA, before it installs "
        "anything."
    ),
)


def too_old_driver(driver: str, lock: RequirementFile, python: str) -> Finding | None:
    """Return a finding if a driver, such as `550.54.15`, is older than the locked CUDA needs.

    None also if the lock has no CUDA that NVIDIA's table knows.
    """
    pins = lock.pins(marker_environment(python))
    cuda, told = _cuda_of(pins)
    least = drivers().least.get(cuda) if told else None
    number = driver.partition(".")[0]
    if told is None or least is None or not number.isdigit() or int(number) >= least:
        return None
    return NO_CUDA.finding(
        f"this machine's NVIDIA driver is {driver}, and the locked CUDA {cuda} needs {least} or newer",
        location=told.location,
        cause=f"{told.name} {told.version} is of CUDA {cuda}; {drivers().source} has the least driver of each",
    )


def _cuda_of(pins: Mapping[str, Entry]) -> tuple[int, Entry | None]:
    """Return the major version of CUDA that a lock installs, and the pin that tells it."""
    for name, pin in sorted(pins.items()):
        if name.startswith("nvidia-cuda-runtime") and pin.version:
            return pin.version.major, pin
    torch = pins.get("torch")
    if torch is None or torch.version is None:
        return 0, None
    if built := re.fullmatch(r"cu(\d+)\d", torch.version.local or ""):  # cu126 is CUDA 12.6
        return int(built[1]), torch
    build = None if torch.version.local else torch_builds().of(torch.version)
    return (int(build.cuda.partition(".")[0]), torch) if build else (0, None)


HARD_CUDA = Rule(
    code="ST603",
    title="CUDA is used without checking whether it is available",
    explanation=(
        'The code uses .cuda() or "cuda" on every machine. Without a GPU, as in a trial on a laptop, or with a CPU '
        "build of torch, the line raises and the server ends."
    ),
    fix='write device = "cuda" if torch.cuda.is_available() else "cpu" once, and use it everywhere',
    cloud=f"AssertionError: Torch not compiled with CUDA enabled\n{SERVER_EXITED}",
    sources=("https://docs.pytorch.org/docs/stable/notes/cuda.html#device-agnostic-code", EXITED_SOURCE),
    detected=(
        "A call that serving can reach names CUDA, it is not inside a condition, try or conditional expression, and "
        "its module never calls is_available. A function that trains, with backward() and the step of an optimizer, is "
        "left out. It is an error if the lock has a CPU build or [tool.seatrial.vertex] "
        "names a machine without an accelerator, and a warning otherwise."
    ),
    bad="self._model = build().cuda()",
    good='self._device = "cuda" if torch.cuda.is_available() else "cpu"\nself._model = build().to(self._device)',
)


@HARD_CUDA.decided_by
def _hard_cuda(facts: Facts) -> Iterator[Finding]:
    why = _never_has_cuda(facts)
    for module, call in facts.sources.calls().where(_may_ask_for_cuda):
        if not _asks_for_cuda(facts.sources, call) or _is_guarded(call) or facts.sources.defines(call.name):
            continue
        if _trains(module, call):
            continue  # serving reaches it by its name alone
        if any("is_available" in other.name or "device_count" in other.name for other in module.uses.calls):
            continue  # the function may have returned before, or be called only with CUDA
        yield HARD_CUDA.finding(
            f"`{call.written or call.method}` uses CUDA without checking whether it is available",
            severity=Severity.ERROR if why else Severity.WARNING,
            location=call.location,
            cause=why or "on a machine without a GPU, such as the one of a trial, the line raises",
        )


def _trains(module: Module, call: Call) -> bool:
    """Return whether a call is in a function that trains: it computes gradients, and an optimizer takes a step."""
    function = module.uses.functions.get(call.function)
    return function is not None and function.mentions >= {"backward", "step"}


def _never_has_cuda(facts: Facts) -> str:
    """Return why the serving environment has no CUDA; "" if it may have."""
    pin = facts.lock.pins(marker_environment(facts.project.python)).get("torch") if facts.lock else None
    if pin and pin.version and pin.version.local == "cpu":
        return f"the lock has torch {pin.version}, a CPU build"
    vertex = facts.project.vertex
    return f"{vertex.machine} has no accelerator" if vertex.project and vertex.device == "cpu" else ""


# Each of them initializes CUDA at once; https://docs.pytorch.org/docs/stable/cuda.html
_ONLY_CUDA = {"torch.cuda.set_device", "torch.cuda.current_device", "torch.cuda.init"} | {
    f"torch.cuda.{kind}Tensor" for kind in ("Float", "Half", "Double", "Byte", "Int", "Long", "Bool", "BFloat16")
}


def _may_ask_for_cuda(name: str) -> bool:
    return name.startswith("torch.") or method_of(name) in ("to", "cuda")


def _asks_for_cuda(sources: Sources, call: Call) -> bool:
    if call.name in _ONLY_CUDA:
        return True
    if call.name == "torch.set_default_tensor_type":
        kind = sources.value(call.arguments[0]) if call.arguments else None
        return kind is not None and str(kind.constant or kind.name).startswith("torch.cuda.")
    if call.method == "cuda" and not call.name.startswith("torch.cuda"):
        return True
    device = call.keywords.get("device") or call.keywords.get("map_location")
    if (call.method == "to" and not device) or call.name in ("torch.device", "torch.set_default_device"):
        device = call.arguments[0] if call.arguments else device
    if call.name == "torch.load" and len(call.arguments) > 1:
        device = call.arguments[1]
    constant = sources.value(device).constant if device else None
    of_torch = call.method == "to" or call.name.startswith("torch.")
    return of_torch and isinstance(constant, str) and constant.partition(":")[0] == "cuda"


def _is_guarded(call: Call) -> bool:
    """Return whether a try guards a call, or a condition that names a device or something unknown."""
    words = ("cuda", "gpu", "device", "?")
    return call.context.tried or any(word in name.lower() for name in call.context.guards for word in words)


GPU_MEMORY = Rule(
    code="ST620",
    title="the GPU's memory ran out",
    explanation=(
        "The model and the batch do not fit into the GPU, or several workers hold the model at once: Google's custom "
        "prediction routine starts one worker for each processor core, and each loads the model."
    ),
    fix="serve with one worker (there `VERTEX_CPR_WEB_CONCURRENCY=1`), limit the batch, or take a larger GPU",
    cloud="torch.OutOfMemoryError: CUDA out of memory.",
    sources=(f"{SDK}/prediction/model_server.py", "https://docs.pytorch.org/docs/stable/notes/cuda.html"),
    symptoms=(
        Symptom(
            r"CUDA out of memory\. Tried to allocate (?P<size>[\d.]{1,12} \w{2,4})",
            "the GPU has no {size} of memory left",
        ),
        Symptom(r"CUDA out of memory|CUDA error: out of memory", "the GPU's memory ran out"),
    ),
)
