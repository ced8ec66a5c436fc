"""This repository's own predictor: it passes, and without one of its parts it fails and names that part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.trial.smoke import smoke
from tests.stages import ended

ROOT = Path(__file__).parent.parent.parent
REQUIREMENTS = [line for line in (ROOT / "requirements.in").read_text().split("\n") if re.match(r"\w", line)]
MODULES = sorted(path.name for path in (ROOT / "predictor").glob("*.py"))
# With the check each part is missed at once. Without it torch is loaded, and a lock of its own has to be installed, so
# the gate tries two modules.
TRIED_IN_THE_GATE = ("__init__.py", "digit_predictor.py")


def without(names: list[str]) -> list[ParameterSet]:
    """Return every name with and without the check; what takes long and shows little more is a proof."""
    return [
        pytest.param(
            name,
            skip_check,
            id=f"{name}-{'no-check' if skip_check else 'check'}",
            marks=[pytest.mark.proof] if skip_check and name not in TRIED_IN_THE_GATE else [],
        )
        for name in names
        for skip_check in (False, True)
    ]


def without_requirement(demo: Path, name: str) -> None:
    """Remove a direct requirement from requirements.in and its pin from the lock."""
    asked = demo / "requirements.in"
    asked.write_text("".join(line for line in asked.read_text().splitlines(keepends=True) if line.strip() != name))
    lock = demo / "requirements.txt"
    pin = re.compile(rf"^{name}==.*\n(?:[ ]+.*\n)*", re.MULTILINE)
    text, removed = pin.subn("", lock.read_text())
    assert removed == 1
    lock.write_text(text)


def test_the_demo_reproduces_what_training_answered(demo: Path) -> None:
    trial = ended(smoke(Gathered(project.load(demo)), "cpu"))
    assert trial.findings == []
    assert trial.value.golden == 12
    assert trial.value.drift <= 1e-5


@pytest.mark.parametrize(("name", "skip_check"), without(REQUIREMENTS))
def test_without_a_requirement_the_finding_names_it(demo: Path, name: str, skip_check: bool) -> None:
    without_requirement(demo, name)
    trial = ended(smoke(Gathered(project.load(demo)), "cpu", skip_check=skip_check))
    assert "ST110" in trial.codes or "ST111" in trial.codes
    said = [f"{finding.message} {finding.cause} {finding.fix}" for finding in trial.errors]
    assert any(re.search(rf"\b{name}\b", text) for text in said)
    assert not trial.value.finished


@pytest.mark.parametrize(("name", "skip_check"), without(MODULES))
def test_without_a_module_the_finding_names_it(demo: Path, name: str, skip_check: bool) -> None:
    (demo / "predictor" / name).unlink()
    trial = ended(smoke(Gathered(project.load(demo)), "cpu", skip_check=skip_check))
    assert trial.codes in (["ST201"], ["ST202"])
    wanted = "predictor" if name == "__init__.py" else f"predictor.{name.removesuffix('.py')}"
    assert any(re.search(rf"\b{re.escape(wanted)}\b", finding.message) for finding in trial.errors)
    assert not trial.value.finished
