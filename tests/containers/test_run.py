"""What every container is created with, what an engine says of it, and its removal."""

from __future__ import annotations

import json
import secrets

import pytest

from seatrial.containers import run
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError
from tests.engines import Base


@pytest.mark.parametrize(
    ("name", "gpu"), [("docker", ["--gpus", "all"]), ("podman", ["--device", "nvidia.com/gpu=all"])]
)
def test_a_gpu_is_requested_only_if_wanted_with_each_engines_own_option(name: str, gpu: list[str]) -> None:
    engine = Engine(name, name)  # type: ignore[arg-type]
    without = run.options(engine, "of=test", {}, gpu=False)
    with_gpu = run.options(engine, "of=test", {}, gpu=True)
    assert with_gpu == [*without, *gpu]


def test_a_running_container_is_locked_down_described_and_removed_at_once(engine: Engine, base: Base) -> None:
    name = f"seatrial-run-{secrets.token_hex(4)}"
    options = run.options(engine, "of=test", {"GREETING": "hello"}, gpu=False)
    # The first process of a container ignores SIGTERM by default, and a removal must not wait for it.
    program = "import os, time; print(os.environ['GREETING'], flush=True); time.sleep(600)"
    engine.ask(["pull", "--quiet", base.reference], timeout=120)
    command = [f"python{base.python}", "-c", program]
    engine.ask(["run", "--detach", *options, "--name", name, "--network", "none", base.reference, *command])
    log = run.follow_log(engine, name)
    assert log.stdout is not None
    assert log.stdout.readline() == "hello\n"
    described = run.describe(engine, name)
    assert described["State"]["Running"]
    host = described["HostConfig"]
    assert host["PidsLimit"] == run.PIDS
    assert host["RestartPolicy"]["Name"] == "no"
    assert "no-new-privileges" in json.dumps(host["SecurityOpt"])
    engine.ask([*run.removal(engine), name], timeout=9)  # by default both engines wait for 10 s
    log.communicate(timeout=30)
    with pytest.raises(EnvironmentFaultError):
        run.describe(engine, name)
