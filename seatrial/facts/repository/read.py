"""A repository as facts, before it is a project: everything that `seatrial init` has to know, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.checkpoint import Checkpoint, read_checkpoint
from seatrial.facts.repository import builders, labels, models, packages, pipelines, served, weights
from seatrial.facts.repository.reading import read_scripts
from seatrial.facts.repository.scripts import Scripts

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.facts.repository.builders import Unnamed
    from seatrial.findings import Location


@dataclass(frozen=True)
class Repository:
    """What a repository has.

    Attributes:
        root: its folder.
        scripts: its Python.
        models: the surest to be served first.
        unnamed: where its code builds a model by a name that no file tells.
        pipelines: likewise.
        checkpoints: the files with weights, the largest first.
        saved: what its code saves.
        loaded: the names of the files that its code loads, and where.
        keys: the keys under which its code finds the weights in what it has loaded, and where.
        usual: where its code takes the transforms that a library has for a model.
        wrappers: the prefixes that its code may put before the saved names.
        labels: lists of classes' names.
        served: what already answers requests.
        asked: the distributions that its files ask for, what is locked first.
        pythons: the Pythons that its files name, the most exact first.
        several_answers: where it trains for several labels at once, so that each score stands for itself.
    """

    root: Path
    scripts: Scripts = field(default_factory=Scripts)
    models: tuple[models.Model, ...] = ()
    unnamed: Unnamed | None = None
    pipelines: tuple[pipelines.Pipeline, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    saved: tuple[weights.Saved, ...] = ()
    loaded: tuple[tuple[str, Location], ...] = ()
    keys: tuple[tuple[str, Location], ...] = ()
    usual: Location | None = None
    wrappers: tuple[tuple[str, Location], ...] = ()
    labels: tuple[labels.Labels, ...] = ()
    served: tuple[served.Served, ...] = ()
    asked: tuple[packages.Asked, ...] = ()
    pythons: tuple[packages.AskedPython, ...] = ()
    several_answers: Location | None = None


def read_repository(root: Path) -> Repository:
    """Read everything."""
    scripts = read_scripts(root)
    return Repository(
        root=root,
        scripts=scripts,
        models=models.models(scripts),
        unnamed=builders.unnamed(scripts),
        pipelines=pipelines.pipelines(scripts),
        checkpoints=weights.checkpoints(root),
        saved=weights.saved(scripts),
        loaded=weights.loaded(scripts),
        keys=weights.keys_loaded(scripts),
        usual=pipelines.usual(scripts),
        wrappers=weights.wrappers(scripts),
        labels=labels.labels(root, scripts),
        served=served.served(scripts),
        asked=packages.asked(root),
        pythons=packages.pythons(root),
        several_answers=_several_answers(scripts),
    )


def checkpoint_at(file: Path, path: str) -> Checkpoint:
    """Read one file with weights; `path` is what it is called."""
    return read_checkpoint(file, path)


def _several_answers(scripts: Scripts) -> Location | None:
    """Return where the only loss of the code is one of independent answers; None if there is another, or none."""
    losses = [
        (script.name(call.func).rpartition(".")[2], script.location(call))
        for script in scripts.all
        for call in script.calls
        if re.fullmatch(r"torch\.nn\.(?:functional\.)?\w*(?:Loss|cross_entropy\w*|nll_loss)\w*", script.name(call.func))
    ]
    is_binary = bool(losses) and all("BCE" in name or "binary" in name for name, _ in losses)
    return losses[0][1] if is_binary else None
