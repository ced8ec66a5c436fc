"""Family 4, resizing: calls that resize differently than in training, or to sizes that cannot form a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.findings import Severity
from seatrial.rules.edits import insertion
from seatrial.rules.lock.versions import locked, trained_with
from seatrial.rules.rule import Rule
from seatrial.rules.transforms.removed_names import T
from seatrial.serving import interfaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

ANTIALIAS = Rule(
    code="ST410",
    title="tensors are resized without antialias",
    explanation=(
        "Without the `antialias` argument, a Resize of tensors gives different pixels before and since torchvision "
        "0.17: the default was None, then a warning, then True. Shrinking a photo without antialiasing differs from "
        "Pillow's resize by a tenth of the range on average and by half of it at edges, and raises no error. Pillow "
        "images are always resized with antialiasing."
    ),
    fix="write antialias=True where training and serving resize, or antialias=False to keep an old model's pixels",
    severity=Severity.WARNING,
    cloud=(
        "UserWarning: The default value of the antialias parameter of all the resizing transforms (Resize(), "
        "RandomResizedCrop(), etc.) will change from None to True in v0.17"
    ),
    sources=(
        "https://github.com/pytorch/vision/releases/tag/v0.17.0",
        "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html",
    ),
    detected=(
        "A call of Resize, RandomResizedCrop, resize or resized_crop that serving can reach has no antialias. It is a "
        "finding if the manifest's torchvision and the lock's are on different sides of 0.17 and nothing shows that "
        "the call gets a Pillow image. Without a manifest, it is one if the lock has torchvision before 0.17 and the "
        "source shows a tensor. Only the golden answers show whether the pixels really differ, so it is a warning."
    ),
    bad="transforms.Compose([transforms.ToTensor(), transforms.Resize((224, 224))])",
    good="transforms.Compose([transforms.ToTensor(), transforms.Resize((224, 224), antialias=True)])",
)

RESIZES: Mapping[str, int] = {  # position of `antialias`: torchvision/transforms/transforms.py and functional.py, 0.23
    f"{T}.Resize": 3,
    f"{T}.v2.Resize": 3,
    f"{T}.RandomResizedCrop": 4,
    f"{T}.v2.RandomResizedCrop": 4,
    f"{T}.functional.resize": 4,
    f"{T}.v2.functional.resize": 4,
    f"{T}.functional.resized_crop": 7,
    f"{T}.v2.functional.resized_crop": 7,
}
ANTIALIAS_IS_ON = Version("0.17")  # torchvision/transforms/transforms.py: the default became True
ANTIALIAS_EXISTS = Version("0.10")  # the same file: Resize got max_size and antialias


@ANTIALIAS.decided_by
def _antialias(facts: Facts) -> Iterator[Finding]:
    served, trained = locked(facts, "torchvision"), trained_with(facts, "torchvision")
    if served is None or served < ANTIALIAS_EXISTS:
        return
    is_on = served >= ANTIALIAS_IS_ON
    straddles = trained is not None and (trained >= ANTIALIAS_IS_ON) != is_on
    if not straddles and (is_on or trained is not None):
        return
    inputs = _Inputs(facts.sources)
    for module, call in facts.sources.calls().of(*RESIZES):
        if call.argument("antialias", RESIZES[call.name]) is not None:
            continue
        kind = inputs.of(module, call)
        if kind == "pillow" or (kind == "" and not straddles):
            continue
        sees = "it gets a tensor" if kind else "its input cannot be seen here"
        versions = f"training used torchvision {trained}, " if straddles else ""
        as_trained = f"antialias={not is_on}"
        yield ANTIALIAS.finding(
            f"`{_short(call.name)}` without antialias, and {versions}the lock has torchvision {served}",
            location=call.location,
            cause=f"{sees}; a tensor is resized without antialiasing before torchvision 0.17 and with it since",
            fix=f"write {as_trained}, which is what training did" if straddles else ANTIALIAS.fix,
            # Where nothing says what training used, either value may change the answers.
            edits=(edit,) if straddles and (edit := insertion(call, f", {as_trained}")) else (),
        )


TO_TENSOR = {"ToTensor", "PILToTensor", "ToImage", "to_tensor", "pil_to_tensor", "to_image"}


class _Inputs:
    """The inputs of resizes, where the source shows them: by the order in a Compose, or a function's argument."""

    def __init__(self, sources: Sources) -> None:
        self._steps: dict[tuple[str, tuple[int, int] | None], tuple[tuple[Value, ...], int, str]] = {}
        self._applied: dict[tuple[str, str], list[Call]] = {}
        for module, call, steps in written_out(sources):
            for index, step in enumerate(steps):
                self._steps[module.name, step.end] = (steps, index, call.name)
        for module, call in sources.calls().where(_is_applied):
            self._applied.setdefault((module.name, call.name.removesuffix("()")), []).append(call)

    def of(self, module: Module, call: Call) -> str:
        """Return "tensor", "pillow" or ""."""
        if ".functional." in call.name:
            return _kind(call.arguments[0] if call.arguments else None)
        steps, index, container = self._steps.get((module.name, call.end), ((), 0, ""))
        if container.endswith("nn.Sequential"):
            return "tensor"  # torch.nn.Sequential scripts and runs modules on tensors
        if any(last_of(step.name) in TO_TENSOR for step in steps[:index]):
            return "tensor"
        if any(last_of(step.name) in TO_TENSOR for step in steps[index + 1 :]):
            return "pillow"
        applied = self._applied.get((module.name, call.name), [])
        kinds = {_kind(a.arguments[0] if a.arguments else None) for a in applied}
        return kinds.pop() if len(kinds) == 1 else ""


GIVES_TENSOR = (
    "torch.",
    "torchvision.io.",
    *(f"{T}{v2}.functional.{name}()" for v2 in ("", ".v2") for name in ("to_tensor", "pil_to_tensor", "to_image")),
)


def _kind(value: Value | None) -> str:
    name = value.name if value else ""
    if name.startswith("PIL."):
        return "pillow"
    return "tensor" if name.startswith(GIVES_TENSOR) and name.endswith(")") else ""


def last_of(name: str) -> str:
    """Return the last part of the name of a step: `Resize` of `torchvision.transforms.Resize()`."""
    return name.removesuffix("()").rpartition(".")[2]


ONE_SIDE = Rule(
    code="ST417",
    title="Resize with one number and no crop after it",
    explanation=(
        "Resize(256) makes the shorter side 256 and keeps the aspect ratio: a photo of 517x389 becomes 340x256. Images "
        "of different ratios then have different sizes and cannot be stacked into one batch."
    ),
    fix="write both sides, Resize((256, 256)), or crop after it with CenterCrop",
    severity=Severity.WARNING,
    cloud="RuntimeError: stack expects each tensor to be equal size, but got [3, 224, 300] at entry 0",
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html",),
    detected=(
        "A Compose that is written out holds a Resize with one number, no crop, second Resize or Pad comes after it, "
        "and all of it is torchvision's own. It does no harm if all images have the same aspect ratio, so it is a "
        "warning."
    ),
    bad="transforms.Compose([transforms.Resize(224), transforms.ToTensor()])",
    good="transforms.Compose([transforms.Resize(224), transforms.CenterCrop(224), transforms.ToTensor()])",
)

INT_RESIZES = {f"{T}.Resize", f"{T}.v2.Resize"}


@ONE_SIDE.decided_by
def _one_side(facts: Facts) -> Iterator[Finding]:
    interface = interfaces.find(facts.project.interface)
    if interface is not None and not interface.batches:
        return
    calls = {(module.name, call.end): call for module, call in facts.sources.calls().of(*INT_RESIZES)}
    for module, _, steps in written_out(facts.sources) if calls else ():
        resizes = [(n, calls.get((module.name, s.end))) for n, s in enumerate(steps) if s.end]
        for index, resize in resizes:
            if resize is None or resize.name not in INT_RESIZES or not _is_one_number(facts.sources, resize):
                continue
            if all(map(_is_known, steps)) and all(map(_keeps_size, steps[index + 1 :])):
                yield ONE_SIDE.finding(
                    f"`{_short(resize.name)}` with one number keeps the aspect ratio, and nothing crops after it",
                    location=resize.location,
                    cause="images of different ratios get different sizes and cannot be stacked into a batch",
                )


def _is_one_number(sources: Sources, resize: Call) -> bool:
    size = resize.argument("size", 0)
    if size is None or resize.argument("max_size", 2) is not None:
        return False
    size = sources.value(size)
    if size.items is not None and len(size.items) == 1:
        size = sources.value(size.items[0])
    return type(size.constant) is int


def _is_known(step: Value) -> bool:
    """Return whether a step is a library's; a step of the project may make every image square."""
    return step.name.startswith((f"{T}.", "torch."))


FIXES_SIZE = ("Crop", "Resize", "Pad", "Lambda", "Stack")


def _keeps_size(step: Value) -> bool:
    return not any(word in step.name for word in FIXES_SIZE)


_COMPOSES = (f"{T}.Compose", f"{T}.v2.Compose")


def written_out(sources: Sources) -> Iterator[tuple[Module, Call, tuple[Value, ...]]]:
    """Yield the calls of Compose and Sequential whose transforms are written out, with these."""
    for module, call in sources.calls().of(*_COMPOSES, "torch.nn.Sequential"):
        if call.name in _COMPOSES:
            given = call.argument("transforms", 0)
            steps = given.items if given else None
        else:
            steps = None if call.is_open else call.arguments
        if steps:
            yield module, call, tuple(_followed(sources, step) for step in steps)


def _is_applied(name: str) -> bool:
    """Return whether a name stands for a transform that is created and applied at once: `Resize(8)(image)`."""
    return name.endswith("()")


def _followed(sources: Sources, value: Value) -> Value:
    """Follow a step's name into other modules, but leave a call in this module as it is."""
    further = sources.value(value)
    return value if further.name.startswith("?") or not further.name else further if value.end is None else value


def _short(name: str) -> str:
    return name.removeprefix(f"{T}.").removeprefix("functional.")
