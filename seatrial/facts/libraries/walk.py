"""Follows what importing a module executes through the locked libraries, and looks up what they take from each other.

The walk is bounded in modules and in time. A published wheel is followed only if it was downloaded whole.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from seatrial.facts.libraries import executed, looking
from seatrial.facts.libraries.published import Unavailable
from seatrial.facts.libraries.taken import Misfit

if TYPE_CHECKING:
    from seatrial.facts.libraries.executed import Step
    from seatrial.facts.libraries.locked import Locked
    from seatrial.facts.libraries.remembered import Remembered

_MOST_MODULES = 400  # of one module that the project imports
_SECONDS = 0.8  # of the processor's time, for all modules that the project imports
_MOST_MISFITS = 3  # that are told of one module


def follow(locked: Locked, roots: list[str], known: Remembered) -> str:
    """Add to `known` what importing each of `roots` lacks; return why some were not followed.

    What fewer distributions ask for comes first: torch, which everything asks for, comes last.
    """
    end, undecided = time.process_time() + _SECONDS, ""
    walk = _Walk(locked, end)
    for root in sorted(roots, key=walk.asked_for):
        if time.process_time() > end:
            break  # the next check goes on here
        try:
            walk.imports(root)
        except Unavailable as reason:
            undecided = str(reason)
            known.unfinished.add(root)
        known.misfits[root], walk.found = walk.found, []
    return undecided


class _Walk:
    """What was followed so far, for all modules that the project imports."""

    def __init__(self, locked: Locked, end: float) -> None:
        self._locked = locked
        self._end = end
        self._seen: set[str] = set()
        self._asked: set[str] = set()
        self._patched: set[str] = set()
        self.found: list[Misfit] = []

    def asked_for(self, module: str) -> int:
        """Return how many distributions of the lock ask for the one that provides a module."""
        provider = self._locked.provider(module)
        return len(self._locked.pins[provider].via) if provider else 0

    def imports(self, root: str) -> None:
        """Follow what importing one module executes."""
        pending = _with_parents(root)
        for _ in range(_MOST_MODULES):
            if not pending or len(self.found) >= _MOST_MISFITS or time.process_time() > self._end:
                return
            module = pending.pop(0)
            if module in self._seen:
                continue
            self._seen.add(module)
            for step in self._steps(module):
                pending += [m for name in step.modules for m in _with_parents(name) if m not in self._seen]
                self._judge(root, module, step)

    def _steps(self, module: str) -> list[Step]:
        importer = self._locked.provider(module)
        library = self._locked.library(importer) if importer else None
        if library is None or not library.contents.is_near:
            return []
        source = library.defined(module)
        if source is None:
            return []
        self._patched.update(executed.patches(source))
        return list(executed.steps(source))

    def _judge(self, root: str, module: str, step: Step) -> None:
        """Note a misfit if what the module takes from another distribution is surely not there."""
        plain = step.question.replace(":", ".").strip(".")
        importer, other = self._locked.provider(module), self._locked.provider(plain)
        if not other or other == importer or step.question in self._asked or plain in self._patched:
            return
        self._asked.add(step.question)
        library = self._locked.library(other)
        lack = looking.look(library, step.question) if library else None
        missing = looking.completed(self._locked, other, lack) if lack else None
        if lack and missing and missing.certain:
            newer = self._newer(importer, module, lack.name.rpartition(".")[2] or lack.module.rpartition(".")[2])
            version = self._locked.version(importer)
            self.found.append(Misfit(root, importer, version, module, step.line, missing, newer))

    def _newer(self, importer: str, module: str, name: str) -> str:
        """Return the newest release of a distribution if its module no longer has a name; "" if it does, or unknown."""
        published = self._locked.published
        try:
            releases = [r for r in published.releases(importer) if r.fits and not r.version.is_prerelease]
            if not releases or str(releases[-1].version) == self._locked.version(importer):
                return ""
            source = published.library(releases[-1]).defined(module)
        except Unavailable:
            return ""
        gone = source is not None and re.search(rb"\b" + re.escape(name.encode()) + rb"\b", source.content) is None
        return str(releases[-1].version) if gone else ""


def _with_parents(module: str) -> list[str]:
    """Return a module after the packages that it is in, in the order in which they are imported."""
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]
