"""Builds that fail or are interrupted: nothing of them stays, and the message has the output of the builder."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError
from seatrial.image import disk, dockerfile, engine_build
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


@contextlib.contextmanager
def growth(*folders: Path) -> Iterator[list[int]]:
    """Measure by how many bytes folders grow, all together, again and again; what is mounted there counts nothing."""

    def used() -> int:
        command = ["du", "--summarize", "--one-file-system", "--block-size=1", *map(str, folders)]
        printed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
        return sum(int(line.split()[0]) for line in printed.splitlines())

    before, grown, ended = used(), [0], threading.Event()

    def measure() -> None:
        while not ended.wait(0.1):
            grown.append(used() - before)

    measuring = threading.Thread(target=measure)
    measuring.start()
    try:
        yield grown
    finally:
        ended.set()
        measuring.join()


@pytest.mark.proof  # 20 s for each engine
def test_an_engine_holds_as_many_copies_of_a_layer_at_once_as_the_check_of_free_disk_asks_for(
    engine: Engine, tmp_path: Path
) -> None:
    context, tag = tmp_path / "context", f"localhost/copies-{secrets.token_hex(4)}:1"
    context.mkdir()
    (tmp_path / "random").write_bytes(os.urandom(LARGE))
    with tarfile.open(context / "dependencies.tar", "w") as tar:
        tar.add(tmp_path / "random", "random")
    (tmp_path / "random").unlink()
    with growth(engine.storage(), tmp_path) as grown:
        ended(engine_build.build(engine, context, "FROM scratch\nADD dependencies.tar /\n", tag))
    engine.ask(["rmi", tag])
    assert sum(disk.copies(engine)) - 0.7 < max(grown) / LARGE < sum(disk.copies(engine)) + 0.1


def test_a_failing_build_reports_the_builders_output_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    missing = f"localhost/missing-{secrets.token_hex(4)}:1"
    context = large_context(tmp_path / "context")
    with pytest.raises(EnvironmentFaultError, match=re.escape(missing.removesuffix(":1"))) as raised:
        ended(engine_build.build(engine, context, dockerfile.dependencies(missing, {"a": "b"}), "localhost/never:1"))
    assert f"{engine.name} could not build localhost/never:1" in raised.value.message
    assert " level=debug " not in raised.value.message
    assert f"`{engine.name} info`" in raised.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["context"]
