"""Waivers: findings that the project accepts, each with a reason, in a comment or in [tool.seatrial.ignore].

    import train_utils  # seatrial: ignore[ST201] copied into the image by the base

A comment counts for its own line; on a line of its own it counts for the line of code below it. Only the waivers
themselves are judged here.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from seatrial.errors import UsageError
from seatrial.findings import Finding, Location
from seatrial.rules import RULES, nearest
from seatrial.rules.source.waivers import WAIVERS, WAIVES_NOTHING, WITHOUT_REASON

if TYPE_CHECKING:
    from seatrial.project import Project

SIZE_LIMIT = 4 << 20  # bytes; what is larger was not written by hand
CONFIGURATION = "pyproject.toml"
_OWN = {rule.code for rule in WAIVERS}
_MARK = b"seatrial:"
_WAIVER = re.compile(r"#\s*seatrial:\s*ignore\b(?:\s*\[(?P<codes>[^\]]*)\])?(?P<reason>.*?)(?=\s#\s|$)")
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'[^']*')|(#.*)""")  # in TOML and YAML a # may stand in a string


@dataclass(frozen=True, slots=True)
class Waiver:
    """What is accepted, where and why.

    Attributes:
        codes: of the rules, as written, in upper case.
        reason: why; "" where none is given.
        location: of the waiver.
        line: the line of that file whose findings it accepts; None: every line of the project.
    """

    codes: tuple[str, ...]
    reason: str
    location: Location
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Waived:
    """A finding that is not shown, and the waiver that says why."""

    finding: Finding
    waiver: Waiver

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON data, with the waiver in it."""
        where = asdict(self.waiver.location)
        return {**self.finding.as_dict(), "waiver": {"reason": self.waiver.reason, "location": where}}


def read_waivers(project: Project, paths: Iterable[str]) -> list[Waiver]:
    """Return the waivers in the table and in the comments of these files of the project; missing files have none.

    Raises:
        UsageError: the table names a rule that does not exist.
    """
    return [
        *_of_table(project),
        *(waiver for path in sorted(set(paths)) for waiver in _of_file(project.root, path)),
    ]


def heed(
    findings: Iterable[Finding], waivers: list[Waiver], undecided: Set[str] = frozenset()
) -> tuple[list[Finding], list[Waived]]:
    """Separate the accepted findings; return what is left, with the faults of the waivers, and what was accepted.

    `undecided` are codes of rules that could not decide.
    """
    lines: dict[tuple[str, int, str], Waiver] = {}
    everywhere: dict[str, Waiver] = {}
    for waiver in waivers:
        for code in waiver.codes:
            if waiver.line is None:
                everywhere[code] = waiver
            else:
                lines.setdefault((waiver.location.path, waiver.line, code), waiver)
    left: list[Finding] = []
    waived: list[Waived] = []
    used: set[tuple[Location, str]] = set()
    for finding in findings:
        place = finding.location
        here = lines.get((place.path, place.line, finding.code)) if place and place.line else None
        accepted = here or everywhere.get(finding.code)
        if accepted is None:
            left.append(finding)
        else:
            used.add((accepted.location, finding.code))
            waived.append(Waived(finding, accepted))
    for finding in (found for waiver in waivers for found in _judge(waiver, used, undecided | _OWN)):
        if finding.code in everywhere:
            waived.append(Waived(finding, everywhere[finding.code]))
        else:
            left.append(finding)
    return left, waived


def not_accepted(project: Project, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of a later stage that no waiver accepts, without the line of any: it may hold a credential.

    Raises:
        UsageError: the table names a rule that does not exist.
    """
    found = list(findings)
    if not found:
        return []
    paths = {finding.location.path for finding in found if finding.location}
    left, _ = heed(found, read_waivers(project, paths))
    kept = [finding for finding in left if finding in found]
    return [replace(f, location=Location(f.location.path)) if f.location else f for f in kept]


def _judge(waiver: Waiver, used: set[tuple[Location, str]], undecided: Set[str]) -> Iterator[Finding]:
    if not waiver.codes:
        yield WAIVES_NOTHING.finding("a waiver names no rule", location=waiver.location)
        return
    if not waiver.reason:
        yield WITHOUT_REASON.finding(f"{', '.join(waiver.codes)} is waived without a reason", location=waiver.location)
    for code in waiver.codes:
        if code not in RULES:
            is_family = any(known.startswith(code) for known in RULES)
            why = ": a waiver accepts single rules, not a family" if is_family else nearest(code)
            message = f"a waiver names `{code}`, which is not a rule{why}"
            yield WAIVES_NOTHING.finding(message, location=waiver.location)
        elif (waiver.location, code) not in used and code not in undecided:
            where = "in the project" if waiver.line is None else f"in line {waiver.line}"
            only_served = f"{code} is found only in a running server, where waivers do not count"
            yield WAIVES_NOTHING.finding(
                f"a waiver accepts {code}, but there is no such finding {where}",
                location=waiver.location,
                cause="" if RULES[code].check else only_served,
            )


def _of_table(project: Project) -> Iterator[Waiver]:
    if not project.ignore:
        return
    for code in project.ignore:
        if code not in RULES:
            raise UsageError(f"[tool.seatrial] ignore: there is no rule `{code}`{nearest(code)}")
    lines = (project.root / CONFIGURATION).read_text(encoding="utf-8").split("\n")
    for code, reason in project.ignore.items():
        key = re.compile(rf"""[^#]*?["']?\b{code}\b["']?\s*=""")
        number = next((n for n, line in enumerate(lines, start=1) if key.match(line)), None)
        yield Waiver((code,), reason.strip(), Location(CONFIGURATION, number))


def _of_file(root: Path, path: str) -> Iterator[Waiver]:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return
    file = root / path
    try:
        if file.stat().st_size > SIZE_LIMIT:
            return
        content = file.read_bytes()
    except OSError:  # a finding may name what is not there
        return
    if _MARK not in content:
        return
    for number, column, comment, line in _comments(path, content):
        if found := _WAIVER.search(comment):
            start = column + found.start()
            place = Location(path, number, start, start + len(found[0].rstrip()))
            codes = tuple(code.strip().upper() for code in (found["codes"] or "").split(",") if code.strip())
            yield Waiver(codes, found["reason"].strip(" \t\r:-\u2013\u2014"), place, line)


def _comments(path: str, content: bytes) -> Iterator[tuple[int, int, str, int]]:
    """Yield each comment with its line, its column, and the line that it is about."""
    found = list(_python(content) if path.endswith(".py") else _text(PurePosixPath(path), content))
    alone = {number for number, _, _, is_alone in found if is_alone}
    lines = content.split(b"\n")
    for number, column, comment, is_alone in found:
        line = number
        while is_alone and line < len(lines) and (line in alone or not lines[line - 1].strip()):
            line += 1
        yield number, column, comment, line


def _python(content: bytes) -> Iterator[tuple[int, int, str, bool]]:
    """Yield Python's own comment tokens, because a string can look like a comment."""
    try:
        for token in tokenize.tokenize(io.BytesIO(content).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1] + 1, token.string, not token.line[: token.start[1]].strip()
    except (SyntaxError, tokenize.TokenError, ValueError):  # what comes before the fault counts
        return


def _text(path: PurePosixPath, content: bytes) -> Iterator[tuple[int, int, str, bool]]:
    """Yield comments that begin with #; in a Dockerfile only at the beginning of a line."""
    is_image = path.name.startswith(("Dockerfile", "Containerfile")) or path.suffix.lower() == ".dockerfile"
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), start=1):
        alone = line.lstrip().startswith("#")
        if alone:
            start = line.index("#")
        elif is_image:
            continue
        elif path.suffix in (".toml", ".yaml", ".yml"):
            start = next((part.start() for part in _QUOTED.finditer(line) if part[2]), -1)
        else:
            start = line.find(" #") + 1 or line.find("\t#") + 1 or -1
        if start >= 0:
            yield number, start + 1, line[start:].rstrip("\r"), alone
