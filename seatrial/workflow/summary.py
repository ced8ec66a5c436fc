"""What the jobs of a workflow left: their reports and results. It knows nothing of how they were made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.report import github
from seatrial.report.markdown import Job

Report = Mapping[str, Any]
_ORDER = ("plan", "lock", "check", "compare", "smoke", "image build", "smoke --image", "image push", "deploy")


def read(folder: Path) -> list[Report]:
    """Return the reports below a folder, in the order of the stages; other files are ignored.

    Raises:
        UsageError: one cannot be read.
    """
    found = []
    for file in sorted(folder.rglob("*.json")):
        if file.parent.name != Path(github.FOLDER).name:
            continue
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{file} is not a report: {error}") from None
        found.append(report)
    return sorted(found, key=_place)


def jobs(text: str) -> list[Job]:
    """Read `NAME=RESULT NAME=RESULT …`; a job without a result was skipped.

    Raises:
        UsageError: it is something else.
    """
    found = []
    for word in text.split():
        name, equals, result = word.partition("=")
        if not equals or not name:
            raise UsageError(f"jobs takes NAME=RESULT, not {word}")
        found.append(Job(name, result or "skipped"))
    return found


def _place(report: Report) -> tuple[int, str]:
    command = str(report["command"])
    return (_ORDER.index(command) if command in _ORDER else len(_ORDER), str(report.get("device") or ""))
