"""A copy of this repository that act can execute: `$/` becomes the repository and a commit that act maps to the copy.

act knows neither `$/` nor `job.workflow_*`, and resolves a nested `./` in the caller's tree; actionlint does not know a
concurrency group's `queue` and an environment's `deployment`. Nothing else of the YAML is changed; test_adapted.py
proves it.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from tests.conftest import ROOT

REPOSITORY = "seatrial/seatrial"
RELEASE = f"v{tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))['project']['version']}"  # the tag
COMMIT = "5ea7" * 10  # stands for the commit that is called
_SELF = re.compile(r"(?<=uses: )\$/(\S+)")
_NEW_KEY = re.compile(r"^( +)(?:# )?((?:queue|deployment): .+)$", re.MULTILINE)  # at the start of their line
_PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)(?:/\S+)?@([0-9a-f]{40})")
# What the tool is at a commit, without what the machine added to it.
_PARTS = ("seatrial", "locks", ".github", "action.yml", "noxfile.py", "pyproject.toml", "README.md", "LICENSE")


def adapted(text: str) -> str:
    """Return a workflow or an action as act can read it."""
    text = _SELF.sub(rf"{REPOSITORY}/\1@{COMMIT}", text).replace("job.workflow_sha", f"'{COMMIT}'")
    return _NEW_KEY.sub(r"\1# \2", text)


def restored(text: str) -> str:
    """Undo `adapted`."""
    text = re.sub(rf"(?<=uses: ){re.escape(REPOSITORY)}/(\S+)@{COMMIT}", r"$/\1", text)
    return _NEW_KEY.sub(r"\1\2", text.replace(f"'{COMMIT}'", "job.workflow_sha"))


def sources() -> list[Path]:
    """Return every file of YAML that GitHub executes."""
    return sorted(
        [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml"), ROOT / "action.yml"]
    )


def pins() -> list[tuple[str, str]]:
    """Return each action of others that is used, with its commit."""
    return sorted({found for file in sources() for found in _PINNED.findall(file.read_text(encoding="utf-8"))})


def copy(to: Path) -> Path:
    """Make the copy."""
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / part)
    for file in sources():
        target = to / file.relative_to(ROOT)
        target.write_text(adapted(target.read_text(encoding="utf-8")), encoding="utf-8")
    return to
