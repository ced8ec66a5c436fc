"""Decides what is served: the class that is there, or a model with its weights, transforms and labels.

The weights are surer than the code: their names and shapes say which architecture they are of. What neither says is
asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts import architectures
from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.repository.read import checkpoint_at
from seatrial.init.notes import Question, where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.facts.architectures import Fit
    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.checkpoints.pickles import Tensor
    from seatrial.facts.repository.models import Model, Unnamed
    from seatrial.facts.repository.pipelines import Pipeline
    from seatrial.facts.repository.read import Repository
    from seatrial.facts.repository.served import Served
    from seatrial.init.notes import Ask, Notes

ARTIFACTS = "artifacts"  # the folder for weights that are not in one of their own
_SHOWN = 6  # choices in a sentence
_OTHER_STATES = ("optim", "sched", "scaler", "ema")  # what a checkpoint holds besides the model


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say; empty where they say nothing."""

    checkpoint: Path | None = None
    model: str = ""
    labels: str = ""
    predictor: str = ""


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


@dataclass(frozen=True)
class Chosen:
    """What is served.

    Attributes:
        theirs: the class that answers already; then nothing else is decided.
        weights: what it loads.
        fit: the model of torchvision or timm; None for a class of the repository.
        model: how the code builds it; None if no code does.
        pipeline: the transforms of the code; None to write the model's usual ones.
        labels: the classes' names; empty if unknown.
        artifacts: the folder.
        activation: `softmax`, `sigmoid`, `exp`, or "" for none.
    """

    artifacts: str
    theirs: Served | None = None
    weights: Weights | None = None
    fit: Fit | None = None
    model: Model | None = None
    pipeline: Pipeline | None = None
    labels: tuple[str, ...] = ()
    activation: str = "softmax"


def choose(repository: Repository, given: Given, notes: Notes, ask: Ask) -> Chosen:
    """Decide what is served.

    Raises:
        UsageError: there is no model, or the options name what is not there.
    """
    theirs = [each for each in repository.served if each.is_predictor]
    if given.predictor or (theirs and not given.checkpoint and not given.model):
        return _keep(repository, theirs, given, notes, ask)
    weights = _weights(repository, given, notes, ask)
    model, fit = _model(repository, given, weights, notes, ask)
    if weights.source is None:
        weights = _expected(repository, model, fit, notes)
    weights = _with_prefixes(repository, weights, model, fit, notes)
    pipeline = _pipeline(repository, model, fit, notes)
    outputs = fit.classes if fit else None
    classes = 2 if outputs == 1 else outputs  # one score tells two classes apart
    labels = _labels(repository, given, classes, notes, ask)
    artifacts = _folder_of(repository.root, weights)
    return Chosen(
        artifacts, None, weights, fit, model, pipeline, labels, _activation(repository, model, outputs, notes)
    )


def _keep(repository: Repository, theirs: list[Served], given: Given, notes: Notes, ask: Ask) -> Chosen:
    """Keep a class that can be served as it is."""
    names = tuple(f"{each.module}:{each.name}" for each in theirs)
    if given.predictor and given.predictor not in names:
        shown = f"; there are {_listed(list(names))}" if names else ""
        raise UsageError(f"--predictor: no class {given.predictor} has one of the three interfaces{shown}")
    chosen = (
        given.predictor or ask(Question("--predictor", "which class answers?", names[0], names))
        if len(names) > 1
        else names[0]
    )
    served = theirs[names.index(chosen)] if chosen in names else theirs[0]
    others = [name for name in names if name != chosen]
    if others and not given.predictor:
        notes.unknown.append(f"whether another class serves: there is {_listed(others)}; --predictor chooses one")
    notes.tell("predictor", f"{served.module}:{served.name}, whose interface is {served.kind}", served.location)
    folders = [Path(c.path).parent.as_posix() for c in repository.checkpoints]
    artifacts = next((folder for folder in folders if folder != "."), ARTIFACTS)
    if repository.checkpoints:
        notes.tell("artifacts", artifacts, repository.checkpoints[0].path)
    else:
        notes.missing.append(f"what `{served.name}` loads: put it into {artifacts}/")
    return Chosen(artifacts, served)


_NO_WEIGHTS = (Kind.OTHER, Kind.PAGE, Kind.EMPTY, Kind.SPECIAL)


def _weights(repository: Repository, given: Given, notes: Notes, ask: Ask) -> Weights:
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
            notes.unknown.append(
                f"whether other weights serve: there is {_listed(others)}; --checkpoint chooses a file"
            )
        return _read(chosen, repository.root / chosen.path, notes)
    return Weights("")


def _expected(repository: Repository, model: Model | None, fit: Fit | None, notes: Notes) -> Weights:
    """Return the weights as the code loads or saves them, the file of the model first; the repository has none."""
    home = model.location.path if model else ""
    loads = sorted(repository.loaded, key=lambda load: load[1].path != home)
    saves = sorted(repository.saved, key=lambda save: (save.location.path != home, not save.name))
    load = next((load for load in loads if load[1].path == home or not saves), None)
    named = next((save for save in saves if load and save.name == load[0]), None)
    save = named or next(iter(saves), None)
    name = load[0] if load else save.name if save else ""
    name = name or f"{fit.names[0] if fit else 'weights'}.pth"
    target = f"{ARTIFACTS}/{name}"
    if save and save.whole:
        notes.missing.append(
            f"{where(save.location)} saves the whole model by pickle, which torch.load refuses since torch 2.6: "
            "write `torch.save(model.state_dict(), …)` there, and train or load and save once more"
        )
    if load:
        notes.missing.append(f"the weights, which {where(load[1])} loads as {load[0]}: copy them to {target}")
    elif model and model.downloads and not saves and fit and fit.library == "torchvision":
        notes.missing.append(
            "the weights, torchvision's own: `python -c 'import torch, torchvision; torch.save(torchvision.models."
            f'{fit.names[0]}(weights="DEFAULT").state_dict(), "{target}")\'`'
        )
    elif save:
        notes.missing.append(f"the weights, which {where(save.location)} saves: copy them to {target}")
    else:
        notes.missing.append(f"the weights: copy the state_dict to {target}")
    keys = [key for key, place in repository.keys if place.path == home] or [key for key, _ in repository.keys]
    return Weights(name, key=save.key if save and save.key else keys[0] if keys and not save else "")


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


def _model(
    repository: Repository, given: Given, weights: Weights, notes: Notes, ask: Ask
) -> tuple[Model | None, Fit | None]:
    """Choose the model: the one that is named, the one that the weights are of, else the one of the code."""
    if given.model:
        return _named(repository, given.model, weights, notes)
    if weights.is_script:
        return None, None
    if weights.fit:
        return _fitting(repository, weights.fit, notes, ask)
    return _built(repository, weights, notes, ask)


def _fitting(repository: Repository, fits: Fit, notes: Notes, ask: Ask) -> tuple[Model | None, Fit]:
    """Choose among the models that the weights are of: one that the code builds, else the one that is asked for."""
    in_code = {model.name: model for model in repository.models if model.library}
    built = next((name for name in fits.names if name in in_code), "")
    name = built or (ask(_which_fits(fits)) if len(fits.names) > 1 else fits.names[0])
    others = [other for other in fits.names if other != name]
    origin = f", and {where(in_code[name].location)}" if built else ""
    notes.tell("model", f"{fits.library}'s {name}", f"the names and shapes of the weights{origin}")
    if fits.own_head:
        notes.unknown.append(
            f"how training built its own head, {_listed(list(fits.own_head))}: look at load() of the predictor"
        )
    if others and not built:
        notes.unknown.append(f"the weights also fit {_listed(others)}, which compute otherwise; --model chooses one")
    return in_code.get(name), replace(fits, names=(name,))


def _built(repository: Repository, weights: Weights, notes: Notes, ask: Ask) -> tuple[Model, Fit | None]:
    """Choose among the models that the code builds."""
    models, unnamed = repository.models, repository.unnamed
    if weights.shapes and not models:
        raise UsageError(
            f"no model of torchvision or timm has the names and shapes of {weights.name}, and no code here builds one",
            fix="copy the code of the model into the repository, or name the model: --model resnet18",
        )
    if not models and unnamed:
        raise UsageError(
            f"{where(unnamed.location)} builds the model that {_unknown(unnamed)}",
            fix=f"name it: --model {unnamed.choices[0] if unnamed.choices else 'resnet18'}",
        )
    if not models:
        raise UsageError(
            "there is no model here: no weights, no class of torch.nn.Module that is built, and no builder of "
            "torchvision or timm",
            fix="give the weights, `--checkpoint best.pth`, or name the model: --model resnet18",
        )
    chosen = models[0]
    names = tuple(dict.fromkeys(model.name for model in models))
    if len(names) > 1:
        equal = [model for model in models if model.rank == chosen.rank]
        text = "the code builds several models; which one is served?"
        name = ask(Question("--model", text, chosen.name, names)) if len(equal) > 1 else chosen.name
        chosen = next((model for model in models if model.name == name), chosen)
        others = [other for other in names if other != chosen.name]
        notes.unknown.append(f"the code also builds {_listed(others)}; --model chooses one")
    if unnamed:
        notes.unknown.append(
            f"whether that is the model: {where(unnamed.location)} builds the one that {_unknown(unnamed)}; --model "
            "chooses one"
        )
    notes.tell("model", f"{chosen.library}'s {chosen.name}" if chosen.library else chosen.name, chosen.location)
    return chosen, _fit_of(chosen)


def _unknown(unnamed: Unnamed) -> str:
    """Return which name is unknown, why, and what it may be."""
    why = f": the option in {where(unnamed.option)} has no default" if unnamed.option else ""
    one_of = f"; it may be {_listed(list(unnamed.choices))}" if unnamed.choices else ""
    return f"`{unnamed.name}` names, and no file tells what that is{why}{one_of}"


def _named(repository: Repository, name: str, weights: Weights, notes: Notes) -> tuple[Model | None, Fit | None]:
    in_code = next((model for model in repository.models if model.name == name), None)
    fits = [fit for fit in (weights.fit,) if fit and name in fit.names]
    known = architectures.known(name, in_code.library if in_code and in_code.library else "")
    if in_code is None and known is None:
        raise UsageError(f"--model: neither the code here nor torchvision nor timm has {name}")
    notes.tell("model", name, "--model")
    if fits:
        return in_code, replace(fits[0], names=(name,))
    if weights.fit and known:
        shown = _listed(list(weights.fit.names))
        raise UsageError(f"--model: the names and shapes of {weights.name} are not those of {name}, but of {shown}")
    return in_code, _fit_of(in_code) if in_code else _fit(known)


def _which_fits(fit: Fit) -> Question:
    text = f"the weights fit {len(fit.names)} models of {fit.library}, which compute otherwise; which one was trained?"
    return Question("--model", text, fit.names[0], fit.names)


def _fit_of(model: Model) -> Fit | None:
    fit = _fit(architectures.known(model.name, model.library)) if model.library else None
    channels = dict(model.given).get("in_chans", 3)
    others = tuple((name, value) for name, value in model.given if name != "in_chans")
    return replace(fit, given=others, channels=channels) if fit else None


def _fit(known: architectures.Known | None) -> Fit | None:
    return architectures.Fit(known.library, (known.name,), head=known.head, stem=known.stem) if known else None


def _with_prefixes(
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
    return replace(weights, prefixes=(*(p for p, _ in found), *((model.prefix,) if model and model.prefix else ())))


def _pipeline(repository: Repository, model: Model | None, fit: Fit | None, notes: Notes) -> Pipeline | None:
    """Choose the transforms of the code; none if they are random, or not all of their values are known."""
    usable = [p for p in repository.pipelines if not p.by_chance and p.written.is_whole]
    same_file = [p for p in usable if model and p.location.path == model.location.path]
    best = max((p.serves for p in usable), default=0)
    chosen = next(iter([p for p in same_file if p.serves == best] or usable), None)
    if chosen is None and repository.usual and fit:
        notes.tell("transforms", f"those that {fit.library} has for {fit.names[0]}", repository.usual)
        return None
    if chosen is None:
        skipped = next(iter(repository.pipelines), None)
        if skipped and not skipped.by_chance:
            names = ", ".join(dict.fromkeys(skipped.written.unknown))
            notes.unknown.append(f"the transforms in {where(skipped.location)} use {names}, whose value no file tells")
        elif skipped:
            notes.unknown.append(
                f"the transforms in {where(skipped.location)} change images by chance: they are training's"
            )
        name = fit.names[0] if fit else ""
        usual = f"those that {fit.library} has for {name}" if fit else "ImageNet's, at 224 x 224 pixels"
        notes.unknown.append(
            f"the transforms (size, normalisation): {usual} were written; compare them with training's"
        )
        return None
    notes.tell("transforms", ", ".join(chosen.steps), chosen.location)
    for name, literal in chosen.written.taken:
        notes.tell(f"`{name}`", repr(literal.value), literal.location)
    others = {p.written.text for p in usable if p.serves == chosen.serves} - {chosen.written.text}
    if others:
        places = [where(p.location) for p in usable if p.written.text in others]
        notes.unknown.append(f"whether other transforms serve: there are more in {_listed(places)}")
    return chosen


def _labels(repository: Repository, given: Given, classes: int | None, notes: Notes, ask: Ask) -> tuple[str, ...]:
    """Choose the names of the classes; their number must be that of the outputs, where that is known."""
    if given.labels:
        return _given_labels(given.labels, classes, notes)
    fitting = [found for found in repository.labels if classes in (None, len(found.names))]
    if classes is None and len({found.names for found in fitting}) > 1:
        fitting = []
    if fitting:
        notes.tell("labels", f"{len(fitting[0].names)} names", fitting[0].location)
        return fitting[0].names
    count = f"{classes} " if classes else ""
    answer = ask(Question("--labels", f"the names of the {count}classes, in the order of the outputs, by commas", ""))
    if answer:
        return _given_labels(answer, classes, notes)
    notes.unknown.append(f"the names of the {count}classes: answers have their numbers; --labels names them")
    return ()


def _given_labels(text: str, classes: int | None, notes: Notes) -> tuple[str, ...]:
    file = Path(text)
    if "," not in text and file.is_file():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--labels: {file} cannot be read as text: {error}") from None
        names = tuple(line.strip() for line in lines if line.strip())
    elif "," not in text:
        raise UsageError(f"--labels: {text} is neither a file nor several names with commas between them")
    else:
        names = tuple(name.strip() for name in text.split(","))
    if classes is not None and len(names) != classes:
        raise UsageError(f"--labels: {len(names)} names, and the weights tell {classes} classes apart")
    notes.tell("labels", f"{len(names)} names", "--labels")
    return names


def _folder_of(root: Path, weights: Weights) -> str:
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


def _activation(repository: Repository, model: Model | None, outputs: int | None, notes: Notes) -> str:
    """Choose what turns the model's output into scores."""
    if model and model.ends == "log-probabilities":
        notes.tell("scores", "exp() of the model's log-probabilities", model.location)
        return "exp"
    if model and model.ends == "probabilities":
        notes.tell("scores", "the model's own probabilities", model.location)
        return ""
    if repository.several_answers:
        notes.tell("scores", "sigmoid(), each class for itself", repository.several_answers)
        return "sigmoid"
    if outputs == 1:
        notes.tell("scores", "sigmoid(), because there is one output", "the shape of the weights")
        return "sigmoid"
    return "softmax"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
