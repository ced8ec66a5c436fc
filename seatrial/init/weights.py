"""Chooses the weights that are served: a file of the repository, or the one that its code saves or loads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts import architectures
from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.repository.read import checkpoint_at
from seatrial.init.notes import Question, listed, where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.facts.architectures import Fit
    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.checkpoints.pickles import Tensor
    from seatrial.facts.repository.models import Model
    from seatrial.facts.repository.read import Repository
    from seatrial.init.choosing import Given
    from seatrial.init.notes import Ask, Notes

ARTIFACTS = "artifacts"  # the folder for weights that are not in one of their own
_OTHER_STATES = ("optim", "sched", "scaler", "ema")  # what a checkpoint holds besides the model
_NO_WEIGHTS = (Kind.OTHER, Kind.PAGE, Kind.EMPTY, Kind.SPECIAL)


@dataclass(frozen=True)
class Weights:
    """The weights that serving loads.

    Attributes:
        name: of the file in the artifacts.
        source: the file; None if the repository has none.
        key: of the state_dict in it; "" if that is all.
        prefixes: what is taken from the beginnings of the names, in this order.
        shapes: of the model's tensors, by the names in the file; empty if unknown.
        fit: the model of torchvision or timm that they are of; None if there is none.
        is_script: whether it is TorchScript or an exported program, which is loaded without a class.
    """

    name: str
    source: Path | None = None
    key: str = ""
    prefixes: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    fit: Fit | None = None
    is_script: bool = False


def weights_of(repository: Repository, given: Given, notes: Notes, ask: Ask) -> Weights:
    """Choose the file of weights; one without a name if there is none."""
    if given.checkpoint:
        if not given.checkpoint.is_file():
            raise UsageError(f"--checkpoint: there is no file {given.checkpoint}")
        checkpoint = checkpoint_at(given.checkpoint, given.checkpoint.name)
        if checkpoint.kind in _NO_WEIGHTS:
            raise UsageError(
                f"--checkpoint: {given.checkpoint} is {checkpoint.kind}, which holds no weights",
                fix="name the file that training saved, such as --checkpoint best.pth",
            )
        return _read(checkpoint, given.checkpoint, notes)
    files = [c for c in repository.checkpoints if not c.path.startswith("tests/")]
    known = {name for name, _ in repository.loaded} | {save.name for save in repository.saved}
    files.sort(key=lambda c: (Path(c.path).name not in known, "best" not in c.path.lower()))
    if files:
        paths = tuple(c.path for c in files)
        text = f"there are {len(paths)} files of weights; which one is served?"
        path = ask(Question("--checkpoint", text, paths[0], paths)) if len(paths) > 1 else paths[0]
        chosen = next((c for c in files if c.path == path), files[0])
        others = [other for other in paths if other != chosen.path]
        if others:
            notes.unknown.append(f"whether other weights serve: there is {listed(others)}; --checkpoint chooses a file")
        return _read(chosen, repository.root / chosen.path, notes)
    return Weights("")


def expected(repository: Repository, model: Model | None, fit: Fit | None, notes: Notes) -> Weights:
    """Return the weights as the code loads or saves them, the file of the model first; the repository has none."""
    home = model.location.path if model else ""
    loads = sorted(repository.loaded, key=lambda load: load[1].path != home)
    saves = sorted(repository.saved, key=lambda save: (save.location.path != home, not save.name))
    load = next((load for load in loads if load[1].path == home or not saves), None)
    named = next((save for save in saves if load and save.name == load[0]), None)
    save = named or next(iter(saves), None)
    name = load[0] if load else save.name if save else ""
    name = name or f"{fit.names[0] if fit else 'weights'}.pth"
    file = f"{ARTIFACTS}/{name}"
    target = file
    keys = [key for key, place in repository.keys if place.path == home] or [key for key, _ in repository.keys]
    key = save.key if save and save.key else keys[0] if keys and not save else ""
    target += f", where the predictor reads the state_dict under `{key}`" if key else ""
    if save and save.whole:
        notes.missing.append(
            f"{where(save.location)} saves the whole model by pickle, which torch.load refuses since torch 2.6: "
            "write `torch.save(model.state_dict(), …)` there, and train or load and save once more"
        )
    if load:
        notes.missing.append(f"the weights, which {where(load[1])} loads as {load[0]}: copy them to {target}")
    elif model and model.downloads and not saves and fit and fit.library == "timm":
        notes.missing.append(
            "the weights, timm's own: `python -c 'import timm, torch; torch.save(timm.create_model("
            f'"{fit.names[0]}", pretrained=True).state_dict(), "{file}")\'`'
        )
    elif model and model.downloads and not saves and fit:
        notes.missing.append(
            "the weights, torchvision's own: `python -c 'import torch, torchvision; torch.save(torchvision.models."
            f'{fit.names[0]}(weights="{model.published or "DEFAULT"}").state_dict(), "{file}")\'`'
        )
    elif save:
        notes.missing.append(f"the weights, which {where(save.location)} saves: copy them to {target}")
    else:
        notes.missing.append(f"the weights: copy the {'checkpoint' if key else 'state_dict'} to {target}")
    return Weights(name, key=key)


def _read(checkpoint: Checkpoint, file: Path, notes: Notes) -> Weights:
    """Return what a file of weights holds."""
    if checkpoint.kind in (Kind.TORCHSCRIPT, Kind.EXPORTED):
        notes.tell("weights", f"{file.name}, {checkpoint.kind}: it is loaded without a class", checkpoint.path)
        return Weights(file.name, file, is_script=True)
    if checkpoint.kind is Kind.LFS_POINTER:
        notes.missing.append(f"{checkpoint.path} is a Git LFS pointer: `git lfs pull` fetches the weights")
        return Weights(file.name, file)
    states = {key: tensors for key, tensors in checkpoint.tensors.items() if not _is_other(key)}
    if not states:
        shown = f"`{checkpoint.top}`" if checkpoint.top else "something else than tensors by name"
        notes.missing.append(
            f"{checkpoint.path} holds {shown}, not a state_dict: where it was trained, write "
            f'`torch.save(torch.load("{file.name}", weights_only=False).state_dict(), "{ARTIFACTS}/{file.name}")`'
        )
        return Weights(file.name, file)
    key = max(states, key=lambda key: len(states[key]))
    shapes = _shapes(states[key])
    fits = architectures.fits(shapes)
    inside = f", in `{key}`" if key else ""
    notes.tell("weights", f"{file.name}: {len(shapes)} tensors{inside}", checkpoint.path)
    return Weights(file.name, file, key, shapes=shapes, fit=fits[0] if fits else None)


def _is_other(key: str) -> bool:
    return any(word in key.lower() for word in _OTHER_STATES)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def with_prefixes(
    repository: Repository, weights: Weights, model: Model | None, fit: Fit | None, notes: Notes
) -> Weights:
    """Return the weights with what their names begin with besides the model's own."""
    if weights.shapes:
        prefixes: tuple[str, ...] = (fit.prefix,) if fit and fit.prefix else ()
        if not fit:
            shared = {name.partition(".")[0] for name in weights.shapes}
            prefixes = tuple(f"{part}." for part in shared if len(shared) == 1 and part in ("module", "_orig_mod"))
        if prefixes:
            notes.tell("names in the weights", f"`{prefixes[0]}` is taken from their beginning", weights.name)
        return replace(weights, prefixes=prefixes)
    found = [*repository.wrappers] if not weights.is_script else []
    for prefix, place in found:
        notes.tell("names in the weights", f"`{prefix}` is taken from their beginning, if it is there", place)
    if model and model.prefix:
        notes.tell("names in the weights", f"`{model.prefix}` is taken from their beginning", model.location)
    wrappers = tuple(prefix for prefix, _ in found)  # around all, or around what the class holds
    held = (model.prefix, *wrappers) if model and model.prefix else ()
    return replace(weights, prefixes=(*wrappers, *held))


def folder_of(root: Path, weights: Weights) -> str:
    """Return the folder of the artifacts: that of the weights, if it holds nothing but such files; else `artifacts`."""
    if weights.source is None:
        return ARTIFACTS
    folder = weights.source.resolve().parent
    is_below = folder != root.resolve() and folder.is_relative_to(root.resolve())
    if not is_below or any(file.suffix in (".py", ".ipynb") for file in folder.rglob("*")):
        return ARTIFACTS
    siblings = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in siblings)
    is_own = size < 2 * max(1, weights.source.stat().st_size)
    return folder.relative_to(root.resolve()).as_posix() if is_own else ARTIFACTS
