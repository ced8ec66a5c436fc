"""`seatrial lock --check`: whether the locks satisfy requirements.in, from the files alone, on any platform."""

from __future__ import annotations

from pathlib import Path

from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import RequirementFile
from seatrial.findings import Stage, folded
from seatrial.project import Project
from seatrial.rules.lock.locks import judge


def check_lock(project: Project) -> Stage[None]:
    """Judge whether the locks satisfy requirements.in."""
    files = (project.requirements_in, project.lock_file, project.cpu_lock_file)
    yield from folded([*judge(project, *(read(file, project) for file in files))])


def read(file: Path, project: Project) -> RequirementFile | None:
    """Read a file of requirements; None if there is none."""
    return requirements.read(file, project.root) if file.is_file() else None
