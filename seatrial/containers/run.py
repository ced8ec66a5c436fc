"""Running a container: what every container of the tool is created with, its log, its state and its removal.

The caller adds the network, the mounts, the user and the image. What runs inside is not known here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import IO, Any

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.system import process

COMMAND_TIMEOUT = 120.0  # seconds for the engine to create, start or remove
PIDS = 2048  # processes and threads; torch starts one a core, several times over
_LOG_DRIVER = {"docker": "json-file", "podman": "k8s-file"}  # whatever the daemon's default, which may be a remote one
_GPU = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}


def options(engine: Engine, label: str, env: Mapping[str, str], *, gpu: bool) -> list[str]:
    """Return the options of `create` and `run` that all containers share: no privileges, a local log, a label.

    `label` is NAME=VALUE, by which the containers of a killed run are found and removed.
    """
    return [
        "--label", label,
        "--cap-drop", "all",
        "--security-opt", "no-new-privileges",
        "--pids-limit", str(PIDS),
        "--restart", "no",
        "--log-driver", _LOG_DRIVER[engine.name],
        *(_GPU[engine.name] if gpu else ()),
        *(part for name, value in env.items() for part in ("--env", f"{name}={value}")),
    ]  # fmt: skip


def follow_log(engine: Engine, name: str, errors: IO[bytes] | None = None) -> subprocess.Popen[str]:
    """Start a process that prints a container's log until the container ends.

    The container's standard error goes to the file `errors`; without one it is part of what the process prints.
    """
    return process.start([engine.program, "logs", "--follow", name], env=engines.environment(), errors=errors)


def describe(engine: Engine, name: str) -> dict[str, Any]:
    """Return what the engine says of a container.

    Raises:
        EnvironmentFaultError: the engine does not answer, or has no such container.
    """
    found: dict[str, Any] = json.loads(engine.ask(["inspect", "--type", "container", name]))[0]
    return found


def removal(engine: Engine) -> list[str]:
    """Return the command, still without names, that removes containers at once, running ones too."""
    at_once = ["--time", "0"] if engine.name == "podman" else []  # docker's `rm --force` never waits
    return ["rm", "--force", "--volumes", *at_once]
