"""Waivers: what a comment or a line of the configuration accepts, and what is wrong with a waiver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.check.run import Checked, check
from seatrial.check.waivers import heed, read_waivers
from seatrial.errors import UsageError
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Location, Severity
from seatrial.project import Project, load
from tests.small_project import PREDICTOR, findings, locked, small_project

REASON = "the base image has it"


def checked(project: Project) -> Checked:
    stage = check(Gathered(project))
    while True:
        try:
            next(stage)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def with_table(folder: Path, table: str, text: str = "import cv2\n\n\nclass P: ...\n") -> Project:
    small_project(folder, {"predictor.py": text})
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[tool.seatrial.ignore]\n{table}\n")
    return load(folder)


class TestAComment:
    @pytest.mark.parametrize(
        "line",
        [
            f"import cv2  # seatrial: ignore[ST110] {REASON}",
            f"import cv2  # seatrial: ignore [ ST110 ]: {REASON}",
            f"import cv2  #seatrial:ignore[st110] - {REASON}",
            f"import cv2  # noqa: F401  # seatrial: ignore[ST110] {REASON}",
            f"import cv2  # seatrial: ignore[ST110] {REASON}  # noqa: F401",
            f"# seatrial: ignore[ST110] {REASON}\nimport cv2",
            f"# seatrial: ignore[ST110] {REASON}\n# and a word more\n\nimport cv2",
        ],
    )
    def test_accepts_what_is_found_in_its_line_or_below_it(self, tmp_path: Path, line: str) -> None:
        project = small_project(tmp_path, {"predictor.py": f"{line}\n\n\nclass P: ...\n"})
        assert findings(project) == []
        (waived,) = checked(project).waived
        assert (waived.finding.code, waived.waiver.reason) == ("ST110", REASON)
        assert waived.finding.location is not None
        assert waived.waiver.line == waived.finding.location.line

    def test_accepts_several_codes(self, tmp_path: Path) -> None:
        found = [Finding(code, "x", location=Location("predictor.py", 1)) for code in ("ST110", "ST201")]
        project = small_project(tmp_path, {"predictor.py": f"x = 1  # seatrial: ignore[ST110, ST201] {REASON}\n"})
        left, waived = heed(found, read_waivers(project, ["predictor.py"]))
        assert (left, len(waived)) == ([], 2)

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("Dockerfile", f"# seatrial: ignore[ST110] {REASON}\nRUN pip install x"),
            ("requirements/extra.txt", f"numpy  # seatrial: ignore[ST110] {REASON}"),
            ("requirements.in", f"numpy\t# seatrial: ignore[ST110] {REASON}"),
            ("deploy.yaml", f"image: 'a # b'  # seatrial: ignore[ST110] {REASON}"),
            ("settings.toml", f'image = "a # b"  # seatrial: ignore[ST110] {REASON}'),
        ],
    )
    def test_is_read_in_every_text_that_is_pointed_into(self, tmp_path: Path, name: str, line: str) -> None:
        project = small_project(tmp_path, {name: f"# first\n\n{line}\n"})
        at = 3 + line.count("\n")
        found = [Finding("ST110", "x", location=Location(name, at))]
        left, waived = heed(found, read_waivers(project, [name]))
        assert (left, [w.waiver.reason for w in waived]) == ([], [REASON])

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("predictor.py", 'import cv2; x = "# seatrial: ignore[ST110] no comment"'),
            ("predictor.py", 'import cv2; x = """\n# seatrial: ignore[ST110] no comment\n"""'),
            ("settings.toml", 'x = "# seatrial: ignore[ST110] no comment"'),
            ("deploy.yml", "x: '# seatrial: ignore[ST110] no comment'"),
            ("Dockerfile", "RUN x  # seatrial: ignore[ST110] a Dockerfile has no such comments"),
            ("requirements.in", "x@https://host/y#seatrial:ignore[ST110]"),
        ],
    )
    def test_is_not_one_inside_something_else(self, tmp_path: Path, name: str, text: str) -> None:
        project = small_project(tmp_path, {name: f"{text}\n"})
        assert read_waivers(project, [name]) == []

    def test_above_a_fault_in_the_syntax_still_counts(self, tmp_path: Path) -> None:
        text = f"# seatrial: ignore[ST203] {REASON}\ndef (\n"
        assert findings(small_project(tmp_path, {"predictor.py": text})) == []

    def test_accepts_nothing_in_another_line_and_no_other_code(self, tmp_path: Path) -> None:
        text = f"import cv2\n\n\nclass P: ...  # seatrial: ignore[ST110] {REASON}\nx = 1  # seatrial: ignore[ST201] y\n"
        found = findings(small_project(tmp_path, {"predictor.py": text}))
        assert [(f.code, str(f.location)) for f in found] == [
            ("ST110", "predictor.py:1:8"), ("ST291", "predictor.py:4:15"), ("ST291", "predictor.py:5:8"),
        ]  # fmt: skip

    @pytest.mark.parametrize("path", ["../secret.py", "/etc/hosts", "gone.py", "artifacts"])
    def test_is_not_looked_for_outside_the_project_or_in_what_is_not_a_file(self, tmp_path: Path, path: str) -> None:
        project = small_project(tmp_path / "project", {"artifacts/x": ""})
        (tmp_path / "secret.py").write_text("x = 1  # seatrial: ignore[ST110] y\n")
        assert read_waivers(project, [path]) == []


class TestTheTable:
    def test_accepts_a_rule_everywhere(self, tmp_path: Path) -> None:
        project = with_table(tmp_path, f'ST110 = "{REASON}"')
        assert findings(project) == []
        (waived,) = checked(project).waived
        assert (waived.waiver.reason, str(waived.waiver.location)) == (REASON, "pyproject.toml:5")

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ('ST1101 = "x"', "ignore: there is no rule `ST1101`; did you mean `ST110`?"),
            ('ST4 = "x"', "ignore: there is no rule `ST4`"),
            ("ST110 = 1", "ignore.ST110: must be text in quotes"),
        ],
    )
    def test_names_rules_that_exist(self, tmp_path: Path, table: str, message: str) -> None:
        with pytest.raises(UsageError) as error:
            findings(with_table(tmp_path, table))
        assert message in error.value.message

    def test_that_waives_nothing_is_found_in_its_line(self, tmp_path: Path) -> None:
        (found,) = findings(with_table(tmp_path, '# nothing\n"ST201" = "x"', "class P: ...\n"))
        assert (found.code, str(found.location), found.severity) == ("ST291", "pyproject.toml:6", Severity.WARNING)

    def test_may_accept_what_is_found_about_waivers(self, tmp_path: Path) -> None:
        text = "class P: ...  # seatrial: ignore[ST110] y\n"
        project = with_table(tmp_path, f'ST291 = "{REASON}"', text)
        assert findings(project) == []
        assert [waived.finding.code for waived in checked(project).waived] == ["ST291"]


class TestAFaultyWaiver:
    @pytest.mark.parametrize("end", ["", "  # noqa", " - ", "\r"])
    def test_without_a_reason_is_heeded_and_an_error(self, tmp_path: Path, end: str) -> None:
        text = f"import cv2  # seatrial: ignore[ST110]{end}\n\n\nclass P: ...\n"
        (found,) = findings(small_project(tmp_path, {"predictor.py": text}))
        assert (found.code, str(found.location), found.severity) == ("ST290", "predictor.py:1:13", Severity.ERROR)

    def test_without_a_reason_in_the_table_is_an_error_too(self, tmp_path: Path) -> None:
        (found,) = findings(with_table(tmp_path, 'ST110 = " "'))
        assert (found.code, str(found.location)) == ("ST290", "pyproject.toml:5")

    @pytest.mark.parametrize(
        ("comment", "message"),
        [
            ("# seatrial: ignore", "a waiver names no rule"),
            ("# seatrial: ignore[] all of it", "a waiver names no rule"),
            ("# seatrial: ignore[ST1101] y", "names `ST1101`, which is not a rule; did you mean `ST110`?"),
            ("# seatrial: ignore[ST401] y", "accepts ST401, but there is no such finding in line 1"),
        ],
    )
    def test_that_waives_nothing_is_a_warning(self, tmp_path: Path, comment: str, message: str) -> None:
        (found,) = findings(small_project(tmp_path, {"predictor.py": f"class P: ...  {comment}\n"}))
        assert (found.code, found.severity) == ("ST291", Severity.WARNING)
        assert message in found.message
        assert ("running server" in found.cause) == ("ST401" in comment)

    def test_of_what_could_not_be_decided_is_none(self, tmp_path: Path) -> None:
        project = small_project(tmp_path, locked("numpy==2.0.0"))  # nothing is known of its wheels
        with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write('[tool.seatrial.ignore]\nST116 = "x"\nST119 = "we are offline"\nST104 = "x"\n')
        project = load(tmp_path)
        assert [f.message.split()[3] for f in findings(project)] == ["ST104,"]

    def test_of_a_name_that_could_not_be_looked_up_is_none(self, tmp_path: Path) -> None:
        line = "import numpy\nfrom numpy import gone  # seatrial: ignore[ST170] patched in the image\n"
        project = small_project(tmp_path, {**locked("numpy==2.0.0"), "predictor.py": f"{line}{PREDICTOR}"})
        assert [found.message for found in findings(project) if found.code == "ST291"] == []

    def test_does_not_depend_on_what_is_selected(self, tmp_path: Path) -> None:
        from seatrial.check.run import Choice

        project = small_project(tmp_path, {"predictor.py": "import cv2  # seatrial: ignore[ST110] y\nclass P: ...\n"})
        events: list[Any] = list(check(Gathered(project), Choice(("ST2",))))
        assert [event for event in events if isinstance(event, Finding)] == []


def test_a_family_in_a_waiver_is_told_from_a_mistyped_code(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": f"import json  # seatrial: ignore[ST1] why\n{PREDICTOR}"})
    (found,) = findings(project)
    assert found.code == "ST291"
    assert found.message.endswith("a waiver accepts single rules, not a family")
