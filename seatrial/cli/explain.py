"""`seatrial explain`: what a finding's code means, or with --log what the rules recognise in a traceback or log.

It runs nothing and asks no server: it knows the text and the project, if there is one here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.cli import options
from seatrial.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from seatrial.diagnosis.envelopes.reading import Log
    from seatrial.findings import Finding
    from seatrial.project import Project
    from seatrial.report.renderer import Verdict


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("code", nargs="?", metavar="CODE", help="such as ST120, or ST1 for a family (default: all)")
    what.add_argument(
        "--log",
        metavar="FILE",
        help="a traceback, a server's log or a message of the cloud (- reads standard input); exit 1 if no rule "
        "recognises it",
    )
    parser.add_argument("--project", type=Path, metavar="DIR", help="the project that the log is of (default: here)")
    options.formats(parser, only=("console", "json"))


def command(arguments: argparse.Namespace) -> int:
    """Explain a code, or a log."""
    return _code(arguments.code) if arguments.log is None else _log(arguments)


def _code(wanted: str | None) -> int:
    """Print the page of a rule, or the list of a family or of all rules."""
    from seatrial.rules import RULES, nearest
    from seatrial.rules.page import listed, page

    code = (wanted or "ST").strip().upper()
    text = page(RULES[code]) if code in RULES else listed(code)
    if not text:
        fix = "`seatrial explain` lists all rules, `seatrial explain ST4` a family"
        raise UsageError(f"there is no rule {wanted}{nearest(code)}", fix=fix)
    sys.stdout.write(text)
    return int(ExitCode.PASSED)


def _log(arguments: argparse.Namespace) -> int:
    """Print what is recognised in a log, or what is known of its last failure; return 1 if nothing is recognised."""
    from seatrial.diagnosis.translate import diagnose, examine
    from seatrial.diagnosis.unrecognised import unrecognised
    from seatrial.facts.gather import Gathered
    from seatrial.report.formats import FORMATS
    from seatrial.report.renderer import Report

    log = _read(arguments.log)
    project = _project(arguments.project)
    facts = Gathered(project).if_readable if project else None
    found = diagnose(log.text, facts)
    failure = None if found else unrecognised(examine(log.text, facts)[0])
    renderer = FORMATS[arguments.format](project.root if project else Path())
    renderer.quiet = arguments.quiet
    looked_at = {"lines": log.lines, "bytes_read": log.read, "bytes": log.size}
    verdict: Verdict = "recognised" if found else "unrecognised"
    summary = _summary(log, len(found), project, failure)
    shown = [failure] if failure else found
    renderer.show(Report("explain --log", verdict, shown, summary=summary, more={"log": looked_at}))
    return int(ExitCode.PASSED if found else ExitCode.FINDINGS)


def _read(name: str) -> Log:
    from seatrial.diagnosis.envelopes import reading

    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("--log - reads standard input, and it is closed")
            return reading.read(sys.stdin.buffer)
        with Path(name).open("rb") as stream:
            return reading.read(stream)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from None


def _project(folder: Path | None) -> Project | None:
    """Load the project in `folder`, or without one the project here, if there is one."""
    from seatrial import project

    if folder is not None:
        return project.load(folder)
    try:
        return project.load(project.around(Path()))
    except UsageError:
        return None


def _summary(log: Log, found: int, project: Project | None, failure: Finding | None) -> str:
    size = f"{log.lines:,} lines"
    if log.read < log.size:
        size += f", the last {log.read / 1e6:.0f} of {log.size / 1e6:.0f} MB"
    if found:
        return f"{found} {'faults' if found > 1 else 'fault'} in {size}" + ("" if project else "; no project here")
    if not log.size:
        return "the log is empty"
    if failure:
        what = "no rule recognises its last exception, which is told above"
    else:
        what = "it holds no traceback and no text that a rule knows"
    return f"looked at {size}: {what}"
