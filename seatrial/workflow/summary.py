"""`seatrial summary`: what the jobs of a workflow came to, as one page whose first line says what to do on failure.

It reads the reports that the jobs uploaded and knows nothing of how they were made. A job that left no report is named
too: nothing that went wrong stays out of the summary.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.report import github

Report = Mapping[str, Any]
_ORDER = ("plan", "lock", "check", "smoke", "image build", "smoke --image", "image push", "deploy")
_BAD = ("failure", "cancelled")
_LIMIT = 900_000  # bytes; GitHub refuses a summary of more than 1 MiB: docs.github.com, "Job summaries"
_EVIDENCE = 30  # lines of a finding's evidence


@dataclass(frozen=True, slots=True)
class Job:
    """How a job ended: `success`, `failure`, `cancelled` or `skipped`."""

    name: str
    result: str


def annotated(reports: Sequence[Report], folder: str) -> Iterator[str]:
    """Yield the annotations of all findings and errors; `folder` is the project's in the repository."""
    yield from github.annotated(_findings(reports), folder)
    for report in reports:
        if report["verdict"] == "error":
            yield github.annotation("error", _words(report), title=str(report["command"]))


def read(folder: Path) -> list[Report]:
    """Read the reports below a folder, in the order of the stages; files that are none are left out."""
    found = []
    for file in sorted(folder.rglob("*.json")):
        if file.parent.name != Path(github.FOLDER).name:
            continue
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{file} is no report: {error}") from None
        found.append(report)
    return sorted(found, key=_place)


def jobs(text: str) -> list[Job]:
    """Read `NAME=RESULT NAME=RESULT …`; a job without a result was not run.

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


def page(reports: Sequence[Report], jobs: Sequence[Job]) -> str:
    """Give the summary as Markdown."""
    parts = [_first_line(reports, jobs), "", *_table(reports, jobs), ""]
    for finding in _findings(reports):
        parts += [*_details(finding), ""]
    text = "\n".join(parts) + "\n"
    if len(text.encode()) <= _LIMIT:
        return text
    cut = text.encode()[:_LIMIT].decode(errors="ignore").rpartition("\n<details>")[0]
    return f"{cut}\n\nThe rest is too long for a summary; it is in the logs.\n"


def _first_line(reports: Sequence[Report], jobs: Sequence[Job]) -> str:
    for report in reports:
        errors = [finding for finding in report.get("findings", ()) if finding["severity"] == "error"]
        if errors:
            return _what_to_do(errors[0])
        if report["verdict"] == "error":
            return f"**{_text(str(report['command']))}** could not do its work: {_text(_words(report))}"
    for job in jobs:
        if job.result == "failure":
            return f"**{_text(job.name)}** failed before it could report why: the end of its log says it."
    if any(job.result == "cancelled" for job in jobs):
        return "**Cancelled.** Run it again: what is done is found, and nothing is done twice."
    return f"**Passed.** {_text(_outcome(reports))}".rstrip()


def _what_to_do(finding: Mapping[str, Any]) -> str:
    where = _where(finding)
    at = f" `{where}`" if where and "`" not in where else ""
    return f"**{finding['code']}**{at}: {_text(finding.get('fix') or finding['message'])}"


def _outcome(reports: Sequence[Report]) -> str:
    return str(reports[-1].get("summary", "")) if reports else ""


def _table(reports: Sequence[Report], jobs: Sequence[Job]) -> Iterator[str]:
    yield "| stage | result | seconds | |"
    yield "|---|---|---:|---|"
    for report in reports:
        seconds = sum(report.get("seconds", {}).values())
        stage = " ".join(filter(None, (str(report["command"]), str(report.get("device") or ""))))
        said = str(report.get("summary") or _words(report))
        yield f"| {_text(stage)} | {_text(str(report['verdict']))} | {seconds:.1f} | {_text(said)} |"
    for job in jobs:
        if job.result in _BAD:
            yield f"| job {_text(job.name)} | {_text(job.result)} | | |"


def _details(finding: Mapping[str, Any]) -> Iterator[str]:
    title = f"{finding['severity']}[{finding['code']}]: {finding['message']}"
    yield f"<details><summary>{html.escape(title)}</summary>"
    yield ""
    lines = [f"--> {_where(finding)}"] if _where(finding) else []
    lines += [str(line) for line in finding.get("evidence", ())][:_EVIDENCE]
    lines += [f"{label}: {finding[label]}" for label in ("cause", "cloud", "fix") if finding.get(label)]
    lines += [f"seatrial explain {finding['code']} says more"]
    # An empty line would end the block, and what follows would be Markdown again.
    text = "\n".join(line or " " for line in "\n".join(lines).splitlines())
    yield f"<pre>{html.escape(text)}</pre>"
    yield "</details>"


def _findings(reports: Iterable[Report]) -> list[Mapping[str, Any]]:
    """Give the findings of all reports, each once: CPU and GPU see the same sources."""
    seen: dict[str, Mapping[str, Any]] = {}
    for report in reports:
        for finding in report.get("findings", ()):
            seen.setdefault(json.dumps([finding["code"], finding["message"], finding.get("location")]), finding)
    return list(seen.values())


def _where(finding: Mapping[str, Any]) -> str:
    place = finding.get("location")
    if not place:
        return str(finding.get("subject") or "")
    return ":".join(str(place[name]) for name in ("path", "line", "column") if place.get(name) is not None)


def _words(report: Report) -> str:
    message, fix = str(report.get("message", "")), str(report.get("fix", ""))
    return f"{message}; {fix}" if fix else message


def _place(report: Report) -> tuple[int, str]:
    command = str(report["command"])
    return (_ORDER.index(command) if command in _ORDER else len(_ORDER), str(report.get("device") or ""))


_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]#|~"})


def _text(text: str) -> str:
    """Give foreign text as one line in which nothing is Markdown or HTML."""
    return html.escape(" ".join(text.split()).translate(_MARKDOWN), quote=False)
