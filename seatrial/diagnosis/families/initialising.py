"""Modules of torch that were never initialised: super().__init__() is missing, or comes after the first layer.

An object that a pickle restored may lack attributes too; it lacks newer ones, never those that every torch sets.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import is_projects, part_of, users_frame
from seatrial.rules.artifacts.pickled import OLD_TRANSFORM
from seatrial.rules.serving.code import NO_INIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised

_BEFORE = re.compile(r"cannot assign (?P<what>module|parameters?|buffers?)s? before Module\.__init__\(\) call")
_LACKS = re.compile(r"'(?P<type>\w+)' object has no attribute '(?P<name>\w+)'")
# What Module.__init__ has set since torch 1.0, so that no pickle lacks it.
SET_BY_EVERY_MODULE = frozenset(
    (
        "training", "_parameters", "_buffers", "_modules", "_backward_hooks", "_forward_hooks",
        "_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks",
    )
)  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what torch.nn.Module misses of itself."""
    if raised.name not in ("AttributeError", "ModuleAttributeError"):
        return
    before = _BEFORE.search(raised.message)
    lacks = _LACKS.match(raised.message)
    if not before and not (lacks and lacks["name"] in SET_BY_EVERY_MODULE and _of_torch(raised)):
        return
    if lacks and (old := _restored(lacks["type"], lacks["name"], raised, case)):
        yield old
        return
    name = lacks["type"] if lacks else _class_of(raised)
    frame = next(
        (f for f in reversed(raised.frames) if f.function == "__init__" and f.file != _module_file(raised)), None
    )
    part = part_of(frame) if before else None
    whose = f"`{name}`" if name else "the class of the evidence's line"
    defined = case.facts.tree.definitions([name]).get(name) if case.facts and name else None
    if before:
        message = f"{whose} assigns a {_one(before['what'])} before it calls super().__init__()"
        cause = "Module.__init__ makes the dictionary into which the assignment goes, so it must run first"
    else:
        message = f"{whose} never called super().__init__()"
        cause = (
            f"`{lacks['name'] if lacks else ''}` is made by torch.nn.Module.__init__, which did not run for this object"
        )
    if part is not None and not is_projects(users_frame(raised)):
        fix = f"upgrade {part.name}, whose class this is"
    else:
        fix = f"call super().__init__() in the first line of __init__ in {whose}"
    yield Diagnosis(
        NO_INIT.finding(message, subject=name, location=defined, cause=cause, fix=fix),
        "torch.nn.Module's own code misses what Module.__init__ makes"
        if lacks
        else "torch.nn.Module refused an assignment",
        raised.position,
    )


def _restored(kind: str, name: str, raised: Raised, case: Case) -> Diagnosis | None:
    """Judge a transform of torchvision, which older releases did not make a module: a pickle of those has no hooks."""
    defined = case.facts is not None and kind in case.facts.tree.definitions([kind])
    if defined or not any(each.pattern.search(f"AttributeError: {raised.message}") for each in OLD_TRANSFORM.symptoms):
        return None
    finding = OLD_TRANSFORM.finding(
        f"a pickled {kind} is of another torchvision: it has no `{name}`",
        cause=f"torchvision's {kind} is a module of torch now and was none when the object was pickled; or a class of "
        f"the project with the name {kind} does not call super().__init__()",
    )
    return Diagnosis(
        finding, f"`{kind}` is a transform of torchvision, which calls super().__init__()", raised.position
    )


def _of_torch(raised: Raised) -> bool:
    """Return whether torch.nn.Module asked for the attribute, or the log has no frames."""
    last = raised.raiser
    return (
        last is None or last.file.replace("\\", "/").endswith("torch/nn/modules/module.py") or "self._" in last.source
    )


def _module_file(raised: Raised) -> str:
    return raised.raiser.file if raised.raiser and "torch/nn" in raised.raiser.file else ""


def _class_of(raised: Raised) -> str:
    """Return the class whose __init__ assigned, by the line that called it: `net = Net(7)` or `self.head = Head()`."""
    frames = raised.frames
    for before, frame in pairwise(frames):
        if frame.function.rpartition(".")[2] == "__init__" and "/torch/nn/" not in frame.file.replace("\\", "/"):
            qualified = frame.function.rpartition(".")[0].rpartition(".")[2]
            called = re.findall(r"(?<![\w.])(?:\w+\.)*([A-Z]\w*)\(", before.source)
            return qualified or (called[-1] if len(set(called)) == 1 else _inner(before.source))
    return ""


def _inner(source: str) -> str:
    """Return the class that is called in a line of several calls, if only one of them is no container."""
    called = [c for c in re.findall(r"(?<![\w.])(?:\w+\.)*([A-Z]\w*)\(", source) if c not in ("Compose", "Sequential")]
    return called[0] if len(set(called)) == 1 else ""


def _one(what: str) -> str:
    return {"module": "layer", "parameters": "parameter", "buffers": "buffer"}.get(what, what)
