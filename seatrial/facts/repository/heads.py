"""What code replaces of a builder's model after it is built: its head, its pooling, its first convolution."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.facts.architectures import known
from seatrial.facts.repository.builders import statements_after, target_of
from seatrial.facts.repository.rewriting import Text, filled, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Script
    from seatrial.facts.repository.scripts import Scripts

_VARIABLE = "model"  # what the model is called in the written module
CLASSES = "classes"  # what the number of classes is called there


@dataclass(frozen=True)
class Change:
    """What replaces a part of a builder's model: its head, its pooling, its first convolution.

    Attributes:
        part: where it is: `fc`, or `classifier[6]`.
        written: the expression, in which the model is `model`, and the number of classes `classes` if it is unknown.
        weight: the name of the weight whose rows are the classes; "" if that cannot be told.
        ends: what the model answers with it: logits, probabilities, or log-probabilities.
    """

    part: str
    written: Text
    weight: str
    ends: str = "logits"


def changes_of(call: ast.Call, script: Script, scripts: Scripts, library: str, name: str) -> Iterator[Change]:
    """Yield what replaces parts of the model that a call builds; not a head with only another number of classes."""
    variable, row = target_of(call, script), known(name, library)
    if not variable or row is None:
        return
    for statement in statements_after(call, script):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Attribute | ast.Subscript):
            continue
        target = statement.targets[0]
        part = _part_of(target, variable)
        value = _meant(statement.value, script)
        is_layer = isinstance(value, ast.Call) and not part.endswith(("requires_grad", "data", "training"))
        if not ast.unparse(target).startswith(f"{variable}.") or not is_layer:
            continue
        own = row.head.removesuffix(".weight")
        called = script.name(value.func) if isinstance(value, ast.Call) else ""
        is_same = part == own and called == "torch.nn.Linear" and not _has_no_bias(value)
        if not is_same and called != "torch.nn.Identity":
            yield _change(value, part, variable, own, script, scripts)


def _meant(node: ast.expr, script: Script) -> ast.expr:
    """Return what a name stands for, as in `model.fc = head`; anything else as it is."""
    bound = script.bound(node.id, node) if isinstance(node, ast.Name) else None
    return bound if bound is not None else node


def _has_no_bias(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and any(keyword.arg == "bias" for keyword in node.keywords)


def _part_of(target: ast.expr, variable: str) -> str:
    """Return a dotted path below the variable: `classifier.6` for `model.classifier[6]`."""
    text = ast.unparse(target).removeprefix(f"{variable}.")
    return re.sub(r"\[(\d+)\]", r".\1", text)


def _change(node: ast.expr, part: str, variable: str, own: str, script: Script, scripts: Scripts) -> Change:
    """Return a part as the written module builds it: on `model`, and if it is the head, for `classes` classes."""

    def local(inner: ast.expr) -> ast.expr | None:
        """Put in what a name of the function stands for, if that is something of the model: its features."""
        bound = script.bound(inner.id, inner) if isinstance(inner, ast.Name) else None
        return bound if bound is not None and ast.unparse(bound).startswith(f"{variable}.") else None

    whole = filled(node, local)
    is_head = part.partition(".")[0] == own.partition(".")[0]
    last, place = _last_linear(whole) if is_head else (None, "")
    if last is not None and len(last.args) > 1:
        last.args[1] = ast.Name(CLASSES, ast.Load())
    elif last is not None:
        for keyword in last.keywords:
            keyword.value = ast.Name(CLASSES, ast.Load()) if keyword.arg == "out_features" else keyword.value
    script.parents.update({inner: script.parents[node] for inner in ast.walk(whole) if inner not in script.parents})
    features = {ast.unparse(n) for n in ast.walk(whole) if isinstance(n, ast.Attribute)}
    kept = {text: _VARIABLE + text.removeprefix(variable) for text in features if text.startswith(f"{variable}.")}
    written = rewrite(whole, script, scripts, {**kept, CLASSES: CLASSES})
    weight = f"{part}.{place}weight" if last is not None else ""
    return Change(re.sub(r"\.(\d+)", r"[\1]", part), written, weight, _ends(whole) if is_head else "logits")


def _last_linear(node: ast.expr) -> tuple[ast.Call | None, str]:
    """Return the last Linear of a head, and where it is: `3.` in a Sequential, "" if it is the head itself."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Linear"):
        return node, ""
    for name, layer in reversed(_layers(node)):
        if isinstance(layer, ast.Call) and ast.unparse(layer.func).endswith("Linear"):
            return layer, f"{name}."
    return None, ""


def _layers(node: ast.expr) -> list[tuple[str, ast.expr]]:
    """Return the layers of a Sequential with their names: numbers, or those of an OrderedDict; [] for any other."""
    if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Sequential"):
        return []
    match node.args:
        case [ast.Call(func, [ast.List(items)])] if ast.unparse(func).endswith("OrderedDict"):
            pairs = [item.elts for item in items if isinstance(item, ast.Tuple)]
            return [(str(pair[0].value), pair[1]) for pair in pairs if isinstance(pair[0], ast.Constant)]
    return [(str(number), layer) for number, layer in enumerate(node.args)]


def _ends(node: ast.expr) -> str:
    """Return what the last layer of a head makes of the scores."""
    layers = _layers(node)
    last = layers[-1][1] if layers else None
    name = ast.unparse(last.func).rpartition(".")[2] if isinstance(last, ast.Call) else ""
    return {"LogSoftmax": "log-probabilities", "Softmax": "probabilities", "Sigmoid": "probabilities"}.get(
        name, "logits"
    )
