"""See every step of a pipeline while it runs, without a change of the code that it is made of.

While a `Watch` is active, the calls are wrapped by which pipelines are made: what opens an image, the members of
torchvision's `Compose` and of `nn.Sequential`, modules and transforms that are called by hand, torchvision's
functions, the transforms of albumentations, and the methods of Hugging Face's image processors. timm's pipelines are
torchvision's. A step within a step is not seen. What is called otherwise is named with `seatrial.serving.stages.stage`.

Classes are changed for as long as it is active, so it belongs into a process that does nothing else, and one thread.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.serving import stages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

_PLAIN = ("ToTensor", "PILToTensor", "ToPILImage", "Lambda")  # torchvision's transforms that are no modules
_FUNCTIONS = (
    "adjust_brightness", "adjust_contrast", "center_crop", "convert_image_dtype", "crop", "normalize",
    "normalize_image", "pad", "pil_to_tensor", "resize", "resized_crop", "rgb_to_grayscale", "rotate", "to_dtype",
    "to_dtype_image", "to_grayscale", "to_image", "to_pil_image", "to_tensor",
)  # fmt: skip
_OF_PROCESSORS = ("center_crop", "normalize", "pad", "rescale", "rescale_and_normalize", "resize")
# What turns the bytes of a file into pixels, by module.
_OPENS = {
    "PIL.Image": ("open",), "cv2": ("imread", "imdecode"), "imageio": ("imread",), "skimage.io": ("imread",),
    "torchvision.io": ("decode_image", "decode_jpeg", "decode_png", "read_image"),
}  # fmt: skip
_LONGEST = 300  # characters of a description


@dataclass(frozen=True)
class Call:
    """A step of a pipeline.

    Attributes:
        name: of its class or function, or what `stage` was given.
        phase: "decode", "transform" or "output".
        detail: how the step was made, such as "Resize(size=256, antialias=True)".
        training: whether the module with weights was in training mode; None for other steps.
    """

    name: str
    phase: str
    detail: str = ""
    training: bool | None = None


class Watch:
    """Tells `seen` of each step and its value; the pipeline goes on with what `seen` returns."""

    def __init__(self, seen: Callable[[Call, Any], Any]) -> None:
        self.phase = "transform"  # of a step that does not say it itself
        self._seen = seen
        self._inside = False
        self._thread = threading.get_ident()
        self._before: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        stages.watcher = self._named
        try:
            for module, names in _OPENS.items():
                self._functions(module, names, "decode")
            self._torch()
            self._functions("torchvision.transforms.functional", _FUNCTIONS)
            self._second_version()
            self._albumentations()
            self._processors()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        stages.watcher = None
        while self._before:
            owner, name, value = self._before.pop()
            utils = sys.modules.get("torchvision.transforms.v2.functional._utils")
            getattr(utils, "_KERNEL_REGISTRY", {}).pop(getattr(owner, name), None)
            setattr(owner, name, value)

    def tell(self, name: str, value: Any, phase: str = "") -> Any:
        """Tell of a step that is no call, such as what a method of the predictor returned."""
        return self._seen(Call(name, phase or self.phase), value)

    def step(self, name: str, phase: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function as one step, within which no other is seen."""
        return self._step(Call(name, phase), function, *arguments)

    def _named(self, name: str, value: Any) -> Any:
        return value if self._elsewhere() else self.tell(name, value)

    def _elsewhere(self) -> bool:
        return self._inside or threading.get_ident() != self._thread

    def _step(self, call: Call, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Run a step, within which no other is seen."""
        self._inside = True
        try:
            value = function(*arguments, **named)
        finally:
            self._inside = False
        if call.training is not None:
            self.phase = "output"  # what follows the model is not its input
        return self._seen(call, value)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _functions(self, module: str, names: tuple[str, ...], phase: str = "") -> None:
        found = sys.modules.get(module)
        for name in names if found is not None else ():
            function = getattr(found, name, None)
            if callable(function):
                self._replace(found, name, self._watched(function, name, phase))

    def _second_version(self) -> None:
        """Wrap the functions of torchvision's v2, whose transforms look up by them what works on which type."""
        utils = sys.modules.get("torchvision.transforms.v2.functional._utils")
        kernels = getattr(utils, "_KERNEL_REGISTRY", None)
        functional = sys.modules.get("torchvision.transforms.v2.functional")
        if kernels is None or functional is None:
            return  # another torchvision keeps them elsewhere; `Compose` and what is in it is seen all the same
        self._functions(functional.__name__, _FUNCTIONS)
        for owner, name, original in list(self._before):
            if owner is functional and original in kernels:
                kernels[getattr(functional, name)] = kernels[original]

    def _watched(self, function: Callable[..., Any], name: str, phase: str = "") -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if self._elsewhere():
                return function(*arguments, **named)
            given = ", ".join([*map(_shown, arguments), *(f"{key}={_shown(value)}" for key, value in named.items())])
            made = Call(name, phase or self.phase, f"{name}({given})"[:_LONGEST])
            return self._step(made, function, *arguments, **named)

        return call

    def _torch(self) -> None:
        if (torch := sys.modules.get("torch")) is not None:
            self._replace(torch.nn.Module, "__call__", self._of_members(torch.nn.Module.__call__))
        transforms = sys.modules.get("torchvision.transforms.transforms")
        for name in ("Compose", *_PLAIN) if transforms is not None else ():
            kind = getattr(transforms, name)
            self._replace(kind, "__call__", self._of_members(kind.__call__))

    def _of_members(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `__call__` by which a container is looked into, and everything else is a step."""

        @functools.wraps(original)
        def call(member: Any, *arguments: Any, **named: Any) -> Any:
            if self._elsewhere():
                return original(member, *arguments, **named)
            if not _is_container(member):
                return self._step(self._call_of(member), original, member, *arguments, **named)
            members = getattr(member, "transforms", None)
            if members is None:
                return original(member, *arguments, **named)
            member.transforms = [self._member(each) for each in members]
            try:
                return original(member, *arguments, **named)
            finally:
                member.transforms = members

        return call

    def _member(self, member: Any) -> Any:
        """Return what stands in for a member of a `Compose` that is a function or a class of its own."""
        torch = sys.modules.get("torch")
        if _is_container(member) or (torch is not None and isinstance(member, torch.nn.Module)):
            return member
        return lambda *given, **named: self._step(self._call_of(member), member, *given, **named)

    def _call_of(self, member: Any) -> Call:
        name = getattr(member, "__name__", "") or type(member).__name__
        training = bool(member.training) if _has_weights(member) else None
        detail = name if training is not None or hasattr(member, "__name__") else " ".join(repr(member).split())
        return Call(name, self.phase if training is None else "output", _plain(detail)[:_LONGEST], training)

    def _albumentations(self) -> None:
        found = sys.modules.get("albumentations.core.transforms_interface")
        kind = getattr(found, "BasicTransform", None)
        if kind is not None:
            self._replace(kind, "__call__", self._of_members(kind.__call__))

    def _processors(self) -> None:
        found = sys.modules.get("transformers.image_processing_base")
        base = getattr(found, "ImageProcessingMixin", None)
        for kind in _family(base) if base is not None else ():
            for name in _OF_PROCESSORS:
                if name in vars(kind) and callable(vars(kind)[name]):
                    self._replace(kind, name, self._watched(vars(kind)[name], name))


def _is_container(member: Any) -> bool:
    """Return whether the members of something are steps of the pipeline, and not the layers of a model."""
    name = type(member).__name__
    if name == "Compose":
        return type(member).__module__.startswith("torchvision.")
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(member, torch.nn.Sequential) and not _has_weights(member)


def _has_weights(member: Any) -> bool:
    parameters = getattr(member, "parameters", None)
    torch = sys.modules.get("torch")
    if parameters is None or torch is None or not isinstance(member, torch.nn.Module):
        return False
    return next(iter(parameters()), None) is not None


def _family(kind: Any) -> Iterator[Any]:
    yield kind
    for each in kind.__subclasses__():
        yield from _family(each)


def _shown(value: Any) -> str:
    """Describe an argument: numbers and texts as they are, everything large by its type."""
    if isinstance(value, (str, int, float, bool, type(None))) or (
        isinstance(value, (tuple, list)) and all(isinstance(each, (str, int, float)) for each in value)
    ):
        return repr(value)[:80]
    if dataclasses.is_dataclass(value) or isinstance(value, enum.Enum):  # such as the sizes of an image processor
        return _plain(repr(value))[:80]
    return type(value).__name__


def _plain(text: str) -> str:
    """Return a description without addresses of objects, which differ in each process."""
    return text.partition(" at 0x")[0].lstrip("<") if " at 0x" in text else text
