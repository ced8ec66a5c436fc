"""Files that are not there: what their path tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from tests.diagnosis.families.logs import SITE, Fault, hold, traceback
from tests.small_project import small_project

NOT_FOUND = "FileNotFoundError: [Errno 2] No such file or directory: '{}'"
OPEN = "/srv/fish/serve.py:9:load labels = json.load(open(path))"
FAULTS = [
    Fault("beside a module", traceback(NOT_FOUND.format(f"{SITE}/fish/labels.json"), f"{SITE}/seatrial/x.py:1:load x", f"{SITE}/fish/serve.py:9:load labels = open(HERE / 'labels.json')"), "ST584", ("fish/labels.json", "package data")),
    Fault("beside a file of the image", traceback(NOT_FOUND.format("/srv/fish/conf/labels.json"), OPEN), "ST584", ("fish/conf/labels.json", "package data")),
    Fault("of a distribution", traceback(NOT_FOUND.format(f"{SITE}/paddleocr/ppocr/keys.txt"), OPEN, "paddleocr/paddleocr.py:9:load open(keys)"), "ST584", ("paddleocr", "own file"), ("package data",)),
    Fault("relative", traceback(NOT_FOUND.format("weights/crab.pt"), OPEN), "ST584", ("relative", "artifacts")),
    Fault("of the training machine", traceback(NOT_FOUND.format("/home/ada/runs/7/crab.pt"), OPEN), "ST584", ("machine that trained", "crab.pt", "artifacts")),
    Fault("an address", traceback(NOT_FOUND.format("gs://bucket/crab.pt"), OPEN), "ST584", ("gs://", "below the folder")),
    Fault("an address that Path shortened", traceback(NOT_FOUND.format("gs:/bucket/crab.pt"), OPEN), "ST584", ("address",)),
    Fault("a folder", traceback("IsADirectoryError: [Errno 21] Is a directory: '/tmp/artifacts'", OPEN), "ST584", ("is a folder", "os.path.join")),
    Fault("in words of a library", traceback("onnxruntime.capi.onnxruntime_pybind11_state.NoSuchFile: [ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model from crab.onnx failed:Load model crab.onnx failed. File doesn't exist", OPEN), "ST584", ("crab.onnx",)),
    Fault("configurations of Hydra", traceback("hydra.errors.MissingConfigException: Primary config directory not found.\nCheck that the config directory '/srv/fish/conf' exists and readable", "/srv/fish/serve.py:9:load compose('x')").replace("directory not", "directory 'fish/conf' not"), "ST584", ("fish/conf", "package data", "yaml")),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_file_that_is_not_there_is_told_by_its_path(fault: Fault) -> None:
    hold(fault)


def test_a_file_that_the_project_has_is_named(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "class P: ...\n", "conf/labels.json": "[]"})
    text = traceback(NOT_FOUND.format("conf/labels.json"), "/srv/predictor.py:1:load open('conf/labels.json')")
    hold(Fault("relative", text, "ST584", ("conf/labels.json is in the project",)), gather(project))
