"""Family 1, names: what the locked versions of libraries lack of what the project and its libraries take from them.

The sources of the locked wheels decide, whatever the distribution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.libraries import taken
from seatrial.facts.tables import distributions_of
from seatrial.findings import Location, Severity
from seatrial.rules.artifacts import pickled as pickled_rules
from seatrial.rules.lock.pins import place_of
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule
from seatrial.rules.transforms import libraries, removed_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.facts.gather import Facts
    from seatrial.facts.libraries.taken import Hook, Misfit, Missing, Use
    from seatrial.findings import Finding

_PLACES_TOLD = 8  # of one name, beside the first
_READ = (
    "The source of the locked wheel is read: from the environment that a trial kept, else from the package index, of "
    "which other releases are asked too."
)

MISSING_NAME = Rule(
    code="ST170",
    title="a name that the locked version of its library does not have",
    needs_sources=True,
    explanation=(
        "Libraries rename and remove modules, functions, classes and constants. Code for another release fails under "
        "the lock: an import as soon as the predictor's module is loaded, an attribute when its line runs, perhaps on "
        "the first request."
    ),
    fix="write the name that replaced it, or lock a release that has it",
    cloud="ImportError: cannot import name",
    sources=(
        "https://docs.python.org/3/reference/simple_stmts.html#the-import-statement",
        "https://github.com/pytorch/vision/releases",
        "https://setuptools.pypa.io/en/latest/history.html",
    ),
    recognised=("The project's code asks a distribution for a module or a name, and only that is missing."),
    detected=(
        f"{_READ} Every import, call and attribute of a library's module in code that serving reaches is looked up "
        "in it. A star import that leads out of the wheel, a `__getattr__` that may answer, compiled modules and "
        "namespace packages leave it open, and then nothing is said. So do a try, hasattr or a comparison of versions "
        "around the line, except a comparison around an import that the lock decides. One name is one finding, at a "
        "line that serving surely runs if there is one. It is a warning where no other release is known to have the "
        "name, or where serving may never reach any of the lines."
    ),
    bad="from torchvision.models.resnet import model_urls  # torchvision 0.20",
    good="from torchvision.models import ResNet18_Weights",
)


@MISSING_NAME.decided_by
def _missing_name(facts: Facts) -> Iterator[Finding]:
    if not facts.taken.missing:
        return
    told = set(_told_by_tables(facts))
    gone = {f"{one.module}." for q, one in facts.taken.missing.items() if ":" in q and not one.name}
    places: dict[tuple[str, str, str], list[tuple[Missing, Use]]] = {}
    for use in taken.uses(facts.sources):
        missing = facts.taken.missing.get(use.question)
        if missing is None or use.location in told or not _is_chosen(use, facts):
            continue
        if ":" not in use.question and any(module.startswith(f"{_full(missing)}.") for module in gone):
            continue  # the import of that module fails first, and says which release has it
        told |= {use.location} if not missing.name else set()  # a line may take several names of a module that is gone
        places.setdefault((missing.distribution, missing.module, missing.name), []).append((missing, use))
    for taking in places.values():
        taking.sort(key=lambda one: not _is_reached(one[1], facts))  # what serving surely runs first, then as written
        missing, use = taking[0]
        reached = _is_reached(use, facts)
        yield MISSING_NAME.finding(
            _lacks(missing),
            severity=Severity.ERROR if missing.certain and reached else Severity.WARNING,
            location=use.location,
            subject=missing.distribution,
            cause=_cause(missing) + ("" if reached else "; serving may never reach this line"),
            cloud=_cloud(missing, is_import=":" in use.question),
            fix=fix_of(missing, MISSING_NAME.fix),
            evidence=tuple(_others([other.location for _, other in taking[1:]])),
        )


PICKLED_NAME = Rule(
    code="ST171",
    title="a pickled class that the locked version of its library does not have",
    needs_sources=True,
    explanation=(
        "A pickle names the module of every class in it. The library has since moved or removed that module or class, "
        "so the file cannot be loaded under the lock. A whole saved model names all classes of its layers."
    ),
    fix="save the state_dict instead of the model, or lock the release that wrote the file",
    cloud="ModuleNotFoundError: No module named",
    sources=("https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",),
    recognised=("A pickle was being read when a module or a name of a distribution was not found."),
    detected=f"{_READ} Each module and name in the artifacts' pickles is looked up in it; nothing is unpickled.",
    bad="torch.save(model, file)  # by a release with timm.models.layers, served with one without",
    good="torch.save(model.state_dict(), file)",
)


@PICKLED_NAME.decided_by
def _pickled_name(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints if facts.taken.missing else ():
        told: set[str] = set()
        for module, name in checkpoint.globals:
            missing = facts.taken.missing.get(f"{module}:{name.partition('.')[0]}")
            if missing is None or module in told or pickled_rules.missing_in(module, name, facts):
                continue
            told.add(module)
            moved = f"; `{missing.similar}` has it now" if missing.similar and not missing.name else ""
            yield PICKLED_NAME.finding(
                f"{checkpoint.path} holds a pickled `{module}.{name}`, and {_lacks(missing)}",
                severity=Severity.ERROR if missing.certain else Severity.WARNING,
                location=Location(checkpoint.path),
                subject=f"{module}.{name}",
                cause=_cause(missing) + moved,
                cloud=_cloud(missing, is_import=True),
                fix=f"save the state_dict instead of the model; or {_pin(missing) or 'lock the release that wrote it'}",
            )


OLD_HOOK = Rule(
    code="ST172",
    title="a method that the locked base class no longer calls",
    needs_sources=True,
    explanation=(
        "A class of the project overrides a method that another release of its base class calls. The locked release "
        "calls another one, so the method is never run: the base class does nothing in its place, or raises "
        "NotImplementedError on the first request."
    ),
    fix="rename the method as the locked base class calls it",
    cloud="NotImplementedError",
    sources=(
        "https://docs.pytorch.org/vision/stable/transforms.html",
        "https://docs.pytorch.org/vision/stable/auto_examples/transforms/plot_custom_transforms.html",
    ),
    recognised=("The method of the base class itself ran and raised NotImplementedError."),
    detected=(
        f"{_READ} A method counts if another release of the base class has it and the locked one does not, or if "
        "it resembles a method that the locked base class raises NotImplementedError in and the class does not define; "
        "what only resembles one may be a method of your own, and is a warning."
    ),
    bad="class Pad(v2.Transform):\n    def _transform(self, inpt, params): ...  # torchvision 0.21",
    good="class Pad(v2.Transform):\n    def transform(self, inpt, params): ...",
)


@OLD_HOOK.decided_by
def _old_hook(facts: Facts) -> Iterator[Finding]:
    for question, owner, location in taken.hooks(facts.sources) if facts.taken.hooks else ():
        for hook in facts.taken.hooks.get(question, ()):
            yield _hook_finding(facts, hook, owner, location)


def _hook_finding(facts: Facts, hook: Hook, owner: str, location: Location) -> Finding:
    missing = hook.missing
    base, _, method = missing.name.rpartition(".")
    module, _, name = owner.rpartition(".")
    function = facts.sources.modules[module].uses.functions.get(f"{name}.{method}")
    new = f"`{missing.similar}`" if missing.similar else ""
    does = f"{missing.distribution} {missing.version} calls {new or 'another method'} instead"
    known = missing.below or missing.above
    return OLD_HOOK.finding(
        f"`{name}.{method}` {'is never' if known else 'may never be'} called: {missing.module}.{base} has no "
        f"`{method}` in {missing.distribution} {missing.version}",
        severity=Severity.ERROR if hook.required and known else Severity.WARNING,
        location=function.location if function else location,
        subject=missing.distribution,
        cause=(f"{missing.distribution} {known} calls it; " if known else "")
        + does
        + (", and raises NotImplementedError in it" if hook.required else ""),
        fix=f"rename `{method}` to {new}" if new else _pin(missing) or OLD_HOOK.fix,
    )


MISFIT = Rule(
    code="ST173",
    title="a locked library takes from another what its locked version does not have",
    needs_sources=True,
    explanation=(
        "Both are installed as the lock says, and their metadata allows it. When the predictor imports the one, it "
        "takes a name that this version of the other no longer has, or does not have yet. The server ends while it "
        "loads."
    ),
    fix="lock a release of the one or the other with which they fit",
    cloud="ImportError: cannot import name",
    sources=(
        "https://github.com/aleju/imgaug/issues/859",
        "https://github.com/huggingface/huggingface_hub/releases/tag/v0.26.0",
        "https://github.com/albumentations-team/albumentations/issues/1945",
    ),
    recognised=("The frame that asks is of one distribution, and what it misses is of another one."),
    detected=(
        f"{_READ} What importing the predictor's module surely executes is followed through the libraries that were "
        "read: no function, no `if`, no try, and not without end. Each name that one distribution takes from another "
        "is looked up."
    ),
    bad="imgaug==0.4.0\nnumpy==2.3.3",
    good="imgaug==0.4.0\nnumpy==1.26.4",
)


@MISFIT.decided_by
def _misfit(facts: Facts) -> Iterator[Finding]:
    told: set[tuple[str, str, str]] = set()
    for misfit in facts.taken.misfits:
        key = (misfit.importer, misfit.missing.module, misfit.missing.name)
        if key not in told:
            told.add(key)
            yield _misfit_finding(facts, misfit)


def _misfit_finding(facts: Facts, misfit: Misfit) -> Finding:
    missing, lock = misfit.missing, facts.lock
    entry = next((e for e in lock.entries if e.name == misfit.importer), None) if lock else None
    newer = (
        f"write `{misfit.importer}>={misfit.newer}` in requirements.in and run `seatrial lock`" if misfit.newer else ""
    )
    pin = _pin(missing)
    return MISFIT.finding(
        f"{misfit.importer} {misfit.version} does not import with {missing.distribution} {missing.version}: it takes "
        f"`{_full(missing)}`, which is not there",
        location=place_of(facts, entry) if entry else None,
        subject=misfit.importer,
        cause=f"{misfit.module}, line {misfit.line}, takes it when `{misfit.root}` is imported; {_cause(missing)}",
        cloud=_cloud(missing, is_import=True),
        fix="; or ".join(part for part in (newer, pin) if part)
        or f"lock releases of {misfit.importer} and {missing.distribution} that fit each other",
    )


def fix_of(missing: Missing, otherwise: str) -> str:
    """Return what to do about something that is missing, as far as other releases and the sources tell."""
    use = f"use `{missing.similar}`" if missing.similar else ""
    if missing.hint:
        use = f"do as {missing.distribution} says: {missing.hint.rstrip('.')}"
    return "; or ".join(part for part in (use, _pin(missing)) if part) or otherwise


def _pin(missing: Missing) -> str:
    """Return the line that locks a release which has it; "" if none is known that can be installed.

    Of one before and one after, the one of the locked major version is told: what is far away lacks much else.
    """
    is_far = missing.above and _major(missing.above) == _major(missing.version) != _major(missing.below)
    if missing.below and missing.below_fits and not is_far:
        return f"write `{missing.distribution}<={missing.below}` in requirements.in and run `seatrial lock`"
    if missing.above:
        return f"write `{missing.distribution}>={missing.above}` in requirements.in and run `seatrial lock`"
    return ""


def _major(version: str) -> str:
    return version.partition("!")[2].partition(".")[0] or version.partition(".")[0]


def _lacks(missing: Missing) -> str:
    locked = f"{missing.distribution} {missing.version}"
    owner, _, name = missing.name.rpartition(".")
    if not missing.name:
        return f"{locked} has no module `{missing.module}`"
    return f"{locked} has no `{name}` in `{missing.module}{'.' if owner else ''}{owner}`"


def _cause(missing: Missing) -> str:
    known = [
        f"{missing.distribution} {missing.below} is the last release that has it" if missing.below else "",
        f"{missing.distribution} {missing.above} is the first release that has it" if missing.above else "",
    ]
    said = " and ".join(part for part in known if part)
    return said or (f"it says itself: {missing.hint}" if missing.hint else "no release near it is known to have it")


def _cloud(missing: Missing, *, is_import: bool) -> str:
    owner, _, name = missing.name.rpartition(".")
    if not missing.name:
        return f"ModuleNotFoundError: No module named '{missing.module}'"
    if owner:
        return f"AttributeError: '{owner}' object has no attribute '{name}'"
    if is_import:
        return f"ImportError: cannot import name '{name}' from '{missing.module}'"
    return f"AttributeError: module '{missing.module}' has no attribute '{name}'"


def _full(missing: Missing) -> str:
    return f"{missing.module}.{missing.name}" if missing.name else missing.module


def _others(places: Sequence[Location]) -> Iterator[str]:
    """Yield the other places that take a name, each once, and how many more there are."""
    each = list(dict.fromkeys(map(str, places)))
    yield from (f"taken at {place} too" for place in each[:_PLACES_TOLD])
    if len(each) > _PLACES_TOLD:
        yield f"and at {len(each) - _PLACES_TOLD} more places"


def _is_reached(use: Use, facts: Facts) -> bool:
    """Return whether serving certainly runs the line: on import, or in a method of the predictor, outside an `if`."""
    return not use.guarded and use.function.partition(".")[0] in ("", facts.project.predictor_class)


def _is_chosen(use: Use, facts: Facts) -> bool:
    """Return whether the tests of versions around an import let it run under the lock, as far as they are known."""
    return all(
        test.chooses(next(filter(None, (locked(facts, name) for name in distributions_of(test.library))), None))
        for test in use.versions
    )


def _told_by_tables(facts: Facts) -> Iterator[Location]:
    """Yield the places of which another rule knows the name and its replacement."""
    for rule in (
        removed_names.PRIVATE_MODULE, removed_names.V2_NAMES, removed_names.PILLOW_NAMES, removed_names.IO_NAMES,
        removed_names.OLD_NAMES, libraries.GONE_NAME,
    ):  # fmt: skip
        for finding in rule.check(facts) if rule.check else ():
            if finding.location:
                yield finding.location
