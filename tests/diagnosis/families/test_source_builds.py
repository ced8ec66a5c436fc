"""Builds of source archives: what was missing."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "compiler": Said(
        "Collecting pycocotools==2.0.7\n  Building wheel for pycocotools (pyproject.toml): started\n"
        "      error: command 'gcc' failed: No such file or directory\n"
        "  ERROR: Failed building wheel for pycocotools",
        "ST140",
        (r"pycocotools has no wheel here", r"compiler \(gcc\)", r"build-essential"),
    ),
    "header": Said(
        "  Building wheel for psutil (setup.py)\n    psutil/_psutil.c:10:10: fatal error: Python.h: No such file or "
        "directory\n"
        "  ERROR: Failed building wheel for psutil",
        "ST140",
        (r"headers of Python", r"python3-dev"),
    ),
    "Rust": Said(
        "Preparing metadata (pyproject.toml): finished with status 'error'\n  error: can't find Rust compiler\n"
        "ERROR: Failed building wheel for tokenizers",
        "ST140",
        (r"tokenizers", r"Rust"),
    ),
    "needs torch to build": Said(
        "Collecting flash-attn==2.8.0\n  Getting requirements to build wheel: finished with status 'error'\n"
        "  x Getting requirements to build wheel did not run successfully.\n      Traceback (most recent call last):\n"
        "        File \"<string>\", line 20, in <module>\n      ModuleNotFoundError: No module named 'torch'\n"
        "error: subprocess-exited-with-error",
        "ST140",
        (r"imports torch", r"--no-build-isolation"),
        (r"add `?torch",),
    ),
    "Python that is too new": Said(
        "Collecting old==1.0\n  Getting requirements to build wheel: finished with status 'error'\n"
        "      Traceback (most recent call last):\n"
        '        File "/tmp/pip-build-env-x/overlay/lib/python3.12/site-packages/setuptools/__init__.py", '
        "line 1, in <module>\n"
        "          import pkg_resources\n"
        "      AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?\n",
        "ST140",
        (r"this Python no longer has", r"older Python"),
    ),
    "nvcc": Said(
        "  Building wheel for apex\n      OSError: CUDA_HOME environment variable is not set. Please set it\n"
        "  ERROR: Failed building wheel for apex",
        "ST140",
        (r"nvcc", r"devel"),
    ),
    "the same words of the user's code": Said(
        raised("ModuleNotFoundError: No module named 'torch'", "/app/serving/predictor.py|import torch"),
        "ST110",
        (),
        (r"ST140",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
