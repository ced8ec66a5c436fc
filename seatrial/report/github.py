"""What a job in GitHub Actions leaves for others: step outputs, a report file for each command, annotations.

Text from elsewhere is escaped, so that it cannot become a workflow command, and a value in the outputs cannot end
itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from seatrial.findings import in_repository
from seatrial.report import json as json_report
from seatrial.report.console import Console
from seatrial.report.renderer import Report

FOLDER = "build/report"  # in the project: what its jobs upload, each file with its own name
ANNOTATIONS_A_LEVEL = 10  # https://docs.github.com/en/actions/reference/limits: how many of a level one step can show
_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


class GitHub(Console):
    """The console, plus step outputs and a report file."""

    about: ClassVar[str] = "console, with step outputs and a report in build/report"

    def set_outputs(self, **values: Any) -> None:
        """Set outputs of this step."""
        set_outputs(**values)

    def show(self, report: Report) -> None:
        """Write the report file, then print as the console does."""
        data = json_report.data(report)
        if report.verdict == "error":
            with contextlib.suppress(OSError):  # what ended the command may be a full disk
                record(self._root, data)
        else:
            record(self._root, {**data, "summary": report.summary})
        super().show(report)


def record(root: Path, report: Mapping[str, Any]) -> Path:
    """Write the report of a command of the project in `root`; return the file.

    Its name contains the command and the device, so that the reports of all jobs of a run fit in one folder.
    """
    parts = [part.lstrip("-") for part in str(report["command"]).split()] + [str(report.get("device") or "")]
    file = root / FOLDER / f"{'-'.join(filter(None, parts))}.json"
    json_report.write(file, report)
    return file


def set_outputs(**values: Any) -> None:
    """Set outputs of this step, if it is one of GitHub Actions: names with hyphens, text as it is, all else as JSON.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
    """
    if file := os.environ.get("GITHUB_OUTPUT"):
        with Path(file).open("a", encoding="utf-8") as step:
            for name, value in values.items():
                text = value if isinstance(value, str) else json.dumps(value)
                delimiter = f"end-{secrets.token_hex(16)}"
                step.write(f"{name.replace('_', '-')}<<{delimiter}\n{text}\n{delimiter}\n")


def workflow_commands(reports: Sequence[Mapping[str, Any]], folder: str = "") -> Iterator[str]:
    """Yield the workflow commands that annotate the findings and errors of reports (as JSON data).

    `folder` is the project's folder in the repository.
    """
    yield from annotated(json_report.distinct(reports), folder)
    for report in reports:
        if report["verdict"] == "error":
            yield annotation("error", json_report.reason(report), title=str(report["command"]))


def annotated(findings: Sequence[Mapping[str, Any]], folder: str = "") -> Iterator[str]:
    """Yield a workflow command for each finding (as JSON data), the worst first, as many as GitHub shows.

    A finding outside of the project's files names no file.
    """
    for level, command in _LEVELS.items():
        of_level = [finding for finding in findings if finding["severity"] == level]
        for finding in of_level[:ANNOTATIONS_A_LEVEL]:
            yield annotation(command, _text(finding), title=f"{finding['code']}", **_place(finding, folder))


def annotation(command: str, text: str, **properties: Any) -> str:
    """Return a workflow command, such as `error`, with its properties except those that are None or ""."""
    given = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value not in (None, ""))
    return f"::{command}{' ' if given else ''}{given}::{_data(text)}"


def _text(finding: Mapping[str, Any]) -> str:
    lines = [finding["message"]]
    lines += [f"{label}: {finding[label]}" for label in ("cause", "fix", "because") if finding.get(label)]
    return "\n".join(filter(None, [*lines, json_report.following(finding)]))


def _place(finding: Mapping[str, Any], folder: str) -> dict[str, Any]:
    place = finding.get("location")
    if not place or PurePosixPath(place["path"]).is_absolute():
        return {}
    end = place["end_column"] - 1 if place.get("end_column") else None  # GitHub includes the last column
    path = PurePosixPath(folder, in_repository(place["path"]))
    return {"file": path, "line": place.get("line"), "col": place.get("column"), "endColumn": end}


def _data(text: str) -> str:
    """Escape as escapeData in https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts."""
    text = text.encode(errors="replace").decode()  # names of files may not be UTF-8
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
