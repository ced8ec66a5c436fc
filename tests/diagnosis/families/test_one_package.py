"""Several distributions of one package: the lock decides, and a package that is locked once is judged otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.facts.gather import gather
from tests.diagnosis.families.lines import Said, hold, raised
from tests.small_project import locked, small_project

MIXED = raised(
    "AttributeError: partially initialized module 'cv2' has no attribute 'gapi_wip_gst_GStreamerPipeline' (most likely "
    "due to a circular import)",
    "/app/serving/predictor.py|import cv2",
    "cv2/__init__.py|bootstrap()",
    "cv2/gapi/__init__.py|cv.gapi.wip.GStreamerPipeline = cv.gapi_wip_gst_GStreamerPipeline",
)
NO_LIBRARY = raised(
    "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    "/app/serving/predictor.py|import cv2",
    "cv2/__init__.py|bootstrap()",
)
CONTRIB = raised(
    "AttributeError: module 'cv2' has no attribute 'ximgproc'", "/app/serving/predictor.py|cv2.ximgproc.thinning(mask)"
)
LOGS = {
    "without a lock, both are possible": Said(
        MIXED,
        "ST152",
        (r"opencv-python-headless; opencv-python", r"keep one distribution of `cv2` alone"),
        (r"rename",),
    ),
    "a module of the contrib builds": Said(
        CONTRIB, "ST170", (r"contrib builds", r"not beside it"), (r"pin the version", r"import cv2\.ximgproc")
    ),
    "a window": Said(
        raised(
            "cv2.error: OpenCV(4.8.0) /io/window.cpp:1272: error: (-2:Unspecified error) The function is not "
            "implemented. Rebuild the library with Windows, GTK+ 2.x or Cocoa support. If you are on Ubuntu or Debian, "
            "install libgtk2.0-dev and pkg-config, then re-run cmake or configure script in function 'cvShowImage'",
            "/app/serving/predictor.py|cv2.imshow('x', image)",
        ),
        "ST589",
        (r"opens a window \(ShowImage\)", r"imshow"),
        (r"libgtk", r"opencv-python in place"),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])


def told(text: str, folder: Path, *pins: str) -> tuple[str, str]:
    facts = gather(small_project(folder, {"serving/predictor.py": "class P: ...\n", **locked(*pins)}))
    first = diagnose(text, facts)[0]
    return first.code, f"{first.message}\n{first.cause}\n{first.fix}\n{first.because}"


@pytest.mark.parametrize("text", [MIXED, NO_LIBRARY, CONTRIB])
def test_two_builds_of_opencv_in_the_lock_are_the_cause(text: str, tmp_path: Path) -> None:
    pins = ("opencv-python==4.11.0.86", "opencv-contrib-python-headless==4.10.0.84")
    code, words = told(text, tmp_path, *pins)
    assert code == "ST133"
    assert re.search(r"opencv-python 4\.11\.0\.86 and opencv-contrib-python-headless 4\.10\.0\.84 both install", words)
    assert "keep opencv-contrib-python-headless alone" in words


@pytest.mark.parametrize(("text", "expected"), [(MIXED, "ST152"), (NO_LIBRARY, "ST134"), (CONTRIB, "ST170")])
def test_one_build_in_the_lock_is_not_told_as_two(text: str, expected: str, tmp_path: Path) -> None:
    code, words = told(text, tmp_path, "opencv-python==4.11.0.86")
    assert code == expected
    assert "both install" not in words.replace("both install `cv2`)", "")


def test_any_package_of_two_locked_distributions(tmp_path: Path) -> None:
    text = raised(
        "AttributeError: module 'onnxruntime' has no attribute 'InferenceSession'",
        "/app/serving/predictor.py|onnxruntime.InferenceSession(path)",
    )
    code, words = told(text, tmp_path, "onnxruntime==1.19.2", "onnxruntime-gpu==1.20.0")
    assert (code, "both install `onnxruntime`" in words) == ("ST152", True)
