"""The tables that ship: pairs of torch and torchvision, and distributions of modules."""

from __future__ import annotations

import pytest
from packaging.version import Version

from seatrial.facts.tables import distributions_of, torch_pairs


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
