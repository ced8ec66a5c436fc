"""The tables that ship: pairs of torch and torchvision, and distributions of modules."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

from seatrial.facts import tables
from seatrial.facts.tables import distributions_of, prebuilt_images, torch_builds, torch_pairs
from tools.tables import refresh


@pytest.mark.parametrize(
    ("torch", "torchvision"),
    [("1.13.1", "0.14.1"), ("2.0.0", "0.15.1"), ("2.2.2+cu121", "0.17.2"), ("2.15.0", "0.29.2")],
)
def test_a_torch_has_its_newest_torchvision(torch: str, torchvision: str) -> None:
    assert torch_pairs().for_torch(Version(torch))[-1].version == Version(torchvision)


def test_a_torch_that_is_not_in_the_table_has_no_partner() -> None:
    assert torch_pairs().for_torch(Version("0.4.1")) == ()


def test_a_pair_may_lack_a_python_that_its_torch_has() -> None:
    table = torch_pairs()
    assert "3.11" in table.torch[Version("1.13.1")]
    assert "3.11" not in table.torchvision[Version("0.14.1")].pythons


def test_every_table_names_its_source_and_the_day_it_was_read() -> None:
    for file in (Path(tables.__file__).parent / "tables").glob("*.json"):
        table = json.loads(file.read_text(encoding="utf-8"))
        assert table["source"]
        assert date.fromisoformat(table.get("read_on") or table["entered_on"])  # the latter: by hand, from memory


def test_the_tables_of_wheels_are_spelled_as_the_script_spells_them_that_makes_them() -> None:
    for name in refresh.TABLES:
        text = (refresh.HERE / name).read_text(encoding="utf-8")
        assert refresh.spelled(json.loads(text)) == text


def test_the_tool_does_not_import_the_script() -> None:
    run = [sys.executable, "-c", "import sys, seatrial.check.run; print([m for m in sys.modules if 'refresh' in m])"]
    assert subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("torch", "cuda", "glibc"), [("1.13.1", "11.7", "2.5"), ("2.8.0", "12.8", "2.28"), ("2.15.0+cu132", "13.2", "2.28")]
)
def test_a_torch_has_its_build(torch: str, cuda: str, glibc: str) -> None:
    build = torch_builds().of(Version(torch))
    assert build
    assert (build.cuda, str(build.glibc)) == (cuda, glibc)
    assert build.architectures


@pytest.mark.parametrize(("version", "end"), [("1.13", date.min), ("2.4", date(2027, 1, 14)), ("2.9", None)])
def test_a_prebuilt_image_has_an_end_or_is_unknown(version: str, end: date | None) -> None:
    assert prebuilt_images().end_of(version) == end


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("PIL.Image", "pillow"),
        ("cv2", "opencv-python-headless"),
        ("sklearn.svm", "scikit-learn"),
        ("yaml", "pyyaml"),
        ("torchvision.transforms", "torchvision"),
        ("google.cloud.aiplatform.prediction", "google-cloud-aiplatform"),
        ("google.cloud.vision", "google-cloud-vision"),
        ("pytorch_lightning", "pytorch-lightning"),
    ],
)
def test_a_module_is_traced_to_its_distribution(module: str, distribution: str) -> None:
    assert distributions_of(module)[0] == distribution
