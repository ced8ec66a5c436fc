"""Our own runtime, as a command, keeps what is required whatever interface its class follows."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from seatrial.contract import suite
from seatrial.contract.check import CHECKS, Level
from seatrial.contract.client import Limits
from seatrial.contract.suite import Outcome

from .conftest import asked, ended

ROOT = Path(__file__).parents[2]
DECODED = """
import base64, io
from PIL import Image

def tone(instance):
    return sum(Image.open(io.BytesIO(base64.b64decode(instance["b64"]))).convert("L").resize((1, 1)).tobytes())
"""
CLASSES = {
    "batched": """
        import numpy as np

        class P:
            def load(self, artifacts_uri): open(f"{artifacts_uri}/weights").close()

            def preprocess(self, image): return np.asarray(image.resize((4, 4)), dtype=np.float32)

            def predict(self, batch): return batch.mean(axis=(1, 2, 3))
    """,
    "cpr": """
        class P:
            def load(self, artifacts_uri): open(f"{artifacts_uri}/weights").close()

            def predict(self, body): return {"predictions": [tone(each) for each in body["instances"]]}
    """,
    "ai-platform": """
        class P:
            @classmethod
            def from_path(cls, folder):
                open(f"{folder}/weights").close()
                return cls()

            def predict(self, instances, **kwargs): return [tone(each) for each in instances]
    """,
}


@pytest.mark.parametrize(
    "interface", [pytest.param(name, marks=[] if name == "batched" else pytest.mark.proof) for name in CLASSES]
)
def test_the_runtime_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interface: str) -> None:
    (tmp_path / "served.py").write_text(DECODED + textwrap.dedent(CLASSES[interface]))
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/weights").touch()
    bundle = {"format": 1, "name": "test", "digest": "0" * 64, "predictor": "served:P", "interface": interface}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    command = [sys.executable, "-m", "seatrial.serving", "--bundle", str(tmp_path / "bundle.json")]
    results, _ = ended(suite.prove_command(command, asked(Limits(quick=5.0)), suite.chosen()))
    broken = {name: result.seen for name, result in results.items() if result.outcome is Outcome.BROKEN}
    # A class that gets requests whole answers for its instances itself.
    others = {name for name, check in CHECKS.items() if check.instances and interface != "batched"}
    broken = {name: seen for name, seen in broken.items() if name not in others}
    assert broken == {}
    untried = {name for name, result in results.items() if result.outcome is Outcome.NOT_TRIED}
    assert not [name for name in untried if CHECKS[name].level is Level.REQUIRED and name != "stop-answers"]
