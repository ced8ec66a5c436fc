"""Compare a one-line change with Google's builder: the same predictor, base image, docker and registry, in one run.

It builds, changes and pushes examples/cpr with this tool and with `LocalModel.build_cpr_model`, and writes the table
in docs/image-benchmark.md. It needs docker, docker-registry, mmdebstrap and the network. Every number is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.containers import engine, registry
from seatrial.containers.engine import Engine
from seatrial.project import load

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples/cpr"
PREDICTOR = "digits/predictor.py"
CHANGE = "# one more line\n"
WANTED = ("torch", "torchvision", "pillow")  # what the example's requirements.in names besides the SDK
TIMEOUT = 1800.0  # seconds for one build or one push
_PACKAGES = "python3,python3-pip,python-is-python3,ca-certificates"
# An image with pip, also for networks that have their own certificates.
_BASE = """\
FROM {below}
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && pip install --no-cache-dir --upgrade pip
"""
_GOOGLE = """\
import importlib, sys, time
source, base, target = sys.argv[1:]
sys.path.insert(0, source)
from google.cloud.aiplatform.prediction import LocalModel
predictor = importlib.import_module("digits.predictor").DigitsPredictor
began = time.monotonic()
LocalModel.build_cpr_model(
    source, target, predictor=predictor, base_image=base, requirements_path=f"{source}/requirements.txt"
)
print("MEASURED", time.monotonic() - began)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """A build and a push: seconds of each and of the trial (Google's has none), bytes that the registry lacked."""

    build: float
    trial: float | None
    push: float
    sent: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one builder took, from nothing and after the change, and the torch in its image."""

    torch: str
    first: Round
    changed: Round


class Registry:
    """The run's own registry, and the layers that it has."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._known: set[str] = set()

    def received(self, name: str, tag: str) -> int:
        """Return the compressed bytes of an image's layers, without those of earlier images."""
        manifest = registry.read_manifest(self.host, name, tag, None)
        if manifest is None:
            raise LookupError(f"{self.host}/{name}:{tag} is not in the registry")
        new = {digest: size for digest, size in manifest.layers if digest not in self._known}
        self._known |= set(new)
        return sum(new.values())


def main() -> None:
    """Measure both builders and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/image-benchmark.md", help="the page to write")
    output: Path = parser.parse_args().output
    docker, load_average = engine.find("docker"), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="seatrial-benchmark-") as name, _registry(Path(name)) as store:
        folder = Path(name)
        try:
            base = _base(docker, store, folder)
            store.received("base", "1")
            ours = _ours(docker, store, base, folder)
            _say(f"ours: {ours}")
            google, version = _google(docker, store, base, folder)
            _say(f"Google's: {google}")
        finally:
            _forget(docker, store)
        output.write_text(_page(docker, ours, google, version, load_average), encoding="utf-8")
    _say(f"wrote {output}")


def _base(docker: Engine, store: Registry, folder: Path) -> str:
    """Push a base image with python and pip, as Google's builder needs it, and return its reference by digest."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    layer, context = folder / "base.tar", folder / "base"
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", release, str(layer))
    docker.ask(["import", str(layer), f"{store.host}/below:1"], timeout=TIMEOUT)
    layer.unlink()
    context.mkdir()
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copyfile(bundle, context / "ca-certificates.crt")
    (context / "Dockerfile").write_text(_BASE.format(below=f"{store.host}/below:1"))
    reference = f"{store.host}/base:1"
    docker.ask(["build", "--tag", reference, str(context)], timeout=TIMEOUT)
    docker.ask(["push", reference], timeout=TIMEOUT)
    manifest = registry.read_manifest(store.host, "base", "1", None)
    if manifest is None:
        raise LookupError(f"{reference} is not in the registry")
    return f"{store.host}/base@{manifest.digest}"


def _ours(docker: Engine, store: Registry, base: str, folder: Path) -> Measured:
    project = folder / "ours"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__", "build"))
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[tool.seatrial.image]\nbase = "{base}"\nrepository = "{store.host}/ours"\n')
    first = _our_round(project, store)
    with (project / PREDICTOR).open("a", encoding="utf-8") as file:
        file.write(CHANGE)
    changed = _our_round(project, store)
    return Measured(_torch(docker, _record(project, "image")["id"], "/app/bin/python"), first, changed)


def _our_round(project: Path, store: Registry) -> Round:
    build = _seatrial("image", "build", project=project)
    trial = _seatrial("smoke", "--image", _record(project, "image")["reference"], project=project)
    push = _seatrial("image", "push", project=project)
    return Round(build, trial, push, store.received("ours", _record(project, "pushed")["digest"]))


def _seatrial(*arguments: str, project: Path) -> float:
    began = time.monotonic()
    _run(sys.executable, "-m", "seatrial", *arguments, "--engine=docker", "--project", str(project))
    return time.monotonic() - began


def _record(project: Path, name: str) -> dict[str, Any]:
    file = load(project).build_dir / f"image/{name}.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _google(docker: Engine, store: Registry, base: str, folder: Path) -> tuple[Measured, str]:
    """Measure Google's builder, and return the version of its package too."""
    python = folder / "google/bin/python"
    _run("uv", "venv", "--quiet", "--python", load(EXAMPLE).python, str(python.parent.parent))
    # The builder imports the predictor, so torch is needed beside it as well.
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    _run(*install, "google-cloud-aiplatform[prediction]", *WANTED)
    asked = "from importlib.metadata import version; print(version('google-cloud-aiplatform'))"
    version = _run(str(python), "-c", asked).strip()
    source = folder / "source"
    shutil.copytree(EXAMPLE / "digits", source / "digits", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "requirements.txt").write_text("".join(f"{name}\n" for name in WANTED))
    first = _google_round(docker, python, source, base, store, "1")
    with (source / PREDICTOR).open("a", encoding="utf-8") as file:
        file.write(CHANGE)
    changed = _google_round(docker, python, source, base, store, "2")
    return Measured(_torch(docker, f"{store.host}/google:2", "python"), first, changed), version


def _google_round(docker: Engine, python: Path, source: Path, base: str, store: Registry, tag: str) -> Round:
    target = f"{store.host}/google:{tag}"
    printed = _run(str(python), "-c", _GOOGLE, str(source), base, target)
    build = next(line for line in printed.splitlines() if line.startswith("MEASURED")).split()[1]
    began = time.monotonic()
    docker.ask(["push", target], timeout=TIMEOUT)
    return Round(float(build), None, time.monotonic() - began, store.received("google", tag))


def _torch(docker: Engine, image: str, python: str) -> str:
    ask = ["run", "--rm", "--network=none", f"--entrypoint={python}", image, "-c"]
    return docker.ask([*ask, "import torch, torchvision; print(torch.__version__)"], timeout=300).split()[-1]


def _run(*command: str) -> str:
    """Run a program, print its command and duration, and return its output."""
    shown = " ".join(Path(command[0]).name if part is command[0] else part for part in command if "\n" not in part)
    _say(shown[:150])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # else Google's builder copies what this run compiled
    began = time.monotonic()
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        timeout=2 * TIMEOUT, check=False, env=environment,
    )  # fmt: skip
    _say(f"  exit code {run.returncode} after {time.monotonic() - began:.1f} s")
    if run.returncode != 0:
        sys.exit(f"{shown[:150]} failed:\n{run.stdout[-6000:]}")
    return run.stdout


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the command's progress


@contextlib.contextmanager
def _registry(folder: Path) -> Iterator[Registry]:
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        sys.exit("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    config = {"version": 0.1, "storage": storage, "http": {"addr": address}}
    (folder / "registry.yml").write_text(json.dumps(config))
    command = [program, "serve", str(folder / "registry.yml")]
    with (folder / "registry.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        try:
            _wait_for(address)
            yield Registry(address)
        finally:
            running.kill()


def _wait_for(address: str) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port))).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _forget(docker: Engine, store: Registry) -> None:
    """Remove the images of this run from docker."""
    listed = docker.ask(["image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]).splitlines()
    ours = ("localhost/digits-cpr:", "localhost/seatrial-dependencies:", f"{store.host}/")
    ids = dict.fromkeys(line.split()[1] for line in listed if line.startswith(ours))
    if ids:
        docker.output(["image", "rm", "--force", *ids], timeout=300)


def _page(docker: Engine, ours: Measured, google: Measured, version: str, load_average: float) -> str:
    rows = [
        ("after the change: build", ours.changed.build, google.changed.build),
        ("after the change: trial of the image", ours.changed.trial, google.changed.trial),
        ("after the change: push", ours.changed.push, google.changed.push),
        ("after the change: bytes pushed", ours.changed.sent, google.changed.sent),
        ("from nothing: build", ours.first.build, google.first.build),
        ("from nothing: trial of the image", ours.first.trial, google.first.trial),
        ("from nothing: push", ours.first.push, google.first.push),
        ("from nothing: bytes pushed", ours.first.sent, google.first.sent),
    ]
    table = "\n".join(f"| {name} | {_shown(mine)} | {_shown(other)} |" for name, mine, other in rows)
    server, driver = docker.ask(["info", "--format", "{{.ServerVersion}} {{.Driver}}"]).split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    today = datetime.datetime.now(datetime.UTC).date()
    return f"""\
# A one-line change: this tool beside `LocalModel.build_cpr_model`

Written by `python -m benchmarks.image`; every number is from one run. Both ways build `examples/cpr` on the same base
image with the same docker, one after the other, append one comment to `{PREDICTOR}`, build again, and push to a
registry on the same machine. Bytes are those of the compressed layers that the registry did not have.

| | `seatrial image build`, `push` | `build_cpr_model`, `docker push` |
|---|---:|---:|
{table}

- Date: {today}. Machine: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB memory, Linux {platform.release()};
  load average when the run began: {load_average:.1f}.
- docker {server} with {driver}{", buildx" if docker.buildx else ", the builder without BuildKit"}; \
seatrial {__version__}, google-cloud-aiplatform {version}; Python {platform.python_version()}.
- torch in the images: {ours.torch} in ours, from the lock of `examples/cpr` with hashes; {google.torch} in Google's,
  from a requirements file that names {", ".join(WANTED)} without versions.
- Our seconds are those of the whole commands, which start Python, check and build the bundle. Google's are those of
  the call and of `docker push`, which `push_image` runs; `push_image` itself accepts only Google's registry.
- Ours installs from uv's cache, which is warm if the machine has installed the lock before. Google's Dockerfile
  downloads in the container, without a cache.
- The base is Debian's own Python with pip, made by mmdebstrap. It also holds the machine's CA certificates and
  `PIP_CERT`. Without them, pip in a container cannot use a network that has its own certificates.
- Google's builder has no trial; ours refuses to push an image that did not pass one, so its time is shown.
"""


def _shown(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f} s"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
