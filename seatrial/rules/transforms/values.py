"""Family 4, values: pixels that reach the model in another range or another order of colours than it was trained on.

Nothing fails, and the answers are confident; so these rules warn where the source shows it, and golden answers decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import BYTE, PER_BYTE, REVERSED, TIMES_BYTE
from seatrial.findings import Severity
from seatrial.rules.rule import Rule
from seatrial.rules.transforms.removed_names import T
from seatrial.rules.transforms.resizing import TO_TENSOR, last_of, written_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

_TO_TENSOR_DOCS = "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html"
_NORMALIZE_DOCS = "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html"

COLOURS = Rule(
    code="ST434",
    title="OpenCV's BGR is given to a model that was trained on RGB",
    explanation=(
        "cv2.imread and cv2.imdecode give blue, green, red. Weights of torchvision, and statistics of ImageNet in the "
        "order 0.485, 0.456, 0.406, are for red, green, blue. The answers are worse, and nothing says so."
    ),
    fix="convert the image: `cv2.cvtColor(image, cv2.COLOR_BGR2RGB)`",
    severity=Severity.WARNING,
    sources=("https://docs.opencv.org/4.x/d8/d6a/group__imgcodecs__flags.html",),
    detected=(
        "Code that serves reads images with OpenCV in colour, normalizes with ImageNet's statistics in the order of "
        "RGB, and mentions no conversion. It is silent if a script of the project reads images with OpenCV alike, if "
        "serving opens images with Pillow too, and about a file that the code names, such as a picture to draw on."
    ),
    bad="image = cv2.imdecode(data, cv2.IMREAD_COLOR)",
    good="image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)",
)
SCALED_TWICE = Rule(
    code="ST435",
    title="pixels are divided by 255 twice",
    explanation=(
        "ToTensor, ToDtype with scale=True and ConvertImageDtype already give values from 0 to 1. A further division "
        "by 255 leaves an image that is nearly black."
    ),
    fix="leave the second division out",
    severity=Severity.WARNING,
    sources=(_TO_TENSOR_DOCS,),
    detected=(
        "In a Compose that is written out, a function of the project that divides by 255 comes after ToTensor or a "
        "scaling ToDtype; or `.div(255)` is called on what to_tensor returns. A function that multiplies by 255 too "
        "undoes the scaling, and nothing is said."
    ),
    bad="transforms.Compose([transforms.ToTensor(), transforms.Lambda(scale)])  # scale divides by 255",
    good="transforms.Compose([transforms.ToTensor()])",
)
STATISTICS = Rule(
    code="ST436",
    title="statistics that do not fit the values that they normalize",
    explanation=(
        "After ToTensor the values lie between 0 and 1. Statistics of pixels from 0 to 255 (123.675, 116.28, 103.53) "
        "make every image the same; a mean in place of the deviation, and the other way round, spreads them wrongly."
    ),
    fix="write the statistics of training: mean first, then std, both for values from 0 to 1 after ToTensor",
    severity=Severity.WARNING,
    sources=(_NORMALIZE_DOCS, "https://docs.pytorch.org/vision/stable/models.html"),
    detected=(
        "Normalize gets numbers that are written out: known statistics in the wrong order, or a mean above 1.5 after "
        "a step that scales to 0 to 1."
    ),
    bad="transforms.Normalize([0.229, 0.224, 0.225], [0.485, 0.456, 0.406])",
    good="transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])",
)
UNSCALED = Rule(
    code="ST437",
    title="an image becomes float without being scaled",
    explanation=(
        "PILToTensor, pil_to_tensor and from_numpy keep bytes from 0 to 255, and `.float()` only changes the type. "
        "Normalize with statistics for 0 to 1 then gets values 255 times too large."
    ),
    fix="divide by 255, or use `torchvision.transforms.functional.to_tensor`, which does",
    severity=Severity.WARNING,
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.PILToTensor.html",),
    detected=(
        "`.float()` or `.to(torch.float32)` is called on what one of them returns, the code that serves normalizes "
        "with numbers of at most 1, and nothing in it mentions 255 or a scaling conversion."
    ),
    bad="x = F.pil_to_tensor(image).float()\nx = F.normalize(x, [0.5], [0.5])",
    good="x = F.pil_to_tensor(image).float() / 255\nx = F.normalize(x, [0.5], [0.5])",
)
TOO_EARLY = Rule(
    code="ST438",
    title="Normalize before the image is a tensor",
    explanation="Normalize takes tensors. In a Compose before ToTensor it gets a Pillow image and raises TypeError.",
    fix="put ToTensor before Normalize",
    cloud="TypeError: img should be Tensor Image. Got <class 'PIL.Image.Image'>",
    sources=(_NORMALIZE_DOCS,),
    detected="A Compose of torchvision's own transforms that is written out has Normalize before the step to a tensor.",
    bad="transforms.Compose([transforms.Normalize([0.5], [0.5]), transforms.ToTensor()])",
    good="transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])",
)

Step = tuple["Value", "Call | None"]
_NORMALIZES = {f"{T}.Normalize", f"{T}.v2.Normalize", f"{T}.functional.normalize", f"{T}.v2.functional.normalize"}
# Published statistics, mean and deviation: torchvision's weights, CLIP, and what CIFAR's tutorials compute.
_KNOWN = (
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)),
)
_OF_BYTES = 1.5  # no mean of values from 0 to 1 is above it


def _pipelines(facts: Facts) -> Iterator[list[Step]]:
    """Yield the steps of each Compose with one of torchvision that is written out, each with the call that makes it."""
    every = written_out(facts.sources)
    written = [each for each in every if any(step.name.startswith(f"{T}.") for step in each[2])]
    names = {module.name for module, _, _ in written}
    made = [(m.name, call) for m, call in (facts.sources.calls() if names else ()) if m.name in names]
    calls = {(name, call.end): call for name, call in made}
    for module, _, steps in written:
        yield [(step, calls.get((module.name, step.end)) if step.end else None) for step in steps]


def _scales(step: Step, sources: Sources) -> bool:
    """Return whether a step of torchvision gives values from 0 to 1."""
    value, call = step
    if not value.name.startswith(f"{T}."):
        return False
    scale = call.argument("scale", 1) if call else None
    scaled = scale is not None and sources.value(scale).is_exactly(constant=True)
    return last_of(value.name) in ("ToTensor", "ConvertImageDtype") or (last_of(value.name) == "ToDtype" and scaled)


def _keeps(step: Value) -> bool:
    """Return whether a step is torchvision's own; any other may multiply by 255."""
    return step.name.startswith(f"{T}.") and last_of(step.name) != "Lambda"


def _numbers(value: Value | None, sources: Sources) -> tuple[float, ...]:
    """Return the numbers that are written out; () if they are not all known."""
    items = sources.value(value).items if value else None
    found = [sources.value(item).constant for item in items or ()]
    numbers = tuple(float(n) for n in found if isinstance(n, int | float))
    return numbers if len(numbers) == len(found) else ()


def _statistics(call: Call, sources: Sources) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of a call of Normalize."""
    first = 1 if ".functional." in call.name else 0
    mean, std = call.argument("mean", first), call.argument("std", first + 1)
    return _numbers(mean, sources), _numbers(std, sources)


@STATISTICS.decided_by
def _wrong_statistics(facts: Facts) -> Iterator[Finding]:
    for _, call in facts.sources.calls().of(*_NORMALIZES):
        if any((std, mean) == _statistics(call, facts.sources) for mean, std in _KNOWN):
            yield STATISTICS.finding(
                "Normalize gets the standard deviation as the mean, and the mean as the deviation",
                location=call.location,
                fix="exchange the two",
            )
    for steps in _pipelines(facts):
        scaled = False
        for step in steps:
            made = step[1]
            mean = _statistics(made, facts.sources)[0] if scaled and made and made.name in _NORMALIZES else ()
            if made and max(mean, default=0.0) > _OF_BYTES:
                yield STATISTICS.finding(
                    f"Normalize subtracts {mean[0]:g} from values that lie between 0 and 1",
                    location=made.location,
                    fix="divide mean and std by 255",
                )
            scaled = _scales(step, facts.sources) or (scaled and _keeps(step[0]))


@TOO_EARLY.decided_by
def _too_early(facts: Facts) -> Iterator[Finding]:
    for steps in _pipelines(facts):
        names = [last_of(step.name) if step.name.startswith(f"{T}.") else "?" for step, _ in steps]
        early = names.index("Normalize") if "Normalize" in names else len(names)
        call = steps[early][1] if early < len(names) else None
        before, after = names[:early], names[early + 1 :]
        is_image = not {"?", "Lambda", *TO_TENSOR}.intersection(before) and bool(TO_TENSOR.intersection(after))
        if call and is_image and not call.context.guards:
            yield TOO_EARLY.finding("Normalize gets a Pillow image: it comes before ToTensor", location=call.location)


@SCALED_TWICE.decided_by
def _scaled_twice(facts: Facts) -> Iterator[Finding]:
    sources = facts.sources
    functions = {f"{m.name}.{q}": f for m in sources.serving_modules() for q, f in m.uses.functions.items()}
    for steps in _pipelines(facts):
        scaled = False
        for step, call in steps:
            given = call.argument("lambd", 0) if call and last_of(step.name) == "Lambda" else step
            own = functions.get(sources.follow(given.name)) if given else None
            if scaled and own and PER_BYTE in own.mentions and TIMES_BYTE not in own.mentions:
                yield SCALED_TWICE.finding(
                    f"`{sources.follow(given.name).rpartition('.')[2] if given else ''}` divides by 255 and gets "
                    "values that lie between 0 and 1 already",
                    location=call.location if call else own.location,
                    cause="divided a second time, the image is nearly black",
                )
            keeps = _keeps(step) or (own is not None and TIMES_BYTE not in own.mentions)
            scaled = _scales((step, call), sources) or (scaled and keeps)
    for _, call in sources.calls().of_methods("div", "div_", "divide", "true_divide"):
        made = bool(call.arguments) and call.receiver.endswith((".functional.to_tensor()", f"{T}.ToTensor()()"))
        if made and sources.value(call.arguments[0]).constant == int(BYTE):
            yield SCALED_TWICE.finding(
                f"`.{call.method}(255)` on a tensor whose values lie between 0 and 1 already", location=call.location
            )


_BYTES = (
    "functional.pil_to_tensor()", "functional.to_image()", "PILToTensor()()", "ToImage()()", "torch.from_numpy()",
)  # fmt: skip
_MAY_SCALE = {
    BYTE, "ConvertImageDtype", "convert_image_dtype", "ToDtype", "to_dtype", "rescale", "div", "div_", "max",
    "ToTensor", "to_tensor", "img_as_float", "amax", "scale",
}  # fmt: skip


@UNSCALED.decided_by
def _unscaled(facts: Facts) -> Iterator[Finding]:
    calls = facts.sources.calls()
    converted = (call for _, call in calls.of_methods("float", "to"))
    made = [call for call in converted if call.receiver.replace(".permute()", "").endswith(_BYTES)]
    floats = [
        c for c in made if c.method == "float" or any("float" in facts.sources.value(a).name for a in c.arguments)
    ]
    if not floats or _MAY_SCALE & _mentions(facts.sources):
        return
    statistics = [_statistics(call, facts.sources)[0] for _, call in calls.of(*_NORMALIZES)]
    if any(mean and max(mean) <= 1 for mean in statistics):
        yield UNSCALED.finding(
            f"`.{floats[0].method}(…)` only changes the type: Normalize gets values between 0 and 255",
            location=floats[0].location,
            cause="nothing else that serves mentions 255 or a conversion that scales",
        )


def _mentions(sources: Sources) -> set[str]:
    """Return every identifier and mark in code that serving reaches."""
    found: set[str] = set()
    for module in sources.serving_modules():
        found |= module.uses.mentions
        for qualname, function in module.uses.functions.items():
            if (module.name, qualname) in sources.serving:
                found |= function.mentions
    return found


_READS = ("cv2.imread", "cv2.imdecode")
_ORDERS = {
    REVERSED,
    "cvtColor",
    "flip",
    "fliplr",
    "blobFromImage",
    "split",
    "merge",
    "mixChannels",
}


@COLOURS.decided_by
def _colours(facts: Facts) -> Iterator[Finding]:
    calls = facts.sources.calls()
    reads = [call for _, call in calls.of(*_READS) if _in_colour(call, facts.sources)]
    mentioned = _mentions(facts.sources) if reads else set()
    if not reads or _ORDERS & mentioned or any("rgb" in name.lower() or "bgr" in name.lower() for name in mentioned):
        return
    if any(c.name in _READS for script in facts.scripts for c in script.uses.calls):
        return  # training may have read BGR too
    if calls.of("PIL.Image.open"):
        return  # which of the two is normalized cannot be seen
    normalizes = [call for _, call in calls.of(*_NORMALIZES, "albumentations.Normalize")]
    if any(_statistics(call, facts.sources)[0] == _KNOWN[0][0] for call in normalizes):
        yield COLOURS.finding(
            f"`{reads[0].name}` gives BGR, and Normalize has ImageNet's statistics in the order of RGB",
            location=reads[0].location,
            cause="nothing that serves mentions a conversion of colours",
        )


def _in_colour(call: Call, sources: Sources) -> bool:
    """Return whether OpenCV reads an image that comes from outside, and in colour."""
    file, flags = call.argument("filename", 0), call.argument("flags", 1)
    if call.name == "cv2.imread" and file is not None and isinstance(sources.value(file).constant, str):
        return False
    if flags is None:
        return call.name == "cv2.imread"
    value = sources.value(flags)
    return value.name == "cv2.IMREAD_COLOR" or value.is_exactly(1)
