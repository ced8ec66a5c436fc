"""Findings for machines: one JSON document, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seatrial.findings import Finding, failed
from seatrial.system import files

FORMAT = 1


def document(command: str, findings: Iterable[Finding], seconds: dict[str, float], **more: Any) -> dict[str, Any]:
    """Give the report of a command: its verdict, its findings, and the seconds that each stage took."""
    findings = list(findings)
    return {
        "format": FORMAT,
        "command": command,
        "verdict": "failed" if failed(findings) else "passed",
        "findings": [finding.as_dict() for finding in findings],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        **more,
    }


def write(file: Path, report: dict[str, Any]) -> None:
    """Write a report; a reader sees the former file or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, dumps(report) + "\n")


def dumps(report: dict[str, Any]) -> str:
    """Give a report as text, in ASCII, which every encoding of a standard output can print."""
    return json.dumps(report, indent=2)
