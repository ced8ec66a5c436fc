"""Asks package indexes about the pins of a lock: files, hashes, sizes and metadata, never a wheel itself.

There is one request for each distribution and index, and one for the metadata of the wheel that fits, all at once and
within a deadline. What does not answer in time stays unknown. A password goes only to the index's own host.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import threading
import time
import urllib.parse
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from seatrial.facts.packages import remote
from seatrial.facts.packages.file_names import fits, major_of, tags_of, version_of
from seatrial.facts.packages.http import FAULTS, StatusError, words
from seatrial.facts.packages.pages import Published, files_of, login_for, metadata_of
from seatrial.facts.packages.settings import configured
from seatrial.facts.packages.wheels import File, Wheel, Wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.facts.packages.requirements import Entry, RequirementFile

T = TypeVar("T")
LATE = "the index did not answer in time"
DEADLINE = 5.0  # seconds for all questions together
_AT_ONCE = 16  # questions


def ask(
    lock: RequirementFile, pins: dict[str, Entry], python: str, deadline: float, former: Wheels | None = None
) -> Wheels:
    """Ask the indexes of a lock, and those that pip or uv is configured with, for its pins.

    What `former` knows already is not asked again, so that a lock too large for one deadline is read in several.
    """
    known = dict(former.known) if former else {}
    late = {name for name in (former.late if former else ()) if name in pins}
    wanted = {name: entry for name, entry in pins.items() if name not in known or name in late}
    indexes = configured(lock)
    if not indexes:
        return Wheels(unknown=tuple(pins), fault="no index is configured that could be asked", asked=time.time())
    end = time.monotonic() + deadline
    listed = _all_at_once([partial(_listed, entry, indexes, python, end) for entry in wanted.values()], end)
    found = {name: one for name, one in zip(wanted, listed, strict=True) if isinstance(one, _Found)}
    faults = [str(one) for one in listed if not isinstance(one, _Found)]
    fitting = {name: one for name, one in found.items() if one.best}
    read = _all_at_once([partial(_with_metadata, one, end) for one in fitting.values()], end)
    for name, answer in zip(fitting, read, strict=True):
        if isinstance(answer, Wheel):
            found[name] = replace(found[name], wheel=answer)
    known |= {name: one.wheel for name, one in found.items()}
    unknown = tuple(name for name in pins if name not in known)
    missed = tuple(name for name, answer in zip(fitting, read, strict=True) if answer == LATE)
    fault = (faults[0] if faults else "") if unknown else ""
    return Wheels(known, unknown, "index" if known else "", fault, time.time(), missed)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the indexes list for a pin, the wheel that fits, and the index that has it."""

    wheel: Wheel
    best: Published | None
    index: str


def _listed(entry: Entry, indexes: Sequence[str], python: str, end: float) -> _Found | str:
    """Ask every index for one pin; a text says why it is not known."""
    allowed = {h.removeprefix("sha256:") for h in entry.hashes}
    found: list[tuple[str, Published]] = []
    fault = ""
    for index in indexes:
        try:
            listed = files_of(entry.name, index, end, partial(_is_version, entry=entry))
        except StatusError as error:
            if error.code != http.client.NOT_FOUND:
                fault = f"{_host(index)} answers {error.code} for {entry.name}"
            continue
        except FAULTS as error:
            fault = f"{_host(index)} does not answer: {words(error)}"
            continue
        found += [(index, file) for file in listed]
    locked = [(index, file) for index, file in found if file.sha256 in allowed]
    if fault and not locked:
        return fault  # the index that did not answer may have it
    # An index without hashes, and a lock with others than SHA-256, do not say which of the files the lock means.
    comparable = all(file.sha256 for _, file in found) and all(h.startswith("sha256:") for h in entry.hashes)
    wheels = [(index, file) for index, file in locked if fits(tags_of(file.name), python)]
    index, best = max(wheels, key=lambda one: one[1].name, default=("", None))
    wheel = Wheel(
        name=entry.name,
        version=str(entry.version),
        files=tuple(File(file.name, file.sha256 in allowed, file.size) for _, file in found) if comparable else None,
        tags=tuple(sorted(map(str, tags_of(best.name)))) if best else (),
        packed=best.size if best else None,
    )
    return _Found(wheel, best, index)


def _with_metadata(found: _Found, end: float) -> Wheel | str:
    """Add what the wheel's METADATA says: alone if the index serves it, else from the end of the wheel."""
    if found.best is None:
        return found.wheel
    try:
        known = metadata_of(found.best, found.index, end)
        if known:
            return replace(found.wheel, requires=known.get("requires-dist", ()))
        ending = remote.read(found.best.url, login_for(found.best.url, found.index), end)
    except TimeoutError:
        return LATE
    except FAULTS as error:
        return words(error)
    return replace(found.wheel, requires=ending.fields.get("requires-dist", ()), unpacked=ending.unpacked)


def _is_version(file: str, entry: Entry) -> bool:
    if entry.version is None or entry.version.release[0] != major_of(file):
        return False
    return version_of(file) == entry.version


def _all_at_once(questions: Sequence[Callable[[], T | str]], end: float) -> list[T | str]:
    """Answer questions in threads that nothing waits for after `end`; late answers are dropped."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | str]] = queue.SimpleQueue()
    answers: list[T | str] = [LATE] * len(questions)
    for number in range(len(questions)):
        waiting.put(number)

    def work() -> None:
        while time.monotonic() < end:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answer = questions[number]()
            except Exception as error:  # noqa: BLE001 - no answer may end a check
                answer = words(error)
            done.put((number, answer))

    for _ in range(min(_AT_ONCE, len(questions))):
        threading.Thread(target=work, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        for _ in questions:
            number, answer = done.get(timeout=max(0.0, end - time.monotonic()))
            answers[number] = answer
    return answers


def _host(index: str) -> str:
    return urllib.parse.urlsplit(index).netloc.rpartition("@")[2]
