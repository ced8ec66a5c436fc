"""Text → what was raised: chains of exceptions with their frames, and the lines that belong to none.

It reads what Python, faulthandler and exception groups print, line by line, and judges nothing. The text is a log
without what tools write around the lines of a process.
"""

from __future__ import annotations

import bisect
import builtins
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Statement
from seatrial.diagnosis.owners import Owners, entered, own_folders
from seatrial.diagnosis.raised import Frame, Owner, Raised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.facts.packages.requirements import RequirementFile
    from seatrial.project import Project

HEADER = re.compile(r"^(?P<before>[^\n]{0,80}?)Traceback \(most recent call last\):$")
FRAME = re.compile(
    r'^(?P<indent>\s*|> )File "(?P<file>[^"\n]{1,1000})", line (?P<line>\d{1,9})(?:,? in (?P<function>[^\n]+))?$'
)
# The line that ends a traceback: a class, and what it says. Classes of functions have `<locals>` in their names.
RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:<locals>\.[\w.]+)*)(?:: ?(?P<message>.*))?$")
CAUSE = "The above exception was the direct cause of the following exception:"
DURING = "During handling of the above exception, another exception occurred:"
GROUP = re.compile(r"^(?P<margin> *)(?P<plus>\+ )?Exception Group Traceback \(most recent call last\):$")
_MEMBER = re.compile(r"^\+-{5,}(?: (?P<number>\d+|\.\.\.) -{5,})?$")
CRASH = re.compile(r"^(?:(?P<type>Fatal Python error|Windows fatal exception): (?P<message>.+)|Timeout \([\d:.]+\)!)$")
_THREAD = re.compile(r"^(?P<which>Current thread|Thread|Stack)\b[^\n]*\(most recent call first\):$")
# Words that begin a line of a log, which is then no exception and no part of its message.
_RECORD = re.compile(
    r"^(?:\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b|\[?\d{4}-\d\d-\d\d[ T]\d\d:"
    r"|\[?[IWEF]\d{4} \d\d:|\d{1,3}(?:\.\d{1,3}){3}\b|[{[]\"|=> |#\d+ )"
)
_LEVELS = frozenset(["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"])
_NAMED = re.compile(r"(?:Error|Exception|Exit|Interrupt|ExceptionGroup|Fault|Timeout)$")
_BUILTIN = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException) and not issubclass(value, Warning)
)
_MESSAGE_LINES = 60  # of an exception; what follows is no message
_STRAY_LINES = 5  # of others in the middle of a traceback

Line = tuple[int, str]  # offset in the text, and the line


@dataclass(frozen=True)
class Exceptions:
    """What a text holds.

    Attributes:
        raised: the exceptions, each the last of its chain.
        statements: the lines that belong to none of them.
        stacks: the frames of tracebacks without an exception: a stack that was printed, or the text ends in it.
    """

    raised: tuple[Raised, ...]
    statements: tuple[Statement, ...]
    stacks: tuple[tuple[Frame, ...], ...]
    _ends: Mapping[int, int]  # position of an exception → where its message ends

    def around(self, position: int) -> Raised | None:
        """Return the exception whose chain's tracebacks or messages have an offset; None if none has."""
        by_end, ends, lines = self._ordered
        line = bisect.bisect_right(lines, position) - 1
        if line >= 0 and position <= lines[line] + len(self.statements[line].text):
            return None
        at = bisect.bisect_left(ends, position)
        return by_end[at] if at < len(ends) else None

    def link_at(self, last: Raised, position: int) -> Raised:
        """Return the exception of a chain whose traceback or message has an offset."""
        links = sorted(last.chain(), key=lambda link: link.position)
        return next((link for link in links if position <= self._ends[link.position]), last)

    @cached_property
    def _ordered(self) -> tuple[list[Raised], list[int], list[int]]:
        by_end = sorted(self.raised, key=self._end)
        return by_end, [self._end(each) for each in by_end], [statement.position for statement in self.statements]

    def _end(self, raised: Raised) -> int:
        return max(self._ends[each.position] for each in raised.chain())


def read(text: str, project: Project | None = None, lock: RequirementFile | None = None) -> Exceptions:
    """Read the exceptions of a log; the project and its lock tell whose their frames are."""
    lines = []
    position = 0
    for line in text.split("\n"):
        lines.append((position, line.rstrip("\r")))
        position += len(line) + 1
    files = [found["file"] for _, line in lines if (found := FRAME.match(line))]
    reader = _Reader(_owners(files, project, lock), {})
    reader.read(lines)
    return Exceptions(tuple(reader.raised), tuple(reader.statements), tuple(reader.stacks), reader.ends)


def _owners(files: Sequence[str], project: Project | None, lock: RequirementFile | None) -> Owners:
    owners = Owners(project, lock)
    if project is None:
        return Owners(own=own_folders(files) or entered(files))
    return replace(owners, foreign=any(owners.frame(file, 0).place for file in files))


class _Reader:
    """Reads lines from the first to the last; each method takes where to begin, and returns where it ended."""

    def __init__(self, owners: Owners, ends: dict[int, int]) -> None:
        self.owners = owners
        self.ends = ends  # position of an exception → where its text ends
        self.raised: list[Raised] = []
        self.statements: list[Statement] = []
        self.stacks: list[tuple[Frame, ...]] = []

    def read(self, lines: Sequence[Line]) -> None:
        """Read all lines."""
        at, follows = 0, ""
        while at < len(lines):
            line = lines[at][1]
            if line.strip() in (CAUSE, DURING):
                at, follows = at + 1, line.strip() if self.raised else ""
                continue
            before = self.raised[-1] if self.raised and follows else None
            count = len(self.raised)
            at = self._next(lines, at)
            if len(self.raised) > count and before is not None:
                self._chain(count, while_handling=follows == DURING)
            if line.strip():
                follows = ""

    def _chain(self, at: int, *, while_handling: bool) -> None:
        """Make the exception before the last one its cause."""
        last, cause = self.raised.pop(), self.raised.pop(at - 1)
        self.raised.append(_with_cause(last, cause, while_handling=while_handling))

    def _next(self, lines: Sequence[Line], at: int) -> int:
        position, line = lines[at]
        if group := GROUP.match(line):
            return self._group(lines, at, len(group["margin"]) if group["plus"] else None)
        if HEADER.match(line) or (FRAME.match(line) and line.startswith(("  File ", "File "))):
            return self._traceback(lines, at)
        if CRASH.match(line) or _THREAD.match(line):
            return self._crash(lines, at)
        if (named := RAISED.match(line)) and _is_exception(named["type"]):
            raised = Raised(named["type"], named["message"] or "", (), position)
            return self._message(lines, at + 1, raised)
        if line.strip():
            self.statements.append(Statement(line, position))
        return at + 1

    def _traceback(self, lines: Sequence[Line], at: int) -> int:
        """Read a traceback, from its header or its first frame to the end of the exception's message."""
        frames: list[Frame] = []
        at += 0 if FRAME.match(lines[at][1]) else 1
        while at < len(lines):
            position, line = lines[at]
            if found := FRAME.match(line):
                at, source = _source(lines, at + 1)
                function = found["function"] or ""
                frames.append(self.owners.frame(found["file"], int(found["line"]), function, source))
                continue
            if any(begins.match(line) for begins in (HEADER, GROUP, CRASH, _THREAD)) or line.strip() in (CAUSE, DURING):
                break
            named = RAISED.match(line)
            if named and named["type"] not in _LEVELS:
                raised = Raised(named["type"], named["message"] or "", tuple(frames), position)
                return self._message(lines, at + 1, raised)
            if not line[:1].isspace() and line:
                if not any(FRAME.match(later) for _, later in lines[at + 1 : at + 1 + _STRAY_LINES]):
                    break
                self.statements.append(Statement(line, position))
            at += 1
        if frames:
            self.stacks.append(tuple(frames))
        return at

    def _message(self, lines: Sequence[Line], at: int, raised: Raised) -> int:
        """Read the rest of a message, and a traceback that the message quotes, which is then the cause."""
        more: list[str] = []
        while at < len(lines) and len(more) < _MESSAGE_LINES:
            line = lines[at][1]
            header = HEADER.match(line)
            quoted = header and (header["before"].strip() or (more and more[-1].strip() in ('"""', "'''")))
            if quoted and "TorchScript" not in line:
                inner = _Reader(self.owners, self.ends)
                at = inner._traceback(lines, at)
                self.raised += inner.raised[:-1]
                raised = _with_cause(raised, inner.raised[-1]) if inner.raised else raised
                self.statements += inner.statements
                continue
            if not self._goes_on(lines, at, header is not None and not quoted):
                break
            more.append(line)
            at += 1
        while more and not more[-1].strip():
            more.pop()
        self.raised.append(replace(raised, message="\n".join([raised.message, *more]).strip("\n")))
        self.ends[raised.position] = _end(lines, at)
        return self._members(lines, at) if at < len(lines) and lines[at][1].startswith("+-+-") else at

    def _goes_on(self, lines: Sequence[Line], at: int, is_header: bool) -> bool:
        """Return whether a line belongs to the message above it."""
        line = lines[at][1]
        if not line.strip():  # a message may have empty lines, if what follows is indented
            after = next((later for _, later in lines[at : at + 4] if later.strip()), "")
            return after[:1].isspace() and not GROUP.match(after) and not after.startswith("  File ")
        if (
            is_header
            or line.startswith("+-+-")
            or GROUP.match(line)
            or CRASH.match(line)
            or line.strip() in (CAUSE, DURING)
        ):
            return False
        if line[:1].isspace():
            return True
        return not _RECORD.match(line)

    def _group(self, lines: Sequence[Line], at: int, margin: int | None) -> int:
        """Read an exception group: its own traceback, then its members; the first one is its cause."""
        bar, indent = ("", "") if margin is None else (" " * margin + "|", " " * margin)
        head: list[Line] = [(lines[at][0], "Traceback (most recent call last):")]
        at += 1
        while at < len(lines) and not lines[at][1].startswith(f"{indent}+-+-"):
            position, line = lines[at]
            if bar and not line.startswith(bar):
                break
            head.append((position, line[len(bar) :].removeprefix(" ") if bar else line))
            at += 1
        own = _Reader(self.owners, self.ends)
        own.read(head)
        self.raised += own.raised
        return self._members(lines, at, indent)

    def _members(self, lines: Sequence[Line], at: int, indent: str = "") -> int:
        """Read the members of the group that was read last; the first with a frame of the user is its cause."""
        members: list[list[Line]] = []
        while at < len(lines):
            position, line = lines[at]
            if not line.startswith((f"{indent}  ", f"{indent}+-+-")):
                break
            tail = line[len(indent) + 2 :]
            rule = _MEMBER.match(tail)
            at += 1
            if rule and rule["number"]:
                members.append([])
            elif rule:
                break
            elif members:
                members[-1].append((position, tail[1:].removeprefix(" ") if tail.startswith("|") else tail))
        inner = _Reader(self.owners, self.ends)
        for member in members:
            inner.read(member)
        located = next((each for each in inner.raised if each.users), inner.raised[0] if inner.raised else None)
        group = self.raised.pop() if self.raised else None
        self.raised += [each for each in inner.raised if each is not located]
        if group is not None:
            self.raised.append(_with_cause(group, located) if located else group)
        return at

    def _crash(self, lines: Sequence[Line], at: int) -> int:
        """Read what faulthandler writes when the process dies of a signal, or when it is asked where it stands.

        It begins with the innermost frame.
        """
        position, line = lines[at]
        found = CRASH.match(line)
        threads: list[tuple[str, list[Frame]]] = []
        at += 1 if found else 0
        while at < len(lines):
            line = lines[at][1]
            frame = FRAME.match(line)
            if thread := _THREAD.match(line):
                threads.append((thread["which"], []))
            elif frame and threads:
                threads[-1][1].insert(0, self.owners.frame(frame["file"], int(frame["line"]), frame["function"] or ""))
            elif line.strip() and not line.startswith(("  ", "Extension modules:", "Python runtime state:")):
                break
            at += 1
        threads.sort(key=lambda thread: thread[0] == "Thread")
        stacks = [tuple(frames) for _, frames in threads]
        # A signal from outside interrupts the main thread, whichever thread hung.
        of_project = next((s for s in stacks if any(frame.owner is Owner.PROJECT for frame in s)), None)
        stack = of_project or (stacks[0] if stacks else ())
        if found is None:
            self.stacks.append(stack)
            return at
        kind, message = found["type"] or "Timeout", found["message"] or found[0]
        self.raised.append(Raised(kind, message, stack, position))
        self.ends[position] = _end(lines, at)
        return at


def _end(lines: Sequence[Line], at: int) -> int:
    """Return the offset of the end of the line before one."""
    return lines[at - 1][0] + len(lines[at - 1][1])


def _source(lines: Sequence[Line], at: int) -> tuple[int, str]:
    """Return where the source lines of a frame end, and the first of them."""
    source = ""
    while at < len(lines):
        line = lines[at][1]
        if FRAME.match(line) or not line.startswith("   "):
            break
        source = source or line.strip()
        at += 1
    if at < len(lines) and lines[at][1].startswith("  [Previous line repeated"):
        at += 1
    return at, source


def _is_exception(name: str) -> bool:
    """Return whether a name that begins a line outside of a traceback is an exception's."""
    module, _, last = name.rpartition(".")
    if last.endswith("Warning"):
        return False
    if not module:  # `Error: …` is how other programs begin what they say
        return last in _BUILTIN or bool(_NAMED.search(last) and last[:1].isupper() and last not in ("Error", "Exit"))
    return bool(last[:1].isupper() and (_NAMED.search(last) or re.search(r"\b(?:exceptions?|errors?)\b", module)))


def _with_cause(raised: Raised, cause: Raised, *, while_handling: bool = False) -> Raised:
    """Return an exception with a cause at the end of its chain."""
    *others, first = raised.chain()
    cause = replace(first, cause=cause, while_handling=while_handling)
    for each in reversed(others):
        cause = replace(each, cause=cause)
    return cause
