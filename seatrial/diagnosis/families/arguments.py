"""Calls that do not fit: an argument that a function does not take, or misses; a method that nobody wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.releases import also, pin_with
from seatrial.diagnosis.families.whose import Part, asker, is_sure, part_of, provider, users_frame
from seatrial.rules.artifacts.formats import BARE_ARGUMENTS
from seatrial.rules.lock.fitting import GONE, UNFIT
from seatrial.rules.lock.names import OLD_HOOK
from seatrial.rules.serving.code import OTHER_ARGUMENTS
from seatrial.rules.transforms.removed_names import OLD_NAMES, WEIGHTS_ARGUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.findings import Finding, Location

Told = tuple["Finding", str]
_CALLED = r"(?P<function>[\w.<>]+)\(\)"
_UNEXPECTED = re.compile(rf"{_CALLED} got an unexpected keyword argument '(?P<argument>\w+)'")
_MISSING = re.compile(rf"{_CALLED} missing \d+ required (?:positional|keyword-only) arguments?: (?P<arguments>.+)")
_NUMBER = re.compile(rf"{_CALLED} takes (?P<takes>[\w ]+?) positional arguments? but (?P<given>\d+) (?:was|were) given")
_NOT_BOTH = re.compile(rf"{_CALLED} got multiple values for argument '(?P<argument>\w+)'")
_INVALID = re.compile(r"'(?P<argument>\w+)' is an invalid keyword argument for (?P<function>[\w.]+)\(?\)?")
# Methods that subclasses of torchvision's v2.Transform override, by the release that renamed them.
_HOOKS = {"transform": "_transform", "make_params": "_get_params", "check_inputs": "_check_inputs"}
_RENAMED = "0.21"  # torchvision 0.21.0, release notes: "the `_` prefix was removed"


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a call that Python refuses, and a method of a base class that was not overridden."""
    told: Told | None = None
    if raised.name == "TypeError":
        told = _refused(raised, case)
    elif raised.name == "NotImplementedError":
        told = _not_overridden(raised, case)
    if told is not None:
        yield Diagnosis(*told, raised.position)


def _refused(raised: Raised, case: Case) -> Told | None:
    text = raised.message
    found = next((m for p in (_UNEXPECTED, _MISSING, _NUMBER, _NOT_BOTH, _INVALID) if (m := p.match(text))), None)
    if found is None:
        return None
    function = found["function"]
    groups = found.groupdict()
    argument = groups.get("argument") or ""
    frames = [f for each in raised.chain() for f in each.frames]
    if any(
        re.search(r"load_from_checkpoint|_load_state\b|_load_from_checkpoint", f"{f.function} {f.source}")
        for f in frames
    ):
        return _bare(function, text)
    frame = asker(raised)
    part = part_of(frame)
    defined = _defined(function, case)
    known = _known(function, argument, case)
    if known is not None and part is None:
        return known
    if defined is not None:
        return _own(function, text, defined, part)
    if part is not None:
        return _between(function, text, part, frame, raised, case)
    return _of_library(function, argument, text, raised, case)


def _bare(function: str, text: str) -> Told:
    finding = BARE_ARGUMENTS.finding(
        f"load_from_checkpoint cannot build `{_short(function)}`: {_plain(text)}",
        cause="the checkpoint holds no hyperparameters for it, or others than __init__ takes now",
    )
    return finding, "load_from_checkpoint called the class with what the file holds"


def _own(function: str, text: str, defined: Location, part: Part | None) -> Told:
    finding = OTHER_ARGUMENTS.finding(
        f"the project's `{_short(function)}` is called with other arguments than it takes: {_plain(text)}",
        location=defined,
        cause=f"the call is in {part.name}, which gives it these arguments" if part else "",
        fix=f"make `{_short(function)}` take what its caller gives it"
        if part
        else f"change the call, or the parameters of `{_short(function)}`; a configuration of another version of the "
        "code holds arguments of that version",
    )
    return finding, f"`{_short(function)}` is defined in the project"


def _between(function: str, text: str, part: Part, frame: Frame | None, raised: Raised, case: Case) -> Told:
    """Judge a call in the code of a distribution."""
    has = _of(function, frame, case)
    other = has if has and has.name != part.name else None
    users = users_frame(raised)
    finding = UNFIT.finding(
        f"{part.known} calls `{_short(function)}` with arguments that it does not take: {_plain(text)}",
        subject=part.name,
        cause=f"{part.name} was written for another {other.name}"
        if other
        else f"the call is in {part.name}'s own code: the function is of another version of a distribution that it "
        f"uses, or the arguments come from a file or a configuration of another version of {part.name}",
        fix=f"upgrade {part.name}, or pin the versions of it and of {other.name if other else 'what it calls'} that "
        "training used; then run `seatrial lock`" + ("; look at what the evidence's line passes on" if users else ""),
    )
    return finding, f"the call is in the code of {part}"


def _of_library(function: str, argument: str, text: str, raised: Raised, case: Case) -> Told | None:
    """Judge a call of the project that a library's function refuses, or one whose function nobody knows."""
    frame = asker(raised)
    has = _of(function, frame, case)
    module = _module_of(function, frame, case)
    if has is not None:
        what = f"no argument `{argument}`" if argument else "other parameters"
        known = pin_with(has, module, _short(function).removesuffix(".__init__"), case, argument) if argument else ""
        finding = GONE.finding(
            f"`{_short(function)}` of {has.known} has {what}: {_plain(text)}",
            subject=has.name,
            cause=f"another version of {has.name} takes it; this one removed it, renamed it, or does not have it yet",
            fix=also(
                f"write what the locked {has.name} takes, or pin the version of {has.name} that training used; then "
                "run `seatrial lock`",
                known,
            ),
        )
        return finding, f"`{_short(function)}` is a name of {has.name}, and the project's code calls it"
    above = next((part for f in reversed(raised.frames) if (part := part_of(f))), None)
    caller = (
        f"; {above.name} called the code that passes them on, so its release may decide which they are" if above else ""
    )
    finding = OTHER_ARGUMENTS.finding(
        f"`{_short(function)}` is called with other arguments than it takes: {_plain(text)}",
        cause="the function is the project's own and was changed without its caller, or it is of a distribution whose "
        "locked version takes other arguments" + caller,
        fix="look at where the function is defined: change the call for the project's own; for a distribution's, pin "
        "the version that training used",
    )
    return finding, "the call is in the project's code"


def _known(function: str, argument: str, case: Case) -> Told | None:
    """Judge arguments of torchvision of which it is known what became of them."""
    name = _short(function).removesuffix(".__init__")
    why = "torchvision's history tells what became of the argument"
    if argument in ("resample", "fillcolor") and name in ("RandomRotation", "RandomAffine"):
        new = {"resample": "interpolation", "fillcolor": "fill"}[argument]
        return OLD_NAMES.finding(f"{name} has no argument `{argument}` any more", fix=f"write {new}="), why
    if argument == "weights" and re.match(r"^(?:[A-Z]\w*|_?[a-z]+\w*\d*)$", name) and _looks_like_a_model(name):
        version = case.locked("torchvision")
        return (
            WEIGHTS_ARGUMENT.finding(
                f"`{name}` is called with weights=, which "
                f"{f'torchvision {version}' if version else 'this torchvision'} does not know",
                cause="torchvision 0.13 introduced it",
                fix="lock torchvision 0.13 or later, or write pretrained=",
            ),
            why,
        )
    return None


def _looks_like_a_model(name: str) -> bool:
    return bool(
        re.match(
            r"(?i)(?:resne[xt]t?|densenet|vgg|mobilenet|efficientnet|alexnet|squeezenet|googlenet|inception|vit_|swin)",
            name,
        )
    )


def _not_overridden(raised: Raised, case: Case) -> Told | None:
    """Judge a method of a base class that raises because the subclass has no method of that name."""
    frame = raised.raiser
    if frame is None:
        return None
    if frame.module.startswith("torchvision.transforms.v2") and frame.function.rpartition(".")[2] in _HOOKS:
        return _renamed_hook(frame.function.rpartition(".")[2], case)
    if frame.module.startswith("torch.nn.modules.module") or "_forward_unimplemented" in frame.function:
        finding = OTHER_ARGUMENTS.finding(
            f"a module has no forward(): {raised.message.strip() or 'torch.nn.Module raised NotImplementedError'}",
            cause="the class does not define forward, or it is indented into another method; an nn.ModuleList or "
            "nn.ModuleDict has none either",
            fix="define forward(self, …) in the class; call the members of a ModuleList one by one",
        )
        return finding, "torch.nn.Module's own forward was called"
    return None


def _renamed_hook(hook: str, case: Case) -> Told:
    version = case.locked("torchvision")
    served = f"torchvision {version}" if version else f"torchvision {_RENAMED} and later"
    old = _HOOKS[hook]
    finding = OLD_HOOK.finding(
        f"a transform of the project overrides `{old}`, and {served} calls `{hook}`",
        subject="torchvision",
        cause=f"torchvision {_RENAMED} renamed the methods that a v2.Transform overrides: _transform to transform, "
        "_get_params to make_params, _check_inputs to check_inputs",
        fix=f"rename `{old}` to `{hook}` and `_get_params` to `make_params` in the class; or pin "
        f"torchvision<{_RENAMED}",
    )
    return finding, f"v2.Transform.{hook} itself was called, so the subclass does not override it"


def _defined(function: str, case: Case) -> Location | None:
    """Return where the project defines a function, or the class that a method is of."""
    if case.facts is None:
        return None
    name = function.split(".")[0] if not function.startswith("<") else ""
    return case.facts.tree.definitions([name]).get(name) if name and name not in ("__init__", "forward") else None


def _module_of(function: str, frame: Frame | None, case: Case) -> str:
    """Return the dotted module in which the line that calls finds a function, by what the project imports."""
    resolved = _resolved(function, frame, case)
    return resolved.rpartition(".")[0]


def _resolved(function: str, frame: Frame | None, case: Case) -> str:
    """Return the dotted name of what a line of the project calls by this function's name; "" if it cannot be told."""
    if frame is None or case.facts is None or frame.place is None:
        return ""
    name = _short(function).split(".")[0]
    for module, call in case.facts.sources.calls():
        is_here = module.path == frame.place.path and call.location.line == frame.line
        if is_here and call.name.rpartition(".")[2] in (name, _short(function)):
            return call.name
    return ""


def _of(function: str, frame: Frame | None, case: Case) -> Part | None:
    """Return the distribution of a function, if the line that calls it shows it; None if it does not."""
    resolved = _resolved(function, frame, case)
    if resolved and "." in resolved and not resolved.startswith("builtins."):
        return provider(resolved, case) if is_sure(resolved, case) else None
    if frame is None:
        return None
    name = re.escape(_short(function).split(".")[0])
    written = re.search(rf"(?P<path>\w+(?:\.\w+)*)\.{name}\(", frame.source)
    top = written["path"].partition(".")[0] if written else ""
    top = {
        "np": "numpy",
        "pd": "pandas",
        "transforms": "torchvision",
        "T": "",
        "A": "albumentations",
        "F": "",
        "nn": "torch",
    }.get(top, top)
    return provider(top, case) if top and is_sure(top, case) else None


def _short(function: str) -> str:
    """Return a qualified name without what stands for local functions: `Net.__init__`."""
    return function.rpartition("<locals>.")[2]


def _plain(text: str) -> str:
    return text.strip().splitlines()[0]
