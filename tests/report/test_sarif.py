"""SARIF: what code scanning needs to show a finding, its rule, its fix and why it was accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seatrial.findings import Edit, Finding, Location, Severity
from seatrial.report import sarif
from seatrial.report.renderer import RuleText
from tests.cli.process import seatrial
from tests.projects.base import TRANSFORMS, made
from tests.small_project import locked, small_project

RULE = RuleText("ST110", "an import that no requirement provides", "error", "It is not there.", "# ST110\n")


def result(root: Path, finding: Finding, **waiver: Any) -> dict[str, Any]:
    found = [finding.as_dict()] if not waiver else []
    waived = [{**finding.as_dict(), "waiver": waiver}] if waiver else []
    document = sarif.document(root, [RULE], found, waived)
    (only,) = document["runs"][0]["results"]
    return dict(only)


def finding(**more: Any) -> Finding:
    return Finding(**{"code": "ST110", "message": "`cv2` is imported", **more})


class TestAResult:
    def test_names_its_rule_its_level_and_what_to_do(self, tmp_path: Path) -> None:
        found = result(tmp_path, finding(severity=Severity.NOTE, cause="nothing brings it", fix="add it"))
        assert (found["ruleId"], found["ruleIndex"], found["level"]) == ("ST110", 0, "note")
        assert found["message"]["text"] == "`cv2` is imported\ncause: nothing brings it\nfix: add it"

    def test_has_its_place_from_the_root_of_the_repository(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        project = tmp_path / "models/my digits"
        project.mkdir(parents=True)
        found = result(project, finding(location=Location("predictor.py", 3, 5, 9)))
        place = found["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "models/my%20digits/predictor.py", "uriBaseId": "%SRCROOT%"}
        assert place["region"] == {"startLine": 3, "startColumn": 5, "endColumn": 9}

    def test_of_a_whole_file_or_of_no_file_has_no_region(self, tmp_path: Path) -> None:
        places = [
            result(tmp_path, finding(location=location))["locations"][0]["physicalLocation"]
            for location in (Location("artifacts/w.pt"), None)
        ]
        assert [place["artifactLocation"]["uri"] for place in places] == ["artifacts/w.pt", "pyproject.toml"]
        assert all("region" not in place for place in places)

    def test_has_what_follows_from_it_as_related_places(self, tmp_path: Path) -> None:
        follower = Finding("ST302", "a pickle needs it", location=Location("artifacts/w.pkl"))
        found = result(tmp_path, finding(followers=(follower,)))
        assert found["message"]["text"].endswith("and 1 more that follows (1 ST302)")
        (related,) = found["relatedLocations"]
        assert related["message"]["text"] == "ST302: a pickle needs it"
        assert related["physicalLocation"]["artifactLocation"]["uri"] == "artifacts/w.pkl"

    def test_is_recognised_when_lines_above_it_change_and_told_from_its_like(self, tmp_path: Path) -> None:
        near, far = finding(location=Location("p.py", 3, 1)), finding(location=Location("p.py", 30, 1))
        other = finding(location=Location("q.py", 3, 1))
        prints = [result(tmp_path, one)["partialFingerprints"][sarif.FINGERPRINT] for one in (near, far, other)]
        assert prints[0] == prints[1]
        assert prints[0] != prints[2]
        both = sarif.document(tmp_path, [RULE], [near.as_dict(), far.as_dict()], [])["runs"][0]["results"]
        assert len({one["partialFingerprints"][sarif.FINGERPRINT] for one in both}) == 2

    def test_that_was_accepted_is_suppressed_with_the_reason(self, tmp_path: Path) -> None:
        place = {"path": "p.py", "line": 1, "column": 9, "end_column": 40}
        found = result(tmp_path, finding(), reason="the base has it", location=place)
        (suppression,) = found["suppressions"]
        assert (suppression["kind"], suppression["status"]) == ("inSource", "accepted")
        assert suppression["justification"] == "the base has it"
        assert suppression["location"]["physicalLocation"]["region"]["startLine"] == 1
        table = result(tmp_path, finding(), reason="", location={"path": "pyproject.toml", "line": 5})
        assert table["suppressions"][0]["kind"] == "external"
        assert "justification" not in table["suppressions"][0]


class TestAFix:
    def test_replaces_columns(self, tmp_path: Path) -> None:
        found = result(tmp_path, finding(fix="say so", edits=(Edit("p.py", "x", 2, 3, 5),)))
        (fix,) = found["fixes"]
        assert fix["description"]["text"] == "say so"
        (change,) = fix["artifactChanges"]
        assert change["artifactLocation"]["uri"] == "p.py"
        region = {"startLine": 2, "startColumn": 3, "endColumn": 5}
        assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "x"}}]

    @pytest.mark.parametrize(
        ("content", "line", "column", "text"),
        [
            ("torch\nnumpy\n", 3, 1, "pillow\n"), ("torch\nnumpy", 2, 6, "\npillow\n"), ("", 1, 1, "pillow\n"),
            (None, 1, 1, "pillow\n"),
        ],
    )  # fmt: skip
    def test_adds_a_line_behind_the_last(
        self, tmp_path: Path, content: str | None, line: int, column: int, text: str
    ) -> None:
        if content is not None:
            (tmp_path / "requirements.in").write_text(content)
        found = result(tmp_path, finding(edits=(Edit("requirements.in", "pillow"),)))
        (replacement,) = found["fixes"][0]["artifactChanges"][0]["replacements"]
        region = {"startLine": line, "startColumn": column, "endColumn": column}
        assert replacement == {"deletedRegion": region, "insertedContent": {"text": text}}


def log_of(folder: Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    ran = seatrial("check", "--format", "sarif", "--project", folder)
    log = json.loads(ran.stdout)
    (run,) = log["runs"]
    return ran.returncode, log, run


class TestTheLog:
    def test_holds_findings_waived_ones_and_the_pages_of_their_rules(self, tmp_path: Path) -> None:
        text = "import cv2\nimport yaml  # seatrial: ignore[ST110] the base has it\nimport PIL\n\n\nclass P: ...\n"
        small_project(tmp_path, {"predictor.py": text, **locked("torch==2.8.0")})
        code, log, run = log_of(tmp_path)
        assert code == 1
        assert (log["version"], run["columnKind"]) == ("2.1.0", "unicodeCodePoints")
        assert [(one["ruleId"], "suppressions" in one) for one in run["results"]] == [
            ("ST110", False), ("ST110", False), ("ST110", True),
        ]  # fmt: skip
        rules = run["tool"]["driver"]["rules"]
        assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
        rule = rules[run["results"][0]["ruleIndex"]]
        assert rule["help"]["markdown"].startswith("# ST110: an import that no requirement provides\n")
        assert rule["helpUri"].endswith("/docs/rules/ST110.md")
        assert rule["fullDescription"]["text"]
        assert run["invocations"] == [{"executionSuccessful": True}]

    def test_names_no_place_of_the_machine_that_made_it(self, tmp_path: Path) -> None:
        made(tmp_path, {"predictor/transforms.py": f"import cv2\n{TRANSFORMS}"})
        _, log, _ = log_of(tmp_path)
        assert str(tmp_path) not in json.dumps(log)

    def test_is_the_same_for_the_same_project(self, tmp_path: Path) -> None:
        made(tmp_path, {"predictor/transforms.py": f"import cv2\n{TRANSFORMS}"})
        assert log_of(tmp_path) == log_of(tmp_path)

    def test_of_a_check_that_could_not_be_made_says_why(self, tmp_path: Path) -> None:
        code, _, run = log_of(tmp_path)
        assert (code, run["results"]) == (2, [])
        (invocation,) = run["invocations"]
        assert invocation["executionSuccessful"] is False
        assert "no pyproject.toml" in invocation["toolExecutionNotifications"][0]["message"]["text"]

    def test_has_what_the_specification_wants_of_each_object(self, tmp_path: Path) -> None:
        made(
            tmp_path, {"predictor/transforms.py": f"import cv2\nimport PIL\n{TRANSFORMS}", "requirements.in": "torch\n"}
        )
        _, log, run = log_of(tmp_path)
        assert log["$schema"].endswith("sarif-schema-2.1.0.json")
        driver = run["tool"]["driver"]
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", driver["semanticVersion"])
        assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
        for rule in driver["rules"]:
            assert re.fullmatch(r"[A-Z]\w+", rule["name"])
            assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert run["results"]
        for one in run["results"]:
            assert one["message"]["text"]
            for place in one["locations"]:
                uri = place["physicalLocation"]["artifactLocation"]["uri"]
                assert not uri.startswith("/")
                assert re.fullmatch(r"[\w./%-]+", uri)
            for fix in one.get("fixes", ()):
                assert all(change["replacements"] for change in fix["artifactChanges"])
