"""`seatrial explain --log`: a traceback, a log or an answer of the cloud, in the words of the rules.

It runs nothing and asks nobody: what it says stands in the text and, where there is one, in the project here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.diagnosis import log as logs
from seatrial.diagnosis.translate import diagnose, exception_lines
from seatrial.errors import ExitCode, UsageError
from seatrial.report import json as json_report
from seatrial.report.console import Console

if TYPE_CHECKING:
    from seatrial.diagnosis.log import Log
    from seatrial.project import Project

SHOWN = 3  # exceptions that no rule knows


def explain_log(arguments: argparse.Namespace) -> int:
    """Print what the rules recognise in a log; 1 where that is nothing.

    Raises:
        UsageError: the log cannot be read.
    """
    log = _read(arguments.log)
    project = _project(arguments.project)
    found = diagnose(log.text, project)
    unknown = [] if found else exception_lines(log.text)[-SHOWN:]
    if arguments.format == "json":
        looked_at = {"lines": log.lines, "bytes_read": log.read, "bytes": log.size, "unknown_exceptions": unknown}
        report = json_report.document("explain --log", found, {}, log=looked_at)
        report["verdict"] = "recognised" if found else "unrecognised"
        sys.stdout.write(json_report.dumps(report) + "\n")
    console = Console(project.root if project else Path())
    for finding in found:
        console.finding(finding)
    for line in unknown:
        console.measured(line)
    console.verdict(bool(found), _summary(log, len(found), project, unknown), ("RECOGNISED", "NOT RECOGNISED"))
    return int(ExitCode.PASSED if found else ExitCode.FINDINGS)


def _read(name: str) -> Log:
    try:
        if name == "-":
            if sys.stdin is None:
                raise UsageError("--log - reads standard input, and it is closed")
            return logs.read(sys.stdin.buffer)
        with Path(name).open("rb") as stream:
            return logs.read(stream)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from None


def _project(folder: Path | None) -> Project | None:
    """Load the project that is asked for, or the one here, if there is one."""
    from seatrial import project

    if folder is not None:
        return project.load(folder)
    try:
        return project.load(Path())
    except UsageError:
        return None


def _summary(log: Log, found: int, project: Project | None, unknown: list[str]) -> str:
    size = f"{log.lines:,} lines"
    if log.read < log.size:
        size += f", the last {log.read / 1e6:.0f} of {log.size / 1e6:.0f} MB"
    if found:
        return f"{found} {'faults' if found > 1 else 'fault'} in {size}" + ("" if project else "; no project here")
    if not log.size:
        return "the log is empty"
    what = f"its last exceptions, above, are {'' if project else 'perhaps '}the predictor's own" if unknown else (
        "it holds no traceback and no text that a rule knows"
    )  # fmt: skip
    return f"looked at {size}: {what}"
