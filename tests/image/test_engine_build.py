"""Builds that fail or are interrupted: nothing of them stays, and the message has the output of the builder."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError
from seatrial.image import dockerfile, engine_build
from tests.conftest import ROOT
from tests.engines import Base
from tests.stages import ended

LARGE = 400_000_000  # bytes, which an engine takes longer to unpack than a signal takes to arrive
BUILD = """
import sys
from pathlib import Path
from seatrial.containers import engine
from seatrial.image import dockerfile, engine_build
from seatrial.system import signals
name, context, ground, tag = sys.argv[1:]
signals.heed()
text = dockerfile.dependencies(ground, {"made-by": "a test"})
for step in engine_build.build(engine.find(name), Path(context), text, tag):
    print(step.text, flush=True)
"""


def large_context(folder: Path) -> Path:
    """Make a folder with a tar of one file that is all zeros, most of it a hole on disk."""
    folder.mkdir()
    info = tarfile.TarInfo("zeros")
    info.size = LARGE
    with (folder / "dependencies.tar").open("wb") as file:
        file.write(info.tobuf())
        file.truncate(512 + -(-LARGE // 512) * 512 + 1024)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_podman_leaves_no_container_and_no_file(
    number: signal.Signals, podman: Engine, base: Base, tmp_path: Path
) -> None:
    ground = f"localhost/ground-{secrets.token_hex(4)}"
    tag = f"localhost/interrupted-{secrets.token_hex(4)}:1"
    podman.ask(["pull", "--quiet", base.reference], timeout=120)
    podman.ask(["tag", base.reference, ground])
    context = large_context(tmp_path / "context")
    command = [sys.executable, "-c", BUILD, podman.name, str(context), ground, tag]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as running:
        assert running.stdout is not None
        assert "ADD " in running.stdout.readline()
        running.send_signal(number)
        said = running.communicate(timeout=120)[1]
    assert "Interruption" in said
    assert [path.name for path in tmp_path.iterdir()] == ["context"]
    assert podman.output(["image", "inspect", tag], timeout=60)[0] != 0
    assert ground not in podman.ask(["ps", "--all", "--external", "--format", "{{.Image}} {{.Names}}"])
    podman.ask(["rmi", ground])


def test_a_failing_build_reports_the_builders_output_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    missing = f"localhost/missing-{secrets.token_hex(4)}:1"
    context = large_context(tmp_path / "context")
    with pytest.raises(EnvironmentFaultError, match=re.escape(missing.removesuffix(":1"))) as raised:
        ended(engine_build.build(engine, context, dockerfile.dependencies(missing, {"a": "b"}), "localhost/never:1"))
    assert f"{engine.name} could not build localhost/never:1" in raised.value.message
    assert " level=debug " not in raised.value.message
    assert f"`{engine.name} info`" in raised.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["context"]
