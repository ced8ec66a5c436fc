"""Reports as JSON: one document, written whole or not at all. It is also the form in which other jobs read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from seatrial.findings import Finding, failed, that_follow
from seatrial.report.document import DocumentRenderer
from seatrial.report.renderer import Report
from seatrial.system import files

FORMAT = 1


class Json(DocumentRenderer):
    """The report as one JSON document."""

    about: ClassVar[str] = "a document on standard output"

    def document(self, report: Report) -> str:
        """Return the report as JSON."""
        return dumps(data(report))


def data(report: Report) -> dict[str, Any]:
    """Return a report as JSON data."""
    if report.verdict == "error":
        return {
            "format": FORMAT,
            "command": report.command,
            "verdict": report.verdict,
            "message": report.message,
            "fix": report.fix,
            "findings": [finding.as_dict() for finding in report.findings],
            **report.more,
        }
    return document(report.command, report.findings, report.seconds, **report.more) | {"verdict": report.verdict}


def document(command: str, findings: Iterable[Finding], seconds: Mapping[str, float], **more: Any) -> dict[str, Any]:
    """Return the report of a command as JSON data: its verdict, its findings, and the seconds that each stage took."""
    findings = list(findings)
    return {
        "format": FORMAT,
        "command": command,
        "verdict": "failed" if failed(findings) else "passed",
        "findings": [finding.as_dict() for finding in findings],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        **more,
    }


def write(file: Path, report: Mapping[str, Any]) -> None:
    """Write a report; a reader sees the former file or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, dumps(report) + "\n")


def dumps(report: Mapping[str, Any]) -> str:
    """Return a report as text, in ASCII, which every encoding of a standard output can print."""
    return json.dumps(report, indent=2)


def distinct(reports: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the findings of several reports, each once: the CPU and the GPU run see the same sources."""
    seen: dict[str, Mapping[str, Any]] = {}
    for report in reports:
        for finding in report.get("findings", ()):
            seen.setdefault(json.dumps([finding["code"], finding["message"], finding.get("location")]), finding)
    return list(seen.values())


def following(finding: Mapping[str, Any]) -> str:
    """Return in words how many findings follow from this one; "" if none does."""
    text = that_follow([follower["code"] for follower in finding.get("followers", ())])
    return f"and {text}" if text else ""


def reason(report: Mapping[str, Any]) -> str:
    """Return what ended a command early, with the fix."""
    message, fix = str(report.get("message", "")), str(report.get("fix", ""))
    return f"{message}; {fix}" if fix else message
