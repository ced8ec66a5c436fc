"""The transforms of a repository: every Compose that ends in a tensor, with how it is told from one for training."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.facts.repository.rewriting import Text, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

_COMPOSE = {
    "torchvision.transforms.Compose": "torchvision", "torchvision.transforms.transforms.Compose": "torchvision",
    "torchvision.transforms.v2.Compose": "torchvision", "albumentations.Compose": "albumentations",
    "albumentations.core.composition.Compose": "albumentations",
}  # fmt: skip
_TO_TENSOR = {
    "ToTensor",
    "ToTensorV2",
    "PILToTensor",
    "ToImage",
    "ToImageTensor",
    "pil_to_tensor",
    "to_tensor",
    "ToDtype",
}
# Transforms that change an image by chance, besides those named Random…: torchvision's and albumentations' own names.
_BY_CHANCE = {
    "ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix", "ElasticTransform", "HorizontalFlip",
    "VerticalFlip", "Flip", "Rotate", "ShiftScaleRotate", "CoarseDropout", "Cutout", "OneOf", "HueSaturationValue",
    "Transpose", "GaussNoise", "GaussianBlur", "Affine", "MixUp", "CutMix",
}  # fmt: skip
_DEEPEST = 4  # pipelines within pipelines that names stand for
_FOR_SERVING = re.compile(r"val|test|eval|infer|pred|serv|demo|deploy|app|preproc", re.IGNORECASE)
_FOR_TRAINING = re.compile(r"train|augment", re.IGNORECASE)


@dataclass(frozen=True)
class Pipeline:
    """Transforms from an opened image to the model's input.

    Attributes:
        library: torchvision or albumentations.
        written: the expression.
        location: where it is.
        by_chance: whether a transform in it changes an image by chance, as only training does.
        serves: how surely it is for serving: more is surer.
        steps: the names of its transforms, in order.
    """

    library: str
    written: Text
    location: Location
    by_chance: bool
    serves: int
    steps: tuple[str, ...]

    @property
    def to_tensor(self) -> bool:
        """Whether it ends in a tensor."""
        return bool(_TO_TENSOR & set(self.steps))


def pipelines(scripts: Scripts) -> tuple[Pipeline, ...]:
    """Return the pipelines of a repository that end in a tensor, the surest for serving first."""
    found = [p for script in scripts.all for p in _of(script, scripts) if p.to_tensor]
    return tuple(sorted(found, key=lambda p: (p.by_chance, not p.written.is_whole, -p.serves)))


def _of(script: Script, scripts: Scripts) -> Iterator[Pipeline]:
    for call in script.calls:
        library = _COMPOSE.get(script.name(call.func), "")
        if not library or not (call.args or call.keywords):
            continue
        written = rewrite(call, script, scripts)
        names = list(_steps(call, script, 0))
        by_chance = any(name.startswith("Random") or name in _BY_CHANCE for name in names)
        yield Pipeline(library, written, script.location(call), by_chance, _serves(call, script), tuple(names))


def _steps(node: ast.expr, script: Script, depth: int) -> Iterator[str]:
    """Yield the names of the transforms in a pipeline, also of those that names stand for."""
    match node:
        case ast.Call(func, arguments, keywords) if script.name(func) in _COMPOSE:
            for inner in (*arguments, *(keyword.value for keyword in keywords)):
                yield from _steps(inner, script, depth)
        case ast.Call(func, arguments):
            name = script.name(func).rpartition(".")[2]
            yield name
            if name in ("RandomApply", "OneOf", "Sequential"):
                for inner in arguments:
                    yield from _steps(inner, script, depth)
        case ast.List(items) | ast.Tuple(items):
            for item in items:
                yield from _steps(item, script, depth)
        case ast.Name(name) if depth < _DEEPEST:
            bound = script.bound(name, node)
            if bound is not None:
                yield from _steps(bound, script, depth + 1)
            else:
                yield name
        case ast.Attribute(attr=name):
            yield name


def usual(scripts: Scripts) -> Location | None:
    """Return where the code takes the transforms that a library has for a model; None if it does not."""
    for script in scripts.all:
        for call in script.calls:
            name = script.name(call.func)
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            bound = script.bound(owner.id, owner) if isinstance(owner, ast.Name) else None
            full = script.name(bound) if bound is not None else name
            of_weights = name.endswith(".transforms") and full.startswith("torchvision.models.") and "_Weights" in full
            if of_weights or name in ("timm.data.create_transform", "timm.data.transforms_factory.create_transform"):
                return script.location(call)
    return None


def _serves(call: ast.Call, script: Script) -> int:
    """Return how surely a pipeline is for serving, by the words around it, the nearest first, and the file's name."""
    for words in (*_words(call, script), script.path.rpartition("/")[2]):
        training, serving = _FOR_TRAINING.search(words), _FOR_SERVING.search(words)
        if bool(training) != bool(serving):
            return 1 if serving else -1
    return 0


def _words(call: ast.Call, script: Script) -> Iterator[str]:
    node: ast.AST = call
    while node in script.parents:
        inner, node = node, script.parents[node]
        match node:
            case ast.Dict(keys=keys, values=values):
                key = next((k for k, v in zip(keys, values, strict=True) if v is inner), None)
                yield str(key.value) if isinstance(key, ast.Constant) else ""
            case ast.Assign(targets=[target, *_]):
                yield ast.unparse(target)
            case ast.keyword(arg=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.If(test=test, body=body):
                told = ast.unparse(test)
                yield told if inner in body and "not " not in told else ""
