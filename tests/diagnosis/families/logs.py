"""Tracebacks for the tests of families: written as Python prints them, with frames of anybody's files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.diagnosis.translate import diagnose
from seatrial.facts.gather import Facts
from seatrial.findings import Finding

SITE = "/usr/local/lib/python3.11/site-packages"
ADD = r"add (?:the line )?`?[\w-]+`? to requirements"


@dataclass(frozen=True)
class Fault:
    """A text, the rule that it shows first, and what is said and not said about it.

    Attributes:
        name: of the test.
        text: what was logged.
        code: of the first finding.
        said: expressions that are found in the first finding.
        unsaid: expressions that are found in none.
    """

    name: str
    text: str
    code: str
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def traceback(error: str, *frames: str) -> str:
    """Return a traceback; each frame is `file:line source`, of a module if the source begins with import or from.

    A file that does not begin with `/` lies among the installed distributions.
    """
    lines = ["Traceback (most recent call last):"]
    for frame in frames:
        place, _, source = frame.partition(" ")
        file, line, *function = place.split(":")
        name = function[0] if function else "<module>" if source.startswith(("import ", "from ")) else "load"
        lines += [f'  File "{file if file[:1] in "/<" else f"{SITE}/{file}"}", line {line}, in {name}', f"    {source}"]
    return "\n".join([*lines, error, ""])


def chained(
    *tracebacks: str, because: str = "The above exception was the direct cause of the following exception:"
) -> str:
    """Return tracebacks that follow from each other, the first cause first."""
    return f"\n{because}\n\n".join(tracebacks)


def hold(fault: Fault, facts: Facts | None = None) -> list[Finding]:
    """Judge a fault's text, and compare what is told with what it should be."""
    found = diagnose(fault.text, facts)
    assert found, "nothing is told"
    first = found[0]
    words = f"{first.message}\n{first.cause}\n{first.fix}"
    assert first.code == fault.code, words
    assert first.because
    for expression in fault.said:
        assert re.search(expression, words), f"{expression} is not in:\n{words}"
    everything = "\n".join(f"{each.code} {each.message}\n{each.cause}\n{each.fix}" for each in found)
    for expression in fault.unsaid:
        assert not re.search(expression, everything), f"{expression} is in:\n{everything}"
    return found
