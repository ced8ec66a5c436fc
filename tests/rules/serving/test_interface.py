"""The interface: the pairs of projects, and what is said of classes that other servers run."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.findings import Severity
from seatrial.rules.serving import interface
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings, small_project


@pytest.mark.parametrize("twin", twins_of(interface), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from fastapi import FastAPI\n\nP = FastAPI()\n", "`P` is an application of FastAPI, not a predictor class"),
        ("from .app import P\n", "`P` is an application of Flask, not a predictor class"),
        (
            "from ts.torch_handler import vision_handler as v\n\n\nclass P(v.VisionHandler):\n    threshold = 1\n",
            "`P` is a handler for TorchServe, not a predictor class",
        ),
    ],
)
def test_what_another_server_runs_is_told_in_one_note(tmp_path: Path, code: str, message: str) -> None:
    lock = "".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in ("fastapi", "flask"))
    files = {"predictor/__init__.py": code, "predictor/app.py": "import flask\n\nP = flask.Flask(__name__)\n"}
    project = small_project(tmp_path, {**files, "requirements.in": "fastapi\nflask\n", "requirements.txt": lock})
    found = [f for f in findings(project) if f.code in ("ST110", "ST202", "ST507")]
    assert [(f.code, f.severity, f.message) for f in found] == [("ST507", Severity.NOTE, message)]


@pytest.mark.parametrize(
    "code",
    [
        "from google.cloud.aiplatform.prediction.predictor import Predictor as B\n\n\nclass P(B): ...\n",
        "from library import Base\n\n\nclass P(Base):\n    def predict(self, batch): ...\n",
        "class B:\n    load = print\n    def preprocess(self, img): ...\n\n\nclass P(B):\n    predict = print\n",
        "class P:\n    load = predict = print\n    def postprocess(self, row): ...\n",
        "class P:\n    def __getattr__(self, name): ...\n    def predict(self, batch): ...\n",
        "def made():\n    return object\n\n\nP = made()\n",
    ],
)
def test_a_class_that_may_have_the_methods_is_no_fault(tmp_path: Path, code: str) -> None:
    assert findings(small_project(tmp_path, {"predictor.py": code}), "ST507") == []


CHOICE = 'set `interface = "batched"`, `interface = "cpr"` or `interface = "ai-platform"` in [tool.seatrial]'
ALL = "load(self, artifacts_uri), preprocess(self, image) and predict(self, batch)"


@pytest.mark.parametrize(
    ("code", "cause", "fix"),
    [
        (
            "class P:\n    def __init__(self, path, device): ...\n    def predict(self, batch): ...\n",
            "its __init__() needs path, device; the server makes the class without arguments, then calls load()",
            "rename __init__() to load(self, artifacts_uri), and add preprocess(self, image)",
        ),
        (
            "from torch import nn\n\n\nclass P(nn.Module):\n    def forward(self, x): ...\n",
            "it is a torch.nn.Module: the model, and not a predictor that loads and asks it",
            f"name the class that loads this model: it has {ALL}",
        ),
        (
            "class P:\n    def load(self, uri): ...\n    def preprocess(self, image): ...\n",
            "",
            f"add predict() to the class; or {CHOICE}",
        ),
    ],
)
def test_it_says_what_the_class_needs(tmp_path: Path, code: str, cause: str, fix: str) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": code}), "ST507")
    assert (found.severity, found.cause, found.fix) == (Severity.ERROR, cause, fix)
