"""Two locks, really installed and served: what an update changes is named, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.trial.comparison import compare, locks
from seatrial.trial.comparison.result import Comparison
from tests.conftest import ROOT
from tests.stages import Ended, ended

BEFORE = ROOT / "tests/projects/dependabot/pillow-11.txt"
TORCHVISION = ROOT / "tests/projects/dependabot/torchvision-0.28.txt"
PREDICTOR = "predictor/half_predictor.py"
SMALL = "small = self._stretch(image)"


@pytest.fixture
def halves(copied: Callable[[str], Path]) -> Path:
    return copied("tests/projects/packaged-transform")


def compared(root: Path, before: Path = BEFORE, runs: int = 0) -> Ended[Comparison]:
    loaded = project.load(root)
    pair = locks.of_files(loaded, [before, root / "requirements.txt"])
    return ended(compare(Gathered(loaded), pair, "cpu", runs))


def edit(root: Path, old: str, new: str) -> None:
    text = (root / PREDICTOR).read_text()
    assert text.count(old) == 1, old
    (root / PREDICTOR).write_text(text.replace(old, new))


def test_an_update_of_pillow_by_two_majors_changes_nothing_of_the_answers(halves: Path) -> None:
    told = compared(halves, runs=1)
    found = told.value
    assert told.findings == []
    assert list(map(str, found.changed)) == ["pillow 11.3.0 → 13.0.0"]
    assert (found.inputs, found.samples, found.answers.compared, found.answers.largest) == (4, False, 4, 0.0)
    assert (found.stages.stages, found.stages.largest) == (12, 0.0)  # decode, preprocess and predict of four images
    before, now = found.sides
    assert all(side.size > 10_000_000 for side in found.sides)  # bytes; NumPy and Pillow alone have more
    assert before.sizes["pillow"] != now.sizes["pillow"]
    assert all(len(side.load.runs) == len(side.rate.runs) == 1 for side in found.sides)
    distributions, numbers = found.tables()
    assert [row[:3] for row in distributions["rows"]] == [["pillow", "11.3.0", "13.0.0"]]
    assert [row[0] for row in numbers["rows"]][-2:] == ["stages", "answers"]
    assert found.unproven == []


def test_an_update_that_changes_a_transform_is_told_with_its_stage_and_both_answers(halves: Path) -> None:
    # What an update does to a transform whose default it changes: the image that is stretched is the mirrored one.
    edit(halves, SMALL, f"{SMALL}\n        small = stage('small', ImageOps.mirror(small) if NEW else small)")
    new = "from PIL import Image, ImageOps, __version__\nfrom seatrial.serving.stages import stage\n"
    edit(halves, "from PIL import Image\n", f"{new}NEW = __version__ >= '12'\n")
    told = compared(halves)
    assert told.codes == ["ST445", "ST442"]
    answers = [each for each in told.errors if each.code == "ST445"]
    assert "with" in answers[0].message
    assert any(line.startswith(f"{BEFORE}: ") for line in answers[0].evidence)
    stage = told.errors[-1]
    assert stage.subject == "small"
    assert f"small differs from {BEFORE}" in stage.message
    assert any(f"pillow 11.3.0 with {BEFORE}" in line for line in stage.evidence)
    (picture,) = [line for line in stage.evidence if line.startswith("picture: build/compare/differences/")]
    assert (halves / picture.split(": ")[1]).is_file()
    assert stage.fix.startswith("keep pillow as pinned by ")
    assert "training" not in f"{stage.message} {stage.cause} {' '.join(stage.evidence)}"


@pytest.mark.proof
def test_an_update_of_torchvision_by_a_minor_with_its_torch_and_of_pillow_by_a_major(demo: Path) -> None:
    told = compared(demo, TORCHVISION, runs=2)
    found = told.value
    assert told.findings == []
    updates = {each.name: (each.before, each.now) for each in found.changed}
    assert updates["torchvision"] == ("0.28.0", "0.29.2")
    assert updates["torch"] == ("2.13.0", "2.15.0")
    assert updates["pillow"] == ("12.3.0", "13.0.0")
    assert (found.inputs, found.answers.compared, found.answers.differing) == (12, 12, 0)
    assert found.stages.stages == 108  # nine of each input
    assert found.answers.largest < 1e-5
    assert all(side.size > 4_000_000_000 for side in found.sides)  # bytes; PyTorch's published build has CUDA
    assert found.tail()[0].startswith("pillow 12.3.0 → 13.0.0, torch 2.13.0 → 2.15.0, torchvision 0.28.0 → 0.29.2")


@pytest.mark.proof
def test_a_lock_with_which_the_predictor_does_not_load_is_named(halves: Path, tmp_path: Path) -> None:
    lock = halves / "requirements.txt"
    before = tmp_path / "before.txt"
    before.write_text(lock.read_text())
    text = lock.read_text()
    lock.write_text(text[: text.index("pillow==")])
    told = compared(halves, before)
    assert told.codes
    assert told.errors[0].message.startswith(f"with {lock}: ")
    assert "PIL" in told.errors[0].message
    assert told.value.stages.stages == 0


@pytest.mark.proof
def test_without_golden_answers_sample_images_are_asked_and_it_is_said(halves: Path) -> None:
    (halves / "artifacts/golden/golden.json").unlink()
    found = compared(halves).value
    assert (found.inputs, found.samples) == (3, True)
    assert "so small sample images were asked" in found.unproven[0]
    assert "3 sample images" in found.proof()


def test_locks_with_the_same_pins_start_nothing(halves: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.txt"
    before.write_text(f"# another comment\n{(halves / 'requirements.txt').read_text()}")
    told = compared(halves, before)
    assert told.phases == []
    assert "pin the same distributions" in told.value.proof()
