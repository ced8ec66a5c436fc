"""GitHub Actions: what a job leaves for others: step outputs, a report file for each command, annotations.

Every text that may hold foreign words is escaped, and a value in the outputs cannot end itself. What a summary says is
in `summary`; a run on a laptop never comes here.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.report import json as json_report

FOLDER = "build/report"  # in the project: what its jobs upload, each file with a name of its own
ANNOTATIONS_A_LEVEL = 10  # https://docs.github.com/en/actions/reference/limits: what one step may show of each level
_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def record(root: Path, report: Mapping[str, Any]) -> Path:
    """Write the report of a command of the project in `root`; give the file.

    Its name tells command and device, so that the reports of all jobs of a run can lie in one folder.
    """
    parts = [part.lstrip("-") for part in str(report["command"]).split()] + [str(report.get("device") or "")]
    file = root / FOLDER / f"{'-'.join(filter(None, parts))}.json"
    json_report.write(file, dict(report))
    return file


def outputs(values: Mapping[str, Any]) -> str:
    """Give values in the form of the file GITHUB_OUTPUT: text as it is, all else as JSON.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
    """
    parts = []
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        delimiter = f"end-{secrets.token_hex(16)}"
        parts.append(f"{name}<<{delimiter}\n{text}\n{delimiter}\n")
    return "".join(parts)


def set_outputs(**values: Any) -> None:
    """Set outputs of this step, hyphens for underscores; nothing outside of GitHub Actions."""
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a", encoding="utf-8") as step:
            step.write(outputs({name.replace("_", "-"): value for name, value in values.items()}))


def annotated(findings: Sequence[Mapping[str, Any]], folder: str = "") -> Iterator[str]:
    """Give a workflow command for each finding (as JSON data), the worst first, as many as GitHub shows.

    `folder` is the project's in the repository; a finding without a file of the project names none.
    """
    for level, command in _LEVELS.items():
        of_level = [finding for finding in findings if finding["severity"] == level]
        for finding in of_level[:ANNOTATIONS_A_LEVEL]:
            yield annotation(command, _text(finding), title=f"{finding['code']}", **_place(finding, folder))


def annotation(command: str, text: str, **properties: Any) -> str:
    """Give a workflow command, such as `error`, with its properties; None and "" are left out."""
    given = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value not in (None, ""))
    return f"::{command}{' ' if given else ''}{given}::{_data(text)}"


def _text(finding: Mapping[str, Any]) -> str:
    lines = [finding["message"]]
    lines += [f"{label}: {finding[label]}" for label in ("cause", "fix") if finding.get(label)]
    return "\n".join(lines)


def _place(finding: Mapping[str, Any], folder: str) -> dict[str, Any]:
    place = finding.get("location")
    if not place or PurePosixPath(place["path"]).is_absolute():
        return {}
    end = place["end_column"] - 1 if place.get("end_column") else None  # GitHub counts the last column in, we do not
    path = PurePosixPath(folder, place["path"])
    return {"file": path, "line": place.get("line"), "col": place.get("column"), "endColumn": end}


def _data(text: str) -> str:
    """https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts: escapeData."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
