"""Which interface a class is taken for."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from PIL import Image

from seatrial.serving.interfaces.recognise import InterfaceError, interface_of


def class_of(**methods: Any) -> type:
    return type("P", (), methods)


def method(names: str) -> Any:
    """Return a method with these parameters after self."""
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
def test_the_interface_is_recognised_by_the_shape(methods: dict[str, Any], interface: str) -> None:
    assert interface_of(class_of(**methods), "auto").name == interface


def test_a_subclass_of_the_sdks_predictor_is_cpr_whatever_its_parameters() -> None:
    base = type("Predictor", (), {"__module__": "google.cloud.aiplatform.prediction.predictor"})
    assert interface_of(type("P", (base,), {**WHOLE, "preprocess": method("image")}), "auto").name == "cpr"
    assert "google.cloud.aiplatform" not in sys.modules


def test_an_interface_that_is_named_wins() -> None:
    assert interface_of(class_of(**WHOLE, preprocess=method("body")), "batched").name == "batched"


@pytest.mark.parametrize("methods", [{}, {**WHOLE, "preprocess": method("x")}])
def test_the_error_for_an_unclear_shape_names_the_key_to_set(methods: dict[str, Any]) -> None:
    with pytest.raises(InterfaceError, match=r"interface = .* in \[tool.seatrial\]"):
        interface_of(class_of(**methods), "auto")


def test_a_missing_method_is_named() -> None:
    with pytest.raises(InterfaceError, match=r"P has no load\(\), which the batched interface needs"):
        interface_of(class_of(preprocess=method("image"), predict=method("batch")), "auto")
