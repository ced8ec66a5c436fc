"""`seatrial` without a command, in a project: how far it is, and the next command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import ExitCode, SeatrialError, UsageError

if TYPE_CHECKING:
    from seatrial.project import Project


_SERVES = ("deployed", "unchanged")  # of deploy.json's `status`


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a project needs before it serves.

    Attributes:
        name: such as `locked`.
        done: whether it holds for the files as they are now.
        why: what shows it, or what is missing.
        command: what makes it so.
    """

    name: str
    done: bool
    why: str
    command: str


def around() -> Project | None:
    """Return the project in this folder or above, if there is one that can be read."""
    from seatrial import project

    try:
        return project.load(project.around(Path()))
    except SeatrialError:
        return None


def show(project: Project) -> int:
    """Print how far a project is, and what to do next; return the exit code."""
    sys.stdout.write(f"{project.name}, in {project.root}\n")
    following = ""
    for point in points(project):
        sys.stdout.write(f"  {'yes' if point.done else 'no':<4} {point.name:<9} {point.why}\n")
        following = following or ("" if point.done else point.command)
    sys.stdout.write(f"next: {following or 'nothing'}; `seatrial --help` lists all commands\n")
    return int(ExitCode.PASSED)


def points(project: Project) -> Iterator[Point]:
    """Yield what a project needs, in the order in which it is done; each is judged by itself."""
    yield _locked(project)
    yield _checked(project)
    proof = _read(project.build_dir / "smoke/report.json")
    yield _proven(project, proof)
    yield _deployed(project, _read(project.build_dir / "deploy/deploy.json"))


def _locked(project: Project) -> Point:
    from seatrial.findings import Finding
    from seatrial.lock.judge import check_lock

    try:
        _ = project.locked_artifacts
    except SeatrialError as error:
        return Point("locked", done=False, why=error.message, command="seatrial artifacts lock")
    found = [event for event in check_lock(project) if isinstance(event, Finding)]
    if not found:
        return Point("locked", done=True, why="the lock matches requirements.in", command="")
    command = "seatrial lock" if project.requirements_in.is_file() else "seatrial check"  # which says what to write
    return Point("locked", done=False, why=found[0].message, command=command)


def _checked(project: Project) -> Point:
    from seatrial.check.run import check
    from seatrial.facts.gather import Gathered
    from seatrial.findings import Finding, Severity

    events = check(Gathered(project), offline=True)
    try:
        errors = [e for e in events if isinstance(e, Finding) and e.severity is Severity.ERROR]
    except UsageError as error:
        return Point("checked", done=False, why=error.message, command="seatrial check")
    codes = ", ".join(dict.fromkeys(error.code for error in errors))
    why = f"errors: {codes}" if errors else "nothing found that would fail, without asking the package index"
    return Point("checked", not errors, why, "seatrial check")


def _proven(project: Project, report: dict[str, Any]) -> Point:
    from seatrial.project.vertex import variables_of

    if not report:
        return Point("proven", done=False, why="no trial was run here", command="seatrial smoke")
    if report.get("verdict") != "passed":
        return Point("proven", done=False, why="the last trial failed", command="seatrial smoke")
    device, digest = str(report.get("device")), str(report.get("bundle_digest"))
    if digest != _digest(project, device):
        why = "the files have changed since the last trial"
        return Point("proven", done=False, why=why, command="seatrial smoke")
    if report.get("variables", "") != variables_of(project.vertex):
        why = "vertex.env has changed since the last trial"
        return Point("proven", done=False, why=why, command="seatrial smoke")
    return Point("proven", done=True, why=f"{report.get('depth')} depth on {device}, bundle {digest[:12]}", command="")


def _deployed(project: Project, outcome: dict[str, Any]) -> Point:
    command = "seatrial deploy"
    if not outcome:
        return Point("deployed", done=False, why="no deploy was run here", command=command)
    if outcome.get("rehearsal"):
        why = "rehearsed on this machine; nothing is on Google Cloud"
        return Point("deployed", done=False, why=why, command=f"{command} --target vertex")
    what = f"the last deploy, to {outcome.get('target')}, ended as {outcome.get('status')}"
    is_same = outcome.get("bundle_digest") == _digest(project, str(outcome.get("device")))
    why = what if is_same else f"{what}, and was of other files"
    return Point("deployed", is_same and outcome.get("status") in _SERVES, why, command)


def _digest(project: Project, device: str) -> str:
    """Return the digest of the bundle as the files are now; "" if there can be none."""
    from seatrial.bundle import digest_of

    try:
        return digest_of(project, device)
    except SeatrialError:
        return ""


def _read(file: Path) -> dict[str, Any]:
    """Return a report that a command left; empty if there is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
