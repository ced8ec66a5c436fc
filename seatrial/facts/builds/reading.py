"""Finds the files that build or deploy a project, and reads each by what its name says it is."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.builds import dockerfiles, texts, workflows
from seatrial.facts.builds.commands import commands
from seatrial.facts.builds.context import context, in_lfs, leaves_out
from seatrial.facts.builds.files import BuildFile, Builds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.facts.builds.files import Named

_FOLDERS = (
    "", ".github/workflows", "ci", "cloud", "container", "deploy", "deployment", "docker", "infra", "scripts",
)  # fmt: skip
_DOCKERFILE = re.compile(r"(?:Dockerfile|Containerfile)(?:\..+)?|.+\.[Dd]ockerfile")
_TEXT = re.compile(r".+\.(?:yml|yaml|sh|py|tf)|Makefile|requirements.*\.(?:in|txt)")
_CONFIGURATIONS = ("pip.conf", "pip.ini", ".pip.conf", "uv.toml", "pyproject.toml", "Pipfile", ".condarc")
_WITH_COMMANDS = (".sh", ".yml", ".yaml")
_LARGEST = 1_048_576  # bytes of a file that somebody wrote
_FILES_AT_MOST = 500


def read_builds(root: Path, artifacts: Iterable[str] = ()) -> Builds:
    """Read the files of a project that build or deploy it; `artifacts` are paths that Git LFS may keep."""
    files = tuple(file for path in _candidates(root) if (file := _read(path, root)))
    whole = any(file.copies_all for file in files)
    return Builds(files, tuple(context(root)) if whole else (), tuple(in_lfs(root, artifacts)))


def _candidates(root: Path) -> list[Path]:
    found = []
    for folder in _FOLDERS:
        try:
            with os.scandir(root / folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        except OSError:
            continue
        wanted = [n for n in names if n in _CONFIGURATIONS or _TEXT.fullmatch(n) or _DOCKERFILE.fullmatch(n)]
        found += [root / folder / name for name in wanted]
    return found[:_FILES_AT_MOST]


def _read(file: Path, root: Path) -> BuildFile | None:
    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST).decode("utf-8", errors="replace")
    except OSError:
        return None
    path = file.relative_to(root).as_posix()
    if _DOCKERFILE.fullmatch(file.name):
        made = dockerfiles.read(path, text)
        missing = tuple(source for source in made.copies if leaves_out(root, source.text)) if "/" not in path else ()
        return replace(made, left_out=missing)
    settings: tuple[Named, ...] = ()
    if file.name in _CONFIGURATIONS:
        settings = tuple(texts.configured(path, file.name, text))
    elif path.startswith(".github/") or file.suffix in (".yml", ".yaml", ".sh"):
        settings = tuple(texts.variables(path, text))
    workflow = workflows.read(path, text) if path.startswith(".github/workflows/") else None
    if workflow is not None:
        of_file = tuple(command for job in workflow.jobs for step in job.steps for command in step.commands)
    else:
        of_file = tuple(commands(path, text)) if file.suffix in _WITH_COMMANDS or file.name == "Makefile" else ()
    return BuildFile(
        path, settings=settings, commands=of_file, workflow=workflow,
        machines=tuple(texts.machines(path, text)) if file.suffix == ".tf" else (),
        prebuilt=texts.prebuilt(path, text), addresses=texts.addresses(path, text),
        retired=() if file.suffix == ".py" else texts.retired(path, text),
    )  # fmt: skip
