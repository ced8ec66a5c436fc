"""The broken listings of an article, their mended twins, and the examples: all really installed and run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import project
from seatrial.environment import interpreter
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.gather import Gathered
from seatrial.trial.observe import Trial
from seatrial.trial.smoke import smoke
from tests.stages import Ended, ended

Copied = Callable[[str], Path]
LONG = pytest.mark.proof  # a lock with another torch takes long to install: the gate tries the demo's


def tried(root: Path, *, skip_check: bool) -> Ended[Trial]:
    loaded = project.load(root)
    try:
        ended(interpreter.find(loaded.python))
    except EnvironmentFaultError:
        pytest.skip(f"needs Python {loaded.python}, which is not on this machine")
    return ended(smoke(Gathered(loaded), "cpu", skip_check=skip_check))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("torch-only", "ST110"),
        ("article-pair", "ST120"),
        ("unloadable-pair", "ST120"),
        ("main-transform", "ST301"),
        ("left-out-module", "ST201"),
    ],
)
def test_a_broken_listing_is_refused_before_install(copied: Copied, name: str, code: str) -> None:
    trial = tried(copied(f"tests/projects/{name}"), skip_check=False)
    assert code in trial.codes
    assert trial.phases == ["check"]
    error = next(f for f in trial.errors if f.code == code)
    assert error.location is not None
    assert error.location.line is not None
    assert error.fix


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        pytest.param("torch-only", {"ST110"}, marks=LONG),
        pytest.param("article-pair", {"ST120"}, marks=LONG),
        pytest.param("unloadable-pair", {"ST120", "ST122"}, marks=LONG),
        ("main-transform", {"ST301"}),
        ("left-out-module", {"ST201"}),
    ],
)
def test_a_broken_listing_fails_the_same_way_when_it_runs(copied: Copied, name: str, codes: set[str]) -> None:
    trial = tried(copied(f"tests/projects/{name}"), skip_check=True)
    assert trial.codes
    assert set(trial.codes) == codes
    error = trial.errors[-1]
    assert error.location is not None
    assert error.location.line is not None
    assert error.fix
    assert error.evidence
    for hidden in (f for f in trial.errors if f.code == "ST122"):  # the cause that torchvision hides
        assert "torch 2.15.0" in " ".join(hidden.evidence)
        assert any(line.startswith("_C.so: ") and "undefined symbol" in line for line in hidden.evidence)
        assert hidden.location is not None
        assert hidden.location.path == "predictor.py"


@pytest.mark.parametrize(
    "name",
    [pytest.param("torch-1.13-pair", marks=LONG), pytest.param("torch-2.0-pair", marks=LONG), "packaged-transform"],
)
def test_a_mended_twin_passes(copied: Copied, name: str) -> None:
    trial = tried(copied(f"tests/projects/{name}"), skip_check=False)
    assert trial.errors == []
    assert trial.value.finished
    assert trial.value.golden > 0


@pytest.mark.parametrize(
    ("name", "interface"), [pytest.param("cpr", "cpr", marks=LONG), ("ai-platform", "ai-platform")]
)
def test_an_example_passes_unchanged(copied: Copied, name: str, interface: str) -> None:
    trial = tried(copied(f"examples/{name}"), skip_check=False)
    assert trial.errors == []
    assert trial.value.interface == interface
    assert trial.value.golden > 0
