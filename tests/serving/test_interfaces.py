"""Which interface a class is taken for, and how predictors of the whole-request interfaces are asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from seatrial.serving.interfaces import InterfaceError, interface_of

from .server import served

if TYPE_CHECKING:
    from pathlib import Path


def class_of(**methods: Any) -> type:
    return type("P", (), methods)


def method(names: str) -> Any:
    """Make a method with these parameters after self."""
    return eval(f"lambda self, {names}: None")  # noqa: S307


LOAD = {"load": method("artifacts_uri")}
WHOLE = {**LOAD, "predict": method("batch")}


def annotated(annotation: object) -> Any:
    function = method("x")
    function.__annotations__["x"] = annotation
    return function


@pytest.mark.parametrize(
    ("methods", "interface"),
    [
        (
            {"from_path": classmethod(method("model_dir")), "predict": method("instances, **kwargs")},
            "ai-platform",
        ),
        ({**WHOLE, "preprocess": method("prediction_input")}, "cpr"),
        ({**WHOLE, "preprocess": method("instances")}, "cpr"),
        (WHOLE, "cpr"),
        ({**WHOLE, "preprocess": method("image")}, "batched"),
        ({**WHOLE, "preprocess": staticmethod(lambda img: img)}, "batched"),
        ({**WHOLE, "preprocess": annotated(Image.Image)}, "batched"),
        ({**WHOLE, "preprocess": annotated("PIL.Image.Image")}, "batched"),
        ({**WHOLE, "preprocess": method("x"), "decode": method("instance")}, "batched"),
    ],
)
def test_the_shape_tells_the_interface(methods: dict[str, Any], interface: str) -> None:
    assert interface_of(class_of(**methods), "auto") == interface


def test_a_subclass_of_the_sdks_predictor_is_cpr_whatever_its_parameters() -> None:
    base = type("Predictor", (), {"__module__": "google.cloud.aiplatform.prediction.predictor"})
    assert interface_of(type("P", (base,), {**WHOLE, "preprocess": method("image")}), "auto") == "cpr"
    assert "google.cloud.aiplatform" not in sys.modules


def test_an_interface_that_is_named_wins() -> None:
    assert interface_of(class_of(**WHOLE, preprocess=method("body")), "batched") == "batched"


@pytest.mark.parametrize("methods", [{}, {**WHOLE, "preprocess": method("x")}])
def test_a_shape_that_tells_nothing_names_the_key_to_set(methods: dict[str, Any]) -> None:
    with pytest.raises(InterfaceError, match=r"interface = .* in \[tool.seatrial\]"):
        interface_of(class_of(**methods), "auto")


def test_a_missing_method_is_named() -> None:
    with pytest.raises(InterfaceError, match=r"P has no load\(\), which the batched interface needs"):
        interface_of(class_of(preprocess=method("image"), predict=method("batch")), "auto")


AI_PLATFORM = """
class P:
    def __init__(self, factor):
        self.factor = factor

    @classmethod
    def from_path(cls, model_dir):
        return cls(int((pathlib.Path(model_dir) / "factor").read_text()))

    def predict(self, instances, *, plus=0):
        return np.array([self.factor * one + plus for one in instances])
"""


def test_an_ai_platform_predictor_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "factor").write_text("3")
    with served(tmp_path, AI_PLATFORM) as server:
        assert server.log(message="ready", interface="ai-platform")
        assert server.predictions(1, 2) == [3, 6]
        assert server.predictions(1, 2, parameters={"plus": 1}) == [4, 7]
        assert server.predictions() == []
        refused = server.predict(1, parameters={"minus": 1})
        assert refused.status == 400
        assert "minus" in refused.error["message"]
        assert server.post(b"x", "image/png").status == 415
        failed = server.predict([1], "a", {})
        assert failed.status == 500
        assert failed.error["message"].startswith("predict raised TypeError")


CPR = """
class P:
    def load(self, artifacts_uri):
        self.artifacts_uri = artifacts_uri

    def preprocess(self, prediction_input):
        return prediction_input

    def predict(self, instances):
        return instances

    def postprocess(self, prediction_results):
        first = prediction_results["instances"].pop(0)
        if first == "uri":
            return {"predictions": [self.artifacts_uri], "deployed": np.int64(1)}
        return {"list": [1], "empty": {}, "many": {"predictions": [1, 2]}}[first]
"""


def test_a_cpr_predictor_gets_the_body_and_answers_it_whole(tmp_path: Path) -> None:
    environ = {"AIP_STORAGE_URI": "gs://bucket/model"}
    with served(tmp_path, CPR, environ=environ) as server:
        assert server.log(message="ready", interface="cpr")
        assert server.predict("uri").json() == {"predictions": ["gs://bucket/model"], "deployed": 1}
        assert 'answered list; it must be a dict that holds "predictions"' in server.predict("list").error["message"]
        assert "a dict with the keys []" in server.predict("empty").error["message"]
        assert "2 predictions for 1 instances" in server.predict("many").error["message"]


DECODES = """
class P:
    def load(self, artifacts_uri): ...

    def decode(self, instance):
        return np.array(instance["values"], dtype=np.float64)

    def preprocess(self, values):
        return values * 2

    def predict(self, batch):
        return batch.sum(axis=1)
"""


def test_a_predictor_that_decodes_gets_its_own_instances(tmp_path: Path) -> None:
    with served(tmp_path, DECODES) as server:
        assert server.predictions({"values": [1, 2]}, {"values": [5]}) == [6, 10]
        refused = server.predict({"values": [1]}, {})
        assert (refused.status, refused.error["instance"]) == (400, 1)
        assert refused.error["message"] == "decode raised KeyError: 'values'"
        assert "Traceback" in server.log(severity="WARNING", phase="predict")[0]["traceback"]
        assert server.post(b"x", "image/png").status == 415
