"""What the project takes from its libraries by name, and what is known of it: the questions and the answers.

A question is `module:name` for an import and `a.b.c` for anything else; `a.b.C().d` is an attribute of what C makes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.facts.python.calls import Call

if TYPE_CHECKING:
    from seatrial.facts.python.sources import Sources
    from seatrial.facts.python.versions import VersionTest
    from seatrial.findings import Location

NOT_ASKED = "the index was not to be asked"  # why a question may be undecided: the user forbade it
_ASKED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+(?:\(\)\.\w+)?")


@dataclass(frozen=True, slots=True)
class Use:
    """A place that takes a name from a library.

    Attributes:
        question: what is asked about it.
        location: the place.
        function: the qualified name of the function that it is in; "" if it is executed on import.
        guarded: whether it is inside an `if`.
        versions: the tests around it that look at what is installed.
        called: whether the place calls what it takes, which a module never is.
    """

    question: str
    location: Location
    function: str = ""
    guarded: bool = False
    versions: tuple[VersionTest, ...] = ()
    called: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the locked version of a distribution does not have.

    Attributes:
        distribution: its canonical name.
        version: the locked version.
        module: the module, which is itself missing if `name` is empty.
        name: the name in it; `Class.attribute` for an attribute.
        hint: what the library itself says of the name.
        below: the last release before the locked one that has it; "" if none is known.
        below_fits: whether that release runs where the project serves.
        above: the first release after the locked one that has it; "" if none is known.
        similar: what the locked version has in its place, as far as names tell.
        certain: whether it was surely there once: another release has it, or the module refuses it by name.
    """

    distribution: str
    version: str
    module: str
    name: str = ""
    hint: str = ""
    below: str = ""
    below_fits: bool = True
    above: str = ""
    similar: str = ""
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A method of the project's class that the locked base class no longer calls.

    Attributes:
        missing: the method, as an attribute of the base class.
        required: whether the base class now raises NotImplementedError in the method that took its place.
    """

    missing: Missing
    required: bool


@dataclass(frozen=True, slots=True)
class Misfit:
    """A locked distribution that takes, when it is imported, what another locked one does not have.

    Attributes:
        root: the module that the project imports.
        importer: the distribution that takes it.
        version: its locked version.
        module: the module that takes it.
        line: the line in that module.
        missing: what it takes.
        newer: a release of the importer that no longer names it; "" if none is known.
    """

    root: str
    importer: str
    version: str
    module: str
    line: int
    missing: Missing
    newer: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is known of the names that a project takes from its locked libraries.

    Attributes:
        missing: question → what is missing.
        hooks: `base class!methods` of a class of the project → the methods that are no longer called.
        misfits: what libraries take from others, by the module that the project imports.
        numpy_1: the locked distributions whose compiled part was built for numpy 1, where numpy 2 is locked: name → one
            of its modules.
        undecided: why some questions were not answered; "" if all were.
    """

    missing: Mapping[str, Missing] = field(default_factory=dict)
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)
    misfits: tuple[Misfit, ...] = ()
    numpy_1: Mapping[str, str] = field(default_factory=dict)
    undecided: str = ""


def uses(sources: Sources) -> Iterator[Use]:
    """Yield what serving takes from modules that are not the project's, except where code tries what it finds."""
    patched = {name for module in sources.serving_modules() for name in module.uses.patched}
    patched |= {
        f"{call.arguments[0].name}.{attribute}"
        for _, call in sources.calls().of("builtins.setattr")
        if len(call.arguments) > 1
        if isinstance(attribute := call.arguments[1].constant, str)
    }
    imported_names: set[str] = set()
    for _, imported in sources.imports():
        names = [name for name in imported.names if name != "*"]
        imported_names |= {f"{imported.module}.{name}" for name in names}
        if imported.optional or not _is_library(imported.module, sources):
            continue
        for name in names or [""]:
            if f"{imported.module}.{name}" not in patched:
                question, function = f"{imported.module}:{name}", imported.function
                yield Use(question, imported.location, function, imported.guarded, imported.versions)

    def is_taken(name: str) -> bool:
        if name in imported_names or not _is_library(name, sources) or not _ASKED.fullmatch(name):
            return False
        return not any(name == p or name.startswith(f"{p}.") for p in patched)

    for _, use in sources.named(is_taken):
        if not use.context.tries:
            context, called = use.context, isinstance(use, Call)
            yield Use(use.name, use.location, context.function, bool(context.guards), called=called)


def hooks(sources: Sources) -> Iterator[tuple[str, str, Location]]:
    """Yield `base class!every method`, name and location of the classes that derive from one class of a library."""
    for module in sources.serving_modules():
        for qualname, bases in module.uses.classes.items():
            if len(bases) != 1 or "." in qualname:
                continue
            base = sources.follow(bases[0])
            own = sorted(
                name.removeprefix(f"{qualname}.")
                for name in module.uses.functions
                if name.startswith(f"{qualname}.") and name.count(".") == qualname.count(".") + 1
            )
            if own and re.fullmatch(r"[A-Za-z_]\w*(?:\.\w+)+", base) and _is_library(base, sources):
                yield f"{base}!{','.join(own)}", f"{module.name}.{qualname}", module.definitions[qualname]


def roots(sources: Sources) -> tuple[str, ...]:
    """Return the modules of libraries that are imported whenever the predictor's module is."""
    found: dict[str, None] = {}
    for name in sorted(sources.surely & sources.modules.keys()):
        for imported in sources.modules[name].imports:
            if imported.runs and not (imported.lazy or imported.guarded or imported.optional):
                for module in imported.candidates() if _is_library(imported.module, sources) else ():
                    found[module] = None
    return tuple(found)


def _is_library(name: str, sources: Sources) -> bool:
    top = name.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top != "builtins" and not sources.ships(top)
