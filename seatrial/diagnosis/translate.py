"""Text → findings: recognises the faults that rules know in a traceback or a log, and locates them.

The trial, the deployer and `seatrial explain --log` use the same function. It goes by the rules' own symptoms. What
it does not recognise is left to the caller: nothing is guessed.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.diagnosis.log import plain
from seatrial.findings import Location, Severity
from seatrial.rules import RULES
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.project import Project
    from seatrial.rules.rule import Rule

CAUSE = re.compile(r"\n\s*The above exception was the direct cause of the following exception:\n")
DURING = re.compile(r"\n\s*During handling of the above exception, another exception occurred:\n")
FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:,? in (?P<function>.+))?$')
EXCEPTION = re.compile(r"^(?P<type>Fatal Python error|[A-Za-z_][\w.]*)(?:: .*)?$")
# What faulthandler writes when the process dies of a signal; unlike a traceback it begins with the innermost frame.
CRASH = re.compile(r"^Fatal Python error: .*$", re.MULTILINE)
THREAD = re.compile(
    r"^(?P<which>Current thread|Thread) .*\(most recent call first\):\n(?P<frames>(?: +File .*\n?)+)", re.MULTILINE
)
GROUP = "Exception Group Traceback (most recent call last):"
GROUP_BEGIN = re.compile(rf"^ *\+ {re.escape(GROUP)}$", re.MULTILINE)
GROUP_MARGIN = re.compile(r"^ +\| ?", re.MULTILINE)  # before each line of an exception group
GROUP_RULE = re.compile(r"^(?P<margin> +(?:\+-)?)\+-{5,}(?P<member> (?:\d+|\.\.\.) -{5,})?$\n?", re.MULTILINE)
TRACEBACK = "Traceback (most recent call last):"
EVIDENCE_LINES = 12  # of a reduced traceback


@dataclass(frozen=True, slots=True)
class _Match:
    rule: Rule
    groups: dict[str, str]
    message: str
    position: int


def diagnose(text: str, facts: Facts | None = None) -> list[Finding]:
    """Return a finding for every rule whose symptom is in the text, the most telling first.

    The facts of the project tell its own modules from distributions. With them a finding has the location of the
    user's innermost frame, or of the class that a pickle needs.
    """
    text = redacted(_plain(plain(text)))
    matches = [match for rule in RULES.values() for match in _first(rule, text, facts)]
    matches.sort(key=lambda m: (m.rule.telling, m.position))
    begins = _episodes(text)
    found = []
    for match in matches:
        if _is_repeated(match, matches):
            continue
        episode = _episode(text, begins, match.position)
        location, lines = user_frames(episode, facts.project) if facts else (None, exception_lines(episode)[:1])
        matched = _line_at(text, match.position)
        more = [] if any(matched in line or line in matched for line in lines) else [matched]
        found.append(_finding(match, facts, location, (*lines, *more)))
    return found


def user_frames(traceback_text: str, project: Project) -> tuple[Location | None, list[str]]:
    """Reduce a Python traceback to the frames in the project's package.

    Return the location of the innermost of them, and as evidence each frame with its source line, then the exception.
    Of chained exceptions the first with such a frame counts, because it is the cause of the others; so is a member of
    an exception group. If Python itself crashed, the frames are those of the crashed thread, or of another one if that
    has none in the package.
    """
    parts = _crashed(traceback_text) or _parts(traceback_text)
    exceptions = _exceptions(parts)
    for part in parts:
        frames = list(_frames(part, project))
        if frames:
            location = frames[-1][0]
            shown = [line for _, lines in frames for line in lines][-EVIDENCE_LINES:]
            raised = exception_lines(part)[-1:] or exceptions[:1]
            return location, [*shown, *raised, *(e for e in exceptions[-1:] if e not in raised)]
    return None, list(dict.fromkeys([*exceptions[:1], *exceptions[-1:]]))


def _episodes(text: str) -> list[int]:
    """Return the offsets at which the failures in a log begin: each is a traceback with all that it is chained to.

    An exception group and a crash of Python itself hold several tracebacks: their text is one failure.
    """
    if GROUP in text or CRASH.search(text):
        return []
    begins = []
    for header in re.finditer(rf"^{re.escape(TRACEBACK)}$", text, re.MULTILINE):
        before = text[max(0, header.start() - 120) : header.start()].rstrip()
        if not before.endswith(("exception:", "exception occurred:")):
            begins.append(header.start())
    return begins


def _episode(text: str, begins: list[int], position: int) -> str:
    """Return the failure that a position in a log belongs to; text before the first failure belongs to the first."""
    number = max(bisect.bisect_right(begins, position) - 1, 0)
    begin = begins[number] if number else 0
    end = begins[number + 1] if number + 1 < len(begins) else len(text)
    return text[begin:end]


def exception_lines(text: str) -> list[str]:
    """Return the line that names the exception at the end of each traceback in a text, first cause first."""
    return _exceptions(_parts(text))


def _exceptions(parts: list[str]) -> list[str]:
    found = []
    for part in parts:
        in_traceback = False
        for line in part.splitlines():
            if line.startswith((TRACEBACK, GROUP)) or FRAME.match(line):
                in_traceback = True
            elif in_traceback and EXCEPTION.match(line):
                found.append(line.strip())
                in_traceback = False
    return found


def _parts(text: str) -> list[str]:
    """Split chained tracebacks, first cause first."""
    chains = _members(_plain(text))
    return [part for chain in chains for by_cause in CAUSE.split(chain) for part in DURING.split(by_cause)]


def _plain(text: str) -> str:
    """Remove the margin of exception groups, so that their lines read like those of any traceback."""
    return GROUP_MARGIN.sub("", GROUP_BEGIN.sub(GROUP, text)) if GROUP_BEGIN.search(text) else text


def _members(text: str) -> list[str]:
    """Split an exception group: its members, the innermost first, then its own traceback."""
    pieces: list[tuple[int, str]] = []
    depth, head, begin = 0, "", 0
    for rule in GROUP_RULE.finditer(text):
        pieces.append((depth, head + text[begin : rule.start()]))
        # A member that was never raised has only its last line.
        depth, head = (len(rule["margin"]), f"{TRACEBACK}\n") if rule["member"] else (0, "")
        begin = rule.end()
    pieces.append((depth, head + text[begin:]))
    return [piece for _, piece in sorted(pieces, key=lambda p: -p[0])]


def _crashed(text: str) -> list[str]:
    """Return the threads in faulthandler's report in the order of tracebacks, the crashed one first; [] if none.

    A signal from outside interrupts the main thread, whichever thread hung.
    """
    crash = CRASH.search(text)
    if crash is None:
        return []
    threads = sorted(THREAD.finditer(text, crash.end()), key=lambda t: t["which"] != "Current thread")
    return ["\n".join([*reversed(t["frames"].splitlines()), crash[0]]) for t in threads] or [crash[0]]


def _frames(part: str, project: Project) -> Iterator[tuple[Location, list[str]]]:
    lines = part.splitlines()
    for number, line in enumerate(lines):
        frame = FRAME.match(line)
        path = _in_project(frame["file"], project) if frame else None
        if frame and path:
            function = f", in {frame['function']}" if frame["function"] else ""
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            is_source = source and not FRAME.match(lines[number + 1]) and lines[number + 1].startswith("    ")
            where = Location(path, int(frame["line"]))
            yield where, [f"{where}{function}", *([f"    {source}"] if is_source else [])]


def _in_project(file: str, project: Project) -> str | None:
    """Map the path of a frame, in an environment or in the project, to a path of what ships."""
    parts = file.replace("\\", "/").split("/")
    if "site-packages" in parts:
        inside = parts[len(parts) - parts[::-1].index("site-packages") :]
    else:
        root = project.root.as_posix().split("/")
        if parts[: len(root)] != root:
            return None
        inside = parts[len(root) :]
    top = inside[0].removesuffix(".py") if inside else ""
    return "/".join(inside) if top in project.packages else None


def _first(rule: Rule, text: str, facts: Facts | None) -> Iterator[_Match]:
    """Yield the rule's best match: its first symptom that is in the text and that fits the project."""
    for symptom in rule.symptoms:
        for found in symptom.pattern.finditer(text):
            groups = {name: value for name, value in found.groupdict().items() if value is not None}
            if rule.confirm is None or rule.confirm(groups, facts):
                yield _Match(rule, groups, symptom.message.format(**groups), found.start())
                return


def _is_repeated(match: _Match, matches: list[_Match]) -> bool:
    """Return whether a rule that says more found the same."""
    module = match.groups.get("module")
    return any(
        other.rule in match.rule.yields_to
        or (other.rule in match.rule.yields_module_to and other.groups.get("module") == module)
        for other in matches
    )


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    return text[start:].partition("\n")[0].strip()


def _finding(match: _Match, facts: Facts | None, location: Location | None, evidence: tuple[str, ...]) -> Finding:
    why = match.rule.explanation.split(". ")[0].removesuffix(".") + "."
    # What a check can only warn of has happened here.
    finding = match.rule.finding(
        match.message, severity=Severity.ERROR, location=location, cause=why, evidence=evidence
    )
    return match.rule.refine(finding, match.groups, facts) if match.rule.refine else finding
