"""Real trials of a predictor whose stages were recorded: the one that differs is named, with how much and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.trial.observe import Trial
from seatrial.trial.record import record
from seatrial.trial.smoke import smoke
from tests.stages import Ended, ended

PREDICTOR = "predictor/half_predictor.py"
LAST = "return np.asarray(small, dtype=np.float32).ravel() / 255"


@pytest.fixture
def recorded(copied: Callable[[str], Path]) -> Path:
    """Return a project whose predictor names a step and whose stages were recorded in the environment of its lock."""
    root = copied("tests/projects/packaged-transform")
    edit(root, "small = self._stretch(image)", 'small = stage("stretched", self._stretch(image))')
    edit(root, "import numpy as np", "import numpy as np\nfrom seatrial.serving.stages import stage")
    made = ended(record(Gathered(project.load(root)), "cpu", sorted((root / "artifacts/golden").glob("*.png"))))
    assert made.findings == []
    assert made.value is not None
    assert made.value.inputs == 4
    return root


def edit(root: Path, old: str, new: str) -> None:
    text = (root / PREDICTOR).read_text()
    assert text.count(old) == 1, old
    (root / PREDICTOR).write_text(text.replace(old, new))


def tried(root: Path) -> Ended[Trial]:
    return ended(smoke(Gathered(project.load(root)), "cpu"))


def test_the_unchanged_predictor_has_no_difference_in_any_stage(recorded: Path) -> None:
    trial = tried(recorded)
    assert trial.findings == []
    assert trial.phases[-1] == "stages"
    # decode, stretched, preprocess and predict of four images
    assert (trial.value.stages.stages, trial.value.stages.largest) == (16, 0)
    assert trial.value.stages.words() == "16 stages compared, largest difference 0"


def test_what_is_recorded_now_is_said_to_be_no_proof_of_training(recorded: Path) -> None:
    entries = json.loads((recorded / "artifacts/golden/golden.json").read_text())
    assert [entry["label"] for entry in entries] == ["bottom", "left", "right", "top"]
    assert not (recorded / "artifacts/manifest.json").exists()


def test_steps_that_differ_are_named_though_the_answer_is_the_same(recorded: Path) -> None:
    edit(recorded, LAST, LAST.removesuffix(" / 255"))
    edit(recorded, "np.exp(batch @", "np.exp(batch / 255 @")
    trial = tried(recorded)
    assert trial.codes == ["ST442", "ST443"]  # the model got the recorded input, and divides it once more
    found = trial.errors[0]
    assert found.subject == "preprocess"
    assert "for 4 of 4 inputs: by 254 at most" in found.message
    assert "not divided by 255 now" in found.cause
    assert "all versions are those of training" in found.evidence
    assert "modules that changed since the recording: predictor/half_predictor.py" in found.evidence
    assert not any(line.startswith("picture: ") for line in found.evidence)  # 64 numbers in a row are no image


def test_a_picture_shows_where_an_image_differs(recorded: Path) -> None:
    edit(recorded, 'stage("stretched", self._stretch(image))', 'stage("stretched", self._stretch(image.rotate(90)))')
    found = next(each for each in tried(recorded).errors if each.subject == "stretched")
    (line,) = [line for line in found.evidence if line.startswith("picture: ")]
    file = recorded / line.split(": ")[1]
    assert file.parent == recorded / "build/smoke/differences"
    with Image.open(file) as picture:
        assert picture.format == "PNG"
    assert "in training, now, and the difference x 1" in line  # black became white


def test_weights_that_differ_fail_in_the_output_and_nowhere_earlier(recorded: Path) -> None:
    load = 'np.load(artifacts / "weights.npy")'
    edit(recorded, load, f"{load} * 1.01")
    trial = tried(recorded)
    assert [each.code for each in trial.errors if each.code in ("ST441", "ST442", "ST443")] == ["ST443"]


def test_a_stated_tolerance_allows_it(recorded: Path) -> None:
    edit(recorded, LAST, f"{LAST} + np.float32(1e-6)")
    assert "ST442" in tried(recorded).codes
    with (recorded / "pyproject.toml").open("a") as file:
        file.write('\n[tool.seatrial.smoke.stages]\npreprocess = {tolerance = 1e-5, reason = "rounded elsewhere"}\n')
    trial = tried(recorded)
    assert trial.findings == []
    assert 0 < trial.value.stages.largest <= 1e-5
    assert trial.value.stages.stage == "preprocess"


def test_stages_of_other_inputs_are_not_compared(recorded: Path) -> None:
    file = recorded / "artifacts/golden/golden.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:3]))
    trial = tried(recorded)
    (found,) = trial.findings
    assert found.code == "ST444"
    assert "other inputs" in found.message
    assert any(line.startswith("where answers would differ") for line in trial.value.unproven)
