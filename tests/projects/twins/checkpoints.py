"""Families 3 and 8: what lies in the artifacts, and how the predictor loads it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.projects.base import PINS, PREDICTOR, Files, Twin, lock

FILES = Path(__file__).parents[2] / "facts" / "checkpoints"
WEIGHTS = "artifacts/weights.pt"
CALL = 'torch.load(Path(artifacts_uri) / "weights.pt", map_location="cpu", weights_only=True)'


def real(name: str) -> bytes:
    return (FILES / name).read_bytes()


def predictor(call: str, head: str = "") -> str:
    """The base's predictor that loads with another call; `head` stands before everything else."""
    assert CALL in PREDICTOR
    return head + PREDICTOR.replace(CALL, call)


def pinned(**versions: str) -> Files:
    pins = {**PINS, **versions}
    asked = "".join(f"{name}=={version}\n" for name, version in versions.items())
    return {"requirements.txt": lock(pins), "requirements.in": f"torch\ntorchvision\npillow\n{asked}"}


def naming(*names: tuple[str, str], protocol: int = 4) -> bytes:
    """A pickle that imports names and drops them; it holds an empty dict."""
    text = [bytes((0x8C, len(part))) + part.encode() for pair in names for part in pair]
    pairs = b"".join(b"".join(text[n : n + 2]) + b"\x930" for n in range(0, len(text), 2))
    return bytes((0x80, protocol)) + pairs + b"}."


def holding(module: str, name: str, attributes: list[str]) -> bytes:
    """A pickle of one object of a class, with these attributes set to None."""
    state = b"".join(b"X" + struct.pack("<I", len(a)) + a.encode() + b"N" for a in attributes)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81}(" + state + b"ub."


def safetensors(header: str, size: int) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + bytes(size)


ONE = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
TV, NN = "torchvision.transforms.transforms", "torch.nn.modules"
RESIZE = ["_backward_hooks", "_forward_hooks", "interpolation", "size"]
LOOKS: Files = {
    "predictor/reading.py": "import torch\n\ndef read(file):\n    return torch.load(file, map_location='cpu')\n"
}
LOADER = "from predictor.reading import read\n"


def artifacts(code: str, name: str, broken: bytes, mended: bytes, *, warns: bool = False, file: str = "t.pkl") -> Twin:
    """A pair of files in the artifacts, beside the base's weights."""
    path = f"artifacts/{file}"
    return Twin(code, name, {path: broken}, {path: mended}, warns=warns)


def _main_and_modules() -> Iterator[Twin]:
    clean = naming(("collections", "OrderedDict"))
    yield artifacts("ST301", "a pickle of protocol 4", naming(("__main__", "Crop")), clean)
    yield artifacts("ST301", "a legacy file", real("legacy_labelled.pt"), real("legacy.pt"), file="old.ckpt")
    yield artifacts("ST301", "a joblib file", naming(("__main__", "f"), protocol=2), clean, file="a.joblib")
    yield artifacts("ST302", "no distribution", naming(("skimage.color", "rgb2gray")), clean)
    yield artifacts("ST302", "a script beside", naming(("train_helpers", "Crop")), clean, file="t.joblib")
    yield artifacts("ST302", "protocol 0", b"cskimage.color\nrgb2gray\n(tR.", b"ccollections\nOrderedDict\n(tR.")


def _wrong_files() -> Iterator[Twin]:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1075\n"
    for name, content in {
        "a pointer": pointer,
        "a page": b"\n<html>",
        "nothing": b"",
        "cut": b"PK\x03\x04 cut",
    }.items():
        yield artifacts("ST303", name, content, real("state_dict.pt"), file="second.pt")
    whole = safetensors(ONE, 8)
    yield artifacts("ST309", "a tensor lacks bytes", safetensors(ONE, 7), whole, file="w.safetensors")
    yield artifacts("ST309", "a header that is too long", b"\xff" * 8 + b"{}", whole, file="w.safetensors")
    yield artifacts("ST309", "a pickle is cut off", real("transform.pkl")[:-20], real("transform.pkl"))
    yield artifacts("ST309", "a legacy file is cut off", real("legacy.pt")[:-4], real("legacy.pt"), file="old.pt")
    plain = b"\x80\x02}."
    yield artifacts("ST307", "an opcode that is none", b"\x80\x02\xff.", plain, warns=True)
    yield artifacts("ST307", "nothing on the stack", b"\x80\x02R.", plain, warns=True, file="t.pickle")
    yield artifacts("ST307", "a memo that is empty", b"\x80\x02h\x05.", plain, warns=True, file="t.joblib")


def _weights_only() -> Iterator[Twin]:
    whole: Files = {WEIGHTS: real("numpy_scalar.pt")}
    yield Twin("ST304", "said by the call", whole)
    for name, source in {
        "by default": predictor('torch.load("weights.pt", map_location="cpu")'),
        "under another name": predictor('t.load("weights.pt", None)', "import torch as t\n"),
        "imported by name": predictor('load("weights.pt", map_location="cpu")', "from torch import load\n"),
    }.items():
        yield Twin("ST304", name, {**whole, "predictor/predictor.py": source})
    away = {**whole, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST304", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)
    yield Twin(
        "ST304",
        "a whole block, and an older torch",
        {WEIGHTS: real("block.pt"), "predictor/predictor.py": predictor("torch.load('weights.pt', 'cpu')")},
        {
            WEIGHTS: real("block.pt"),
            "predictor/predictor.py": predictor("torch.load('weights.pt', 'cpu', weights_only=False)"),
        },
    )


def _prefixes() -> Iterator[Twin]:
    wrapped: Files = {WEIGHTS: real("parallel.pt")}
    compiled: Files = {WEIGHTS: real("compiled.pt")}
    stripped = predictor(f'{{k.removeprefix("module."): v for k, v in {CALL}.items()}}')
    yield Twin("ST308", "DataParallel", wrapped, {**wrapped, "predictor/predictor.py": stripped}, warns=True)
    yield Twin("ST308", "torch.compile", compiled, warns=True)
    named = predictor("load('weights.pt', 'cpu', weights_only=True)", "from torch import load\n")
    yield Twin("ST308", "imported by name", {**wrapped, "predictor/predictor.py": named}, warns=True)
    away = {**wrapped, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST308", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)


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


def _formats() -> Iterator[Twin]:
    script, weights = {WEIGHTS: real("script.pt")}, {WEIGHTS: real("state_dict.pt")}
    by_script = {"predictor/predictor.py": predictor('torch.jit.load("weights.pt", map_location="cpu").state_dict()')}
    yield Twin("ST314", "a script by torch.load", script, {**script, **by_script})
    yield Twin("ST314", "weights by torch.jit.load", {**weights, **by_script}, {**script, **by_script})
    named = {"predictor/predictor.py": predictor('load("weights.pt").state_dict()', "from torch.jit import load\n")}
    yield Twin("ST314", "imported by name", {**weights, **named}, {**script, **named})
    yield Twin("ST314", "an export by torch.load", {WEIGHTS: real("exported.pt2")})
    away = {**LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST314", "a helper away", {**away, **script}, {**away, **weights}, warns=True)


def _numpy() -> Iterator[Twin]:
    nothing_recorded = {"artifacts/manifest.json": None}
    old, new = ({**pinned(numpy=version), **nothing_recorded} for version in ("1.24.4", "1.26.4"))
    for name, file, content in (
        ("a scalar", "t.pkl", naming(("numpy._core.multiarray", "scalar"))),
        ("an array of joblib", "t.joblib", naming(("numpy._core.multiarray", "_reconstruct"), protocol=5)),
        ("packed", "packed.pkl", real("numpy_scalar.pt")),
    ):
        torch_2_0 = {"predictor/predictor.py": predictor('torch.load("weights.pt", "cpu", weights_only=False)')}
        path = f"artifacts/{file}"
        yield Twin("ST315", name, {path: content, **torch_2_0, **old}, {path: content, **torch_2_0, **new})


def _paths() -> Iterator[Twin]:
    linux = naming(("pathlib", "PosixPath"))
    for protocol in (2, 4, 5):
        windows = naming(("pathlib", "WindowsPath"), protocol=protocol)
        yield artifacts("ST316", f"protocol {protocol}", windows, linux)


def _dict_as_model() -> Iterator[Twin]:
    old = "        self._network = build()\n        self._network.load_state_dict(weights)\n"
    assert old in PREDICTOR
    direct = PREDICTOR.replace(old, "        self._network = weights\n")
    named = direct.replace(CALL, "load('w', 'cpu', weights_only=True)")
    yield Twin("ST206", "eval", {"predictor/predictor.py": direct}, count=2)
    yield Twin("ST206", "imported by name", {"predictor/predictor.py": f"from torch import load\n{named}"}, count=2)
    away = {**LOOKS, "predictor/predictor.py": LOADER + direct.replace(CALL, 'read("weights.pt")')}
    yield Twin("ST206", "a helper away", away, count=2)
    yield Twin("ST206", "a legacy file", {"predictor/predictor.py": direct, WEIGHTS: real("legacy.pt")}, count=2)


def _dangerous() -> Iterator[Twin]:
    plain = naming(("collections", "OrderedDict"))
    for name, content in {
        "a command": b"cos\nsystem\n(S'true'\ntR.",
        "an expression": b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.",
        "an attribute of an attribute": naming(("torch", "serialization.os.system")),
        "a getattr that is called": b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93K\x01\x8c\x0abit_length\x86R)R.",
        "a name that is computed": b"\x80\x04\x8c\x02os\x8c\x08builtins\x8c\x03str\x93)R\x93.",
    }.items():
        yield artifacts("ST803", name, content, plain)
    method = b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93K\x01\x8c\x0abit_length\x86R."
    yield artifacts("ST803", "a bound method", method, plain, warns=True)


TWINS = (
    *_main_and_modules(),
    *_wrong_files(),
    *_weights_only(),
    *_prefixes(),
    *_other_python(),
    *_old_objects(),
    *_moved(),
    *_formats(),
    *_numpy(),
    *_paths(),
    *_dict_as_model(),
    *_dangerous(),
)
