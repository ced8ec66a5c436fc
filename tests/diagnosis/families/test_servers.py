"""Servers of others: how they say that they do not start."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "token": Said(
        '2024-08-01T09:12:52,348 [INFO ] ACCESS_LOG - /169.254.8.129:36032 "GET /ping HTTP/1.1" 400 1\n'
        '{\n  "code": 400,\n  "type": "InvalidKeyException",\n  "message": "Token Authorization failed. '
        'Token either incorrect"\n}',
        "ST767",
        (r"--disable-token-auth",),
    ),
    "import string": Said('ERROR:    Error loading ASGI app. Could not import module "main".', "ST769", (r"WORKDIR",)),
    "attribute": Said(
        'ERROR:    Error loading ASGI app. Attribute "app" not found in module "a.main".',
        "ST769",
        (r"a\.main has no app",),
    ),
    "gunicorn's attribute": Said(
        "Failed to find attribute 'application' in 'main'.", "ST769", (r"main has no application",)
    ),
    "no program": Said(
        "docker: Error response from daemon: OCI runtime create failed: unable to start container process: exec: "
        '"uvicorn": '
        "executable file not found in $PATH: unknown.",
        "ST769",
        (r"no program uvicorn",),
    ),
    "line ends": Said("exec /entrypoint.sh: no such file or directory", "ST769", (r"line ends",)),
    "not executable": Said(
        'unable to start container process: exec: "/entrypoint.sh": permission denied: unknown.', "ST769", (r"chmod",)
    ),
    "no script": Said(
        "python: can't open file '/app/main.py': [Errno 2] No such file or directory", "ST769", (r"/app/main\.py",)
    ),
    "worker of TorchServe": Said(
        "org.pytorch.serve.wlm.WorkerInitializationException: Backend worker startup time out.",
        "ST548",
        (r"default_startup_timeout",),
    ),
    "Triton": Said(
        "E0101 00:00:00.0 1 model_lifecycle.cc:621] failed to load 'resnet' version 1: Invalid argument: unexpected "
        "output 'out'",
        "ST769",
        (r"resnet: Invalid argument",),
    ),
    "a client's address": Said(
        "[W socket.cpp:663] The client socket has failed to connect (errno: 99 - Cannot assign requested address).", ""
    ),
    "no Java": Said(
        "FileNotFoundError: [Errno 2] No such file or directory: 'java'", "ST548", (r"Java",), (r"artifacts folder",)
    ),
    "the application's own words": Said("ERROR:app:failed to load thumbnail: not an image", "", (), (r"ST769",)),
    "healthy": Said(
        "[INFO ] main org.pytorch.serve.ModelServer - Loading initial models: model.mar\n"
        "INFO:     Uvicorn running on http://0.0.0.0:8080 (Press CTRL+C to quit)",
        "",
    ),
    "Triton's Vertex AI mode with several models": Said(
        "failed to start Vertex AI service: Invalid argument - Expect the model repository contains only a single model "
        "if default model is not specified",
        "ST769",
        (r"several", r"--vertex-ai-default-model"),
    ),
    "another service of Triton": Said(
        "failed to start HTTP service: Unavailable - Socket '0.0.0.0:8000' already in use",
        "ST769",
        (r"HTTP service: Unavailable",),
        (r"default-model",),
    ),
    "a module that Triton's Python lacks": Said(
        "E0428 15:02:11.1 1 m.cc:1155] failed to load 'prep' version 1: Internal: ModuleNotFoundError: No module named 'fishes'",
        "ST769",
        (r"model\.py of prep has no module fishes", r"beside model\.py"),
        (r"add `fishes`", r"names, types and shapes"),
    ),
    "gunicorn's worker": Said(
        "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
        "ST769",
        (r"worker failed while it booted", r"Exception in worker process"),
    ),
    "gunicorn's worker, with its reason": Said(
        "[2026-01-01 10:00:00 +0000] [9] [ERROR] Exception in worker process\nTraceback (most recent call last):\n"
        "  File \"/app/serve.py\", line 1, in <module>\n    import timm\nModuleNotFoundError: No module named 'timm'\n"
        "[2026-01-01 10:00:01 +0000] [1] [ERROR] Reason: Worker failed to boot.\n",
        "ST110",
        (r"timm",),
    ),
    "TorchServe's handler": Said(
        "2026-01-01T10:00:00,1 [INFO ] W-9000-m_1.0-stdout MODEL_LOG - ModuleNotFoundError: No module named "
        "'ts.torch_handler.fish_handler'",
        "ST548",
        (r"no handler fish_handler", r"--handler"),
        (r"pin the version", r"add `ts`"),
    ),
    "TorchServe's answer": Said(
        'details = "{\n  "code": 503,\n  "type": "InternalServerException",\n  "message": "Prediction failed"\n}"',
        "",
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
