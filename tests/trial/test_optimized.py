"""Real trials with `serving.optimize`: steps that change nothing, and answers that are not those of the plain model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.trial.observe import Trial
from seatrial.trial.smoke import smoke
from tests.stages import Ended, ended
from tests.trial.test_smoke import serving

PREDICTOR = "predictor/half_predictor.py"
LAST = "return np.asarray(small, dtype=np.float32).ravel() / 255"
STEPS = 'optimize = ["fold-conv-bn", "channels-last"]\n'


def with_steps(root: Path) -> Path:
    """Ask for every step of serving.optimize."""
    serving(root, STEPS)
    return root


@pytest.fixture
def halves(copied: Callable[[str], Path]) -> Path:
    """Return a project without torch, and so without a model that could be optimized."""
    return with_steps(copied("tests/projects/packaged-transform"))


def tried(root: Path) -> Ended[Trial]:
    return ended(smoke(Gathered(project.load(root)), "cpu", skip_check=True))


def test_steps_that_change_nothing_are_errors_and_answers_are_compared_with_plain_ones(halves: Path) -> None:
    trial = tried(halves)
    assert [error.code for error in trial.errors] == ["ST573", "ST573"]
    assert "nothing is changed; ModuleNotFoundError: No module named 'torch'" in trial.errors[0].message
    assert trial.phases[-1] == "plain"
    assert "4 answers are those of the plain model, numbers within 0" in trial.steps


def test_an_answer_that_is_not_that_of_the_plain_model_is_an_error(halves: Path) -> None:
    text = (halves / PREDICTOR).read_text()
    assert text.count(LAST) == 1
    plain = 'if "SEATRIAL_PLAIN" in __import__("os").environ: small = small.rotate(90)'
    (halves / PREDICTOR).write_text(text.replace(LAST, f"{plain}\n        {LAST}"))
    trial = tried(halves)
    assert trial.codes == ["ST573", "ST572"]
    assert "recorded is what the plain model answers" in trial.errors[-1].message


@pytest.mark.proof  # two more starts of servers that load torch
def test_the_demo_is_optimized_and_answers_as_before(demo: Path) -> None:
    trial = tried(with_steps(demo))
    assert trial.findings == []
    assert any(step.startswith("12 answers are those of the plain model") for step in trial.steps)
