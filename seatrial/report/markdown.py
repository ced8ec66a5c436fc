"""Reports as one Markdown page, for GitHub's job summaries; on failure its first line says what to do.

It works on reports as JSON data. Text from elsewhere is escaped, so that it is neither Markdown nor HTML.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.report import json as json_report
from seatrial.report.document import DocumentRenderer
from seatrial.report.renderer import Report

Data = Mapping[str, Any]
_LIMIT = 900_000  # bytes; GitHub refuses a summary of more than 1 MiB: docs.github.com, "Job summaries"
_EVIDENCE = 30  # lines of a finding's evidence
_MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]#|~$"})


class Markdown(DocumentRenderer):
    """The report as a page."""

    about: ClassVar[str] = "a page on standard output"

    def document(self, report: Report) -> str:
        """Return the page."""
        return page([{**json_report.data(report), "summary": report.summary}], []).rstrip("\n")


@dataclass(frozen=True, slots=True)
class Job:
    """How a job ended.

    Attributes:
        name: of the job.
        result: `success`, `failure`, `cancelled` or `skipped`.
        planned: whether the plan wanted it to run.
    """

    name: str
    result: str
    planned: bool = True

    @property
    def passed(self) -> bool:
        """Whether it did what the plan wanted."""
        return self.result == "success" or (self.result == "skipped" and not self.planned)


def page(reports: Sequence[Data], jobs: Sequence[Job]) -> str:
    """Return the page of several reports and jobs."""
    parts = [_first_line(reports, jobs), "", *_table(reports, jobs), ""]
    for report in reports:
        parts += [*_checks(report.get("checks", ())), ""] if report.get("checks") else []
        parts += [line for table in report.get("tables", ()) for line in (*_listed(table), "")]
    for finding in json_report.distinct(reports):
        parts += [*_details(finding), ""]
    text = ("\n".join(parts) + "\n").encode(errors="replace").decode()  # names of files may not be UTF-8
    if len(text.encode()) <= _LIMIT:
        return text
    cut = text.encode()[:_LIMIT].decode(errors="ignore").rpartition("\n<details>")[0]
    return f"{cut}\n\nThe rest is too long for a summary; it is in the logs.\n"


def _first_line(reports: Sequence[Data], jobs: Sequence[Job]) -> str:
    for report in reports:
        errors = [finding for finding in report.get("findings", ()) if finding["severity"] == "error"]
        if errors:
            return _what_to_do(errors[0])
        if report["verdict"] == "error":
            return f"**{_text(str(report['command']))}** could not do its work: {_text(json_report.reason(report))}"
    for job in jobs:
        if job.result == "failure":
            return f"**{_text(job.name)}** failed before it could report why; see the end of its log."
    if any(job.result == "cancelled" for job in jobs):
        return "**Cancelled.** Run it again: finished work is found, and nothing is done twice."
    for job in jobs:
        if not job.passed:
            return f"**{_text(job.name)}** did not run ({_text(job.result)}), though the plan wanted it."
    return f"**Passed.** {_text(_outcome(reports))}".rstrip()


def _what_to_do(finding: Data) -> str:
    where = _where(finding)
    at = f" `{where}`" if where and "`" not in where else ""
    return f"**{_text(str(finding['code']))}**{at}: {_text(finding.get('fix') or finding['message'])}"


def _outcome(reports: Sequence[Data]) -> str:
    return str(reports[-1].get("summary", "")) if reports else ""


def _table(reports: Sequence[Data], jobs: Sequence[Job]) -> Iterator[str]:
    yield "| stage | result | seconds | |"
    yield "|---|---|---:|---|"
    for report in reports:
        seconds = sum(report.get("seconds", {}).values())
        stage = " ".join(filter(None, (str(report["command"]), str(report.get("device") or ""))))
        said = str(report.get("summary") or json_report.reason(report))
        yield f"| {_text(stage)} | {_text(str(report['verdict']))} | {seconds:.1f} | {_text(said)} |"
    for job in jobs:
        if not job.passed:
            yield f"| job {_text(job.name)} | {_text(job.result)} | | |"


def _checks(checks: Sequence[Data]) -> Iterator[str]:
    """Yield a table of named checks, of the serving contract or another list."""
    yield "| check | level | outcome | |"
    yield "|---|---|---|---|"
    for check in checks:
        cells = (check["name"], check["level"], check["outcome"], str(check["seen"])[:300])
        yield f"| {' | '.join(_text(str(cell)) for cell in cells)} |"


def _listed(table: Data) -> Iterator[str]:
    """Yield a table that a command made for people: a title, a head and rows."""
    yield f"**{_text(str(table['title']))}**"
    yield ""
    yield f"| {' | '.join(_text(str(cell)) for cell in table['head'])} |"
    yield "|---" * len(table["head"]) + "|"
    for row in table["rows"]:
        yield f"| {' | '.join(_text(str(cell)) for cell in row)} |"


def _details(finding: Data) -> Iterator[str]:
    title = f"{finding['severity']}[{finding['code']}]: {finding['message']}"
    # An empty line would end the block, and what follows would be Markdown.
    yield f"<details><summary>{html.escape(' '.join(title.split()))}</summary>"
    yield ""
    lines = [f"--> {_where(finding)}"] if _where(finding) else []
    lines += [str(line) for line in finding.get("evidence", ())][:_EVIDENCE]
    lines += [f"{label}: {finding[label]}" for label in ("cause", "cloud", "fix", "because") if finding.get(label)]
    lines += [*filter(None, [json_report.following(finding)]), f"seatrial explain {finding['code']} says more"]
    text = "\n".join(line if line.strip() else " " for line in "\n".join(lines).splitlines())
    yield f"<pre>{html.escape(text)}</pre>"
    yield "</details>"


def _where(finding: Data) -> str:
    place = finding.get("location")
    if not place:
        return " ".join(str(finding.get("subject") or "").split())
    parts = (str(place[name]) for name in ("path", "line", "column") if place.get(name) is not None)
    return " ".join(":".join(parts).split())


def _text(text: str) -> str:
    """Return foreign text as one line in which nothing is Markdown or HTML."""
    return html.escape(" ".join(text.split()).translate(_MARKDOWN), quote=False)
