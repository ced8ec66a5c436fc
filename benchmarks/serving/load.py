"""The load: wrk sends one body again and again, over as many connections as are asked."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "post.lua"
ANSWER_TIMEOUT = 60  # seconds; the slowest of the servers needs ten for 256 clients of resnet18 on two cores
_MARK = "MEASURED "


class LoadError(RuntimeError):
    """wrk did not measure."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured.

    Attributes:
        requests: those that were answered with 2xx.
        rate: of them, a second.
        p50: milliseconds.
        p99: milliseconds.
        errors: requests that got another answer, none in time, or a broken connection.
    """

    requests: int
    rate: float
    p50: float
    p99: float
    errors: int


def send(url: str, body: Path, connections: int, seconds: float) -> Load:
    """Send the body for some seconds.

    Raises:
        LoadError: wrk failed.
    """
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={max(1, round(seconds))}s"]
    command += [f"--timeout={ANSWER_TIMEOUT}s", f"--script={SCRIPT}", url, "--", str(body)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if run.returncode:
        raise LoadError(f"wrk ended with {run.returncode}: {run.stderr.strip()}")
    return parse(run.stdout)


def parse(printed: str) -> Load:
    """Return what wrk printed by our script.

    Raises:
        LoadError: the line is missing.
    """
    line = next((line for line in printed.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise LoadError(f"wrk printed no line of the script: {printed.strip()[-300:]}")
    said = json.loads(line.removeprefix(_MARK))
    right = said["requests"] - said["status"]
    errors = sum(said[name] for name in ("connect", "read", "write", "timeout", "status"))
    seconds = said["microseconds"] / 1e6
    return Load(right, right / seconds, said["p50"] / 1000, said["p99"] / 1000, errors)
