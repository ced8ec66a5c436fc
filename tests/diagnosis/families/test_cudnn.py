"""cuDNN: the versions that a library was built with and found, in the words of torch's releases and TensorFlow."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

NO_FAULT = (r"smaller batch", r"line that the evidence names", r"search the issues")
LOGS = {
    "torch": Said(
        raised(
            "RuntimeError: cuDNN version incompatibility: PyTorch was compiled  against (9, 1, 0) but found runtime "
            "version (8, 9, 7). PyTorch already comes bundled with cuDNN. One option to resolving this error is to "
            "ensure PyTorch can find the bundled cuDNN.",
            "/app/serving/predictor.py|self.model.cuda()",
            "torch/backends/cudnn/__init__.py|raise RuntimeError(f'{base_error_msg}'",
        ),
        "ST162",
        (r"torch was built with cuDNN 9\.1\.0", r"8\.9\.7 is loaded", r"LD_LIBRARY_PATH"),
        NO_FAULT,
    ),
    "an older torch, which has one number": Said(
        "RuntimeError: cuDNN version mismatch: PyTorch was compiled against 7102 but linked against 7600",
        "ST162",
        (r"cuDNN 7\.1\.2", r"7\.6\.0"),
        NO_FAULT,
    ),
    "a line of a log": Said(
        "17:22:50-122539 ERROR    Could not load torch: cuDNN version incompatibility: PyTorch was compiled  against "
        "(8, 7, 0) but found runtime version (8, 2, 4).",
        "ST162",
        (r"8\.7\.0", r"8\.2\.4"),
    ),
    "TensorFlow": Said(
        "2026-01-01 10:00:00.1: E tensorflow/stream_executor/cuda/cuda_dnn.cc:362] Loaded runtime CuDNN library: 8.0.5 "
        "but source was compiled with: 8.1.0.  CuDNN library needs to have matching major version",
        "ST162",
        (r"built with cuDNN 8\.1\.0", r"8\.0\.5 is loaded"),
        (r"torch was built",),
    ),
    "another fault of cuDNN": Said(
        "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "ST633", (), (r"is loaded in its place",)
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
