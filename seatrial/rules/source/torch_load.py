"""Family 2, torch.load: what calls of it get, by the checkpoints in the artifacts and the locked torch.

The source seldom proves what a call loads or whether its line runs; then a finding is a warning and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.checkpoints.kinds import Kind
from seatrial.findings import Severity
from seatrial.rules.edits import insertion
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.findings import Finding

# What the pickle of a state_dict names; torch/_weights_only_unpickler.py, _get_allowed_globals, allows some more.
_PLAIN = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"),
    ("torch", "Size"),
}
_KNOWS_WEIGHTS_ONLY, _DEFAULTS_TO_IT = Version("1.13"), Version("2.6")

UNSAFE_LOAD = Rule(
    code="ST205",
    title="torch.load reads what torch 2.6 will refuse",
    explanation=(
        "Before torch 2.6 torch.load unpickles whatever the file holds, and runs any code in it; from 2.6 on it loads "
        "only tensors and plain containers by default. A checkpoint with other objects in it loads with "
        "the lock of today and is refused after the next update."
    ),
    fix="save state_dicts and plain values only, and write weights_only=True",
    severity=Severity.NOTE,
    cloud="Weights only load failed. […] Unsupported global: GLOBAL … was not an allowed global by default.",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
        "https://github.com/e3nn/e3nn/issues/519",
    ),
    detected=(
        "torch.load is called without weights_only in code that serving reaches, the lock has a torch before 2.6, and "
        "a checkpoint in the artifacts holds more than tensors in ordered dicts. Whether the call loads that file is "
        "not known, and today it works, so it is a note."
    ),
    bad='torch.save({"args": argparse.Namespace(lr=0.1), "weights": model.state_dict()}, path)',
    good='torch.save(model.state_dict(), path)\ntorch.load(path, map_location="cpu", weights_only=True)',
)


@UNSAFE_LOAD.decided_by
def _unsafe_load(facts: Facts) -> Iterator[Finding]:
    version, refused = locked(facts, "torch"), _refused(_loadable(facts))
    if version is None or version >= _DEFAULTS_TO_IT or not refused:
        return
    for call in _loads_that_leave_it_open(facts):
        yield UNSAFE_LOAD.finding(
            f"torch.load unpickles more than tensors here: torch {version} does, torch 2.6 refuses",
            location=call.location,
            evidence=tuple(f"{path} holds a pickled {name}" for path, name in refused.items()),
        )


DICT_AS_MODEL = Rule(
    code="ST206",
    title="a state_dict is used as a model",
    explanation=(
        "torch.load gives back what was saved. If that was model.state_dict(), it is a dict of tensors: it has no "
        "eval() and cannot be called. The model has to be built first, and the dict loaded into it."
    ),
    fix="build the model as training did and call model.load_state_dict(torch.load(…))",
    cloud="AttributeError: 'collections.OrderedDict' object has no attribute 'eval'",
    sources=("https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html",),
    symptoms=(
        Symptom(
            (
                r"AttributeError: '(?P<type>dict|(?:collections\.)?OrderedDict)' object has no "
                r"attribute '(?P<name>\w{1,80})'"
            ),
            "a state_dict is used as a model: a {type} has no `{name}`",
        ),
    ),
    detected=(
        "In what serving reaches, the result of torch.load is called, or eval(), to() or another method of a module "
        "is called on it, and every checkpoint in the artifacts holds a dict. Inside a try or a condition it is a "
        "warning; a result that goes through a variable that was assigned twice is not followed."
    ),
    bad="self._model = torch.load(path)\nself._model.eval()",
    good="self._model = build()\nself._model.load_state_dict(torch.load(path))\nself._model.eval()",
)

_OF_MODULES = {"eval", "train", "to", "cuda", "cpu", "float", "half", "forward", "parameters", "state_dict", "children"}


@DICT_AS_MODEL.decided_by
def _dict_as_model(facts: Facts) -> Iterator[Finding]:
    files = [c for c in facts.checkpoints if c.kind in (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.TORCHSCRIPT)]
    if not files or not all(c.top in ("dict", "collections.OrderedDict") for c in files):
        return
    for _, call in facts.sources.calls().where(lambda name: name.startswith("torch.load()")):
        as_model = call.receiver == "torch.load()" and (not call.method or call.method in _OF_MODULES)
        if as_model:
            unsure = call.context.tried or call.context.guards
            yield DICT_AS_MODEL.finding(
                f"torch.load's result is {'asked for ' + call.method if call.method else 'called'}, but it is a dict",
                severity=Severity.WARNING if unsure else Severity.ERROR,
                location=call.location,
                evidence=tuple(f"{c.path} holds a {c.top}" for c in files),
            )


OPEN_LOAD = Rule(
    code="ST207",
    title="torch.load may run what the file holds",
    explanation=(
        "Before torch 2.6 torch.load unpickles, and so runs, whatever is in the file unless weights_only=True is "
        "written. The checkpoint here holds only tensors, so nothing is lost by it; whoever can change the file can "
        "then no longer run code in the server."
    ),
    fix="write weights_only=True",
    severity=Severity.NOTE,
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        "https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
    ),
    detected=(
        "torch.load is called without weights_only in code that serving reaches, the lock has a torch from 1.13 to "
        "2.5, and every checkpoint in the artifacts was read to its end and holds nothing but tensors in dicts."
    ),
    bad='torch.load(path, map_location="cpu")',
    good='torch.load(path, map_location="cpu", weights_only=True)',
)


@OPEN_LOAD.decided_by
def _open_load(facts: Facts) -> Iterator[Finding]:
    version, loadable = locked(facts, "torch"), _loadable(facts)
    if version is None or not _KNOWS_WEIGHTS_ONLY <= version < _DEFAULTS_TO_IT:
        return
    if not loadable or _refused(loadable) or not all(checkpoint.complete for checkpoint in loadable):
        return
    for call in _loads_that_leave_it_open(facts):
        safe = insertion(call, ", weights_only=True")
        yield OPEN_LOAD.finding(
            f"torch.load in torch {version} runs what the file holds, and it holds only tensors",
            location=call.location,
            edits=(safe,) if safe else (),
        )


def _loads_that_leave_it_open(facts: Facts) -> Iterator[Call]:
    calls = (call for _, call in facts.sources.calls().of("torch.load"))
    return (call for call in calls if call.argument("weights_only") is None)


def _loadable(facts: Facts) -> list[Checkpoint]:
    kinds = (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.PICKLE)
    suffixes = (".pt", ".pth", ".bin", ".ckpt")
    return [each for each in facts.checkpoints if each.kind in kinds and each.path.endswith(suffixes)]


def _refused(loadable: list[Checkpoint]) -> dict[str, str]:
    """Return each checkpoint that holds more than tensors, and one thing that it holds."""
    return {
        checkpoint.path: f"{module}.{name}"
        for checkpoint in loadable
        for module, name in checkpoint.globals
        if (module, name) not in _PLAIN and not (module == "torch" and name.endswith("Storage"))
    }
