"""Family 3, how the predictor loads: the artifacts against the calls that read them.

Which file a call opens is seldom written in the code, so a rule reports only where every file that the call could open
would fail, and warns if the call may not be made at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.classes import is_allowed
from seatrial.findings import Severity
from seatrial.rules.artifacts.pickled import MAIN, pinned
from seatrial.rules.rule import Rule, Symptom
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.findings import Finding

SERIALIZATION = "https://docs.pytorch.org/docs/stable/notes/serialization.html"
# Methods of the predictor that the runtime calls.
ALWAYS_CALLED = ("__init__", *sorted({interface.loader for interface in INTERFACES}))

WEIGHTS_ONLY = Rule(
    code="ST304",
    title="torch.load refuses the file: weights_only",
    explanation=(
        "Since torch 2.6 `torch.load` loads only tensors and plain containers by default. A "
        "whole model, a pickled transform, an argparse.Namespace or a numpy scalar in the file is refused."
    ),
    fix=(
        "save the state_dict and plain values only; for a class that must be in the file call "
        "`torch.serialization.add_safe_globals([…])` before loading"
    ),
    cloud="Weights only load failed. […] Unsupported global: GLOBAL … was not an allowed global by default.",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
        "https://github.com/e3nn/e3nn/issues/519",
    ),
    symptoms=(
        Symptom(
            r"Unsupported global: GLOBAL (?!__main__\.)(?P<name>[\w.]+)",
            "torch.load refuses the file, because it holds a pickled `{name}`",
        ),
    ),
    detected=(
        "What the pickle names against what torch.load allows in the locked version, from a table of torch's "
        "releases, if the call leaves weights_only to that version; a call of add_safe_globals silences it. "
        "Lightning's load_from_checkpoint leaves it to torch since 2.6."
    ),
    bad='torch.save(model, "weights.pt")\ntorch.load("weights.pt")  # with torch 2.6 or later',
    good='torch.save(model.state_dict(), "weights.pt")\ntorch.load("weights.pt", weights_only=True)',
)

SAFE_GLOBALS = ("torch.serialization.add_safe_globals", "torch.serialization.safe_globals")


@WEIGHTS_ONLY.decided_by
def _weights_only(facts: Facts) -> Iterator[Finding]:
    torch = pinned(facts, "torch")
    loads = [*_calls(facts, "torch.load"), *_by_lightning(facts)]
    names = {*facts.sources.calls().names} | {w for call in loads for w in call.context.withs}
    if torch is None or not loads or names.intersection(SAFE_GLOBALS):
        return
    files = [checkpoint for checkpoint in facts.checkpoints if is_torch_file(checkpoint)]
    refused = [(file, found) for file in files if (found := _refused(file, facts))]
    strict = [call for call in loads if _is_strict(call)]
    if not refused or not strict:
        return
    surely = len(strict) == len(loads) and len(refused) == len(files) and all(_is_made(c, facts) for c in strict)
    for file, found in refused:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield WEIGHTS_ONLY.finding(
            f"torch {torch} does not load {file.path} with weights_only: it holds {found[0]}{more}",
            severity=Severity.ERROR if surely else Severity.WARNING,
            location=strict[0].location,
            subject=file.path,
            cause="weights_only is True unless the call says otherwise, since torch 2.6"
            + ("" if surely else "; whether this call reads this file cannot be seen"),
            evidence=tuple(found),
            fix=_OF_LIGHTNING if strict[0].method == "load_from_checkpoint" else WEIGHTS_ONLY.fix,
        )


_OF_LIGHTNING = (
    "if you trust the file, call `load_from_checkpoint(…, weights_only=False)`; or save plain values only "
    "(`save_hyperparameters` of numbers and texts, `OmegaConf.to_container`) and write the checkpoint again"
)
_ASKS_TORCH = Version(
    "2.6"
)  # Lightning's load_from_checkpoint then leaves weights_only to torch: pytorch/core/saving.py


def _by_lightning(facts: Facts) -> list[Call]:
    """Return the calls of Lightning's load_from_checkpoint, if the locked one leaves weights_only to torch."""
    versions = [pinned(facts, name) for name in ("lightning", "pytorch-lightning")]
    if not any(version and version >= _ASKS_TORCH for version in versions):
        return []
    return [call for _, call in facts.sources.calls().of_methods("load_from_checkpoint")]


def is_torch_file(checkpoint: Checkpoint) -> bool:
    """Return whether torch.save wrote a file, in either of its formats."""
    return checkpoint.kind in (Kind.TORCH_ZIP, Kind.TORCH_LEGACY)


REFUSED_PROTOCOL = 4  # the first whose opcodes torch._weights_only_unpickler does not have


def _refused(file: Checkpoint, facts: Facts) -> list[str]:
    """Return what torch.load refuses of a file with weights_only; nothing if the locked torch is unknown."""
    torch = pinned(facts, "torch")
    if torch is None or is_allowed("torch.Size", torch) is None:
        return []
    # A class of __main__ fails even if torch allows it: that is ST301.
    names = [f"a pickled `{m}.{n}`" for m, n in file.globals if m != MAIN and not is_allowed(f"{m}.{n}", torch)]
    return names + ([f"a pickle of protocol {file.protocol}"] if file.protocol >= REFUSED_PROTOCOL else [])


OTHER_FORMAT = Rule(
    code="ST314",
    title="a file that this loading function does not read",
    explanation=(
        "torch has three archives that look alike: torch.save's, which torch.load reads; TorchScript, which "
        "torch.jit.load reads and torch.load refuses with `weights_only=True`, the default since 2.6; and "
        "torch.export's, which torch.export.load reads."
    ),
    fix="load the file with the function that belongs to it, or save it again in the other format",
    cloud="PytorchStreamReader failed locating file constants.pkl: file not found",
    sources=(
        SERIALIZATION,
        "https://docs.pytorch.org/docs/stable/generated/torch.jit.load.html",
        "https://docs.pytorch.org/docs/stable/export.html",
    ),
    symptoms=(
        Symptom(
            r"Cannot use ``weights_only=True`` with TorchScript archives",
            "torch.load was given a TorchScript archive",
        ),
        Symptom(r"failed locating file constants\.pkl", "torch.jit.load was given what torch.save wrote"),
    ),
    detected=(
        "The formats of all files of torch in the artifacts against the loading functions that serving may call: it "
        "is a finding if none of the files fits the only function. It is a warning if the call is in a try or outside "
        "what the runtime certainly calls."
    ),
    bad='torch.jit.load("weights.pt")  # a state_dict',
    good='torch.load("weights.pt", weights_only=True)',
)

_READERS = {
    Kind.TORCH_ZIP: "torch.load",
    Kind.TORCH_LEGACY: "torch.load",
    Kind.TORCHSCRIPT: "torch.jit.load",
    Kind.EXPORTED: "torch.export.load",
}


@OTHER_FORMAT.decided_by
def _other_format(facts: Facts) -> Iterator[Finding]:
    files = [checkpoint for checkpoint in facts.checkpoints if checkpoint.kind in _READERS]
    calls = _calls(facts, *_READERS.values())
    fitting = {_READERS[file.kind] for file in files}
    if not files or any(call.name in fitting for call in calls):
        return
    torch = pinned(facts, "torch")
    for call in calls:
        scripted = any(file.kind is Kind.TORCHSCRIPT for file in files)
        if call.name == "torch.load" and scripted:
            by_default = torch is not None and is_allowed("torch.Size", torch) is not None
            asked = call.argument("weights_only")
            if not (asked.is_exactly(True) if asked else by_default and _is_strict(call)):
                continue  # torch.load hands such an archive to torch.jit.load
        yield OTHER_FORMAT.finding(
            f"{call.name} does not read {files[0].path}: it is {files[0].kind}",
            severity=Severity.ERROR if _is_made(call, facts) else Severity.WARNING,
            location=call.location,
            subject=files[0].path,
            cause=f"{files[0].kind} is read by {_READERS[files[0].kind]}",
            cloud="Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``"
            if scripted and call.name == "torch.load"
            else OTHER_FORMAT.cloud,
        )


def _is_strict(call: Call) -> bool:
    """Return whether a call of torch.load 2.6 or later certainly loads weights only."""
    asked, module = call.argument("weights_only"), call.argument("pickle_module", 2)
    if asked is None:
        return module is None
    return asked.is_exactly(True) or (asked.is_exactly(None) and module is None)


def _is_made(call: Call, facts: Facts) -> bool:
    """Return whether the runtime certainly reaches a call, and nothing catches its error."""
    name = facts.project.predictor_class
    functions = ("", *(f"{name}.{method}" for method in ALWAYS_CALLED))
    return call.context.function in functions and not call.context.tried and not call.context.guards


def _calls(facts: Facts, *names: str) -> list[Call]:
    return [call for _, call in facts.sources.calls().of(*names)]
