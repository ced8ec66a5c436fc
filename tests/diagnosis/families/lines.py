"""Logs for the tests of families that judge lines: what must be said of each, and what must not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from seatrial.diagnosis.translate import diagnose

SITE = "/usr/local/lib/python3.11/site-packages"


@dataclass(frozen=True)
class Said:
    """A log, and what is said of it.

    Attributes:
        log: the text.
        code: of the first finding; "" if there must be none.
        words: expressions that are in what is said, without regard to case.
        never: expressions that are not.
    """

    log: str
    code: str
    words: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def hold(said: Said) -> None:
    """Compare what is said of a log with what must be."""
    found = diagnose(said.log)
    printed = "\n".join(f"{each.code} {each.message}\n{each.cause}\n{each.fix}\n{each.because}" for each in found)
    assert (found[0].code if found else "") == said.code, printed
    assert all(each.because for each in found), printed
    for words in said.words:
        assert re.search(words, printed, re.IGNORECASE), (words, printed)
    for words in said.never:
        assert not re.search(words, printed, re.IGNORECASE), (words, printed)


def raised(error: str, *frames: str) -> str:
    """Return a traceback; each frame is `file|source`, of an installed file if the path is relative."""
    lines = ["Traceback (most recent call last):"]
    for number, frame in enumerate(frames, 1):
        file, _, source = frame.partition("|")
        path = file if file.startswith("/") else f"{SITE}/{file}"
        lines += [f'  File "{path}", line {number}, in load', f"    {source}"]
    return "\n".join([*lines, error, ""])


def codes() -> set[str]:
    """Return the codes of the logs in all tests of families."""
    names = [file.stem for file in Path(__file__).parent.glob("test_*.py")]
    modules = [import_module(f"tests.diagnosis.families.{name}") for name in names]
    return {said.code for module in modules for said in getattr(module, "LOGS", {}).values()}
