"""Family 3, what a pickle holds: the pairs of projects."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.checkpoints import artifacts, naming, predictor, real


def pinned(**versions: str) -> Files:
    pins = {**PINS, **versions}
    asked = "".join(f"{name}=={version}\n" for name, version in versions.items())
    return {"requirements.txt": lock(pins), "requirements.in": f"torch\ntorchvision\npillow\n{asked}"}


def holding(module: str, name: str, attributes: list[str]) -> bytes:
    """A pickle of one object of a class, with these attributes set to None."""
    state = b"".join(b"X" + struct.pack("<I", len(a)) + a.encode() + b"N" for a in attributes)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81}(" + state + b"ub."


TV, NN = "torchvision.transforms.transforms", "torch.nn.modules"

RESIZE = ["_backward_hooks", "_forward_hooks", "interpolation", "size"]


def _other_python() -> Iterator[Twin]:
    for file, protocol in (("t.pkl", 6), ("t.joblib", 7)):
        broken = naming(("collections", "OrderedDict"), protocol=protocol)
        yield artifacts("ST310", f"protocol {protocol}", broken, naming(("collections", "OrderedDict")), file=file)
    path = naming(("pathlib._local", "PosixPath"))
    yield artifacts("ST310", "a path of Python 3.13", path, naming(("pathlib", "PosixPath")))


def _old_objects() -> Iterator[Twin]:
    now = [*RESIZE, "max_size", "antialias"]
    yield artifacts("ST311", "before 0.10", holding(TV, "Resize", RESIZE), holding(TV, "Resize", now))
    yield artifacts("ST311", "before 0.8", holding(TV, "CenterCrop", ["size"]), holding(TV, "CenterCrop", RESIZE))
    crop = ["_backward_hooks", "size", "scale", "ratio", "interpolation"]
    later = holding(TV, "RandomResizedCrop", [*crop, "antialias"])
    yield artifacts("ST311", "before 0.14", holding(TV, "RandomResizedCrop", crop), later, file="t.joblib")
    yield artifacts("ST312", "GELU", holding(f"{NN}.activation", "GELU", ["training"]), real("transform.pkl"))
    attention = holding(f"{NN}.activation", "MultiheadAttention", ["embed_dim", "num_heads"])
    yield artifacts("ST312", "attention", attention, real("transform.pkl"))
    frozen = holding("torchvision.ops.misc", "FrozenBatchNorm2d", ["training"])
    yield artifacts("ST312", "a layer of torchvision", frozen, real("transform.pkl"))


def _moved() -> Iterator[Twin]:
    here = naming((TV, "Compose"))
    yield artifacts("ST313", "a class is gone", naming((TV, "Scale")), here)
    yield artifacts("ST313", "a module is gone", naming(("torchvision.models.utils", "load")), here, file="t.pickle")
    yield artifacts("ST313", "a class moved", naming(("torchvision.models.mobilenet", "ConvBNReLU")), here)
    newer = naming((f"{NN}.loss", "LinearCrossEntropyLoss"), protocol=4)
    yield artifacts("ST313", "a class of a later torch", newer, here)


def _numpy() -> Iterator[Twin]:
    nothing_recorded = {"artifacts/manifest.json": None}
    old, new = ({**pinned(numpy=version), **nothing_recorded} for version in ("1.24.4", "1.26.4"))
    for name, file, content in (
        ("a scalar", "t.pkl", naming(("numpy._core.multiarray", "scalar"))),
        ("an array of joblib", "t.joblib", naming(("numpy._core.multiarray", "_reconstruct"), protocol=5)),
        ("packed", "packed.pkl", real("numpy_scalar.pt")),
    ):
        loads = predictor(f'torch.load(Path(artifacts_uri) / "{file}", "cpu", weights_only=False)')
        torch_2_0 = {"predictor/predictor.py": loads}
        path = f"artifacts/{file}"
        yield Twin("ST315", name, {path: content, **torch_2_0, **old}, {path: content, **torch_2_0, **new})


def _paths() -> Iterator[Twin]:
    linux = naming(("pathlib", "PosixPath"))
    for protocol in (2, 4, 5):
        windows = naming(("pathlib", "WindowsPath"), protocol=protocol)
        yield artifacts("ST316", f"protocol {protocol}", windows, linux)


TWINS = (
    *_other_python(),
    *_old_objects(),
    *_moved(),
    *_numpy(),
    *_paths(),
)
