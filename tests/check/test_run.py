"""`seatrial check` on the broken projects in tests/projects and on the fixed twin of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.check.run import Choice, check
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding, Severity, failed
from seatrial.project import load
from tests.large_project import CHECKPOINT, large_project
from tests.projects.base import made
from tests.projects.twins import TWINS
from tests.small_project import PREDICTOR, findings, locked, small_project

ALBUMENTATIONS = b"calbumentations\nCompose\n."  # a pickle of protocol 0 that names a class
PROJECTS = Path(__file__).parents[1] / "projects"
REPOSITORY = Path(__file__).parents[2]


def found_in(name: str) -> list[Finding]:
    return findings(load(PROJECTS / name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch-only", [("ST110", "predictor.py:6:1"), ("ST110", "predictor.py:7:1")]),
        ("article-pair", [("ST120", "requirements.in:2:1")]),
        ("main-transform", [("ST301", "train.py:16:7")]),
        ("left-out-module", [("ST302", "artifacts/transform.pkl"), ("ST201", "predictor.py:9:1")]),
    ],
)
def test_a_broken_project_has_exactly_its_fault(name: str, expected: list[tuple[str, str]]) -> None:
    found = found_in(name)
    assert [(f.code, str(f.location)) for f in found] == expected
    assert all(f.severity == "error" and f.cause and f.fix for f in found)


def test_the_missing_distributions_are_named_with_the_lines_to_add() -> None:
    pillow, torchvision = found_in("torch-only")
    assert "add the line `pillow` to" in pillow.fix
    assert "add the line `torchvision==0.14.1` to" in torchvision.fix


def test_the_article_s_pair_is_told_its_partners() -> None:
    (found,) = found_in("article-pair")
    assert "torchvision==0.14.1" in found.fix
    assert "torch==2.0.0" in found.fix


@pytest.mark.parametrize("name", ["torch-1.13-pair", "torch-2.0-pair", "packaged-transform"])
def test_a_fixed_project_has_no_fault(name: str) -> None:
    assert found_in(name) == []


def test_this_repository_s_own_predictor_has_no_error() -> None:
    assert not failed(findings(load(REPOSITORY)))


def test_findings_come_sorted_by_file_and_line_and_the_facts_are_returned(tmp_path: Path) -> None:
    text = "import cv2\nimport yaml\n\nclass P: ...\n"
    project = small_project(tmp_path, {"predictor.py": text, **locked("torch==2.0.1", "torchvision==0.15.1")})
    stage = check(Gathered(project))
    codes = []
    while True:
        try:
            item = next(stage)
        except StopIteration as end:
            facts = end.value.facts
            break
        if isinstance(item, Finding):
            codes.append((item.code, str(item.location)))
    assert codes == [("ST110", "predictor.py:1:8"), ("ST110", "predictor.py:2:8"), ("ST120", "requirements.in:2:1")]
    assert facts.project == project
    assert "predictor" in facts.sources.modules


def test_a_project_without_any_file_but_the_configuration_is_judged_not_crashed(tmp_path: Path) -> None:
    project = small_project(tmp_path, {})
    for name in ("requirements.in", "requirements.txt", "predictor.py"):
        (tmp_path / name).unlink()
    found = findings(project)
    assert sorted(f.code for f in found) == ["ST101", "ST202"]
    assert all(f.fix for f in found)


class TestWithoutRequirements:
    IMPORTS = "import torch\nimport torchvision\nfrom PIL import Image\n" + PREDICTOR

    def test_what_follows_from_the_missing_piece_is_folded_under_it(self, tmp_path: Path) -> None:
        project = small_project(tmp_path, {"predictor.py": self.IMPORTS})
        for name in ("requirements.in", "requirements.txt"):
            (tmp_path / name).unlink()
        (found,) = findings(project)
        assert found.message == "there is no requirements.in"
        assert [f.code for f in found.followers] == ["ST110", "ST110", "ST110", "ST101"]

    def test_a_pickle_that_needs_a_missing_distribution_is_told_once_with_the_import(self, tmp_path: Path) -> None:
        files: dict[str, str | bytes]
        files = {"predictor.py": "import albumentations\n" + PREDICTOR, "artifacts/t.pkl": ALBUMENTATIONS}
        (found,) = findings(small_project(tmp_path, files))
        assert (found.code, [f.code for f in found.followers]) == ("ST110", ["ST302"])

    def test_a_list_written_by_hand_is_told_to_be_renamed(self, tmp_path: Path) -> None:
        project = small_project(tmp_path, {"requirements.txt": "torch\ntorchvision\npillow\n"})
        (tmp_path / "requirements.in").unlink()
        (found,) = findings(project)
        assert found.fix.startswith("rename requirements.txt to requirements.in")
        assert [f.code for f in found.followers] == ["ST102"]

    def test_a_choice_without_the_missing_piece_shows_what_follows_from_it(self, tmp_path: Path) -> None:
        project = small_project(tmp_path, {"predictor.py": self.IMPORTS})
        (tmp_path / "requirements.in").unlink()
        (tmp_path / "requirements.txt").unlink()
        found = [f for f in check(Gathered(project), Choice(select=("ST110",))) if isinstance(f, Finding)]
        assert [f.code for f in found] == ["ST110"] * 3


def test_the_check_imports_nothing_heavy() -> None:
    code = "import sys, seatrial.check.run; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=REPOSITORY
    )
    loaded = set(run.stdout.split())
    assert loaded.isdisjoint({"torch", "google.api_core", "grpc", "rich", "uv", "hatchling", "numpy", "PIL"})


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    large_project(folder)
    weights = (folder / "artifacts/weights.pt").stat()
    assert weights.st_size > CHECKPOINT
    assert weights.st_blocks * 512 < 1 << 20  # a hole, which takes no space on disk
    return folder


MEASURED = """\
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


def checked_from_outside(folder: Path) -> tuple[float, int]:
    """Check a project in a process of its own; return its seconds of CPU and its peak memory in KiB.

    A small process starts it: memory taken before the exec counts too, and the process of the tests is large.
    """
    command = [sys.executable, "-m", "seatrial", "check", "--offline", "--project", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=environment, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    code, said, seconds, memory = json.loads(ran.stdout)
    assert code == 0, said
    return seconds, memory


def test_a_large_project_is_checked_in_little_memory(large: Path) -> None:
    seconds, memory = checked_from_outside(large)
    sys.stdout.write(f"{seconds:.2f} s of CPU, {memory / 1024:.0f} MiB at most\n")
    assert memory < 200 << 10


@pytest.mark.proof
def test_a_large_project_is_checked_in_two_seconds_of_processor_time(large: Path) -> None:
    assert min(checked_from_outside(large)[0] for _ in range(5)) <= 2.0


SECRET = "correct-horse"
ADDRESS = f"https://me:p@{SECRET}@a.example"


@pytest.mark.parametrize("arguments", [["console"], ["json"], ["sarif"], ["github"], ["console", "--diff"]])
def test_a_password_in_an_address_is_shown_in_no_format(tmp_path: Path, arguments: list[str]) -> None:
    files = {
        "requirements.in": f"torch\n-r {ADDRESS}/r.txt\nx @ https://a.example/x.whl?sig={SECRET}\n"
        f"--trusted-host me:{SECRET}@a.example\n--index-url {ADDRESS}/simple",
        "requirements.txt": f"--index-url {ADDRESS}/simple\n{locked('torch==2.5.1')['requirements.txt']!s}",
        "predictor.py": f"from urllib.request import urlretrieve\nimport cv2\nurlretrieve('{ADDRESS}/a')\n{PREDICTOR}",
        "Dockerfile": f"FROM python\nRUN pip install -i {ADDRESS}/simple git+{ADDRESS}/x.git\n",
    }
    project = small_project(tmp_path, files)
    command = [sys.executable, "-m", "seatrial", "check", "--offline", "--project", str(project.root), "--format"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "ST805" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_what_is_wrong_with_a_file_that_no_code_names_is_a_note(tmp_path: Path) -> None:
    twin = next(twin for twin in TWINS if str(twin) == "ST302 no distribution")
    unnamed = {path: content for path, content in twin.broken.items() if not path.endswith(".py")}
    (found,) = findings(made(tmp_path, unnamed))
    assert (found.code, found.severity) == ("ST302", Severity.NOTE)
    assert found.cause.endswith("no code that serves names this file")
