"""Run a script with the recorder's modules in the predictor's environment, beside the server or without one.

It gets an environment of its own, so that nothing it does is taken for what the server did. The script sees what the
server sees, and no GPU on a trial for the CPU.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.environment import install, store
from seatrial.environment.store import Copy, Kept
from seatrial.errors import EnvironmentFaultError
from seatrial.trial import inside
from seatrial.trial.sealing import launch
from seatrial.trial.sealing.launch import Sealed
from seatrial.trial.sealing.view import Target
from seatrial.trial.server import served_environment

_TIMEOUT = 600.0  # seconds; a large model answers each input two or three times
# One thread, so that a server that is tried meanwhile has the other processors.
_THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True, slots=True)
class Aside:
    """A script that runs in an environment of its own."""

    copy: Copy
    _sealed: Sealed

    def wait(self) -> tuple[int, str]:
        """Return its exit code and all that it printed.

        Raises:
            EnvironmentFaultError: it does not end.
        """
        try:
            printed, _ = self._sealed.running.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise EnvironmentFaultError(f"the stages were not replayed within {_TIMEOUT:g} s") from None
        return self._sealed.running.returncode, printed

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._sealed.began


@contextlib.contextmanager
def running(
    kept: Kept,
    bundle: Bundle,
    device: str,
    target: Target,
    name: str,
    plan: Mapping[str, Any],
    files: list[Path],
    *,
    golden: Path | None = None,
) -> Iterator[Aside]:
    """Start a script of `inside` in a new copy of a kept environment; it ends with the block.

    Its plan gets `bundle`, the path of bundle.json; `images`, those of copies of `files`; and `into`, a folder that it
    may write to. The folder `golden` takes the place of the bundle's golden answers.
    """
    with store.copy(kept, hollow=True) as copy:
        install.install_wheels(copy, [bundle.predictor_wheel, bundle.runtime_wheel])
        served = copy.folder("served")
        shutil.copytree(bundle.path, served / "bundle", dirs_exist_ok=True)
        if golden is not None:
            shutil.rmtree(served / "bundle/artifacts/golden", ignore_errors=True)
            shutil.copytree(golden, served / "bundle/artifacts/golden")
        images = [shutil.copy(file, served / file.name) for file in files]
        script, plan_file = _modules(served / "aside", name), served / "plan.json"
        into = copy.folder("work") / "recorded"
        places = {"bundle": str(served / "bundle/bundle.json"), "images": list(map(str, images)), "into": str(into)}
        plan_file.write_text(json.dumps({**plan, **places}), encoding="utf-8")
        sealed = launch.start(
            copy,
            [str(copy.python), "-I", str(script), str(plan_file)],
            env={**served_environment(copy, device, target), **_THREADS},
            device=device,
            target=target,
        )
        try:
            yield Aside(copy, sealed)
        finally:
            sealed.close()


def _modules(folder: Path, name: str) -> Path:
    """Copy a script, and beside it what it imports of the tool; return the script."""
    home = folder / "seatrial/golden/stages"
    home.mkdir(parents=True)
    with resources.as_file(resources.files("seatrial.golden")) as golden:
        for file in (golden / "stages").glob("*.py"):
            shutil.copy(file, home)
        shutil.copy(golden / "recording.py", home.parent)
    return Path(shutil.copy(inside.FOLDER / name, folder))
