"""Pickles: classes that moved, that were defined in `__main__`, or that torch.load refuses to make.

The file asks for the names, not a line of code. So the file must be written again, or the version locked that wrote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.modules import GENERIC, MISSING
from seatrial.diagnosis.families.whose import (
    INSTALLED,
    is_own,
    is_sure,
    is_unpickling,
    provider,
    said,
    top,
    users_frame,
)
from seatrial.rules.artifacts.checkpoints import CLASS_IN_MAIN, UNKNOWN_MODULE
from seatrial.rules.artifacts.loading import WEIGHTS_ONLY
from seatrial.rules.artifacts.pickled import MOVED_CLASS, NUMPY_2
from seatrial.rules.imports import how_to_provide
from seatrial.rules.lock.names import PICKLED_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

_ATTRIBUTE = re.compile(
    r"Can't get attribute '(?P<name>[\w.<>]+)' on <module '(?P<module>[\w.]+)'(?: from "
    r"'(?P<file>[^'\n]+)')?"
)
_LACKS = re.compile(r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'")
_REFUSED = re.compile(
    r"Unsupported (?:global: GLOBAL|class) (?P<name>[\w.]+)|GLOBAL (?P<other>[\w.]+) was not an allowed global"
)
_MAINS = re.compile(r"(?:[\w.]+\.)?__(?:mp_)?main__$")
_LIGHTNING = re.compile(r"load_from_checkpoint|lightning")
_SAVE = (
    "save the model's state_dict with the versions that wrote the file, and build the model in the predictor's package"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what a pickle asks for and does not get."""
    if raised.name in ("UnpicklingError", "RuntimeError"):
        text = said(raised, case) if raised.name == "UnpicklingError" else raised.message
        if refused := _REFUSED.search(text):
            yield Diagnosis(*_refused(refused["name"] or refused["other"], raised, case), raised.position)
        return
    if found := _ATTRIBUTE.search(raised.message):
        of_users = found["file"] is not None and not INSTALLED.search(found["file"])
        yield Diagnosis(*_lacking(found["module"], found["name"], raised, case, own=of_users), raised.position)
    elif is_unpickling(raised) and (found := MISSING.match(raised.message)):
        yield Diagnosis(*_missing(found["module"], raised, case), raised.position)
    elif is_unpickling(raised) and (found := _LACKS.match(raised.message)):
        yield Diagnosis(*_lacking(found["module"], found["name"], raised, case), raised.position)


def _save(has: str, raised: Raised) -> str:
    """Return how the file is best written again: of a model of torch its weights."""
    torch = any("torch" in f"{frame.module} {frame.source}" for each in raised.chain() for frame in each.frames)
    return _SAVE if torch else f"write the file again with the locked {has}, from data that is kept in a plain format"


def _lacking(module: str, name: str, raised: Raised, case: Case, *, own: bool = False) -> tuple[Finding, str]:
    if _MAINS.match(module) or module in ("__main__", "__mp_main__"):
        defined = case.facts.tree.definitions([name]).get(name) if case.facts else None
        finding = CLASS_IN_MAIN.finding(
            f"the artifacts hold a pickled `{name}` that was defined in `__main__` of what wrote it", location=defined
        )
        return finding, "the pickle names `__main__`, which in serving is the server's program"
    if (own or is_own(module, raised, case)) and not is_sure(module, case):
        defined = case.facts.tree.definitions([name]).get(name) if case.facts else None
        finding = UNKNOWN_MODULE.finding(
            f"a pickle in the artifacts needs `{module}.{name}`, and the project's `{module}` has no `{name}`",
            subject=f"{module}.{name}",
            cause=f"it is defined in {defined} now"
            if defined
            else "it was renamed or moved after the file was written",
            fix=f"define or import `{name}` in `{module}` again, or save weights and plain values instead of the "
            "object",
        )
        return finding, f"`{module}` is the project's own, and the pickle names `{name}` in it"
    has = provider(module, case)
    rule = MOVED_CLASS if has.name in ("torch", "torchvision") else PICKLED_NAME
    finding = rule.finding(
        f"a pickle needs `{name}`, which `{module}` does not have in {has.known}",
        subject=f"{module}.{name}",
        cause=f"the file was written with another version of {has.name}, which has the class there",
        fix=f"{_save(has.name, raised)}; or pin the version of {has.name} that wrote the file and run `seatrial lock`",
    )
    return finding, f"the pickle names `{module}.{name}`, and `{module}` could be imported"


def _missing(module: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    if module.startswith("numpy._core"):
        served = case.locked("numpy")
        finding = NUMPY_2.finding(
            f"a pickle of numpy 2 needs `{module}`, which {f'numpy {served}' if served else 'the installed numpy'} "
            "does not have",
            subject="numpy",
        )
        return finding, "the pickle names `numpy._core`, where numpy 2 has its classes"
    path = case.facts.tree.locate(module) if case.facts else None
    generic = top(module) in GENERIC and not is_sure(module, case)
    if path or generic or (is_own(module, raised, case) and not is_sure(module, case)):
        return _own(module, path or "", generic and not path, raised)
    has = provider(module, case)
    if "." in module and (has.version or is_sure(module, case)):
        rule = MOVED_CLASS if has.name in ("torch", "torchvision") else PICKLED_NAME
        finding = rule.finding(
            f"a pickle in the artifacts needs the module `{module}`, which {has.known} does not have",
            subject=module,
            cause=f"a whole object was pickled; {has.name} moved or removed the module since the file was written",
            fix=f"{_save(has.name, raised)}; or pin the version of {has.name} that wrote the file in requirements.in "
            "and run `seatrial lock`",
        )
        return finding, f"the pickle names `{module}`; {has.name} is there, the module is not"
    sure = is_sure(module, case)
    add = (
        how_to_provide(module, case.facts)
        if case.facts
        else f"add `{has.name}` to requirements.in, then run `seatrial lock`"
    )
    finding = UNKNOWN_MODULE.finding(
        f"a pickle in the artifacts needs the module `{module}`",
        subject=module,
        cause="a whole object was pickled, and loading it imports the module of its class",
        fix=f"{_save(has.name, raised)}; or {add}"
        if sure
        else f"{_SAVE}; to load the file as it is, ship the module `{module}` or lock the distribution that has it",
    )
    return finding, f"a pickle was being read when `{module}` was imported"


def _own(module: str, path: str, generic: bool, raised: Raised) -> tuple[Finding, str]:
    cause = (
        f"{path} does not ship: `packages` does not name it"
        if path
        else (
            f"`{top(module)}` was a folder beside the training script or in a cloned repository such as YOLOv5's; no "
            "distribution of an index is meant"
            if generic
            else "the module is the project's own, and is not in what ships"
        )
    )
    finding = UNKNOWN_MODULE.finding(
        f"a pickle in the artifacts needs the module `{module}`",
        subject=module,
        cause=cause,
        fix="in the training environment save the state_dict (or export to TorchScript or ONNX) instead of the whole "
        f"model; or ship the code of `{module}` under that name. Do not install a distribution called `{top(module)}`",
    )
    return finding, f"a pickle was being read when `{module}` was imported, which is a file of a project"


def _refused(name: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    frames = [f for each in raised.chain() for f in each.frames]
    lightning = any(_LIGHTNING.search(f"{f.file} {f.source}") for f in frames)
    module, _, last = name.rpartition(".")
    if _MAINS.match(module):
        return _lacking(module, last, raised, case)
    whose = f"of {provider(module, case).name}" if is_sure(module, case) else "of a library"
    whose = "of Python itself" if not module else "of the project" if is_own(module, raised, case) else whose
    line = users_frame(raised)
    call = "load_from_checkpoint(…, weights_only=False)" if lightning else "torch.load(…, weights_only=False)"
    finding = WEIGHTS_ONLY.finding(
        f"torch.load refuses the file, because it holds a pickled `{name}`",
        subject=name,
        cause=f"`{last}` is a class {whose}; since torch 2.6 torch.load loads only tensors and plain containers by "
        "default" + ("; Lightning keeps the hyperparameters of the module in its checkpoints" if lightning else ""),
        fix=f"best save only `state_dict` and plain values ({_plain_of(name)}); if the file is your own, call "
        f"torch.serialization.add_safe_globals([{name}]) before loading, once for each class that torch names, or "
        f"{call}",
    )
    return finding, f"torch's weights-only unpickler names `{name}`" + (f", called in {line.function}" if line else "")


def _plain_of(name: str) -> str:
    if name.startswith("omegaconf."):
        return "OmegaConf.to_container(cfg, resolve=True) makes a plain dictionary"
    if name.startswith("numpy."):
        return ".item() and .tolist() make plain numbers and lists of numpy's"
    if name.startswith("pathlib."):
        return "str(path) makes a plain text"
    return "a dictionary of numbers, texts, lists and tensors"
