"""What must be there before a server is started: the photo, the models, the environments and our own bundles.

All of it lies in one folder, and is made once.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.serving.servers import FOLDER, ROOT, Kind, Server
from seatrial.environment.interpreter import uv
from seatrial.facts.packages import installed, requirements
from seatrial.system import process

MODELS = ("mobilenet_v3_small", "resnet18")
PYTHON = "3.11"
TIMEOUT = 1800.0  # seconds for an installation: 3 GB of wheels where nothing is cached
SIZE = (500, 375)  # of the photo: those of ImageNet have 500 x 375 as a rule
_PROJECT = """\
[project]
name = "pictures"
version = "1"

[tool.seatrial]
name = "pictures"
predictor = "{predictor}"
packages = ["pictures"]
python = "{python}"
"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder of a benchmark."""

    folder: Path

    @property
    def body(self) -> Path:
        """The body of every request."""
        return self.folder / "body.json"

    @property
    def photo(self) -> Path:
        """The image in it."""
        return self.folder / "photo.jpg"

    def model(self, name: str) -> Path:
        """Return the folder of a model's weights."""
        return self.folder / "models" / name

    def environment(self, server: Server) -> Path:
        """Return the folder of a server's environment; the limit uses that of our own runtime."""
        if server.kind is Kind.PEER:
            return self.folder / "environments" / server.folder
        return self.folder / "environments" / f"runtime-{_digest(str(server.checkout).encode())[:8]}"

    def python(self, server: Server) -> Path:
        """Return the interpreter of a server's environment."""
        return self.environment(server) / "bin/python"

    def rehearsed(self, server: Server, model: str) -> Path:
        """Return the file that exists if a server has served a model once: what it imports is compiled then."""
        return self.environment(server) / f"rehearsed-{server.kind}-{model}"

    def bundle(self, server: Server, model: str) -> Path:
        """Return the folder of the bundle of a model that our runtime serves."""
        return self._project(server, model) / "build/bundle"

    def prepare(self, server: Server, model: str) -> None:
        """Make what a server needs to serve a model."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_photo()
        self._install(server, _lock(server))
        self._write_weights(server, model)
        if server.kind is Kind.OURS:
            self._build(server, model)
            self._install_wheels(server, model)

    def _project(self, server: Server, model: str) -> Path:
        return self.folder / "projects" / f"{server.name}-{model}"

    def _write_photo(self) -> None:
        """Write a photo of about 50 kB: smooth colours and some grain, which are the same every time."""
        if self.body.exists():
            return
        source = random.Random(0)  # noqa: S311 - no secret
        small = Image.frombytes("RGB", (32, 24), source.randbytes(32 * 24 * 3))
        grain = Image.frombytes("RGB", SIZE, source.randbytes(SIZE[0] * SIZE[1] * 3))
        written = io.BytesIO()
        Image.blend(small.resize(SIZE, Image.Resampling.BICUBIC), grain, 0.08).save(written, "JPEG", quality=88)
        self.photo.write_bytes(written.getvalue())
        text = base64.b64encode(written.getvalue()).decode()
        self.body.write_text(json.dumps({"instances": [{"b64": text}]}), encoding="ascii")

    def _install(self, server: Server, lock: str) -> None:
        """Make the environment of a lock, unless it is there."""
        folder, python = self.environment(server), str(self.python(server))
        file = folder / "lock.txt"
        if file.exists() and file.read_text(encoding="utf-8") == lock:
            return
        say(f"installing what {server.title} needs")
        _run([uv(), "venv", "--quiet", "--no-project", "--clear", "--python", PYTHON, str(folder)])
        draft = folder / "draft.txt"
        draft.write_text(lock, encoding="utf-8")
        sync = [uv(), "pip", "sync", "--quiet", "--no-config", "--python", python]
        _run([*sync, "--require-hashes", str(draft)])
        draft.rename(file)

    def _install_wheels(self, server: Server, model: str) -> None:
        """Install the two wheels of a bundle; all bundles of a checkout have the same code in them."""
        wheels = sorted((self.bundle(server, model) / "wheels").glob("*.whl"))
        content = _digest(*(_content(wheel) for wheel in wheels))
        stamp = self.environment(server) / "wheels.txt"
        if stamp.exists() and stamp.read_text(encoding="ascii") == content:
            return
        install = [uv(), "pip", "install", "--quiet", "--no-config", "--no-deps", "--reinstall"]
        _run([*install, "--python", str(self.python(server)), *map(str, wheels)])
        for each in self.environment(server).glob("rehearsed-*"):  # what is new is compiled before it is measured
            each.unlink()
        stamp.write_text(content, encoding="ascii")

    def _write_weights(self, server: Server, model: str) -> None:
        file = self.model(model) / f"{model}.pt"
        if file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER)}
        _run([str(self.python(server)), str(FOLDER / "weights.py"), str(file), str(self.photo)], env)

    def _build(self, server: Server, model: str) -> None:
        """Build the bundle of a project, with the tool and the runtime of the server's checkout."""
        project = self._project(server, model)
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(FOLDER / "pictures", project / "pictures", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(self.model(model), project / "artifacts")
        text = _PROJECT.format(predictor=server.predictor, python=PYTHON)
        (project / "pyproject.toml").write_text(text, encoding="utf-8")
        for name in ("requirements.in", "requirements.txt"):
            shutil.copy(ROOT / name, project)
        env = process.install_environment(PYTHONPATH=str(server.checkout))
        _run([sys.executable, "-m", "seatrial", "build", "--project", str(project)], env)


def say(text: str) -> None:
    """Tell what goes on."""
    sys.stderr.write(f"{text}\n")


def _lock(server: Server) -> str:
    """Return the lock of a server's environment: a peer's own, or the demo's with the runtime's beside it."""
    if server.kind is Kind.PEER:
        return (FOLDER / server.folder / "requirements.txt").read_text(encoding="utf-8")
    runtime = server.checkout / "seatrial/serving"
    own = ROOT / "requirements.txt"
    return installed.merged(
        requirements.read(own, ROOT),
        own.read_text(encoding="utf-8"),
        requirements.read(runtime / "requirements.txt", runtime),
    )


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run a program; end with what it printed if it fails."""
    env = process.install_environment() if env is None else env
    run = subprocess.run(command, check=False, timeout=TIMEOUT, env=env, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(command[:4])} … ended with {run.returncode}:\n{(run.stdout + run.stderr)[-3000:]}")


def _content(wheel: Path) -> bytes:
    """Return what is in a wheel besides its metadata, which names the bundle."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
        return b"".join(name.encode() + archive.read(name) for name in names)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
