"""What the jobs of a workflow left: their reports and results. It knows nothing of how they were made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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


def jobs(text: str, planned: str = "") -> list[Job]:
    """Read `NAME=RESULT NAME=RESULT …`; a job without a result was skipped.

    Args:
        text: how the jobs ended.
        planned: `NAME=true NAME=false …`. A plan that failed says nothing, so only `false` leaves a job out.

    Raises:
        UsageError: one of both is something else.
    """
    left_out = {name for name, wanted in _pairs(planned, "planned") if wanted == "false"}
    return [Job(name, result or "skipped", name not in left_out) for name, result in _pairs(text, "jobs")]


def outputs(reports: Iterable[Report], results: Iterable[Job]) -> dict[str, str]:
    """Return the outputs of the step.

    Returns:
        `verdict` is `passed` or `failed`. `bundle_digest` is that of the bundle whose trial passed; of two, with a
        blank between them, where the CPU has a lock of its own; "" if no trial passed.
    """
    proven = {str(each["bundle_digest"]) for each in reports if each["command"] == "smoke" and _passed(each)}
    verdict = "passed" if all(job.passed for job in results) else "failed"
    return {"verdict": verdict, "bundle_digest": " ".join(sorted(proven))}


def _passed(report: Report) -> bool:
    return report["verdict"] == "passed" and bool(report.get("bundle_digest"))


def _pairs(text: str, option: str) -> Iterator[tuple[str, str]]:
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} takes NAME=VALUE, not {word}")
        yield name, value


def _place(report: Report) -> tuple[int, str]:
    command = str(report["command"])
    return (_ORDER.index(command) if command in _ORDER else len(_ORDER), str(report.get("device") or ""))
