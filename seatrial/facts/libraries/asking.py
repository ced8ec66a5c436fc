"""Asks kept environments and indexes what a lock's libraries have. Imported only where something is not known yet."""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.libraries import looking, walk
from seatrial.facts.libraries.locked import Locked
from seatrial.facts.libraries.published import Published, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.facts.gather import Facts
    from seatrial.facts.libraries.remembered import Remembered
    from seatrial.facts.libraries.taken import Hook, Missing
    from seatrial.facts.packages.requirements import RequirementFile

SECONDS = 20.0  # for all questions to indexes together, once for a lock
_MOST_COMPLETED = 12  # missing names of a distribution of which other releases are asked in one check
_AT_ONCE = 8


def ask(
    facts: Facts,
    lock: RequirementFile,
    cache: Path,
    questions: list[str],
    roots: list[str],
    compiled: Iterable[str],
    known: Remembered,
) -> str:
    """Add answers to `known`; return why some are missing, "" if none is.

    `()` behind a question says that what it asks about is called; the answer is kept without it.
    """
    published = Published.of(facts, seconds=SECONDS)
    if (wheels := facts.wheels.get(lock.path)) and wheels.fault and not wheels.known:
        published.refused = published.refused or wheels.fault  # it was asked a moment ago
    if published.refused and next(cache.glob("*/snapshot.json"), None) is None:
        return published.refused  # and no environment is kept: reading the lock again would be for nothing
    text = (facts.project.root / lock.path).read_text("utf-8", "replace")
    locked = Locked.of(lock, text, facts.project.python, cache, published)
    undecided = _answer(locked, questions, known)
    for name in compiled:
        with contextlib.suppress(Unavailable):
            known.numpy_1[name] = locked.numpy_1_module(name)
    undecided = walk.follow(locked, roots, known) or undecided
    published.keep()
    return undecided


def _answer(locked: Locked, questions: list[str], known: Remembered) -> str:
    """Answer questions, those about each distribution in a thread; return why some were not answered."""
    of_each: dict[str, list[str]] = {}
    for question in questions:
        of_each.setdefault(locked.provider(re.split("[!:]", _plain(question))[0]), []).append(question)
    unprovided = of_each.pop("", [])
    known.hooks.update({question: [] for question in unprovided if "!" in question})
    known.missing.update({_plain(question): None for question in unprovided if "!" not in question})
    if locked.site is not None:
        reasons = [_answer_about(locked, name, asked, known) for name, asked in of_each.items()]
    else:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            asking = [threads.submit(_answer_about, locked, *each, known) for each in of_each.items()]
            reasons = [one.result() for one in asking]
    return next(filter(None, reasons), "")


def _answer_about(locked: Locked, distribution: str, questions: list[str], known: Remembered) -> str:
    """Answer the questions about one distribution; one that cannot be answered does not keep the next from it.

    It is asked once more after the others: what they read of other releases is there then.
    """
    left, undecided = _MOST_COMPLETED, ""
    done: dict[looking.Lack, Missing | None] = {}  # many questions lack one module
    waiting = [*questions]
    for turn in range(2 * len(questions)):
        if turn == len(waiting):
            break
        question = waiting[turn]
        try:
            if "!" in question:
                known.hooks[question] = _hooks(locked, distribution, question)
                continue
            library = locked.library(distribution)
            lack = looking.look(library, question) if library else None
            if lack is None:
                known.missing[_plain(question)] = None
            elif left or replace(lack, wanted="") in done:
                one = replace(lack, wanted="")
                if one not in done:
                    done[one] = looking.completed(locked, distribution, lack)
                    left -= 1
                known.missing[_plain(question)] = missing = done[one]
                if missing and not missing.certain and locked.published.refused:
                    known.unfinished.add(_plain(question))
        except Unavailable as reason:
            if turn < len(questions):
                waiting.append(question)
            else:
                undecided = str(reason)
    return undecided


def _plain(question: str) -> str:
    return question.removesuffix("()")


def _hooks(locked: Locked, distribution: str, question: str) -> list[Hook]:
    """Return the methods of a class that its locked base class no longer calls."""
    base, _, text = question.partition("!")
    library, methods = locked.library(distribution) if distribution else None, text.split(",")
    if library is None:
        return []
    absent, required, has = looking.hooks(library, base, methods)
    required -= set(methods)
    found = (
        looking.renamed_hook(locked, distribution, base, method, required)
        for method in absent
        if looking.is_suspicious(method, required, has)
    )
    return [hook for hook in found if hook]
