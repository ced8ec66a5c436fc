"""A small project on disk: the files that a test names, and a configuration around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.check.run import check
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding
from seatrial.project import Project, load

if TYPE_CHECKING:
    from collections.abc import Mapping

PREDICTOR = "class P:\n    pass\n"


def small_project(folder: Path, files: Mapping[str, str | bytes], **settings: Any) -> Project:
    """Write `files` and a pyproject.toml into `folder`; the predictor is `predictor:P` unless a setting says otherwise.

    Settings are keys of [tool.seatrial] whose values are a string or a list of strings. Without a lock the project
    gets an empty requirements.in and requirements.txt.
    """
    everything: dict[str, str | bytes] = {"requirements.in": "", "requirements.txt": "", **files}
    if not any(name.startswith("predictor") for name in files) and "predictor" not in settings:
        everything["predictor.py"] = PREDICTOR
    table = {"predictor": "predictor:P", **settings}
    lines = [f"{key} = {value!r}" for key, value in table.items()]
    everything["pyproject.toml"] = "[tool.seatrial]\n" + "\n".join(lines) + "\n"
    for name, content in everything.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(folder)


def locked(*pins: str) -> dict[str, str | bytes]:
    """Return requirements.in and a hashed lock of these pins."""
    hashed = [f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in pins]
    return {"requirements.in": "".join(f"{pin}\n" for pin in pins), "requirements.txt": "".join(hashed)}


def findings(project: Project, code: str = "") -> list[Finding]:
    """Return what `seatrial check` finds, or only what one rule finds."""
    return [item for item in check(Gathered(project)) if isinstance(item, Finding) and item.code.startswith(code)]


def places(project: Project, code: str) -> list[str]:
    """Return the locations of a rule's findings, as `file:line:column`."""
    return [str(finding.location) for finding in findings(project, code)]
