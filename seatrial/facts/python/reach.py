"""What serving reaches: the functions that the predictor's class may call, and names followed across modules.

Reachability goes by identifier: whatever has a name that is mentioned in what may run, may run too. So it finds too
much rather than too little, and whoever needs certainty must not take a function that it names as called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import UNKNOWN_NAME, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.facts.python.module import Module

# Whatever mentions one of these may call by a name that no source spells, or make an object of any class. `()` tells
# the builtin from a method of that name: every predictor has `.eval()`.
BY_NAME = {"getattr()", "globals()", "eval()", "exec()", "vars()", "methodcaller", "attrgetter", "import_module"}
UNPICKLES = {"pickle", "joblib", "dill", "cloudpickle", "Unpickler"}
NEVER_REGISTERS = ("torch.", "functools.", "contextlib.", "abc.", "typing.", "dataclasses.", "builtins.", "numpy.")
# Bases of what no checkpoint holds: everything else may be a model's class or a transform's.
NEVER_PICKLED = ("torch.utils.data.", "builtins.", "typing.", "enum.", "abc.")
MOST_STEPS = 16  # from module to module


def serving_functions(modules: Iterable[Module], predictor_class: str) -> frozenset[tuple[str, str]]:
    """Return (module, qualified name) of every function that the predictor's class may come to call.

    `modules` are those that it imports. What runs on import counts as called.
    """
    everything = {(m.name, q): f for m in modules for q, f in m.uses.functions.items()}
    by_name: dict[str, list[tuple[str, str]]] = {}
    reached: set[str] = {predictor_class}
    for module in modules:
        reached |= module.uses.mentions
        for qualname, bases in module.uses.classes.items():
            methods = [(module.name, q) for q in module.uses.functions if q.startswith(f"{qualname}.")]
            by_name.setdefault(qualname.rpartition(".")[2], []).extend(methods)
            if any(not base.startswith(NEVER_PICKLED) for base in bases):
                reached.add(qualname.rpartition(".")[2])  # a pickled model brings its class without a mention
        for qualname, function in module.uses.functions.items():
            by_name.setdefault(qualname.rpartition(".")[2], []).append((module.name, qualname))
            if any(not d.startswith(NEVER_REGISTERS) for d in function.decorators):
                reached.add(qualname.rpartition(".")[2])  # a decorator may have registered it anywhere
    found: set[tuple[str, str]] = set()
    pending = list(reached)
    while pending:
        name = pending.pop()
        if name in BY_NAME:
            return frozenset(everything)
        if name in UNPICKLES:
            pending.extend(q.rpartition(".")[2] for m in modules for q in m.uses.classes if q not in reached)
            reached.update(q.rpartition(".")[2] for m in modules for q in m.uses.classes)
        for function_id in by_name.get(name, ()):
            if function_id not in found:
                found.add(function_id)
                new = everything[function_id].mentions - reached
                reached |= new
                pending.extend(new)
    return frozenset(found)


def follow(value: Value, modules: Mapping[str, Module]) -> Value:
    """Return what a value stands for across the modules of the project: re-exports, constants, what a function returns.

    It ends at what is not the project's own, or where the text does not tell more.
    """
    begun, functions = value, set[str]()
    for _ in range(MOST_STEPS):
        further = _one_step(value, modules, functions)
        if further is None:
            return value
        value = further
    return begun  # a ring of re-exports


def _one_step(value: Value, modules: Mapping[str, Module], functions: set[str]) -> Value | None:
    """Follow one name; `functions` are those whose result was taken already, because one may return its own."""
    parts = value.name.split(".")
    length = next((n for n in range(len(parts) - 1, 0, -1) if ".".join(parts[:n]) in modules), 0)
    if not length:
        return None
    module = modules[".".join(parts[:length])]
    name, links, rest = *_without_links(parts[length]), parts[length + 1 :]
    bound = module.uses.values.get(name)
    if bound is None:
        stars = module.uses.stars
        own = f"{stars[0]}.{name}" if len(stars) == 1 and name not in module.names else ""
        return _joined(Value(own), links, rest) if own else None
    if bound.name != f"{module.name}.{name}":
        return _joined(bound, links, rest) if bound.is_known else None
    if name in module.uses.classes and links == "()" and rest:  # a method of an instance
        method, links = _without_links(rest[0])
        name, rest = f"{name}.{method}", rest[1:]
    function = module.uses.functions.get(name)
    own_name = f"{module.name}.{name}"
    if function is None or not links.startswith("()") or own_name in functions:
        return None
    functions.add(own_name)
    returned = {value.name: value for value in function.returns if not value.is_exactly(None)}
    only = next(iter(returned.values())) if len(returned) == 1 else None
    if only is None or not only.is_known or any(d.startswith(UNKNOWN_NAME) for d in function.decorators):
        return None
    return _joined(only, links.removeprefix("()"), rest)


def _without_links(part: str) -> tuple[str, str]:
    """Take `build` and `()` of `build()`."""
    at = min((n for n in (part.find("("), part.find("[")) if n >= 0), default=len(part))
    return part[:at], part[at:]


def _joined(base: Value, links: str, rest: list[str]) -> Value | None:
    if not links and not rest:
        return base
    return Value(".".join([base.name + links, *rest])) if base.name else None
