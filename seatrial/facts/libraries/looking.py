"""Looks up in locked libraries what the project takes from them, and which releases have what is missing."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.facts.libraries import members
from seatrial.facts.libraries.library import Looked
from seatrial.facts.libraries.neighbours import library_of, releases_with
from seatrial.facts.libraries.published import Unavailable
from seatrial.facts.libraries.taken import Hook, Missing

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from seatrial.facts.libraries.library import Library
    from seatrial.facts.libraries.locked import Locked

_SIMILAR = 0.75  # of difflib's ratio: `get_params` and `make_params` have 0.76
_MOST_PLACES = 4  # modules of the same name that are looked at for what moved


@dataclass(frozen=True, slots=True)
class Lack:
    """What a module lacks: itself, a name, or `Class.attribute`; and what the module says of it."""

    module: str
    name: str = ""
    hint: str = ""
    wanted: str = ""  # the name that is taken from a module that is missing
    called: bool = False  # whether the name is called, which a module of that name is not


def look(library: Library, question: str) -> Lack | None:
    """Return what the answer to a question is missing; None if it is there, or if the source does not tell.

    `()` behind the question says that what it asks about is called.
    """
    called, question = question.endswith("()"), question.removesuffix("()")
    module, colon, name = question.partition(":")
    if colon:
        if library.has_module(module) is False or library.contents.find(module.partition(".")[0]) is None:
            return Lack(module, wanted=name)
        return _lacking(module, name, library.look(module, name)) if name else None
    parts = question.split(".")
    length = next((n for n in range(1, len(parts)) if not _is_module(library, ".".join(parts[: n + 1]))), len(parts))
    module, rest = ".".join(parts[:length]), parts[length:]
    if not rest or library.has_module(module) is not True:
        return None
    first = rest[0].removesuffix("()")
    found = library.look(module, first)
    if len(rest) != 2 or not found.has:
        return _lacking(module, first, found, called=called and len(rest) == 1)
    return _attribute(library, f"{module}.{first}", rest[1], called=rest[0].endswith("()"))


def hooks(library: Library, base: str, methods: Iterable[str]) -> tuple[list[str], set[str], set[str]]:
    """Return which methods the bases of a class do not have, what they require of a class, and all that they have.

    Bases in other distributions may be unknown: whoever takes a method for missing asks other releases too.
    """
    nodes, _ = members.bases(library, base)
    has = {name for node in nodes for name in members.attributes(node)}
    # torch.nn.Module's __getattr__ says nothing of what a class of torchvision calls.
    own, _ = members.bases(library, base, base.partition(".")[0])
    if not nodes or any("__getattr__" in members.methods(node) for node in own):
        return [], set(), has
    required: set[str] = set()
    for node in reversed(nodes):
        for name, method in members.methods(node).items():
            (required.add if _is_required(method) else required.discard)(name)
    return [m for m in methods if m not in has and not m.startswith("__")], required, has


def completed(locked: Locked, distribution: str, lack: Lack) -> Missing | None:
    """Return what is missing, with the releases that have it and what the locked version has in its place.

    It is None where no other release could be asked and the source leaves a doubt: compiled code may define names in
    modules of its own package.

    Raises:
        Unavailable: the indexes did not answer in time.
    """
    version = locked.version(distribution)
    asked, called = locked.published, lack.called
    known = releases_with(distribution, lack.module, lack.name, near=version, asked=asked, here=False, called=called)
    library = locked.library(distribution)
    certain = bool(known.below or known.above or lack.hint)
    top = lack.module.partition(".")[0]
    is_doubtful = library is None or library.contents.has_compiled(top) or library.contents.find(top) is None
    may_answer = known.undecided and not known.final
    if may_answer and not certain and (is_doubtful or not locked.published.refused):
        raise Unavailable(known.undecided)
    if not certain and is_doubtful:
        return None
    return Missing(
        distribution,
        version,
        lack.module,
        lack.name,
        lack.hint or known.advice,
        known.below,
        known.below_fits,
        known.above,
        _in_its_place(library, lack, is_new=bool(known.above and not known.below))
        if library and not (lack.hint or known.advice)
        else "",
        certain=certain,
    )


def renamed_hook(locked: Locked, distribution: str, base: str, method: str, required: set[str]) -> Hook | None:
    """Return a method that other releases of a base class call, and the locked one does not; None if none does.

    Raises:
        Unavailable: the indexes did not answer in time.
    """
    module, _, name = base.rpartition(".")
    version = locked.version(distribution)
    known = releases_with(distribution, module, f"{name}.{method}", near=version, asked=locked.published, here=False)
    library = locked.library(distribution)
    in_its_place = _nearest(method, required)
    if library is None or not (known.below or known.above or in_its_place):
        if known.undecided and not known.final:
            raise Unavailable(known.undecided)
        return None
    other = library_of(distribution, known.below or known.above, locked.published)
    before = {n for node in members.bases(other, base)[0] for n in members.attributes(node)} if other else set()
    here = {n for node in members.bases(library, base)[0] for n in members.methods(node)} - before
    similar = in_its_place or _nearest(method, here)
    missing = Missing(
        distribution, version, module, f"{name}.{method}", known.advice, known.below, known.below_fits, known.above,
        similar, certain=True,
    )  # fmt: skip
    return Hook(missing, required=similar in required)


def is_suspicious(method: str, required: set[str], has: set[str]) -> bool:
    """Return whether a method that no base has may be a hook of another release, so that it is worth asking."""
    return bool(required) or bool(_nearest(method, has))


def _attribute(library: Library, name: str, attribute: str, *, called: bool) -> Lack | None:
    """Return whether a class, or what calling a class or function gives, lacks an attribute."""
    found = library.definition(name)
    if found is None or attribute.startswith("__"):
        return None
    classes = [name]
    if called and not members.is_class(found[1]):
        classes = members.returned(found[1], found[0])
    elif not members.is_class(found[1]):
        return None
    lacking = [one for one in classes if members.has(library, *_split(one, attribute)) is False]
    if not classes or lacking != classes:
        return None
    module, full = _split(classes[0], attribute)
    return Lack(module, full)


def _split(name: str, attribute: str) -> tuple[str, str]:
    module, _, last = name.rpartition(".")
    return module, f"{last}.{attribute}"


def _lacking(module: str, name: str, found: Looked, *, called: bool = False) -> Lack | None:
    return Lack(module, name, found.hint, called=called) if found.has is False else None


def _is_module(library: Library, name: str) -> bool:
    return library.contents.find(name) is not None


def _is_required(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return members.raises(method, "NotImplementedError")


def _in_its_place(library: Library, lack: Lack, *, is_new: bool) -> str:
    """Return what the locked version has in the place of what it lacks: a name, or a module of the same last name.

    A name that only newer releases have was never another one, and what is private replaces nothing public.
    """
    if not lack.name:
        module = library.module_like(lack.module)
        return module if module and (not lack.wanted or library.look(module, lack.wanted).has) else ""
    owner, _, last = lack.name.rpartition(".")
    if owner:
        has = {n for node in members.bases(library, f"{lack.module}.{owner}")[0] for n in members.attributes(node)}
        return "" if is_new else _nearest(last, has)
    package = lack.module
    while package := package.rpartition(".")[0]:
        if library.look(package, last).has and library.contents.find(f"{package}.{last}") is None:
            return f"{package}.{last}"
    known = None if is_new else library.defined(lack.module)
    return _nearest(last, {n for n in known.bound if n[0] != "_" or last[0] == "_"}) if known else ""


def _nearest(name: str, names: set[str]) -> str:
    plain = {n.strip("_").lower(): n for n in sorted(names) if not n.startswith("__")}
    same = plain.get(name.strip("_").lower())
    near = difflib.get_close_matches(name.strip("_").lower(), plain, n=1, cutoff=_SIMILAR)
    return same or (plain[near[0]] if near else "")
