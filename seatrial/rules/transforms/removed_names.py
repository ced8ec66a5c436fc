"""Family 4, names: what the locked torchvision and Pillow no longer have, or do not have yet.

The name alone decides, so most of these are errors. Inside an `if` they are warnings, and inside a try or a check of
the version they are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.version import Version

from seatrial.facts.python.module import Import
from seatrial.findings import Edit, Severity
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Read
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

T = "torchvision.transforms"

PRIVATE_MODULE = Rule(
    code="ST411",
    title="an import of torchvision.transforms.functional_tensor, which is gone",
    explanation=(
        "`functional_tensor` and `functional_pil` were never public. torchvision 0.15 renamed them with an underscore "
        "and 0.17 removed the old names, so the import fails. Code around basicsr and GFPGAN still uses them."
    ),
    fix="import the function from torchvision.transforms.functional",
    cloud="ModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'",
    sources=(
        "https://github.com/pytorch/vision/issues/7269",
        "https://github.com/XPixelGroup/BasicSR/pull/663",
        "https://github.com/facebookresearch/pytorchvideo/issues/271",
    ),
    symptoms=(
        Symptom(
            r"No module named 'torchvision\.transforms\.(?P<module_>functional_(?:tensor|pil))'",
            "torchvision.transforms.{module_} is gone from the installed torchvision",
        ),
    ),
    detected=(
        "A module that serving reaches imports one of the two, the lock has torchvision 0.17 or later, and no try or "
        "condition guards the import. Imports inside installed distributions are not seen; the trial shows them."
    ),
    bad="from torchvision.transforms.functional_tensor import rgb_to_grayscale",
    good="from torchvision.transforms.functional import rgb_to_grayscale",
)


@PRIVATE_MODULE.decided_by
def _private_module(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "torchvision")
    if served is None or served < Version("0.17"):
        return
    gone = {f"{T}.functional_tensor", f"{T}.functional_pil"}
    for _, imported in facts.sources.imports():
        if not imported.optional and (found := gone & set(imported.candidates())):
            yield PRIVATE_MODULE.finding(
                f"`{found.pop()}` does not exist in torchvision {served}", location=imported.location
            )


WEIGHTS_ARGUMENT = Rule(
    code="ST412",
    title="pretrained= and weights= in the wrong version of torchvision",
    explanation=(
        "torchvision 0.13 replaced `pretrained=True` by `weights=`. The old argument still works with a warning, but "
        '`weights="DEFAULT"` does not replace it: for many models it means newer weights that need a different '
        'preparation of the image; `weights="IMAGENET1K_V1"` means the old ones. Before 0.13 `weights` does not exist, '
        "and the model's class refuses it."
    ),
    fix='write weights=None for pretrained=False and weights="IMAGENET1K_V1" for pretrained=True',
    cloud="UserWarning: The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future",
    sources=(
        "https://docs.pytorch.org/vision/stable/models.html#initializing-pre-trained-models",
        "https://github.com/pytorch/vision/blob/main/torchvision/models/_utils.py",
    ),
    detected=(
        "A function of torchvision.models is called with pretrained= and a lock of 0.13 or later (a warning), or with "
        "weights= and an older one (an error). Arguments that are passed by `**` are not seen."
    ),
    bad="models.resnet18(pretrained=False)",
    good="models.resnet18(weights=None)",
)


def makes_model(name: str) -> bool:
    """Return whether a name is a function of torchvision.models that makes a model."""
    family, _, last = name.rpartition(".")
    return family.startswith("torchvision.models") and "(" not in name and last[:1].islower()


@WEIGHTS_ARGUMENT.decided_by
def _weights_argument(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "torchvision")
    for _, call in facts.sources.calls().where(makes_model) if served else ():
        name = call.name.rpartition(".")[2]
        old, new = call.keywords.get("pretrained"), call.keywords.get("weights")
        downloads = old is not None and old.is_exactly(constant=True)  # ST520 reports it
        if old is not None and new is None and not downloads and served and served >= Version("0.13"):
            value = "None" if old.is_exactly(constant=False) else '"IMAGENET1K_V1"'
            yield WEIGHTS_ARGUMENT.finding(
                f"`{name}` is called with pretrained=, which torchvision 0.13 replaced",
                severity=Severity.WARNING,
                location=call.location,
                cause=f"torchvision {served} still takes it and warns",
                fix=f"write weights={value}" if old.is_constant else WEIGHTS_ARGUMENT.fix,
            )
        elif new is not None and served and served < Version("0.13") and not call.context.tried:
            yield WEIGHTS_ARGUMENT.finding(
                f"`{name}` is called with weights=, which torchvision {served} does not know",
                severity=Severity.WARNING if call.context.guards else Severity.ERROR,
                location=call.location,
                cause="torchvision 0.13 introduced it; before that, the model's class refuses it",
                cloud="TypeError: __init__() got an unexpected keyword argument 'weights'",
                fix="write pretrained=False, or lock torchvision 0.13 or later",
            )


V2_NAMES = Rule(
    code="ST413",
    title="a name of torchvision's transforms v2 that the locked version does not have",
    explanation=(
        "The v2 transforms were a beta in torchvision 0.15, and 0.16 renamed or removed several: ClampBoundingBox, "
        "SanitizeBoundingBox, ConvertDtype, ToImagePIL and ToImageTensor; torchvision.datapoints became tv_tensors. "
        "v2.ToTensor exists but is deprecated. A missing name ends the server on import or on load."
    ),
    fix="use the new name: ClampBoundingBoxes, SanitizeBoundingBoxes, ToDtype, ToPILImage, ToImage, tv_tensors",
    cloud="AttributeError: module 'torchvision.transforms.v2' has no attribute 'ToImageTensor'",
    sources=(
        "https://github.com/pytorch/vision/releases/tag/v0.16.0",
        "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.v2.ToTensor.html",
    ),
    symptoms=(
        Symptom(
            r"cannot import name '(?P<name>\w{1,80})' from 'torchvision\.transforms\.v2(?P<rest>[\w.]{0,80})'",
            "torchvision.transforms.v2{rest} has no `{name}` in the installed version",
        ),
        Symptom(
            r"module 'torchvision\.transforms\.v2(?P<rest>[\w.]{0,80})' has no attribute '(?P<name>\w{1,80})'",
            "torchvision.transforms.v2{rest} has no `{name}` in the installed version",
        ),
        Symptom(
            r"cannot import name 'datapoints' from 'torchvision'|No module named 'torchvision\.datapoints'",
            "torchvision.datapoints became torchvision.tv_tensors",
        ),
    ),
    detected=(
        "A call, an attribute or an import in code that serving reaches uses one of them, and the lock has torchvision "
        "0.16 or later. Any name of v2 before 0.15 is also a finding, and so is one of tv_tensors before 0.16. Names "
        "inside a try or a check of the version are ignored. v2.ToTensor is only a warning, and so is any of them "
        "inside an `if`."
    ),
    bad="v2.Compose([v2.ToImageTensor(), v2.ConvertDtype(torch.float32)])",
    good="v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])",
)

_GONE_IN_V2 = {  # torchvision/transforms/v2/__init__.py, 0.15 and 0.16
    "ClampBoundingBox": "ClampBoundingBoxes",
    "SanitizeBoundingBox": "SanitizeBoundingBoxes",
    "ConvertDtype": "ToDtype",
    "ToImagePIL": "ToPILImage",
    "ToImageTensor": "ToImage",
}


def became(name: str) -> tuple[str, str] | None:
    """Return what to write for a name of torchvision or Pillow that is gone, and the first version without it."""
    family, _, last = name.rpartition(".")
    if family == "PIL.Image" and last in _PILLOW_10:
        return f"write Image.Resampling.{_PILLOW_10[last]}", "10"
    if family == f"{T}.v2" and last in _GONE_IN_V2:
        return f"write {_GONE_IN_V2[last]}", "0.16"
    if family.startswith(T) and last in _OLD:
        return f"write {_OLD[last]}", "0.12"
    if family in ("PIL", "PIL.Image") and last == "PILLOW_VERSION":
        return "write PIL.__version__", "7"
    return None


@V2_NAMES.decided_by
def _v2_names(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "torchvision")
    if served is None:
        return
    for name, use in _names(facts.sources):
        if served >= Version("0.16"):
            last = name.removeprefix(f"{T}.v2.")
            if name.startswith(f"{T}.v2.") and last in _GONE_IN_V2:
                fix = f"write {_GONE_IN_V2[last]}"
                yield _gone(V2_NAMES, f"torchvision {served} has no v2.{last}", use, fix=fix)
            elif f"{name}.".startswith("torchvision.datapoints."):
                fix = "import torchvision.tv_tensors instead"
                yield _gone(V2_NAMES, f"torchvision {served} has no torchvision.datapoints", use, fix=fix)
            elif name == f"{T}.v2.ToTensor":
                yield V2_NAMES.finding(
                    "v2.ToTensor is deprecated and will be removed",
                    severity=Severity.WARNING,
                    location=use.location,
                    fix="write v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])",
                )
        elif f"{name}.".startswith("torchvision.tv_tensors.") or (
            served < Version("0.15") and f"{name}.".startswith(f"{T}.v2.")
        ):
            yield _gone(
                V2_NAMES,
                f"torchvision {served} has no `{name}` yet",
                use,
                fix="lock torchvision 0.16 or later, or use torchvision.transforms",
            )


PILLOW_NAMES = Rule(
    code="ST415",
    title="a constant that Pillow 10 removed",
    explanation=(
        "Pillow 10 removed Image.ANTIALIAS, Image.LINEAR and Image.CUBIC. Their equivalents are in Image.Resampling: "
        "LANCZOS, BILINEAR and BICUBIC. The attribute fails when the line runs, which may be on the first request."
    ),
    fix="write Image.Resampling.LANCZOS, BILINEAR or BICUBIC",
    cloud="AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'",
    sources=(
        "https://pillow.readthedocs.io/en/stable/deprecations.html#constants",
        "https://github.com/3DOM-FBK/deep-image-matching/issues/43",
    ),
    symptoms=(
        Symptom(
            (
                r"module 'PIL\.Image' has no attribute "
                r"'(?P<name>ANTIALIAS|LINEAR|CUBIC|NEAREST|BOX|[A-Z]{3,30})'"
            ),
            "Pillow has no Image.{name} any more",
        ),
    ),
    detected=(
        "One of the three is read or imported in code that serving reaches, and the lock has Pillow 10 or later. It is "
        "a warning inside an `if`. There is no finding if a try or hasattr guards it, or if the project restores the "
        "name itself."
    ),
    bad="image.resize((224, 224), Image.ANTIALIAS)",
    good="image.resize((224, 224), Image.Resampling.LANCZOS)",
)

_PILLOW_10 = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"}


@PILLOW_NAMES.decided_by
def _pillow_names(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "pillow")
    if served is None or served < Version("10"):
        return
    patched = {name for module in facts.sources.serving_modules() for name in module.uses.patched}
    patched |= {
        f"{call.arguments[0].name}.{attribute}"
        for _, call in facts.sources.calls().of("builtins.setattr")
        if len(call.arguments) > 1
        if isinstance(attribute := call.arguments[1].constant, str)
    }
    gone = {f"PIL.Image.{name}": name for name in _PILLOW_10 if f"PIL.Image.{name}" not in patched}
    for _, read in facts.sources.reads().of(*gone):
        if not read.context.tries:
            new = f"Resampling.{_PILLOW_10[gone[read.name]]}"
            written = f"{read.written.rpartition('.')[0]}.{new}"
            place, whole = read.location, read.written.endswith(f".{gone[read.name]}")
            edit = Edit(place.path, written, place.line, place.column, place.end_column)
            yield _gone(
                PILLOW_NAMES,
                f"Pillow {served} has no Image.{gone[read.name]}",
                read,
                fix=f"write {written if whole else f'Image.{new}'}",
                edits=(edit,) if whole and place.end_column else (),
            )
    for _, imported in facts.sources.imports():
        for name in imported.names if imported.module == "PIL.Image" and not imported.optional else ():
            if f"PIL.Image.{name}" in gone:
                yield _gone(
                    PILLOW_NAMES,
                    f"Pillow {served} has no Image.{name}",
                    imported,
                    fix=f"import Image from PIL and write Image.Resampling.{_PILLOW_10[name]}",
                    cloud=f"ImportError: cannot import name '{name}' from 'PIL.Image'",
                )


IO_NAMES = Rule(
    code="ST418",
    title="a function of torchvision.io that is removed or deprecated",
    explanation=(
        "torchvision 0.29 no longer has a video reader and writer (read_video, write_video, VideoReader). Its "
        "functions for images are deprecated and will be removed."
    ),
    fix="read images with Pillow, videos with TorchCodec",
    cloud=(
        "DeprecationWarning: The image decoding and encoding capabilities of TorchVision are deprecated since "
        "torchvision 0.29 and will be removed in a future release"
    ),
    sources=("https://docs.pytorch.org/vision/stable/io.html", "https://github.com/pytorch/torchcodec"),
    symptoms=(
        Symptom(
            (
                r"(?:cannot import name '(?P<name>\w{1,80})' from 'torchvision\.io'|"
                r"module 'torchvision\.io' has no attribute '(?P<other>\w{1,80})')"
            ),
            "the installed torchvision.io does not have this function",
        ),
    ),
    detected=(
        "One of them is called or imported in code that serving reaches, and the lock has torchvision 0.29 or later. "
        "The video functions are an error, inside an `if` a warning, as the deprecated ones are. There is no finding "
        "for 0.28."
    ),
    bad="from torchvision.io import read_video",
    good="from torchcodec.decoders import VideoDecoder",
)

_VIDEO = {"read_video", "read_video_timestamps", "write_video", "VideoReader"}
_IMAGE_IO = {
    *("read_image", "decode_image", "decode_jpeg", "decode_png", "decode_webp", "decode_gif", "decode_avif"),
    *("encode_jpeg", "encode_png", "write_jpeg", "write_png"),
}


@IO_NAMES.decided_by
def _io_names(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "torchvision")
    if served is None or served < Version("0.29"):
        return
    for name, use in _names(facts.sources):
        last = name.removeprefix("torchvision.io.").removeprefix("image.").removeprefix("video.")
        if not name.startswith("torchvision.io."):
            continue
        if last in _VIDEO:
            yield _gone(
                IO_NAMES,
                f"torchvision {served} has no torchvision.io.{last}",
                use,
                cloud=f"ImportError: cannot import name '{last}' from 'torchvision.io'",
                fix="read the video with TorchCodec, or lock the torchvision that training used",
            )
        elif last in _IMAGE_IO:
            yield IO_NAMES.finding(
                f"torchvision.io.{last} is deprecated in torchvision {served} and will be removed",
                severity=Severity.WARNING,
                location=use.location,
                fix="open images with Pillow, or decode them with TorchCodec",
            )


OLD_NAMES = Rule(
    code="ST419",
    title="a name of torchvision's transforms that was removed long ago",
    explanation=(
        "torchvision 0.12 removed the transforms Scale and RandomSizedCrop, and 0.14 the arguments resample and "
        "fillcolor of RandomAffine and RandomRotation."
    ),
    fix="write Resize, RandomResizedCrop, interpolation= and fill=",
    cloud="AttributeError: module 'torchvision.transforms' has no attribute 'Scale'",
    sources=(
        "https://github.com/Cyanogenoid/pytorch-vqa/issues/24",
        "https://github.com/pytorch/vision/releases/tag/v0.12.0",
    ),
    symptoms=(
        Symptom(
            r"module 'torchvision\.transforms(?:\.transforms)?' has no attribute '(?P<name>\w{1,80})'",
            "torchvision.transforms has no `{name}` in the installed version",
        ),
        Symptom(
            (
                r"(?P<name>Random(?:Rotation|Affine))\.__init__\(\) got an unexpected keyword argument "
                r"'(?P<argument>resample|fillcolor)'"
            ),
            "{name} has no argument `{argument}` any more",
        ),
    ),
    detected=(
        "One of them is called or imported in code that serving reaches, and the lock has a version without it. It is "
        "a warning inside an `if`, and there is no finding inside a try."
    ),
    bad="transforms.Compose([transforms.Scale(256), transforms.CenterCrop(224)])",
    good="transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])",
)

_OLD = {"Scale": "Resize", "RandomSizedCrop": "RandomResizedCrop"}
_OLD_ARGUMENTS = {"resample": "interpolation", "fillcolor": "fill"}


@OLD_NAMES.decided_by
def _old_names(facts: Facts) -> Iterator[Finding]:
    served = locked(facts, "torchvision")
    if served is None or served < Version("0.12"):
        return
    for name, use in _names(facts.sources):
        last = name.removeprefix(f"{T}.")
        if name.startswith(f"{T}.") and last in _OLD:
            yield _gone(
                OLD_NAMES,
                f"torchvision {served} has no transforms.{last}",
                use,
                fix=f"write {_OLD[last]}",
                edits=_renamed(use, last, _OLD[last]),
            )
    renamed = facts.sources.calls().of(f"{T}.RandomAffine", f"{T}.RandomRotation")
    for _, call in renamed if served >= Version("0.14") else ():
        if not call.context.tried:
            for argument in sorted(_OLD_ARGUMENTS.keys() & call.keywords.keys()):
                yield _gone(
                    OLD_NAMES,
                    f"`{call.name.rpartition('.')[2]}` has no argument {argument} in torchvision {served}",
                    call,
                    cloud=f"TypeError: __init__() got an unexpected keyword argument '{argument}'",
                    fix=f"write {_OLD_ARGUMENTS[argument]}=",
                )


def _gone(rule: Rule, message: str, use: Call | Read | Import, **more: Any) -> Finding:
    """Return the finding of a name at its place; a warning where serving may never come."""
    guarded = use.guarded if isinstance(use, Import) else bool(use.context.guards)
    if guarded:
        more |= {"severity": Severity.WARNING, "cause": "it is inside an `if` that serving may never enter"}
    return rule.finding(message, location=use.location, **more)


def _renamed(use: Call | Read | Import, old: str, new: str) -> tuple[Edit, ...]:
    """Return the edit that changes the last part of a dotted name."""
    written, place = getattr(use, "written", ""), use.location
    if not written.endswith(f".{old}") or place.column is None:
        return ()
    end = place.column + len(written)
    return (Edit(place.path, new, place.line, end - len(old), end),)


def _names(sources: Sources) -> Iterator[tuple[str, Call | Read | Import]]:
    """Yield every dotted name that serving imports, calls or reads without a guard, an imported one only there."""
    imported_names: set[str] = set()
    for _, imported in sources.imports():
        names = [f"{imported.module}.{name}" for name in imported.names] or [imported.module]
        imported_names.update(names if imported.names else ())
        if not imported.optional:
            yield from ((name, imported) for name in names)

    def is_plain(name: str) -> bool:
        return name not in imported_names and "(" not in name

    for _, use in sources.named(is_plain):
        if not use.context.tries:
            yield use.name, use
