"""CUDA that is asked for: when that is an error, and when a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.packages import requirements
from seatrial.findings import Severity
from seatrial.rules.devices import cuda
from tests.diagnosis.test_symptoms import STORED, first
from tests.projects.base import Twin
from tests.rules.judging import Judge, texts_of, twins_of
from tests.small_project import findings, locked, places, small_project

FILES = Path(__file__).parents[2] / "facts" / "checkpoints"


TORCH = locked("torch==2.0.0")


def checkpoint(name: str) -> dict[str, str | bytes]:
    return {"artifacts/weights.pt": (FILES / name).read_bytes(), **TORCH}


LOAD = "import torch\n\nclass P:\n    def load(self, uri):\n        torch.load(uri, weights_only=True{0})\n"


@pytest.mark.parametrize("twin", twins_of(cuda), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize("name", texts_of(cuda))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_loading_tensors_of_a_gpu_without_map_location_is_a_warning(tmp_path: Path) -> None:
    files = checkpoint("cuda.pt")
    (found,) = findings(small_project(tmp_path, {**files, "predictor.py": LOAD.format("")}), "ST601")
    assert (found.code, found.severity, str(found.location)) == ("ST601", "warning", "predictor.py:5:9")
    assert found.evidence == ("artifacts/weights.pt: tensors of cuda:0",)
    mapped = {**files, "predictor.py": LOAD.format(", map_location='cpu'")}
    assert findings(small_project(tmp_path, mapped), "ST601") == []


def test_loading_tensors_of_the_cpu_without_map_location_is_no_finding(tmp_path: Path) -> None:
    files = {**checkpoint("legacy.pt"), "predictor.py": LOAD.format("")}
    assert findings(small_project(tmp_path, files), "ST601") == []


def test_cuda_is_an_error_only_where_it_is_certain_to_be_missing(tmp_path: Path) -> None:
    files = {"predictor.py": "import torch\n\nx = torch.zeros(1).cuda()\n"}
    (unsure,) = findings(small_project(tmp_path / "a", {**files, **locked("torch==2.8.0")}), "ST603")
    (certain,) = findings(small_project(tmp_path / "b", {**files, **locked("torch==2.8.0+cpu")}), "ST603")
    assert (unsure.severity, certain.severity) == (Severity.WARNING, Severity.ERROR)
    assert "2.8.0+cpu" in certain.cause


def test_a_helper_that_nothing_calls_is_not_judged(tmp_path: Path) -> None:
    text = (
        "import torch\n\nclass P:\n    def load(self, uri):\n        helped()\n\ndef {}():\n    torch.zeros(1).cuda()\n"
    )
    assert places(small_project(tmp_path / "a", {"predictor.py": text.format("helped")}), "ST603") != []
    assert places(small_project(tmp_path / "b", {"predictor.py": text.format("other")}), "ST603") == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("    loss = model(x.cuda())\n    loss.backward()\n    optimizer.step()\n", []),
        ("    score = model(x.cuda())\n    score.backward()\n", ["predictor.py:8:19"]),  # a map of gradients is served
        ("    y = model(x.cuda())\n    bar.step()\n", ["predictor.py:8:15"]),
    ],
)
def test_a_function_that_trains_is_not_judged_though_its_name_is_mentioned(
    tmp_path: Path, body: str, lines: list[str]
) -> None:
    text = "import torch\n\nclass P:\n    def load(self, uri):\n        self.run = run\n\n"
    project = small_project(tmp_path, {"predictor.py": f"{text}def run(model, x, optimizer, bar):\n{body}"})
    assert places(project, "ST603") == lines


RUNTIME = "nvidia-cuda-runtime"


@pytest.mark.parametrize(
    ("lock", "driver", "needs"),
    [
        (f"torch==2.11.0\n{RUNTIME}==13.0.96\n", "570.195.03", "the locked CUDA 13 needs 580"),
        (f"torch==2.11.0\n{RUNTIME}==13.0.96\n", "580.65.06", ""),
        (f"torch==2.8.0\n{RUNTIME}-cu12==12.8.90\n", "470.256.02", "needs 525"),
        ("torch==2.8.0+cu126\n", "470.256.02", "needs 525"),
        ("torch==2.7.1+cu118\n", "470.256.02", ""),  # 450 is the least
        ("torch==2.8.0\n", "470.256.02", "needs 525"),  # the build of the default index
        ("torch==2.8.0+cpu\n", "470.256.02", ""),
        ("numpy==2.0.0\n", "470.256.02", ""),
        ("torch==99.0.0\n", "470.256.02", ""),
        (f"{RUNTIME}==99.0.0\n", "470.256.02", ""),
        (f"{RUNTIME}==13.0.96\n", "", ""),
    ],
)
def test_a_driver_is_judged_by_the_cuda_of_the_lock(tmp_path: Path, lock: str, driver: str, needs: str) -> None:
    (tmp_path / "requirements.txt").write_text(lock)
    found = cuda.too_old_driver(driver, requirements.read(tmp_path / "requirements.txt", tmp_path), "3.11")
    if not needs:
        assert found is None
        return
    assert found is not None
    assert (found.code, found.severity) == ("ST602", Severity.ERROR)
    assert needs in found.message
    assert f"is {driver}, " in found.message
