"""Family 6, number types: models in half precision, and what goes into them and comes out of them.

A name that shows that the code knows of the type, anywhere in what serves, ends the suspicion: so these rules miss
much, and what they say is likely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import method_of
from seatrial.findings import Severity
from seatrial.rules.rule import Rule
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

HALF_MODEL = Rule(
    code="ST641",
    title="the model is in half precision, and the batch is not",
    explanation=(
        "`model.half()` and `model.bfloat16()` change the weights. ToTensor gives float32, and a layer refuses numbers "
        "of another type than its weights. On a processor many layers are slow in half precision, or do not exist."
    ),
    fix="remove the conversion, or convert the batch too: `batch.to(next(self.model.parameters()).dtype)`",
    severity=Severity.WARNING,
    cloud="RuntimeError: Input type (float) and bias type (c10::Half) should be the same",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.half",
        "https://docs.pytorch.org/docs/stable/amp.html",
    ),
    recognised=("torch names the types of input and weights, or an operation that a type does not have."),
    detected=(
        "The model is converted, or loaded with torch_dtype, where the predictor loads and without a condition, and "
        "nothing else that serves mentions the type, a dtype or autocast. What a library converts by itself is not "
        "seen, so it is a warning."
    ),
    bad="self.model = build().half()  # and predict() calls self.model(batch)",
    good="self.model = build().half()  # and predict() calls self.model(batch.half())",
)

BFLOAT16_TO_NUMPY = Rule(
    code="ST642",
    title="bfloat16 numbers are given to numpy",
    explanation=(
        "numpy has no bfloat16, so `.numpy()` on the output of a model in bfloat16, or on one under autocast to "
        "bfloat16, raises TypeError at the first request."
    ),
    fix="write `.float().numpy()`, or `.tolist()`",
    severity=Severity.WARNING,
    cloud="TypeError: Got unsupported ScalarType BFloat16",
    sources=("https://github.com/pytorch/pytorch/issues/90574",),
    recognised=("torch names the type that numpy does not have."),
    detected=(
        "The code that serves mentions bfloat16 without a condition, and calls `.numpy()` in a function that mentions "
        "no float, double or other dtype. Whether this very tensor is bfloat16 cannot be seen, so it is a warning."
    ),
    bad="self.model = build().bfloat16()\nscores = self.model(batch.bfloat16()).numpy()",
    good="self.model = build().bfloat16()\nscores = self.model(batch.bfloat16()).float().numpy()",
)

_SHORT = {
    "torch.half": "float16", "torch.float16": "float16", "torch.bfloat16": "bfloat16", "half": "float16",
    "float16": "float16", "bfloat16": "bfloat16", "fp16": "float16", "bf16": "bfloat16",
}  # fmt: skip
# Whatever mentions one of these may convert numbers.
_KNOWS = {
    "half", "float16", "bfloat16", "dtype", "autocast", "type", "type_as", "to_dtype", "amp", "HalfTensor", "fp16",
    "float", "fabric", "precision",
}  # fmt: skip
_LONG = {"float", "double", "float32", "float64", "dtype", "type"}
_OF_REQUESTS = {name for each in INTERFACES for name in each.needed} | {
    "preprocess",
    "postprocess",
    "decode",
    "forward",
}
_LOADERS = {each.loader for each in INTERFACES}


@HALF_MODEL.decided_by
def _half_model(facts: Facts) -> Iterator[Finding]:
    calls = facts.sources.calls()
    converted = [(call, kind) for _, call in calls.of_methods(*_CONVERTS) if (kind := _converted(call, facts.sources))]
    where = {call.context.function for call, _ in converted}
    if not converted or any(
        c.context.guards or c.context.tried or not _loads(c.context.function) for c, _ in converted
    ):
        return
    if any(_KNOWS & mentioned for name, mentioned in _mentions(facts.sources) if name not in where):
        return
    if calls.of_methods("float"):
        return
    call, kind = converted[0]
    yield HALF_MODEL.finding(
        f"the model is converted to {kind}, and nothing converts the batch, which is float32",
        location=call.location,
        cause="no other code that serves mentions a dtype, .half() or autocast",
    )


def _loads(function: str) -> bool:
    """Return whether a function may be one that loads the model, and not one that handles a request."""
    return function.rpartition(".")[2] not in _OF_REQUESTS - _LOADERS


def _converted(call: Call, sources: Sources) -> str:
    """Return to which short type a call converts a model or a tensor; "" if to none."""
    of_object = "(" in call.name or not call.name.startswith("torch.")
    if call.method in ("half", "bfloat16") and not call.arguments and of_object:
        return _SHORT[call.method]
    keywords = ("dtype",) if call.method == "to" else ("torch_dtype", "dtype") if call.method in _FROM_FILES else ()
    given = [call.keywords[name] for name in keywords if name in call.keywords]
    if call.method == "to":
        given += call.arguments
    for value in given:
        value = sources.value(value)
        if kind := _SHORT.get(value.name or str(value.constant)):
            return kind
    return ""


_FROM_FILES = ("from_pretrained", "from_config", "create_model", "pipeline")
_CONVERTS = ("half", "bfloat16", "to", *_FROM_FILES)


def _mentions(sources: Sources) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what the functions that serve mention, by their qualified names; what runs on import has none."""
    for module in sources.serving_modules():
        yield "", module.uses.mentions
        for qualname, function in module.uses.functions.items():
            if (module.name, qualname) in sources.serving:
                yield qualname, function.mentions


@BFLOAT16_TO_NUMPY.decided_by
def _bfloat16_to_numpy(facts: Facts) -> Iterator[Finding]:
    calls = facts.sources.calls()
    may_make = calls.where(lambda name: method_of(name) in _CONVERTS or name.endswith("autocast"))
    made = [c for _, c in may_make if "bfloat16" in (_converted(c, facts.sources), _autocast(c, facts.sources))]
    if not made or any(call.context.guards for call in made):
        return
    for module, call in calls.of_methods("numpy"):
        function = module.uses.functions.get(call.context.function)
        if function is None or call.arguments:
            continue
        if not _LONG & function.mentions:
            yield BFLOAT16_TO_NUMPY.finding(
                f"`.numpy()` in `{call.context.function}`, and the model computes in bfloat16, which numpy lacks",
                location=call.location,
                cause=f"{made[0].location} makes it bfloat16; whether this very tensor is so cannot be seen",
            )


def _autocast(call: Call, sources: Sources) -> str:
    """Return the short type of a call of autocast; "" if it is none."""
    dtype = call.argument("dtype", 1) if call.name.endswith("autocast") else None
    return _SHORT.get(sources.value(dtype).name, "") if dtype else ""
