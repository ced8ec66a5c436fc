"""The weights of a repository: the checkpoints that are in it, and what its code saves, where and as what."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.checkpoint import SUFFIXES, Checkpoint, read_checkpoint
from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.repository.reading import MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

_NAMED = (
    *(suffix for suffix in SUFFIXES if suffix not in (".pkl", ".pickle", ".bin")),
    ".tar",
    ".th",
    ".model",
    ".bin",
)
_TORCH = (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.SAFETENSORS, Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.LFS_POINTER)
_NEVER = {".git", "node_modules", "build", "dist", "__pycache__", "site-packages", ".venv", "venv"}
_LIGHTNING = ("pytorch_lightning.", "lightning.")
_LIGHTNING_FILE = "model.ckpt"  # what is written for a name that is only made while it trains
_DEEPEST = 3  # names within names of a path
_WRAPPERS = {"DataParallel": "module.", "DistributedDataParallel": "module.", "compile": "_orig_mod."}


@dataclass(frozen=True, slots=True)
class Saved:
    """A call of torch.save.

    Attributes:
        name: the file's name; "" if the text does not tell.
        key: the key of the state_dict in what is saved; "" if that is all.
        whole: whether the model itself is saved, pickled, and not its state_dict.
        location: of the call.
    """

    name: str
    key: str
    whole: bool
    location: Location


def checkpoints(root: Path) -> tuple[Checkpoint, ...]:
    """Return the files of a repository that hold weights of torch, or stand for them, the largest first."""
    found = []
    for file in _files(root):
        read = read_checkpoint(file, file.relative_to(root).as_posix())
        if read.kind in _TORCH and (read.tensors or read.globals or read.kind is not Kind.TORCH_ZIP):
            found.append(read)
    return tuple(sorted(found, key=lambda c: -(c.real_size or c.size)))


def _files(root: Path) -> Iterator[Path]:
    left = MOST
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        for name in sorted(names):
            file = Path(folder, name)
            if name.lower().endswith(_NAMED) and left and file.is_file() and not file.is_symlink():
                left -= 1
                yield file


def saved(scripts: Scripts) -> tuple[Saved, ...]:
    """Return what the code of a repository saves as weights, those whose file's name is known first."""
    found = [save for script in scripts.all for save in _saved(script, scripts)]
    by_trainer = [save for script in scripts.all for save in _saved_by_trainer(script, scripts)]
    return (*sorted(found, key=lambda save: (not save.name, save.whole)), *([] if found else by_trainer))


def _saved_by_trainer(script: Script, scripts: Scripts) -> Iterator[Saved]:
    """Yield what Lightning saves, whose checkpoints hold the weights under one key: by a callback, else by itself."""
    named = [(script.name(call.func), call) for call in script.calls]
    for kind in ("ModelCheckpoint", "Trainer"):
        for name, call in named:
            if name.startswith(_LIGHTNING) and name.endswith(f".{kind}"):
                given = next((k.value for k in call.keywords if k.arg == "filename"), None)
                literal = scripts.literal(given, script)
                text = literal.value if literal and isinstance(literal.value, str) else ""
                file = Path(f"{text}.ckpt").name if text and not set("{%*?") & set(text) else _LIGHTNING_FILE
                yield Saved(file, "state_dict", whole=False, location=script.location(call))


def loaded(scripts: Scripts) -> tuple[tuple[str, Location], ...]:
    """Return the names of the files that the code of a repository loads with torch.load."""
    return tuple(
        (name, script.location(call))
        for script in scripts.all
        for call in script.calls
        if script.name(call.func) == "torch.load" and (name := _file_name(call.args[:1], script, scripts))
    )


def wrappers(scripts: Scripts) -> tuple[tuple[str, Location], ...]:
    """Return what the code may put before the saved names, the outermost first: `module.` of DataParallel."""
    found: dict[str, Location] = {}
    for script in scripts.all:
        # What wraps ends after what it wraps, in one expression or in a later one.
        for call in sorted(script.calls, key=lambda call: (call.end_lineno, call.end_col_offset), reverse=True):
            parts = script.name(call.func).split(".")
            if parts[0] == "torch" and parts[-1] in _WRAPPERS:
                found.setdefault(_WRAPPERS[parts[-1]], script.location(call))
    return tuple(found.items())


def _saved(script: Script, scripts: Scripts) -> Iterator[Saved]:
    for call in script.calls:
        if script.name(call.func) != "torch.save" or not call.args:
            continue
        what: ast.expr | None = call.args[0]
        if isinstance(what, ast.Name):
            what = script.bound(what.id, what) or what
        name = _file_name(call.args[1:2], script, scripts)
        where = script.location(call)
        if isinstance(what, ast.Dict):
            pairs = zip(what.keys, what.values, strict=True)
            keys = [k.value for k, v in pairs if isinstance(k, ast.Constant) and _is_state_dict(v)]
            models = [key for key in keys if "optim" not in str(key) and "sched" not in str(key)]
            if models:
                yield Saved(name, str(models[0]), whole=False, location=where)
        elif what is not None and _is_state_dict(what):
            yield Saved(name, "", whole=False, location=where)
        elif isinstance(what, ast.Name | ast.Attribute):
            text = ast.unparse(what).lower()
            weights = any(word in text.split("_")[-1] for word in ("wt", "weight", "state", "dict"))  # best_model_wts
            yield Saved(name, "", whole=("model" in text or "net" in text) and not weights, location=where)


def keys_loaded(scripts: Scripts) -> tuple[tuple[str, Location], ...]:
    """Return the keys under which the code finds the state_dict in what it has loaded, and where."""
    return tuple(
        (str(call.args[0].slice.value), script.location(call))
        for script in scripts.all
        for call in script.calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "load_state_dict" and call.args
        if isinstance(call.args[0], ast.Subscript) and isinstance(call.args[0].slice, ast.Constant)
        if "optim" not in ast.unparse(call).lower() and "sched" not in ast.unparse(call).lower()
    )


def _expanded(node: ast.expr, script: Script, depth: int) -> Iterator[ast.expr]:
    """Yield an expression, and those that the names in it stand for."""
    yield node
    for inner in ast.walk(node):
        bound = script.bound(inner.id, inner) if isinstance(inner, ast.Name) and depth < _DEEPEST else None
        if bound is not None:
            yield from _expanded(bound, script, depth + 1)


def _is_state_dict(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "state_dict" for n in ast.walk(node))


def _file_name(given: list[ast.expr], script: Script, scripts: Scripts) -> str:
    """Return the last part of a path that an expression composes, if it ends like a checkpoint's name."""
    for node in [inner for outer in given for inner in _expanded(outer, script, 0)]:
        texts = [
            literal.value for n in ast.walk(node) if isinstance(n, ast.expr) and (literal := scripts.literal(n, script))
        ]
        names = [Path(text).name for text in texts if isinstance(text, str)]
        for name in reversed(names):
            if name.lower().endswith(_NAMED) and not name.startswith((".", "_")) and not set("{%*?") & set(name):
                return name
    return ""
