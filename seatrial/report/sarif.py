"""Findings as SARIF 2.1.0, which code scanning and editors show: https://docs.oasis-open.org/sarif/sarif/v2.1.0/.

It works on findings as JSON data and on the texts of rules that a report brings; it judges nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import quote

from seatrial import __version__
from seatrial.findings import in_repository
from seatrial.report import json as json_report
from seatrial.report.document import DocumentRenderer
from seatrial.report.renderer import Report, RuleText
from seatrial.system.files import repository_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
REPOSITORY = "https://github.com/seatrial/seatrial"  # pyproject.toml: project.urls
BASE = "%SRCROOT%"
FINGERPRINT = "seatrialFinding/v1"

Data = Mapping[str, Any]


class Sarif(DocumentRenderer):
    """The report of a check as a SARIF log."""

    about: ClassVar[str] = "SARIF 2.1.0 on standard output"
    needs_rules: ClassVar[bool] = True

    def document(self, report: Report) -> str:
        """Return the log as JSON."""
        if report.verdict == "error":
            return json_report.dumps(ended(report.message, report.fix))
        findings = [finding.as_dict() for finding in report.findings]
        return json_report.dumps(document(self._root, report.rules(), findings, report.more.get("waived", ())))


def document(root: Path, rules: Sequence[RuleText], findings: Iterable[Data], waived: Iterable[Data]) -> dict[str, Any]:
    """Return the log of one check of the project in `root`; the rules include every code of a finding."""
    folder = _folder_in_repository(root)
    index = {rule.code: number for number, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    results = [_result(root, folder, index, finding, seen) for finding in (*findings, *waived)]
    return _log([_rule(rule) for rule in rules], results, {"executionSuccessful": True})


def ended(message: str, fix: str) -> dict[str, Any]:
    """Return the log of a check that ended early."""
    text = f"{message}\n{fix}".rstrip()
    told = [{"level": "error", "message": {"text": text}}]
    return _log([], [], {"executionSuccessful": False, "toolExecutionNotifications": told})


def _log(rules: list[dict[str, Any]], results: list[dict[str, Any]], invocation: dict[str, Any]) -> dict[str, Any]:
    driver = {"name": "seatrial", "version": __version__, "semanticVersion": __version__}
    run = {
        "tool": {"driver": {**driver, "informationUri": REPOSITORY, "rules": rules}},
        "automationDetails": {"id": "seatrial/check/"},  # the part before the last slash is the category
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"description": {"text": "The root of the repository."}}},
        "invocations": [invocation],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: RuleText) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in "".join(c if c.isalnum() else " " for c in rule.title).split()),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": rule.page, "markdown": rule.page},
        "helpUri": f"{REPOSITORY}/blob/main/docs/rules/{rule.code}.md",
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": [f"ST{rule.code[2]}"]},
    }


def _result(root: Path, folder: str, index: Mapping[str, int], finding: Data, seen: Counter[str]) -> dict[str, Any]:
    lines = [finding["message"]]
    lines += [f"{label}: {finding[label]}" for label in ("cause", "fix", "because") if finding.get(label)]
    lines += filter(None, [json_report.following(finding)])
    result: dict[str, Any] = {
        "ruleId": finding["code"],
        "ruleIndex": index[finding["code"]],
        "level": finding["severity"],
        "message": {"text": "\n".join(lines)},
        "locations": [_place(folder, finding["location"] or {"path": "pyproject.toml"})],
        "partialFingerprints": {FINGERPRINT: _fingerprint(finding, seen)},
    }
    if finding.get("edits"):
        result["fixes"] = [
            {
                "description": {"text": finding["fix"] or finding["message"]},
                "artifactChanges": [*_fix(root, folder, finding)],
            }
        ]
    if related := [*_related(folder, finding)]:
        result["relatedLocations"] = related
    if waiver := finding.get("waiver"):
        inline = waiver["location"]["path"] != "pyproject.toml"
        suppression = {"kind": "inSource" if inline else "external", "status": "accepted"}
        if waiver["reason"]:
            suppression["justification"] = waiver["reason"]
        result["suppressions"] = [{**suppression, "location": _place(folder, waiver["location"])}]
    return result


def _related(folder: str, finding: Data) -> Iterator[dict[str, Any]]:
    """Yield the places of what follows from a finding, each with its message."""
    for follower in finding.get("followers", ()):
        text = f"{follower['code']}: {follower['message']}"
        yield {**_place(folder, follower["location"] or {"path": "pyproject.toml"}), "message": {"text": text}}


def _place(folder: str, place: Data) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(folder, place["path"])}
    if place.get("line"):
        region = {"startLine": place["line"], "startColumn": place.get("column"), "endColumn": place.get("end_column")}
        physical["region"] = {name: number for name, number in region.items() if number}
    return {"physicalLocation": physical}


def _artifact(folder: str, path: str) -> dict[str, Any]:
    if PurePosixPath(path).is_absolute():
        return {"uri": PurePosixPath(path).as_uri()}
    # A name that is not UTF-8 has its bytes as surrogates.
    uri = quote(PurePosixPath(folder, in_repository(path)).as_posix(), errors="surrogateescape")
    return {"uri": uri, "uriBaseId": BASE}


def _fingerprint(finding: Data, seen: Counter[str]) -> str:
    """Return what stays the same when the lines above a finding change: everything about it except its line."""
    path = (finding.get("location") or {}).get("path", "")
    identity = "\0".join([finding["code"], path, finding.get("subject") or "", finding["message"]])
    digest = hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()[:32]
    seen[digest] += 1
    return f"{digest}:{seen[digest]}"


def _fix(root: Path, folder: str, finding: Data) -> Iterator[dict[str, Any]]:
    by_path: dict[str, list[Data]] = {}
    for edit in finding["edits"]:
        by_path.setdefault(edit["path"], []).append(edit)
    for path, edits in by_path.items():
        replacements = [_added(root / path, edit) if edit["line"] is None else _replaced(edit) for edit in edits]
        yield {"artifactLocation": _artifact(folder, path), "replacements": replacements}


def _replaced(edit: Data) -> dict[str, Any]:
    end = edit["end_column"] or edit["column"]
    region = {"startLine": edit["line"], "startColumn": edit["column"], "endColumn": end}
    return {"deletedRegion": region, "insertedContent": {"text": edit["text"]}}


def _added(file: Path, edit: Data) -> dict[str, Any]:
    """Return a line at the end as an insertion after the last character of the file."""
    try:
        lines = list(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="\n"))
    except (OSError, UnicodeDecodeError):
        lines = []
    whole = not lines or lines[-1].endswith("\n")
    line, column = (len(lines) + 1, 1) if whole else (len(lines), len(lines[-1]) + 1)
    text = ("" if whole else "\n") + edit["text"].rstrip("\n") + "\n"
    region = {"startLine": line, "startColumn": column, "endColumn": column}
    return {"deletedRegion": region, "insertedContent": {"text": text}}


def _folder_in_repository(root: Path) -> str:
    """Return the project's folder in its repository: code scanning reads paths from the repository's root."""
    return root.resolve().relative_to(repository_of(root)).as_posix()
