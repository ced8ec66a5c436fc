"""Family 3, names in the weights: does load_state_dict find the names of the model that the predictor builds?

Where the source shows the parts of the model (its own classes, Sequential, torchvision's builders), the names in the
file are compared with them. Elsewhere only the prefixes of wrappers are known, and a finding warns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.kinds import Kind
from seatrial.findings import Severity
from seatrial.rules.artifacts.models import parts_of
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.checkpoints.pickles import Tensor
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.facts.python.module import Module
    from seatrial.findings import Finding

_LOAD_STATE_DICT = "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict"
_STRIPS = 'strip the prefix before loading: `{k.removeprefix("module."): v for k, v in weights.items()}`'

PREFIXED = Rule(
    code="ST308",
    title="names in the weights that a wrapper prefixed",
    explanation=(
        "A model that was trained inside DataParallel or torch.compile saves every name with `module.` or `_orig_mod.` "
        "in it; inside Lightning it is `model._orig_mod.`. The bare model that the predictor builds has no such names, "
        "and `load_state_dict` refuses them all."
    ),
    fix=f"save `model.module.state_dict()` (or `model._orig_mod.state_dict()`), or {_STRIPS}",
    severity=Severity.WARNING,
    cloud='RuntimeError: Error(s) in loading state_dict for ResNet: Missing key(s) in state_dict: "conv1.weight", …',
    sources=(_LOAD_STATE_DICT, "https://docs.pytorch.org/docs/stable/generated/torch.nn.DataParallel.html"),
    symptoms=(
        Symptom(
            r"Unexpected key\(s\) in state_dict: \"(?P<prefix>(?:model\.)?(?:module\.|_orig_mod\.){1,2}|model\.)",
            "the names in the weights begin `{prefix}`, which the model's do not",
        ),
    ),
    detected=(
        "Every tensor of a file has the prefix, and the result of torch.load goes straight into load_state_dict. It "
        "only warns where the parts of the model cannot be seen. It is silent if the code wraps the model "
        "again, has a function that mentions the prefix, or changes the names on the way."
    ),
    bad='network.load_state_dict(torch.load("weights.pt"))  # names begin module.',
    good='weights = torch.load("weights.pt")\n'
    'network.load_state_dict({k.removeprefix("module."): v for k, v in weights.items()})',
)

STATE_DICT = Rule(
    code="ST305",
    title="the weights do not fit the model",
    explanation=(
        "The names or shapes in the state_dict are not those of the model that the predictor builds: "
        "another architecture, another number of classes, or names that a wrapper prefixed (`module.` from "
        "DataParallel, `_orig_mod.` from torch.compile). `strict=False` only hides it and serves random "
        "weights."
    ),
    fix="build the model exactly as training did, or strip the wrapper's prefix when the weights are saved",
    yields_to=(PREFIXED,),
    cloud="RuntimeError: Error(s) in loading state_dict for ResNet",
    sources=(_LOAD_STATE_DICT,),
    symptoms=(
        Symptom(
            (
                r"size mismatch for (?P<key>[\w.]{1,300}): copying a param with shape "
                r"torch\.Size\((?P<saved>\[[\d, ]{0,80}\])\) from checkpoint, "
                r"the shape in current model is torch\.Size\((?P<built>\[[\d, ]{0,80}\])\)"
            ),
            "`{key}` is {saved} in the weights and {built} in the model",
        ),
        Symptom(
            r"Error\(s\) in loading state_dict for (?P<model>\w+)",
            "the weights do not fit the model {model}",
        ),
    ),
    detected=(
        "The result of torch.load goes straight into load_state_dict of a model whose parts the source shows: a class "
        "of the project, a Sequential that is written out, a builder of torchvision. It is a finding if each file has "
        "names that no part of the model has. Shapes, and parts within parts, are seen only by loading."
    ),
    bad='resnet18().load_state_dict(torch.load("weights.pt"))  # names begin features. and classifier.',
    good='mobilenet_v2().load_state_dict(torch.load("weights.pt"))',
)

UNTRAINED = Rule(
    code="ST320",
    title="strict=False hides that no name in the weights is the model's",
    explanation=(
        "With `strict=False` load_state_dict skips every name that it does not find. If it finds none, the model keeps "
        "the random values that it was built with: it serves, answers confidently, and is untrained. Golden answers "
        "that the same code recorded agree with it."
    ),
    fix="remove strict=False, and make the names fit: build the model as training did, or strip the wrapper's prefix",
    sources=(_LOAD_STATE_DICT, "https://discuss.pytorch.org/t/model-load-state-dict-strict-false/91463"),
    detected=(
        "load_state_dict is called with strict=False on the result of torch.load, and in no file does a name begin "
        "like a part of the model. Where the parts cannot be seen, it warns if every name has a wrapper's prefix, "
        "which the code does not mention. The trial sees it by loading, for every model."
    ),
    bad='network.load_state_dict(torch.load("weights.pt"), strict=False)  # names begin module.',
    good='network.load_state_dict(torch.load("weights.pt"))  # fails where the names do not fit',
)

LEFT_UNTRAINED = Rule(
    code="ST321",
    title="the served model is untrained, wholly or in part",
    explanation=(
        "While the predictor loaded, load_state_dict was called with `strict=False`, and the file had no tensors for "
        "some parameters, or for all. Nothing has changed these since: the model answers with the random numbers that "
        "it was built with. Golden answers that the same code recorded agree with it."
    ),
    fix="remove strict=False and make the names fit; keep it only if these parameters are meant to stay as they are",
    sources=(_LOAD_STATE_DICT,),
)

# What torch.nn.parallel.DataParallel and DistributedDataParallel, and torch.compile put into every name.
WRAPPERS = {"module": ("DataParallel", "DistributedDataParallel"), "_orig_mod": ("torch.compile", "OptimizedModule")}
_CHANGES_NAMES = {
    "consume_prefix_in_state_dict_if_present", "register_load_state_dict_pre_hook",
    "_register_load_state_dict_pre_hook", "_load_from_state_dict",
}  # fmt: skip
_CHANGES_DICT = ("pop", "update", "setdefault", "clear", "popitem")
SHOWN = 3  # names in a finding


@dataclass(frozen=True, slots=True)
class _Weights:
    """The tensors that a call may load: of a file, or of a dict in it."""

    checkpoint: Checkpoint
    names: tuple[str, ...]
    tensors: Mapping[str, Tensor]

    @property
    def parts(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.names)

    @property
    def prefix(self) -> str:
        """What every name begins with, up to its last wrapper: `model._orig_mod.`; "" if there is none."""
        both = zip(min(self.names).split("."), max(self.names).split("."), strict=False)
        shared = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], both)]
        last = max((n for n, part in enumerate(shared) if part in WRAPPERS), default=-1)
        return "".join(f"{part}." for part in shared[: last + 1])

    @property
    def evidence(self) -> tuple[str, ...]:
        return tuple(f"{n}: {self.tensors[n].dtype} {list(self.tensors[n].shape)}" for n in self.names[:SHOWN])


@PREFIXED.decided_by
def _prefixed(facts: Facts) -> Iterator[Finding]:
    yield from (finding for finding in _unfitting(facts) if finding.code == PREFIXED.code)


@STATE_DICT.decided_by
def _state_dict(facts: Facts) -> Iterator[Finding]:
    yield from (finding for finding in _unfitting(facts) if finding.code == STATE_DICT.code)


@UNTRAINED.decided_by
def _untrained(facts: Facts) -> Iterator[Finding]:
    yield from (finding for finding in _unfitting(facts) if finding.code == UNTRAINED.code)


def _unfitting(facts: Facts) -> Iterator[Finding]:
    """Yield a finding for each call of load_state_dict that no file fits."""
    if not any(checkpoint.tensors for checkpoint in facts.checkpoints):
        return
    for module, call in _loads(facts):
        given = call.argument("state_dict", 0)
        weights = _given(facts.sources.follow(given.name), facts) if given else []
        if not weights or _changes_names(facts):
            continue
        strict = call.argument("strict", 1)
        strict = facts.sources.value(strict) if strict else None
        loose = strict is not None and strict.is_exactly(constant=False)
        if (strict is not None and not strict.is_constant) or (call.context.tried and not loose):
            continue  # what a try catches may be put right there
        parts = parts_of(call.receiver, module, facts)
        if parts is None:
            yield from _by_prefix(call, weights, facts, loose=loose)
        elif all((w.parts.isdisjoint if loose else w.parts.difference)(parts) for w in weights):
            yield _misfit(call, weights[0], parts, loose=loose)


def _loads(facts: Facts) -> Iterator[tuple[Module, Call]]:
    """Yield the calls of load_state_dict that serving may make, with their receivers as the module writes them."""
    for module in facts.sources.serving_modules():
        for call in module.uses.calls:
            if call.method == "load_state_dict" and facts.sources.serves(module, call.context):
                yield module, call


def _given(argument: str, facts: Facts) -> list[_Weights]:
    """Return all that an argument may be: the loaded file, or a dict in it."""
    return [
        _Weights(checkpoint, tuple(tensors), tensors)
        for checkpoint in facts.checkpoints
        for inner, tensors in checkpoint.tensors.items()
        if tensors and _is_given(argument, checkpoint, inner)
    ]


def _is_given(argument: str, checkpoint: Checkpoint, inner: str) -> bool:
    if checkpoint.kind is Kind.SAFETENSORS:
        return argument == "safetensors.torch.load_file()"
    return argument == ("torch.load()[]" if inner else "torch.load()")


def _changes_names(facts: Facts) -> bool:
    """Return whether the code changes a loaded dict, or the names that a model takes."""
    loaded = ("torch.load()", "safetensors.torch.load_file()")
    for module in facts.sources.serving_modules():
        mentions = [module.uses.mentions, *(function.mentions for function in module.uses.functions.values())]
        if any(_CHANGES_NAMES & mentioned for mentioned in mentions):
            return True
        if any(c.method in _CHANGES_DICT and c.name.startswith(loaded) for c in module.uses.calls):
            return True
    return False


def _by_prefix(call: Call, weights: list[_Weights], facts: Facts, *, loose: bool) -> Iterator[Finding]:
    """Yield a finding for each file whose names have a wrapper's prefix, which the code does not know of."""
    prefixed = [w for w in weights if (prefix := w.prefix) and not _is_known(prefix, facts)]
    if loose and len(prefixed) < len(weights):
        return
    for each in prefixed:
        yield _finding(call, each, loose=loose, parts=None)


def _misfit(call: Call, weights: _Weights, parts: frozenset[str], *, loose: bool) -> Finding:
    if weights.prefix or loose:
        return _finding(call, weights, loose=loose, parts=parts)
    unknown = sorted(weights.parts - parts)
    return STATE_DICT.finding(
        f"the model has no part `{unknown[0]}`, and names in {weights.checkpoint.path} begin so",
        severity=Severity.WARNING if call.context.guards else Severity.ERROR,
        location=call.location,
        subject=weights.checkpoint.path,
        cause=f"the names begin with {_listed(weights.parts)}, and the model's with {_listed(parts)}",
        evidence=weights.evidence,
    )


def _finding(call: Call, weights: _Weights, *, loose: bool, parts: frozenset[str] | None) -> Finding:
    path, prefix = weights.checkpoint.path, weights.prefix
    wrapper = next((WRAPPERS[part][0] for part in reversed(prefix.split(".")) if part in WRAPPERS), "")
    origin = f"{wrapper} puts it there; " if wrapper else ""
    sure = (
        f"{origin}the names of the model begin with {_listed(parts)}"
        if parts
        else (f"{origin}whether the model itself has a part of that name cannot be seen")
    )
    begin = f"every name in {path} begins `{prefix}`" if prefix else f"no name in {path} is one of the model's"
    return (UNTRAINED if loose else PREFIXED).finding(
        f"{begin}, and strict=False hides it: the model stays untrained" if loose
        else f"{begin}, and load_state_dict gets them as they are",
        severity=Severity.ERROR if parts and not call.context.guards else Severity.WARNING,
        location=call.location,
        subject=path,
        cause=sure,
        fix=f'remove strict=False, and {_STRIPS.replace("module.", prefix)}' if loose and prefix
        else UNTRAINED.fix if loose else PREFIXED.fix.replace('"module."', f'"{prefix}"'),
        evidence=weights.evidence,
    )  # fmt: skip


def _listed(parts: frozenset[str]) -> str:
    shown = sorted(parts)[: SHOWN + 1]
    return ", ".join(f"`{part}`" for part in shown) + (" …" if len(parts) > len(shown) else "")


def _is_known(prefix: str, facts: Facts) -> bool:
    """Return whether the code shows that it knows of a prefix: by a wrapper, or by the name itself."""
    wrappers = [part for part in prefix.split(".") if part in WRAPPERS]
    words = {word.removeprefix("torch.") for part in wrappers for word in (part, *WRAPPERS[part])}
    for module in facts.sources.serving_modules():
        mentions = [module.uses.mentions, *(function.mentions for function in module.uses.functions.values())]
        if any(words & mentioned for mentioned in mentions):
            return True
    return False
