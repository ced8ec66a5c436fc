"""The contract suite in a trial: its core by default, all of it in a full one, and never silently less."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.contract.check import CHECKS
from seatrial.contract.suite import core
from seatrial.trial import contract
from tests.trial.test_smoke import Copied, edit, tried

PREDICT = "        powers = np.exp("


@pytest.fixture
def halves(copied: Copied) -> Path:
    return copied("tests/projects/packaged-transform")


def test_what_is_left_out_of_a_trial_exists() -> None:
    assert CHECKS.keys() >= contract.LEFT_OUT


def test_the_core_of_the_suite_is_kept_and_said(halves: Path) -> None:
    trial = tried(halves, skip_check=True)
    kept = len({check.name for check in core()} - contract.LEFT_OUT)
    assert trial.value.contract == f"{kept} of {kept} checks kept"
    assert trial.findings == []


def test_a_point_that_is_not_kept_is_an_error_with_its_name_and_source(halves: Path) -> None:
    edit(halves / "predictor/half_predictor.py", PREDICT, f"        assert len(batch) != 2, 'not two'\n{PREDICT}")
    trial = tried(halves, skip_check=True)
    assert trial.codes == ["ST508"]
    found = trial.errors[0]
    assert found.message.startswith("predict-length: HTTP 500")
    assert "not two" in found.message
    assert found.evidence[-1] == CHECKS["predict-length"].source


def test_a_slow_predictor_is_asked_less_and_the_trial_says_so(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "CORE_SECONDS", 0.0)
    trial = tried(halves, skip_check=True)
    assert trial.errors == []
    (said,) = [text for text in trial.value.unproven if "serving contract" in text]
    assert "health-head" in said
    assert said.endswith("the others took 0 s")


def test_a_server_that_cannot_be_reached_is_not_called_proven(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.trial.server.ProcessServer.unreachable", lambda _: "no way there")
    trial = tried(halves, skip_check=True)
    assert trial.value.contract == ""
    assert "the serving contract beyond golden requests: no way there" in trial.value.unproven
