"""Family 1, locks: what makes a lock stale, loose, local or for another place, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seatrial.findings import Finding
from seatrial.lock.judge import check_lock
from seatrial.project import Project
from seatrial.rules.lock import locks
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, locked, small_project
from tests.stages import ended

HASH = f" --hash=sha256:{'0' * 64}"
OTHER_HASH = f" --hash=sha256:{'1' * 64}"
NO_LONGER = "requirements.txt:1:1 requirements.txt pins {0}==2 for `-r requirements.in`, which no longer asks for {0}"
REMOTE = "requirements.in:1:1 requirements.in includes https://a.example/c, which is elsewhere, where it can change"
CPU_INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu\n"


def judged(folder: Path, asked: str, lock: str, cpu_lock: str = "", **settings: str) -> list[Finding]:
    """Judge a lock, in which `HASH` stands for `%`."""
    files = {"requirements.in": asked, "requirements.txt": lock.replace("%", HASH)}
    if cpu_lock:
        files["requirements-cpu.txt"] = cpu_lock.replace("%", HASH)
    return ended(check_lock(small_project(folder, files, **settings))).findings


def said(found: list[Finding]) -> list[str]:
    return [f"{finding.code} {finding.location} {finding.message}" for finding in found]


@pytest.mark.parametrize("twin", twins_of(locks), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


class TestALockThatAnswers:
    @pytest.mark.parametrize(
        ("asked", "lock"),
        [
            ("", ""),
            ("numpy\n", "numpy==2.0.0%\n"),
            ("Num_Py>=2,<3\n", "num-py==2.0.0%\n"),
            ("numpy>=2\n", "numpy==2.1.0rc1%\n"),
            ("uvicorn[standard]\n", "uvicorn==0.30%\nhttptools==0.6%\n    # via uvicorn\n"),
            ('tomli ; python_version < "3.11"\nnumpy\n', "numpy==2.0.0%\n    # via -r requirements.in\n"),
            ("torch\n", "numpy==2.0.0%\n    # via torch\ntorch==2.1%\n    # via -r requirements.in\n"),
            ("torch\n-c limits.in\n", "torch==2.1%\n    # via\n    #   -c limits.in\n    #   -r requirements.in\n"),
            ("--index-url https://a.example\nnumpy\n", "--index-url https://a.example\nnumpy==2.0.0%\n"),
            ("-i https://a.example\nnumpy\n", "--index-url https://a.example\nnumpy==2.0.0%\n"),
            (
                "numpy\n",
                'numpy==2.0.0 ; python_version < "3.11" %\nnumpy==2.1.0 ; python_version >= "3.11" %\n',
            ),
        ],
    )
    def test_gets_no_finding(self, tmp_path: Path, asked: str, lock: str) -> None:
        (tmp_path / "limits.in").write_text("torch<3\n")
        assert said(judged(tmp_path, asked, lock)) == []


class TestAStaleLock:
    @pytest.mark.parametrize(
        ("asked", "lock", "message"),
        [
            ("numpy\npillow\n", "numpy==2%\n", "requirements.in:2:1 requirements.txt does not pin pillow"),
            (
                "numpy>=3\n", "numpy==2%\n",
                "requirements.in:1:1 requirements.txt pins numpy==2, but requirements.in asks for `numpy>=3`",
            ),
            (
                "-c limits.in\nnumpy\n", "numpy==2%\ntorch==3%\n    # via numpy\n",
                "limits.in:1:1 requirements.txt pins torch==3, but limits.in asks for `torch<3`",
            ),
            (
                "", "numpy==2%\n    # via -r requirements.in\n",
                NO_LONGER.format("numpy"),
            ),
            (
                "-c limits.in\n", "torch==2%\n    # via\n    #   -c limits.in\n    #   -r requirements.in\n",
                NO_LONGER.format("torch"),
            ),
            (
                "numpy\n", 'numpy==2 ; python_version < "3.11" %\n',
                "requirements.in:1:1 requirements.txt does not pin numpy",
            ),
            ("numpy\n", "numpy==2%\nnumpy==3%\n", "requirements.txt:2:1 requirements.txt pins numpy twice"),
            (
                "-r base.in\n", "",
                "requirements.in:1:1 requirements.in includes base.in, which is no file of the repository",
            ),
            (
                "-c https://a.example/c\n", "",
                REMOTE,
            ),
        ],
    )  # fmt: skip
    def test_is_told_line_by_line(self, tmp_path: Path, asked: str, lock: str, message: str) -> None:
        (tmp_path / "limits.in").write_text("torch<3\n")
        assert said(judged(tmp_path, asked, lock)) == [f"ST101 {message}"]

    def test_shows_the_pin_that_does_not_answer(self, tmp_path: Path) -> None:
        (found,) = judged(tmp_path, "numpy>=3\n", "# a lock\nnumpy==2%\n")
        assert found.evidence == ("requirements.txt:2:1: numpy==2",)

    @pytest.mark.parametrize("name", ["requirements.in", "requirements.txt"])
    def test_is_one_of_which_a_file_is_missing(self, tmp_path: Path, name: str) -> None:
        project = small_project(tmp_path, locked("numpy==2"))
        (tmp_path / name).unlink()
        found = ended(check_lock(project)).findings
        assert said(found) == [f"ST101 {name} there is no {name}"]

    def test_may_be_that_of_the_cpu_variant(self, tmp_path: Path) -> None:
        found = judged(tmp_path, "numpy\npillow\n", "numpy==2%\npillow==3%\n", "numpy==2%\n")
        assert said(found) == ["ST101 requirements.in:2:1 requirements-cpu.txt does not pin pillow"]


class TestALooseLine:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("numpy==2\n", "`numpy==2` has no hash"),
            ("numpy>=2%\n", "`numpy>=2` is not pinned to one version"),
            ("numpy==2.*%\n", "`numpy==2.*` is not pinned to one version"),
            ("<<<<<<< HEAD\n", "`<<<<<<< HEAD` is not pinned to one version"),
            ("numpy @ file:///home/someone/numpy.whl\n", "`numpy @ file:///home/someone/numpy.whl` is not pinned"),
            ("-e ./mine\n", "`-e ./mine` is not pinned to one version"),
        ],
    )
    def test_in_the_lock_is_refused(self, tmp_path: Path, line: str, message: str) -> None:
        (found,) = judged(tmp_path, "", line)
        assert (found.code, str(found.location)) == ("ST102", "requirements.txt:1:1")
        assert found.message.startswith(message)

    def test_is_told_once_where_no_line_has_a_hash(self, tmp_path: Path) -> None:
        (found,) = judged(tmp_path, "numpy\ntorch\n", "numpy>=2\ntorch==2.8.0\nscipy\n")
        assert found.message == "requirements.txt is not a lock: none of its 3 lines has a hash"
        assert found.evidence == ("not pinned to one version: numpy>=2, scipy",)

    @pytest.mark.parametrize("line", ["./mine", "-e ./mine", "mine @ git+https://a.example/mine", "numpy = 2"])
    def test_in_requirements_in_cannot_be_locked_and_is_told_once(self, tmp_path: Path, line: str) -> None:
        found = judged(tmp_path, f"{line}\n", "", "# nothing\n")
        assert said(found) == [f"ST102 requirements.in:1:1 `{line}` cannot be locked with a hash"]


class TestResidueOfAMachine:
    @pytest.mark.parametrize(
        "line",
        [
            "--index-url https://mine.example", "-i https://mine.example", "--extra-index-url https://mine.example",
            "--find-links /home/someone/wheels", "-f /home/someone/wheels", "--trusted-host mine.example", "--no-index",
        ],
    )  # fmt: skip
    def test_is_refused(self, tmp_path: Path, line: str) -> None:
        found = judged(tmp_path, "numpy\n", f"{line}\nnumpy==2%\n")
        assert [(finding.code, str(finding.location)) for finding in found] == [("ST103", "requirements.txt:1:1")]

    def test_may_stand_beside_an_index_of_the_projects_own(self, tmp_path: Path) -> None:
        own, other = "--extra-index-url https://ours.example\n", "--extra-index-url https://mine.example\n"
        (found,) = judged(tmp_path, f"{own}numpy\n", f"{own}{other}numpy==2%\n")
        assert (found.code, found.location and found.location.line) == ("ST103", 2)

    def test_is_the_cpu_index_in_the_lock_but_not_in_the_variant(self, tmp_path: Path) -> None:
        found = judged(tmp_path, "numpy\n", f"{CPU_INDEX}numpy==2%\n", f"{CPU_INDEX}numpy==2%\n")
        assert [str(finding.location) for finding in found] == ["requirements.txt:1:1"]


class TestABuildLabel:
    def test_does_not_belong_in_the_lock(self, tmp_path: Path) -> None:
        found = judged(tmp_path, "torch\n", "torch==2.1.0+cu118%\n")
        assert [(finding.code, str(finding.location)) for finding in found] == [("ST104", "requirements.txt:1:1")]
        assert "+cu118" in found[0].message

    def test_belongs_to_both_in_the_cpu_variant(self, tmp_path: Path) -> None:
        lock = "numpy==2%\ntorch==2.1%\ntorchvision==0.16%\n"
        variant = f"{CPU_INDEX}numpy==2%\ntorch==2.1+cpu%\ntorchvision==0.16+cpu%\n"
        asked = "torch\ntorchvision\nnumpy\n"
        assert judged(tmp_path, asked, lock, variant) == []
        (found,) = judged(tmp_path, asked, lock, variant.replace("0.16+cpu", "0.16"))
        assert (found.code, found.message) == (
            "ST104", "requirements-cpu.txt pins torchvision==0.16, which is not a +cpu build",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("variant", "message"),
        [
            (f"{CPU_INDEX}numpy==2%\ntorch==2.2+cpu%\n", "pins torch==2.2+cpu, requirements.txt pins torch==2.1"),
            (f"{CPU_INDEX}numpy==3%\ntorch==2.1+cpu%\n", "pins numpy==3, requirements.txt differently or not at all"),
            (
                f"{CPU_INDEX}numpy==2{OTHER_HASH}\ntorch==2.1+cpu%\n",
                "pins numpy==2, requirements.txt with other",
            ),
            (f"{CPU_INDEX}mkl==1%\nnumpy==2%\ntorch==2.1+cpu%\n", "pins mkl==1, requirements.txt differently or not"),
            ("numpy==2%\ntorch==2.1+cpu%\n", f"has no line `{CPU_INDEX.strip()}`, where its +cpu builds are"),
        ],
    )
    def test_is_the_only_difference_between_the_two_locks(self, tmp_path: Path, variant: str, message: str) -> None:
        (found,) = judged(tmp_path, "torch\nnumpy\n", "numpy==2%\ntorch==2.1%\n", variant)
        assert found.code == "ST104"
        assert found.message.startswith(f"requirements-cpu.txt {message}")


class TestAnotherPython:
    HEADER = "#\n# This file is autogenerated by pip-compile with Python 3.10\n#\n"

    def test_is_told_by_the_header(self, tmp_path: Path) -> None:
        (found,) = judged(tmp_path, "numpy\n", f"{self.HEADER}numpy==2%\n")
        assert (found.code, str(found.location)) == ("ST105", "requirements.txt:2")
        assert found.message == "requirements.txt was made for Python 3.10, but `python` is 3.11"

    def test_is_none_when_the_project_serves_with_it(self, tmp_path: Path) -> None:
        assert judged(tmp_path, "numpy\n", f"{self.HEADER}numpy==2%\n", python="3.10") == []


class TestTheSameRules:
    def test_serve_the_check_of_the_whole_project(self, tmp_path: Path) -> None:
        files: Mapping[str, str | bytes] = {"requirements.in": "numpy\n", "requirements.txt": "numpy>=2\n"}
        project: Project = small_project(tmp_path, files)
        by_check = {(f.code, str(f.location)) for f in findings(project, "ST10")}
        assert by_check == {(f.code, str(f.location)) for f in ended(check_lock(project)).findings}
        assert {code for code, _ in by_check} == {"ST101", "ST102"}
