"""The committed demo: its artifacts are whole, small and real, and its files agree with their locks.

Nothing here imports torch; the trial proves that the predictor answers as training did.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seatrial import golden
from seatrial.golden.stages import FILES

if TYPE_CHECKING:
    from seatrial.golden import GoldenExample, Manifest

ROOT = Path(__file__).parent.parent
ARTIFACTS = ROOT / "artifacts"
DIRECT_REQUIREMENTS = {"torch": "torch", "torchvision": "torchvision", "pillow": "PIL"}  # import names


@pytest.fixture(scope="module")
def examples() -> tuple[GoldenExample, ...]:
    return golden.read(ARTIFACTS)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    read = golden.read_manifest(ARTIFACTS)
    assert read is not None
    return read


def image_file(example: GoldenExample) -> Path:
    assert example.image is not None
    return ARTIFACTS / "golden" / example.image


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE))


def imported_modules(package: str) -> set[str]:
    """Return the full names of all that the modules of a package import."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / package).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


class TestArtifacts:
    def test_are_those_that_training_wrote(self, manifest: Manifest) -> None:
        assert golden.differences(ARTIFACTS, manifest) == golden.Differences()

    def test_were_made_with_the_versions_that_serve(self, manifest: Manifest) -> None:
        locked = {name: pins("requirements.txt")[name] for name in golden.TRAINED_WITH}
        assert {name: manifest.trained_with[name] for name in golden.TRAINED_WITH} == locked
        assert manifest.trained_with["python"].startswith("3.11.")

    def test_hold_weights_below_two_megabytes(self) -> None:
        assert 1_000_000 < (ARTIFACTS / "weights.pt").stat().st_size < 2_000_000

    def test_hold_weights_that_contain_only_tensors(self) -> None:
        with zipfile.ZipFile(ARTIFACTS / "weights.pt") as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            named = re.findall(rb"c([\w.]+)\n(\w+)\n", archive.read(pickled))
        assert set(named) == {
            (b"collections", b"OrderedDict"),
            (b"torch._utils", b"_rebuild_tensor_v2"),
            (b"torch", b"FloatStorage"),
            (b"torch", b"LongStorage"),
        }

    def test_hold_the_ten_labels(self) -> None:
        assert json.loads((ARTIFACTS / "labels.json").read_text(encoding="utf-8")) == list("0123456789")


class TestGoldenExamples:
    def test_are_a_dozen_and_show_every_digit(self, examples: tuple[GoldenExample, ...]) -> None:
        assert len(examples) == 12
        assert {example.label for example in examples} == set("0123456789")

    def test_are_real_files_of_both_formats(self, examples: tuple[GoldenExample, ...]) -> None:
        formats: Counter[str | None] = Counter()
        for example in examples:
            with Image.open(image_file(example)) as image:
                image.load()
                formats[image.format] += 1
                assert (image.mode, image.size) == ("L", (96, 96))
        assert formats.keys() == {"PNG", "JPEG"}
        assert min(formats.values()) >= 4

    def test_are_all_different_and_the_only_files_of_their_folder(self, examples: tuple[GoldenExample, ...]) -> None:
        files = {image_file(example) for example in examples}
        others = {ARTIFACTS / "golden" / name for name in ("golden.json", *FILES)}
        assert files | others == set((ARTIFACTS / "golden").iterdir())
        assert len({file.read_bytes() for file in files}) == 12

    def test_were_never_trained_on(self, examples: tuple[GoldenExample, ...]) -> None:
        split = runpy.run_path(str(ROOT / "training" / "split.py"))
        indices = {int(image_file(example).stem.removeprefix("scan-")) for example in examples}
        assert indices <= set(split["held_out"]())
        assert not indices & set(split["trained_on"]())

    def test_have_probabilities_that_fit_their_label(self, examples: tuple[GoldenExample, ...]) -> None:
        for example in examples:
            assert isinstance(example.scores, tuple)
            assert len(example.scores) == 10
            assert sum(example.scores) == pytest.approx(1, abs=1e-6)
            assert str(example.scores.index(max(example.scores))) == example.label == example.truth

    def test_are_those_of_the_model_that_was_trained(self, manifest: Manifest) -> None:
        assert manifest.recorded is not None
        assert manifest.recorded.how == "training"
        assert manifest.recorded.model == manifest.model
        assert manifest.recorded.accuracy == pytest.approx(0.98, abs=0.02)


class TestPredictor:
    def test_imports_every_direct_requirement_and_nothing_that_is_not_one(self) -> None:
        asked = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
        requirements = {line for line in asked if line and not line.startswith("#")}
        top_level = {name.split(".")[0] for name in imported_modules("predictor")}
        third_party = top_level - sys.stdlib_module_names - {"predictor"}
        assert third_party == {DIRECT_REQUIREMENTS[name] for name in requirements}

    def test_has_no_module_that_its_class_does_not_reach(self) -> None:
        modules = {file.stem for file in (ROOT / "predictor").glob("*.py")} - {"__init__"}
        assert {f"predictor.{module}" for module in modules} <= imported_modules("predictor")

    def test_serves_the_transforms_that_it_was_trained_with(self) -> None:
        assert "predictor.transforms" in imported_modules("training")


class TestTrainingLock:
    def test_has_the_serving_lock_inside_it(self) -> None:
        assert pins("requirements.txt").items() <= pins("training/requirements.txt").items()

    def test_names_no_index_and_no_file_of_a_machine(self) -> None:
        text = (ROOT / "training" / "requirements.txt").read_text(encoding="utf-8")
        assert not re.findall(r"https?://|file://|@ |--(?:extra-)?index-url|--find-links|--trusted-host", text)

    def test_hashes_every_distribution(self) -> None:
        text = (ROOT / "training" / "requirements.txt").read_text(encoding="utf-8")
        distributions = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
        assert len(distributions) == len(pins("training/requirements.txt"))
        assert all("--hash=sha256:" in distribution for distribution in distributions)
