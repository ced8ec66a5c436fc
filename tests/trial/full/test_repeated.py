"""Full trials of sound predictors, again and again: none may have a finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.trial.smoke import smoke
from tests.stages import ended

RUNS = 50
SOUND = ("examples/ai-platform", "examples/cpr", "tests/projects/packaged-transform")


@pytest.mark.proof
@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("path", SOUND)
def test_a_sound_predictor_has_no_finding(copied: Callable[[str], Path], path: str, run: int) -> None:
    none_in(copied(path))


@pytest.mark.proof
@pytest.mark.parametrize("run", range(RUNS))
def test_the_demo_has_no_finding(demo: Path, run: int) -> None:
    none_in(demo)


def none_in(folder: Path) -> None:
    trial = ended(smoke(Gathered(project.load(folder)), "cpu", full=True))
    assert trial.findings == []
    assert trial.value.finished
