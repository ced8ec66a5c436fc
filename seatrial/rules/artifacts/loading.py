"""Family 3, how the predictor loads: the artifacts against the calls that read them.

Which file a call opens is seldom written in the code, so a rule reports only where every file that the call could open
would fail, and warns if the call may not be made at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.classes import is_allowed
from seatrial.findings import Severity
from seatrial.rules.artifacts.pickled import MAIN, pinned
from seatrial.rules.rule import Rule, Symptom
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.checkpoints.pickles import Tensor
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
            re.compile(r"Unsupported global: GLOBAL (?!__main__\.)(?P<name>[\w.]+)"),
            "torch.load refuses the file, because it holds a pickled `{name}`",
        ),
    ),
    detected=(
        "What the pickle names against what torch.load allows in the locked version, from a table of torch's "
        "releases, if the call leaves weights_only to that version; a call of add_safe_globals silences "
        "it."
    ),
    bad='torch.save(model, "weights.pt")\ntorch.load("weights.pt")  # with torch 2.6 or later',
    good='torch.save(model.state_dict(), "weights.pt")\ntorch.load("weights.pt", weights_only=True)',
)

SAFE_GLOBALS = ("torch.serialization.add_safe_globals", "torch.serialization.safe_globals")


@WEIGHTS_ONLY.decided_by
def _weights_only(facts: Facts) -> Iterator[Finding]:
    torch = pinned(facts, "torch")
    loads = _calls(facts, "torch.load")
    names = {call.name for _, call in facts.sources.calls()} | {w for call in loads for w in call.context.withs}
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
        )


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


PREFIXED = Rule(
    code="ST308",
    title="names in the weights that a wrapper prefixed",
    explanation=(
        "A model that was trained inside DataParallel or torch.compile saves every name with `module.` or `_orig_mod.` "
        "before it. The bare model that the predictor builds has no such names, and `load_state_dict` refuses them all "
        "— or, with `strict=False`, loads nothing and serves random weights."
    ),
    fix=(
        "save `model.module.state_dict()` (or `model._orig_mod.state_dict()`), or strip the prefix before loading: "
        '`{k.removeprefix("module."): v for k, v in weights.items()}`'
    ),
    severity=Severity.WARNING,
    cloud='RuntimeError: Error(s) in loading state_dict for ResNet: Missing key(s) in state_dict: "conv1.weight", …',
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html",
    ),
    symptoms=(
        Symptom(
            re.compile(r"Unexpected key\(s\) in state_dict: \"(?P<prefix>module\.|_orig_mod\.|model\.)"),
            "the names in the weights begin `{prefix}`, which the model's do not",
        ),
    ),
    detected=(
        "Every tensor of a file has the prefix, and the result of torch.load goes straight into load_state_dict. It "
        "only warns, because the model may have an attribute of that name. It is silent if the code wraps the model "
        "again, has a function that mentions the prefix, or changes the names on the way."
    ),
    bad='network.load_state_dict(torch.load("weights.pt"))  # names begin module.',
    good='weights = torch.load("weights.pt")\n'
    'network.load_state_dict({k.removeprefix("module."): v for k, v in weights.items()})',
)

# What torch.nn.parallel.DataParallel and DistributedDataParallel, and torch.compile put before every name.
PREFIXES = {"module.": ("DataParallel", "DistributedDataParallel"), "_orig_mod.": ("compile", "OptimizedModule")}
SHOWN = 3  # names in a finding


@PREFIXED.decided_by
def _prefixed(facts: Facts) -> Iterator[Finding]:
    for _, call in facts.sources.calls():
        given = call.argument("state_dict", 0)
        if (
            call.method != "load_state_dict"
            or given is None
            or any(p in call.receiver for p in ("Parallel", "compile"))
        ):
            continue
        argument = facts.sources.follow(given.name)
        for checkpoint in facts.checkpoints:
            for inner, tensors in checkpoint.tensors.items():
                prefix = _prefix(tensors)
                if prefix and _is_given(argument, checkpoint, inner) and not _is_known(prefix, facts):
                    first = list(tensors)[:SHOWN]
                    yield PREFIXED.finding(
                        f"every name in {checkpoint.path} begins `{prefix}`, and load_state_dict gets them as they are",
                        location=call.location,
                        subject=checkpoint.path,
                        cause=f"{PREFIXES[prefix][0]} puts it there; whether the model itself has a part of that name "
                        "cannot be seen",
                        evidence=tuple(f"{n}: {tensors[n].dtype} {list(tensors[n].shape)}" for n in first),
                    )


def _prefix(tensors: Mapping[str, Tensor]) -> str:
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)), "")


def _is_given(argument: str, checkpoint: Checkpoint, inner: str) -> bool:
    """Return whether an argument is the loaded file, or the dict under this key in it."""
    if checkpoint.kind is Kind.SAFETENSORS:
        return argument == "safetensors.torch.load_file()"
    return argument == ("torch.load()[]" if inner else "torch.load()")


def _is_known(prefix: str, facts: Facts) -> bool:
    """Return whether the code shows that it knows of a prefix: by a wrapper, or by the name itself."""
    words = {prefix.rstrip("."), *PREFIXES[prefix]}
    for module in facts.sources.serving_modules():
        mentions = [module.uses.mentions, *(function.mentions for function in module.uses.functions.values())]
        if any(words & mentioned for mentioned in mentions):
            return True
    return False


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
            re.compile(r"Cannot use ``weights_only=True`` with TorchScript archives"),
            "torch.load was given a TorchScript archive",
        ),
        Symptom(re.compile(r"failed locating file constants\.pkl"), "torch.jit.load was given what torch.save wrote"),
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
    return [call for _, call in facts.sources.calls() if call.name in names]
