"""What several families read in the same way: the text of a statement, who wrote a file, and what stands around."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.facts.tables import distributions_of, is_known

if TYPE_CHECKING:
    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

_INSTALLED = re.compile(r"(?:site|dist)-packages/(?P<inside>[\w./+-]+)")
_RELATIVE = re.compile(r"(?P<top>[A-Za-z_]\w*)/[^:]*\.so")
_ESCAPED = re.compile(r"\\+([\"'/])")


def text_of(statement: Statement) -> str:
    """Return a statement with its following lines, and without the backslashes that JSON put before quotes."""
    return unescaped(f"{statement.text}\n{statement.following}" if statement.following else statement.text)


def wrapped(statement: Statement, case: Case, size: int = 700) -> str:
    """Return a statement and what follows it as one line, for programs that wrap what they say."""
    return unescaped(re.sub(r"\s*\n[ \t|│]*", " ", after(case, statement.position, size)))


def words_of(raised: Raised) -> str:
    """Return the type and the message of an exception as one text, without the backslashes before quotes."""
    return unescaped(f"{raised.type}: {raised.message}")


def unescaped(text: str) -> str:
    """Return a text without the backslashes that JSON or `repr` put before quotes."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def before(case: Case, position: int, size: int = 2_000) -> str:
    """Return the end of the log before a position."""
    return case.text[max(0, position - size) : position]


def after(case: Case, position: int, size: int = 2_000) -> str:
    """Return the beginning of the log from a position on."""
    return case.text[position : position + size]


def distribution_at(path: str) -> str:
    """Return the distribution that a path below site-packages most likely belongs to; "" if it is not below one."""
    found = _INSTALLED.search(path.replace("\\", "/"))
    if found is None:
        relative = _RELATIVE.match(path)
        return distributions_of(relative["top"])[0] if relative and is_known(relative["top"]) else ""
    top = found["inside"].partition("/")[0]
    if top.endswith(".libs"):  # where auditwheel puts the libraries that a wheel brings
        return distributions_of(top.removesuffix(".libs"))[0]
    return distributions_of(re.split(r"[.-]", top)[0])[0]


def importer(raised: Raised, *without: str) -> str:
    """Return the distribution of the innermost frame that is of one and not of those that are named; "" if none is."""
    for each in raised.chain():
        for frame in reversed(each.frames):
            name = frame.distribution or distribution_at(frame.file)
            if name and name not in without:
                return name
    return ""


def at_version(case: Case, distribution: str) -> str:
    """Return a distribution as `name==version` if the project locks it, else its name."""
    version = case.locked(distribution)
    return f"{distribution}=={version}" if version else distribution
