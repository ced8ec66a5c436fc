"""Decides what is served: the class that is there, or a model with its weights, transforms and labels.

The weights are surer than the code: their names and shapes say which architecture they are of. What neither says is
asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts import architectures
from seatrial.init.notes import Question, listed, where
from seatrial.init.weights import ARTIFACTS, Weights, expected, folder_of, weights_of, with_prefixes

if TYPE_CHECKING:
    from seatrial.facts.architectures import Fit
    from seatrial.facts.repository.builders import Unnamed
    from seatrial.facts.repository.models import Model
    from seatrial.facts.repository.pipelines import Pipeline
    from seatrial.facts.repository.read import Repository
    from seatrial.facts.repository.served import Served
    from seatrial.init.notes import Ask, Notes


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say; empty where they say nothing."""

    checkpoint: Path | None = None
    model: str = ""
    labels: str = ""
    predictor: str = ""


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
    weights = weights_of(repository, given, notes, ask)
    model, fit = _model(repository, given, weights, notes, ask)
    if weights.source is None:
        weights = expected(repository, model, fit, notes)
    weights = with_prefixes(repository, weights, model, fit, notes)
    _tell_what_to_write(model, fit, notes)
    pipeline = _pipeline(repository, model, fit, notes)
    outputs = fit.classes if fit else None
    classes = 2 if outputs == 1 else outputs  # one score tells two classes apart
    labels = _labels(repository, given, classes, notes, ask)
    artifacts = folder_of(repository.root, weights)
    return Chosen(
        artifacts, None, weights, fit, model, pipeline, labels, _activation(repository, model, outputs, notes)
    )


def _tell_what_to_write(model: Model | None, fit: Fit | None, notes: Notes) -> None:
    """Note the values that building the model needs and that no file tells."""
    if model is None:
        return
    for name in unknown_names(model, fit):
        notes.missing.append(
            f"the value of `{name}`, which building the model in {where(model.location)} needs and no file tells: "
            "write it into load() of the predictor"
        )


def unknown_names(model: Model, fit: Fit | None) -> tuple[str, ...]:
    """Return the names in the code of a model whose values no file tells."""
    texts = [change.written for change in model.changes] if fit else [model.written]
    return tuple(dict.fromkeys(name for text in texts for name in text.unknown))


def _keep(repository: Repository, theirs: list[Served], given: Given, notes: Notes, ask: Ask) -> Chosen:
    """Keep a class that can be served as it is."""
    names = tuple(f"{each.module}:{each.name}" for each in theirs)
    if given.predictor and given.predictor not in names:
        shown = f"; there are {listed(list(names))}" if names else ""
        raise UsageError(f"--predictor: no class {given.predictor} has one of the three interfaces{shown}")
    chosen = (
        given.predictor or ask(Question("--predictor", "which class answers?", names[0], names))
        if len(names) > 1
        else names[0]
    )
    served = theirs[names.index(chosen)] if chosen in names else theirs[0]
    others = [name for name in names if name != chosen]
    if others and not given.predictor:
        notes.unknown.append(f"whether another class serves: there is {listed(others)}; --predictor chooses one")
    notes.tell("predictor", f"{served.module}:{served.name}, whose interface is {served.kind}", served.location)
    folders = [Path(c.path).parent.as_posix() for c in repository.checkpoints]
    artifacts = next((folder for folder in folders if folder != "."), ARTIFACTS)
    if repository.checkpoints:
        notes.tell("artifacts", artifacts, repository.checkpoints[0].path)
    else:
        notes.missing.append(f"what `{served.name}` loads: put it into {artifacts}/")
    return Chosen(artifacts, served)


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
            f"how training built its own head, {listed(list(fits.own_head))}: look at load() of the predictor"
        )
    if others and not built:
        notes.unknown.append(f"the weights also fit {listed(others)}, which compute otherwise; --model chooses one")
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
        notes.unknown.append(f"the code also builds {listed(others)}; --model chooses one")
    if unnamed:
        notes.unknown.append(
            f"whether that is the model: {where(unnamed.location)} builds the one that {_unknown(unnamed)}; --model "
            "chooses one"
        )
    notes.tell("model", f"{chosen.library}'s {chosen.name}" if chosen.library else chosen.name, chosen.location)
    return chosen, _fit_of(chosen)


def _unknown(unnamed: Unnamed) -> str:
    """Return which name is unknown, why, and what it may be."""
    if unnamed.told:
        return f"is called {unnamed.told}, and no classifier of torchvision or timm is called so today"
    why = f": the option in {where(unnamed.option)} has no default" if unnamed.option else ""
    one_of = f"; it may be {listed(list(unnamed.choices))}" if unnamed.choices else ""
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
        shown = listed(list(weights.fit.names))
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
        notes.unknown.append(f"whether other transforms serve: there are more in {listed(places)}")
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
