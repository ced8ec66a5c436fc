"""No false alarm: not in fifty runs, and not where the processor has fewer instructions than the recording one's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.project import SmokeSettings
from seatrial.trial.allowances import Allowances
from tests.golden.stages.installed import RUN, Installing, run

pytestmark = pytest.mark.proof
RUNS, PROCESSES = 50, 5
PREDICTOR = """
import torch
from torchvision import models
from torchvision.transforms import v2

torch.manual_seed(0)

class Predictor:
    def __init__(self):
        self.model = models.resnet18(weights=None).eval()
        self.transform = v2.Compose([
            v2.ToImage(), v2.Resize((96, 96)), v2.ToDtype(torch.float32, scale=True), v2.Resize((64, 64)),
            v2.GaussianBlur(3, 1.0), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])

    def preprocess(self, image):
        return self.transform(image)

    @torch.inference_mode()
    def predict(self, batch):
        return self.model(batch).softmax(dim=1)
"""
# The limits of torch's own kernels and of oneDNN's, and what of the transforms is then rounded in another way.
# https://docs.pytorch.org/docs/stable/threading_environment_variables.html
LIMITS = {
    "avx2": ({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}, set()),
    "neither": ({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}, {"Resize", "GaussianBlur"}),
}


@pytest.fixture
def recorded(python_of: Installing, photos: list[Path], tmp_path: Path) -> list[str]:
    """Record the stages of two photos, and return the command that replays them."""
    module = tmp_path / "predictor.py"
    module.write_text(PREDICTOR)
    given = [str(module), str(tmp_path / "artifacts"), *map(str, photos)]
    python = str(python_of("today"))
    run([python, str(RUN), "record", *given])
    return [python, str(RUN), "replay", *given]


def replayed(command: list[str], **variables: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(command, **variables).rpartition("\nreplayed ")[2])
    return found


def told(found: dict[str, Any], *, alarms: bool) -> list[dict[str, Any]]:
    """Return the stages that differ, or only those that differ by more than the trial allows."""
    allowances = Allowances(SmokeSettings(), "cpu", found["was"], found["now"])
    stages = [stage for told in found["inputs"] for stage in told]
    return [stage for stage in stages if not alarms or not allowances.permits(stage)]


def test_fifty_runs_with_one_thread_and_with_two_have_no_false_alarm(recorded: list[str]) -> None:
    python, script, _, *given = recorded
    command = [python, script, str(RUNS // PROCESSES), *given]
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"}  # two threads that spin are slow on a busy machine
    runs = [replayed(command, OMP_NUM_THREADS=str(1 + number % 2), **waiting) for number in range(PROCESSES)]
    assert sum(len(found["inputs"]) for found in runs) == 2 * RUNS
    assert [stage for found in runs for stage in told(found, alarms=True)] == []
    assert {stage["phase"] for found in runs for stage in told(found, alarms=False)} <= {"output"}


@pytest.mark.parametrize("name", LIMITS)
def test_fewer_instructions_are_no_false_alarm(recorded: list[str], name: str) -> None:
    variables, rounded = LIMITS[name]
    found = replayed(recorded, **variables)
    assert found["was"]["cpu"] != found["now"]["cpu"]
    assert told(found, alarms=True) == []
    assert {each["name"][0] for each in told(found, alarms=False) if each["phase"] == "transform"} == rounded


def test_fewer_instructions_do_not_hide_a_drift(recorded: list[str]) -> None:
    module = Path(recorded[3])
    module.write_text(PREDICTOR.replace("GaussianBlur(3, 1.0)", "GaussianBlur(3, 1.001)"))
    found = replayed(recorded, **LIMITS["neither"][0])
    assert {stage["name"][0] for stage in told(found, alarms=True)} == {"GaussianBlur"}
