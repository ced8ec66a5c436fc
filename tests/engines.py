"""Real container engines for the tests: a dockerd and a podman of the run's own, a base image, and a registry.

Everything lies in one temporary folder of the run, which its parallel workers share. A watcher process stops the
daemons and removes the folder when the run ends, however it ends. On a machine without the programs these tests are
skipped, and one line of the summary counts them and says what to install.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError

_CONTROLLER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
ROOM = Path(tempfile.gettempdir()) / f"seatrial-engines-{_CONTROLLER}"
_NETWORK = f"run{_CONTROLLER}"  # of podman
# What a Python needs to run wheels for Linux: nothing else, not even a shell.
_BASE_PACKAGES = "base-files,libstdc++6,{python}-minimal,lib{python}-stdlib"
_START_TIMEOUT = 60.0  # seconds for a daemon to answer
_SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_REGISTRY = ("docker-registry", "registry")
# The names of each program → the Debian package that has it.
_PACKAGES = {
    ("docker",): "docker.io",
    ("dockerd",): "docker.io",
    ("podman",): "podman",
    _REGISTRY: "docker-registry",
    ("mmdebstrap",): "mmdebstrap",
}


@dataclass(frozen=True)
class Base:
    """The base image in the run's registry, by digest, and the minor version of its Python."""

    reference: str
    python: str


@pytest.fixture(scope="session")
def registry() -> str:
    """The host and port of the run's own registry."""
    program = _program(*_REGISTRY)
    return _once("registry", lambda: _start_registry(program))


@pytest.fixture(scope="session")
def base(registry: str) -> Base:
    """A base image made of this machine's own distribution, kept in the user's cache folder."""
    layer, python = _base_layer()
    digest = _once("base", lambda: _push_base(registry, layer))
    return Base(f"{registry}/base@{digest}", python)


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Docker: the run's own daemon if this user may start one, else the machine's."""
    if os.geteuid() != 0:
        yield _found("docker")
        return
    dockerd = _program("dockerd")
    _program("docker")
    address = _once("docker", lambda: _start_dockerd(dockerd))
    with _variables(DOCKER_HOST=address):
        yield _found("docker")


@pytest.fixture
def containerd_docker() -> Iterator[Engine]:
    """Docker as new installations have it, for one test: it builds with buildx and has containerd's store."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a docker with containerd's store")
    dockerd = _program("dockerd")
    said = subprocess.run([dockerd, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    version = re.search(r"version (\d+)", said)
    if version is None or int(version[1]) < 24:  # docker's release notes: a feature of the daemon since 24
        pytest.skip(f"needs a dockerd with containerd's store, version 24 or later; this is {said.strip()}")
    _program("docker")
    config = {"features": {"containerd-snapshotter": True}, "bridge": "none", "iptables": False}
    address = _once("containerd-docker", lambda: _start_dockerd(dockerd, "containerd-docker", config))
    with _variables(DOCKER_HOST=address):
        engine = _found("docker")
        if not engine.buildx:
            pytest.skip("needs docker's buildx plugin, which is not installed")
        yield engine


@pytest.fixture(scope="session")
def podman(registry: str) -> Iterator[Engine]:
    """Podman with the run's own storage and configuration."""
    _program("podman")
    folder = Path(_once("podman", lambda: _configure_podman(registry)))
    with _variables(
        CONTAINERS_CONF=str(folder / "containers.conf"),
        CONTAINERS_STORAGE_CONF=str(folder / "storage.conf"),
        CONTAINERS_REGISTRIES_CONF=str(folder / "registries.conf"),
    ):
        yield _found("podman")


@pytest.fixture(scope="session", params=engines.NAMES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide every engine: a docker client without a daemon, and no podman."""
    client = shutil.which("docker")
    if client:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/docker").symlink_to(client)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report every skip raised in this file at one location: pytest's summary then counts them in one line."""
    report = yield
    if call.excinfo is None or not isinstance(call.excinfo.value, pytest.skip.Exception):
        return report
    raised = call.excinfo.traceback[-1]
    if raised.path == Path(__file__):
        report.longrepr = (str(raised.path), raised.lineno + 1, f"Skipped: {call.excinfo.value}")
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the daemons when the run ends, and wait until they and their folder are gone."""
    if "PYTEST_XDIST_WORKER" in os.environ or not ROOM.is_dir():
        return
    (ROOM / "stop").touch()
    deadline = time.monotonic() + 60
    while ROOM.is_dir() and time.monotonic() < deadline:
        time.sleep(0.1)


def _program(*names: str) -> str:
    if found := _installed(names):
        return found
    missing = [package for program, package in _PACKAGES.items() if not _installed(program)]
    raise pytest.skip.Exception(f"needs a container engine: apt-get install {' '.join(dict.fromkeys(missing))}")


def _installed(names: Iterable[str]) -> str | None:
    return next(filter(None, (shutil.which(name, path=_SEARCHED) for name in names)), None)


def _found(name: str) -> Engine:
    try:
        return engines.find(name)
    except EnvironmentFaultError as error:
        raise pytest.skip.Exception(f"no {name} can be used here: {error.message}") from None


class _variables:  # noqa: N801 - reads as a statement
    """Set environment variables until the block ends."""

    def __init__(self, **values: str) -> None:
        self._values, self._before = values, {name: os.environ.get(name) for name in values}

    def __enter__(self) -> None:
        os.environ.update(self._values)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _once(name: str, make: Any) -> str:
    """Let the first worker make something for the whole run, and return its result to every worker."""
    ROOM.mkdir(mode=0o700, exist_ok=True)
    with FileLock(f"{ROOM}.lock", timeout=600):
        answer = ROOM / f"{name}.answer"
        if not answer.is_file():
            answer.write_text(make(), encoding="utf-8")
        return answer.read_text(encoding="utf-8")


def _start(name: str, *command: str) -> Path:
    """Start a daemon under a watcher that outlives this process and ends with the run; return its log."""
    log = ROOM / f"{name}.log"
    with log.open("wb") as file:
        subprocess.run(
            [sys.executable, __file__, str(_CONTROLLER), str(ROOM), *command], check=True, timeout=30,
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return log


def _wait_for(ready: Any, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not ready():
        if time.monotonic() > deadline or "the daemon ended" in log.read_text(errors="replace"):
            raise pytest.skip.Exception(f"{log.stem} cannot start here: {log.read_text(errors='replace')[-600:]}")
        time.sleep(0.1)


def _start_dockerd(program: str, name: str = "docker", config: Mapping[str, Any] | None = None) -> str:
    folder = ROOM / name
    address = f"unix://{folder}/s"
    folder.mkdir(exist_ok=True)
    (folder / "daemon.json").write_text(json.dumps(config or {}))
    log = _start(
        f"{name}d", program, "--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/pid", "--config-file", f"{folder}/daemon.json",
    )  # fmt: skip
    client = _program("docker")
    ask = [client, "--host", address, "version", "--format", "{{.Server.Version}}"]
    _wait_for(lambda: subprocess.run(ask, capture_output=True, timeout=30, check=False).returncode == 0, log)
    return address


def _start_registry(program: str) -> str:
    port = _free_port()
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(ROOM / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (ROOM / "registry.yml").write_text(json.dumps(config))
    log = _start("registry", program, "serve", str(ROOM / "registry.yml"))
    _wait_for(lambda: _answers(port), log)
    return f"127.0.0.1:{port}"


def _answers(port: int) -> bool:
    try:
        return _ask(f"127.0.0.1:{port}", "GET", "/v2/")[0] == 200
    except OSError:
        return False


def _configure_podman(registry: str) -> str:
    folder = ROOM / "podman"
    networks = folder / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    # crun refuses mixed cgroup hierarchies, and high limits fail inside a container; these work in both.
    runtime = 'runtime = "runc"\n' if shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin") else ""
    (folder / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        f'[network]\nnetwork_config_dir = "{networks}"\ndefault_network = "{_NETWORK}"\n'
        f'default_subnet_pools = [{{base = "{_subnets()}.0/20", size = 24}}]\n'
        f'[engine]\n{runtime}tmp_dir = "{folder}/libpod"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n'
        f'rootless_storage_path = "{folder}/graph"\n'
    )
    (folder / "registries.conf").write_text(
        f'unqualified-search-registries = []\n[[registry]]\nlocation = "{registry}"\ninsecure = true\n'
    )
    (networks / f"{_NETWORK}.json").write_text(json.dumps(_default_network()))
    return str(folder)


def _default_network() -> dict[str, Any]:
    """Return a network for what names none, of this run alone.

    podman's own is called "podman" in every run on this machine, and so are its rules in the firewall: of two runs that
    start and remove containers at once, one removes what the other has just made, and no port of that one is reached.
    """
    network = _subnets()
    return {
        "name": _NETWORK,
        "id": hashlib.sha256(_NETWORK.encode()).hexdigest(),
        "driver": "bridge",
        "network_interface": _NETWORK,
        "subnets": [{"subnet": f"{network}.0/24", "gateway": f"{network}.1"}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }


def _subnets() -> str:
    """Return the start of addresses that depend on the run, whose podman does not see the networks of others."""
    return f"10.{100 + _CONTROLLER // 16 % 100}.{_CONTROLLER % 16 * 16}"


def _base_layer() -> tuple[Path, str]:
    """Return the layer of the base image, made once by mmdebstrap from the machine's own package sources."""
    program = _program("mmdebstrap")
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().replace('"', "").splitlines() if "=" in line
    )
    python = "3.11" if release["VERSION_CODENAME"] == "bookworm" else _newest_python()
    packages = _BASE_PACKAGES.format(python=f"python{python}")
    sources = _sources(release["ID"])
    key = hashlib.sha256(f"{packages} {release['VERSION_CODENAME']}".encode()).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial-tests"
    folder.mkdir(parents=True, exist_ok=True)
    layer = folder / f"base-{key}.tar.gz"
    with FileLock(f"{layer}.lock", timeout=600):
        if not layer.is_file():
            draft = folder / f"base-{key}.tar"
            subprocess.run(
                [
                    program, "--quiet", "--variant=extract", f"--include={packages}",
                    "--dpkgopt=path-exclude=/usr/share/doc/*", release["VERSION_CODENAME"], str(draft), *sources,
                ],
                check=True, timeout=600,
            )  # fmt: skip
            with draft.open("rb") as plain, gzip.GzipFile(f"{layer}.part", "wb", 1, mtime=0) as packed:
                shutil.copyfileobj(plain, packed)
            draft.unlink()
            Path(f"{layer}.part").rename(layer)
    return layer, python


def _newest_python() -> str:
    """Return the name of the distribution's own Python, which `python3` is."""
    said = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return said.stdout.strip()


def _sources(distribution: str) -> list[str]:
    """Return the machine's package sources of its distribution, without those of other vendors."""
    named = Path(f"/etc/apt/sources.list.d/{distribution}.sources")
    found = [path for path in (named, Path("/etc/apt/sources.list")) if path.is_file()]
    return [str(path) for path in found]


def _push_base(registry: str, layer: Path) -> str:
    """Push the one-layer image with the registry's own protocol and return its digest."""
    packed = layer.read_bytes()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "created": "2020-02-02T00:00:00Z",
        "history": [{"created": "2020-02-02T00:00:00Z", "created_by": "mmdebstrap"}],  # podman counts its entries
        "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(packed))]},
    }
    text = json.dumps(config).encode()
    kind = "application/vnd.oci.image"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": _put(registry, text, f"{kind}.config.v1+json"),
            "layers": [_put(registry, packed, f"{kind}.layer.v1.tar+gzip")],
        }
    ).encode()
    status, _ = _ask(registry, "PUT", "/v2/base/manifests/1", manifest, f"{kind}.manifest.v1+json")
    assert status == 201
    return _digest(manifest)


def _put(registry: str, blob: bytes, media_type: str) -> dict[str, Any]:
    status, headers = _ask(registry, "POST", "/v2/base/blobs/uploads/")
    assert status == 202
    place = urllib.parse.urlsplit(headers["Location"])
    status, _ = _ask(registry, "PUT", f"{place.path}?{place.query}&digest={_digest(blob)}", blob)
    assert status == 201
    return {"mediaType": media_type, "size": len(blob), "digest": _digest(blob)}


def _ask(
    host: str, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        return answer.status, dict(answer.headers)
    finally:
        connection.close()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _watch(controller: int, room: Path, command: list[str]) -> None:
    """Run a daemon until the run stops it or is gone; the last watcher removes the folder."""
    if os.fork():
        os._exit(0)  # the process that started it does not wait
    mine = room / f"{os.getpid()}.watching"
    mine.touch()
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    said = False
    while not (room / "stop").exists() and Path(f"/proc/{controller}").exists():
        if daemon.poll() is not None and not said:
            said = True
            print("the daemon ended", flush=True)  # noqa: T201 - its log is where the run looks
        time.sleep(0.2)
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
    mine.unlink()
    if list(room.glob("*.watching")):
        return
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{room}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=30)
    shutil.rmtree(room, ignore_errors=True)
    Path(f"{room}.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
