"""torch and torchvision: the pair and its wheels, judged by the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.lock import pairs
from tests.diagnosis.test_symptoms import STORED, first
from tests.projects.base import Twin
from tests.rules.judging import Judge, texts_of, twins_of
from tests.small_project import findings, locked, small_project


@pytest.mark.parametrize("twin", twins_of(pairs), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize("name", texts_of(pairs))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_a_mismatched_pair_names_the_partner_both_ways(tmp_path: Path) -> None:
    project = small_project(tmp_path, locked("torch==1.13.1", "torchvision==0.15.1"), python="3.10")
    (found,) = findings(project)
    assert (found.code, str(found.location)) == ("ST120", "requirements.in:2:1")
    assert found.message == "torchvision==0.15.1 needs torch==2.0.0, but torch==1.13.1 is pinned"
    assert "keep torch==1.13.1 and write torchvision==0.14.1," in found.fix
    assert "keep torchvision==0.15.1 and write torch==2.0.0;" in found.fix


def test_a_partner_without_a_wheel_for_the_python_says_so(tmp_path: Path) -> None:
    project = small_project(tmp_path, locked("torch==1.13.1", "torchvision==0.15.1"), python="3.11")
    (found,) = findings(project, "ST120")
    assert "write torchvision==0.14.1 (no wheel for Python 3.11)" in found.fix


def test_a_mismatch_in_the_lock_alone_is_at_the_line_of_the_lock(tmp_path: Path) -> None:
    files = locked("torch==2.7.0", "torchvision==0.22.1") | {"requirements.in": "torch\ntorchvision\n"}
    (found,) = findings(small_project(tmp_path, files))
    assert (found.code, str(found.location)) == ("ST120", "requirements.txt:3:1")


def test_without_a_lock_the_pins_of_requirements_in_are_judged(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"requirements.in": "torch==2.0.1\ntorchvision==0.15.1\n"})
    assert [f.code for f in findings(project) if f.code != "ST101"] == ["ST120"]


@pytest.mark.parametrize(
    ("torch", "torchvision"),
    [("1.13.1", "0.14.1"), ("2.0.0", "0.15.1"), ("2.14.1", "0.29.2"), ("2.15.0", "0.29.1")],
)
def test_a_pair_of_the_table_is_no_finding(tmp_path: Path, torch: str, torchvision: str) -> None:
    python = "3.10" if torch.startswith("1.") else "3.11"
    project = small_project(tmp_path, locked(f"torch=={torch}", f"torchvision=={torchvision}"), python=python)
    assert findings(project) == []


def test_the_article_s_pair_is_told_that_its_partner_has_no_wheel_for_its_python(tmp_path: Path) -> None:
    files = locked("torch==1.13.1", "torchvision==0.15.1")
    (found,) = findings(small_project(tmp_path, files, python="3.11"), "ST120")
    assert "write torchvision==0.14.1 (no wheel for Python 3.11)" in found.fix


@pytest.mark.parametrize(
    ("torch", "torchvision", "broken"),
    [
        ("torch==2.8.0", "torchvision==0.22.*", True),
        ("torch>=2.9,<2.10", "torchvision<0.20", True),
        ("torch==1.13.1", "torchvision>=0.15,<0.16", True),
        ("torch==2.7.*", "torchvision==0.22.*", False),
        ("torch", "torchvision<0.20", False),
        ("torch>=2.15", "torchvision", False),
        ("torch>=99", "torchvision>=0.29", False),
        ("torch==2.14.1", "torchvision==0.29.*", False),
    ],
)
def test_ranges_of_which_no_two_fit_are_found_without_a_lock(
    tmp_path: Path, torch: str, torchvision: str, broken: bool
) -> None:
    project = small_project(tmp_path, {"requirements.in": f"{torch}\n{torchvision}\n"})
    assert [f.severity for f in findings(project, "ST120")] == (["error"] if broken else [])


def test_a_torchvision_that_the_table_does_not_know_is_not_judged(tmp_path: Path) -> None:
    assert findings(small_project(tmp_path, locked("torch==2.5.1", "torchvision==9.9.9"))) == []


def test_a_pin_without_a_wheel_for_the_python_is_found(tmp_path: Path) -> None:
    project = small_project(tmp_path, locked("torch==1.13.1", "torchvision==0.14.1"), python="3.11")
    (found,) = findings(project)
    assert (found.code, found.message) == ("ST121", "torchvision==0.14.1 has no wheel for Python 3.11")
    assert found.cause.endswith("Python 3.7, 3.8, 3.9, 3.10")


def test_torch_dropped_a_python_that_torchvision_still_has(tmp_path: Path) -> None:
    project = small_project(tmp_path, locked("torch==2.15.0", "torchvision==0.29.2"), python="3.10")
    assert [f.message for f in findings(project)] == ["torch==2.15.0 has no wheel for Python 3.10"]
