"""Family 3, names in the weights: the pairs of projects."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.projects.base import Files, Twin
from tests.projects.checkpoints import CALL, LOADER, LOOKS, WEIGHTS, predictor, real
from tests.projects.code import locked, network

LOOSE = "load_state_dict(weights, strict=False)"
CLASS = """\
from torch import nn

class Base(nn.Module):
    pass

class Net(Base):
    def __init__(self):
        super().__init__()
        self.PART = nn.Linear(2, 1)

def build():
    return Net()
"""
SEQUENTIAL = "from torch import nn\n\ndef build():\n    return nn.Sequential(nn.Linear(2, 1), nn.ReLU())\n"
BUILDER = "from torchvision import models as m\n\ndef build():\n    return m.NAME(weights=None)\n"


def tensors(*names: str) -> bytes:
    """A safetensors file with a tensor of four bytes under each name."""
    places = enumerate(names)
    header = json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, n in places})
    return len(header).to_bytes(8, "little") + header.encode() + bytes(4 * len(names))


def loading(*names: str, strict: bool = True) -> Files:
    """A predictor that loads a safetensors file with these names."""
    text = predictor(
        "load_file(Path(artifacts_uri) / 'weights.safetensors')", "from safetensors.torch import load_file\n"
    )
    text = text if strict else text.replace("load_state_dict(weights)", LOOSE)
    pinned = {**locked(safetensors="0.6.2"), "requirements.in": "torch\ntorchvision\npillow\nsafetensors\n"}
    return {**pinned, "artifacts/weights.safetensors": tensors(*names), WEIGHTS: None, "predictor/predictor.py": text}


def _prefixes() -> Iterator[Twin]:
    wrapped: Files = {WEIGHTS: real("parallel.pt")}
    compiled: Files = {WEIGHTS: real("compiled.pt")}
    stripped = predictor(f'{{k.removeprefix("module."): v for k, v in {CALL}.items()}}')
    yield Twin("ST308", "DataParallel", wrapped, {**wrapped, "predictor/predictor.py": stripped}, warns=True)
    yield Twin("ST308", "torch.compile", compiled, warns=True)
    named = predictor("load(Path(artifacts_uri) / 'weights.pt', 'cpu', weights_only=True)", "from torch import load\n")
    yield Twin("ST308", "imported by name", {**wrapped, "predictor/predictor.py": named}, warns=True)
    away = {**wrapped, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST308", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)
    names = ("model._orig_mod.PART.weight", "model._orig_mod.PART.bias")
    plain = ("PART.weight", "PART.bias")
    yield Twin(
        "ST308", "inside Lightning", {**loading(*names), **network(CLASS)}, {**loading(*plain), **network(CLASS)}
    )
    consumed = "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(weights, 'module.')"
    text = predictor(CALL).replace(
        "        self._network = build()", f"        {consumed}\n        self._network = build()"
    )
    popped = "for name in list(weights):\n            weights[name[7:]] = weights.pop(name)\n"
    other = predictor(CALL).replace(
        "        self._network = build()", f"        {popped}        self._network = build()"
    )
    yield Twin("ST308", "consumed", wrapped, {**wrapped, "predictor/predictor.py": text}, warns=True)
    yield Twin("ST308", "popped", wrapped, {**wrapped, "predictor/predictor.py": other}, warns=True)


def _misfits() -> Iterator[Twin]:
    own, sequential = network(CLASS), network(SEQUENTIAL)
    yield Twin("ST305", "a class of the project", {**loading("layer.weight"), **own}, {**loading("PART.weight"), **own})
    one_more = loading("PART.weight", "head.weight")
    yield Twin("ST305", "one part too many", {**one_more, **own}, {**one_more, **network(_with_head())})
    yield Twin("ST305", "a Sequential", {**loading("2.weight"), **sequential}, {**loading("0.weight"), **sequential})
    resnet, vgg = network(BUILDER.replace("NAME", "resnet18")), network(BUILDER.replace("NAME", "vgg16"))
    yield Twin(
        "ST305", "torchvision", {**loading("features.0.weight"), **resnet}, {**loading("features.0.weight"), **vgg}
    )


def _with_head() -> str:
    return CLASS.replace(
        "def build():\n    return Net()", "def build():\n    n = Net()\n    n.head = nn.Linear(1, 1)\n    return n"
    )


def _loosely() -> Iterator[Twin]:
    own = network(CLASS)
    broken = {**loading("module.PART.weight", strict=False), **own}
    yield Twin("ST320", "a wrapper", broken, {**loading("PART.weight", strict=False), **own})
    other = {**loading("layer.weight", strict=False), **own}
    part = {**loading("layer.weight", "PART.weight", strict=False), **own}
    yield Twin("ST320", "another model", other, part)
    in_parallel = CLASS.replace("return Net()", "return nn.DataParallel(Net())")
    yield Twin(
        "ST320", "a wrapper around the model only",
        {**loading("PART.weight", strict=False), **network(in_parallel)},
        {**loading("module.PART.weight", strict=False), **network(in_parallel)},
    )  # fmt: skip
    unknown = {
        WEIGHTS: real("compiled.pt"),
        "predictor/predictor.py": predictor(CALL).replace("load_state_dict(weights)", LOOSE),
    }
    yield Twin("ST320", "an unknown model", unknown, {**unknown, WEIGHTS: real("state_dict.pt")}, warns=True)


TWINS = (
    *_prefixes(),
    *_misfits(),
    *_loosely(),
)
