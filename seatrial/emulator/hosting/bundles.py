"""Running a version that names a bundle in the bucket instead of an image: as a process in its locked environment.

Each bundle is downloaded once; the environment of its locks is kept, as for a trial. Every deployed model gets a copy
of both and no other environment variables of this machine.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from seatrial.emulator.api import refusals
from seatrial.emulator.api.hosting import HostingError, Placement
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting import streams, variables
from seatrial.emulator.hosting.leftovers import Leftovers
from seatrial.emulator.hosting.probes import Launch
from seatrial.environment import install as environment
from seatrial.environment import interpreter
from seatrial.environment import store as kept_environments
from seatrial.environment.store import Copy, Kept
from seatrial.errors import EnvironmentFaultError, SeatrialError
from seatrial.facts.packages import requirements
from seatrial.findings import Finding, Severity
from seatrial.system import process
from seatrial.trial.server import STOP_TIMEOUT, served_environment

IMAGE_PREFIX = "seatrial.local/bundle:"  # of an image URI that stands for a bundle
_ARTIFACTS = re.compile(r"gs://(?P<bucket>[^/]+)/(?P<folder>bundles/(?P<digest>[0-9a-f]{64}))/?")
_DOWNLOAD_TIMEOUT = 60.0  # seconds for one answer of the storage
# Below the ports that Linux and macOS give to outgoing connections: one could take a port just before its server.
_PORTS = range(20000, 32000)
# Ours: on Vertex AI the environment is in the image.
_NO_ENVIRONMENT = "The locked environment of the bundle cannot be installed. The log of the deployed model says why."


class Bundles:
    """The downloaded bundles, the environments they need, and the processes that run from them."""

    def __init__(self, folder: Path, storage_url: Callable[[], str], logs: Logs, leftovers: Leftovers) -> None:
        """`folder` is created if missing; `storage_url` returns the base URL of the storage emulator."""
        self._folder, self._storage_url, self._logs, self._leftovers = folder, storage_url, logs, leftovers
        self._kept: dict[str, Kept] = {}
        self._alone: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._ports: set[int] = set()
        self._choosing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, placement: Placement) -> None:
        """Download the bundle unless it is on this machine.

        Raises:
            HostingError: the bucket has no complete bundle there.
        """
        uri = placement.model.artifact_uri
        found = _ARTIFACTS.fullmatch(uri)
        if found is None:
            raise _unreadable(placement)
        final = self._folder / found["digest"]
        with self._alone[found["digest"]]:
            if final.is_dir():
                return
            from google.api_core.exceptions import GoogleAPIError
            from requests import RequestException

            draft = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
            try:
                _download(self._storage_url(), found["bucket"], f"{found['folder']}/", draft)
                _require_digest(draft, found["digest"])
                draft.rename(final)
            except (GoogleAPIError, RequestException, OSError, ValueError, KeyError) as error:
                self._logs.write(placement, f"the bundle at {uri} cannot be used: {error!r}", error=True)
                raise _unreadable(placement) from None
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def fetch(self, placement: Placement) -> None:
        """Find or make the kept environment of the bundle's locks.

        Raises:
            HostingError: it cannot be installed; the log says why.
        """
        folder = self._bundle(placement)
        with self._alone[f"{folder.name} environment"]:
            found = self._kept.get(folder.name)
            if found is None or not found.snapshot.is_file():  # removed as the least recently used
                self._kept[folder.name] = self._keep(placement, folder)

    @contextlib.contextmanager
    def room(self, placement: Placement) -> Iterator[Launch]:
        """Yield what starts the server in a copy of the environment with the bundle's wheels.

        Raises:
            EnvironmentFaultError: it cannot be made.
        """
        bundle = self._bundle(placement)
        with kept_environments.copy(self._kept[bundle.name]) as copy:
            environment.install_wheels(copy, sorted((bundle / "wheels").glob("*.whl")))
            served = copy.folder("served") / "bundle"
            shutil.copytree(bundle, served, ignore=shutil.ignore_patterns("wheels", "sdist"))
            device = _settings(bundle)["device"]
            with self._port() as port:
                yield lambda: self._launch(placement, copy, served, device, port)
            for finding in kept_environments.settle(copy):
                self._logs.write(placement, f"{finding.code}: {finding.message}", error=True)

    def _bundle(self, placement: Placement) -> Path:
        return self._folder / PurePosixPath(placement.model.artifact_uri).name

    def _keep(self, placement: Placement, folder: Path) -> Kept:
        lock = requirements.read(folder / "requirements.txt", folder)
        runtime = requirements.read(folder / "runtime-requirements.txt", folder)
        merged = environment.merge(lock, (folder / "requirements.txt").read_text(encoding="utf-8"), runtime)
        try:
            python = self._drained(placement, interpreter.find(_settings(folder)["python"]))
            found: Kept | None = self._drained(placement, environment.keep(merged, python))
        except SeatrialError as error:
            self._logs.write(placement, error.message, error=True)
            raise HostingError(refusals.FAILED_PRECONDITION, _NO_ENVIRONMENT) from None
        if found is None:
            raise HostingError(refusals.FAILED_PRECONDITION, _NO_ENVIRONMENT)
        return found

    def _drained(self, placement: Placement, stage: Any) -> Any:
        """Run a stage to its end and return its value; its errors go to the deployed model's log."""
        while True:
            try:
                event = next(stage)
            except StopIteration as end:
                return end.value
            if isinstance(event, Finding) and event.severity is Severity.ERROR:
                self._logs.write(placement, f"{event.code}: {event.message}", error=True)

    def _launch(self, placement: Placement, copy: Copy, served: Path, device: str, port: int) -> _Process:
        contract = variables.contract(placement, port, "")  # the artifacts are in the bundle
        env = served_environment(copy, device)
        env |= variables.own(placement, contract) | contract
        command = [str(copy.python), "-I", "-m", "seatrial.serving", "--bundle", str(served / "bundle.json")]
        command += ["--work", str(copy.folder("work"))]

        def start(errors: IO[bytes]) -> subprocess.Popen[str]:
            started = process.start(command, env=env, cwd=copy.folder("work"), errors=errors)
            self._leftovers.note(started.pid)
            return started

        running, output_ended = streams.logged(start, placement, self._logs)
        run = functools.partial(process.output, env=env, cwd=Path("/"))  # a probe's command, as v1.Probe says
        return _Process(running, port, variables.port(placement), run, self._leftovers, output_ended)

    @contextlib.contextmanager
    def _port(self) -> Iterator[int]:
        """Choose a port on which nothing listens and that no other server of this emulator has."""
        with self._choosing:
            for port in random.sample(_PORTS, len(_PORTS)):
                if port not in self._ports and _free(port):
                    break
            else:
                raise EnvironmentFaultError("there is no free port", fix="end other programs that listen on ports")
            self._ports.add(port)
        try:
            yield port
        finally:
            self._ports.discard(port)


class _Process:
    """A server that runs as a process of this machine."""

    def __init__(
        self,
        running: subprocess.Popen[str],
        port: int,
        wanted: int,
        run: Callable[..., tuple[int, str]],
        leftovers: Leftovers,
        output_ended: Callable[[], None],
    ) -> None:
        """`port` is the one that it listens on, `wanted` that of a container; `run` runs a command as in one."""
        self._process, self._leftovers, self._wait_for_output = running, leftovers, output_ended
        self._wanted, self._run = wanted, run
        self.address = ("127.0.0.1", port)

    def reached(self, port: int) -> tuple[str, int]:
        return self.address if port == self._wanted else ("127.0.0.1", port)

    def succeeds(self, command: Sequence[str], timeout: float) -> bool:
        with contextlib.suppress(EnvironmentFaultError):  # it is not there, or does not end
            return self._run(command, timeout=timeout)[0] == 0
        return False

    def ended(self, *, certain: bool = False) -> bool:  # noqa: ARG002 - a process is always seen at once
        return self._process.poll() is not None

    def end(self) -> None:
        if not self.ended():
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        process.signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._wait_for_output()
        self._leftovers.forget(self._process.pid)


def _download(base: str, bucket: str, prefix: str, folder: Path) -> None:
    """Download every object below a prefix and check its size and checksum.

    Raises:
        ValueError: there is none, a name leads out of the folder, or a size differs from the announced one.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage  # 0.2 s, which an emulator that runs only images saves

    client = storage.Client(
        project="emulated", credentials=AnonymousCredentials(), client_options={"api_endpoint": base}
    )
    with contextlib.closing(client):
        blobs = list(client.list_blobs(bucket, prefix=prefix, timeout=_DOWNLOAD_TIMEOUT))
        if not blobs:
            raise ValueError("the folder is empty")
        for blob in blobs:
            name = PurePosixPath(blob.name.removeprefix(prefix))
            if name.is_absolute() or not name.parts or ".." in name.parts:
                raise ValueError(f"{blob.name} leads out of the folder")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            blob.download_to_filename(str(target), timeout=_DOWNLOAD_TIMEOUT, checksum="crc32c")
            if target.stat().st_size != blob.size:
                raise ValueError(f"{blob.name} has {target.stat().st_size} bytes, not {blob.size}")


def _unreadable(placement: Placement) -> HostingError:
    agent = refusals.service_agent(placement.project_number)
    return HostingError(
        refusals.FAILED_PRECONDITION, refusals.artifacts_unreadable(placement.model.artifact_uri, agent)
    )


def _require_digest(bundle: Path, digest: str) -> None:
    if _settings(bundle)["digest"] != digest:
        raise ValueError("bundle.json has another digest")


def _settings(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    return found


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - as the runtime will
        except OSError:
            return False
    return True
