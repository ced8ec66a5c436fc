"""The demo as an image with its full lock: built, tried, pushed, changed by a line, pulled by digest, tried again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.containers.engine import Engine
from tests.engines import Base

COMMAND_TIMEOUT = 900.0  # seconds; the first push compresses gigabytes
LIMIT = 1_000_000  # bytes that a one-line change may send


@dataclass(frozen=True)
class Demo:
    """The demo project with a base image and a registry, run by the command line."""

    root: Path

    def seatrial(self, *arguments: str) -> float:
        """Run a command that must pass, print its verdict, return the seconds that it took."""
        command = [sys.executable, "-m", "seatrial", *arguments, "--engine=docker", "--project", str(self.root)]
        began = time.monotonic()
        run = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False)
        assert run.returncode == 0, run.stderr
        verdict = next(line for line in run.stderr.splitlines() if line.startswith("PASSED"))
        seconds = time.monotonic() - began
        show(f"{' '.join(arguments[:2])}, {seconds:.1f} s: {verdict}")
        return seconds

    def delivered(self) -> dict[str, dict[str, Any]]:
        """Build the image, try it and push it; return the records of the build and of the push."""
        built = self.seatrial("image", "build")
        image = self.record("image")
        self.seatrial("smoke", "--image", image["reference"])
        sent = self.seatrial("image", "push")
        pushed = self.record("pushed")
        show(f"built in {built:.1f} s, {pushed['bytes_pushed']:,} bytes pushed in {sent:.1f} s")
        return {"image": image, "pushed": pushed}

    def record(self, name: str) -> dict[str, Any]:
        """Read what a command wrote to build/image."""
        content: dict[str, Any] = json.loads((self.root / f"build/image/{name}.json").read_text(encoding="utf-8"))
        return content


def show(text: str) -> None:
    """Print what was measured, for the reader of the run."""
    print(text)  # noqa: T201 - pytest keeps it, and shows it with -rP


@pytest.fixture
def project(demo: Path, base: Base, registry: str) -> Demo:
    file = demo / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    if f'python = "{base.python}"' not in text:
        pytest.skip(f"this machine packages Python {base.python}, the demo is locked for another")
    table = f'[tool.seatrial.image]\nbase = "{base.reference}"\nrepository = "{registry}/proof/digits"\n'
    file.write_text(f"{text}\n{table}", encoding="utf-8")
    return Demo(demo)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("no_other_trial")
def test_the_demo_with_its_full_lock_sends_little_after_a_change_and_is_proven_as_pulled(
    project: Demo, docker: Engine
) -> None:
    first = project.delivered()
    assert re.match(r"\d+\.\d+", first["image"]["labels"]["dev.seatrial.cuda"])
    assert first["pushed"]["bytes_pushed"] > 1_000_000_000  # otherwise it was not the full lock

    with (project.root / "predictor/digit_predictor.py").open("a", encoding="utf-8") as file:
        file.write("# one more line\n")
    second = project.delivered()
    assert second["image"]["rebuilt"] == ["predictor"]
    assert second["image"]["rebuilt_bytes"] <= LIMIT
    assert second["pushed"]["digest"] != first["pushed"]["digest"]
    assert second["pushed"]["layers_pushed"] == 1
    assert 0 < second["pushed"]["bytes_pushed"] <= LIMIT

    ids = [of["image"][name] for of in (first, second) for name in ("id", "dependencies")]
    docker.ask(["image", "rm", "--force", *dict.fromkeys(ids)], timeout=300)
    assert docker.output(["image", "inspect", second["image"]["id"]], timeout=60)[0] != 0
    reference = second["pushed"]["reference"]
    began = time.monotonic()
    docker.ask(["pull", reference], timeout=COMMAND_TIMEOUT)
    show(f"pulled in {time.monotonic() - began:.1f} s")
    project.seatrial("smoke", "--image", reference)
    assert project.record("smoke")["image_id"] == second["pushed"]["image_id"]
