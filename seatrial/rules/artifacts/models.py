"""The parts of a model, as the source shows them: what names in its state_dict begin with. This module has no rules.

The parts that are returned may be too many, because not every attribute of a class is a module, but never too few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import Value
from seatrial.facts.tables import model_names

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources

_MODULE = {
    "torch.nn.Module", "torch.nn.modules.module.Module", "torch.nn.modules.Module", "lightning.LightningModule",
    "lightning.pytorch.LightningModule", "pytorch_lightning.LightningModule",
}  # fmt: skip
_WRAPPING = {
    "torch.nn.DataParallel()": "module",
    "torch.nn.parallel.DataParallel()": "module",
    "torch.nn.parallel.DistributedDataParallel()": "module",
    "torch.compile()": "_orig_mod",
}
_SEQUENTIAL = "torch.nn.Sequential()"
# Methods and functions that give a module parts whose names no assignment shows.
_DYNAMIC = {
    "add_module", "register_module", "setattr", "__setattr__", "register_parameter", "register_buffer", "_modules",
    "__dict__",
}  # fmt: skip
_LENGTHENS = {"add_module", "append", "insert", "extend"}  # methods of Sequential
_OWN_NAMES = {"load_state_dict", "_load_from_state_dict", "state_dict", "__setattr__", "__getattr__"}


def parts_of(receiver: str, module: Module, facts: Facts) -> frozenset[str] | None:
    """Return the parts of the model that an expression of a module gives; None if the source does not show them."""
    model = facts.sources.value(Value(receiver))
    if not model.name.endswith("()"):
        return None
    if model.name in _WRAPPING:
        return frozenset([_WRAPPING[model.name]])
    if model.name == _SEQUENTIAL:
        found = _of_sequential(model, module, facts.sources)
    elif model.name.startswith("torchvision.models."):
        found = model_names().get(model.name.removesuffix("()").rpartition(".")[2])
    else:
        found = _of_class(model.name.removesuffix("()"), facts.sources, ())
    return found | _assigned(facts.sources) if found else None


def _of_sequential(model: Value, module: Module, sources: Sources) -> frozenset[str] | None:
    """Return the numbers of the modules in a Sequential that is written out."""
    modules = sources.serving_modules() if model.end else [module]
    written = [
        call
        for each in modules
        for call in each.uses.calls
        if f"{call.name}()" == _SEQUENTIAL and model.end in (None, call.end)
    ]
    if len(written) != 1 or written[0].is_open or written[0].keywords:
        return None
    modules_given = written[0].arguments
    if not modules_given or (len(modules_given) == 1 and "Dict" in sources.value(modules_given[0]).name):
        return None
    changed = any(c.receiver == _SEQUENTIAL and c.method in _LENGTHENS for m in modules for c in m.uses.calls)
    return None if changed else frozenset(map(str, range(len(modules_given))))


def _of_class(name: str, sources: Sources, seen: tuple[str, ...]) -> frozenset[str] | None:
    """Return the attributes of a class of the project and of those that it derives from."""
    if name in _MODULE:
        return frozenset()
    parts = name.split(".")
    modules = (".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
    owner = next((module for module in modules if module in sources.modules), "")
    qualname = name.removeprefix(f"{owner}.")
    uses = sources.modules[owner].uses if owner else None
    if uses is None or qualname not in uses.classes or not uses.classes[qualname] or name in seen:
        return None
    methods = {q.removeprefix(f"{qualname}."): f for q, f in uses.functions.items() if q.startswith(f"{qualname}.")}
    if _OWN_NAMES & methods.keys() or any(_DYNAMIC & function.mentions for function in methods.values()):
        return None
    found = uses.attributes.get(qualname, frozenset())
    for base in uses.classes[qualname]:
        inherited = _of_class(sources.follow(base), sources, (*seen, name))
        if inherited is None:
            return None
        found |= inherited
    return found


def _assigned(sources: Sources) -> frozenset[str]:
    """Return every attribute that the code assigns to an object other than `self`: one of them may be the model."""
    return frozenset(name.rpartition(".")[2] for m in sources.serving_modules() for name in m.uses.patched)
