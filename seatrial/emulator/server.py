"""The whole emulator: control plane, gRPC and REST, bucket, logs and deployed models, started and stopped together.

Its state is one folder, which only one emulator uses at a time. What a killed emulator left running is ended by the
next one in that folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from seatrial.emulator.api.control_plane import PROJECT_NUMBER, ControlPlane
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import Hosting
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting.checks import PERIOD
from seatrial.emulator.hosting.leftovers import Leftovers
from seatrial.emulator.hosting.replicas import READY_TIMEOUT, Replicas
from seatrial.emulator.hosting.storage import BUCKET, Bucket, Storage
from seatrial.emulator.local import ADDRESS_FILE
from seatrial.emulator.wire import grpc_server
from seatrial.emulator.wire.other_apis import OtherApis
from seatrial.emulator.wire.rest_server import RestServer, Services
from seatrial.emulator.wire.transcoding import Rest
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.system.files import write

PATIENCE = 900.0  # seconds that a rehearsal waits for another of the same project


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an emulator.

    Attributes:
        state: the folder of its state, created if missing.
        port: the gRPC port; 0 for any.
        rest_port: the port of the REST APIs; 0 for any.
        engine: `docker`, `podman` or `auto`; runs versions that name an image.
        probe_period: seconds between two of Vertex AI's own probes of a deployed model; 10 there.
        ready_timeout: seconds until a deployed model must be ready, if its version names no time.
        patience: seconds to wait for another emulator that uses the folder.
    """

    state: Path
    port: int = 0
    rest_port: int = 0
    engine: str = "auto"
    probe_period: float = PERIOD
    ready_timeout: float = READY_TIMEOUT
    patience: float = 0.0


class Emulator:
    """An emulator. Faults can be added at any time; the addresses are known once it has started."""

    def __init__(self, options: Options, hosting: Hosting | None = None) -> None:
        """`hosting` replaces what really runs deployed models; the caller closes it."""
        self.options, self.faults, self.bucket = options, Faults(), BUCKET
        self.grpc_address = self.rest_url = self.storage_url = ""
        self._hosting = hosting
        self._running = contextlib.ExitStack()

    @property
    def addresses(self) -> dict[str, str]:
        """Where it answers; `GET /seatrial/emulator` returns this."""
        return {
            "grpc": self.grpc_address,
            "rest": self.rest_url,
            "storage": self.storage_url,
            "bucket": self.bucket,
            "project_number": PROJECT_NUMBER,
        }

    def start(self) -> None:
        """Start everything; after a failure nothing is left running.

        Raises:
            UsageError: another emulator uses the state, or a port is taken.
            EnvironmentFaultError: the state is damaged, what a killed emulator left cannot be removed, or the bucket
                does not start.
        """
        with contextlib.ExitStack() as undo:
            try:
                self._start(undo)
            except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links that form a circle
                state = self.options.state
                raise EnvironmentFaultError(
                    f"the state in {state} cannot be used: {error}",
                    fix=f"free disk space if the disk is full, or remove {state}; the versions of earlier rehearsals "
                    "are lost with it",
                ) from None
            self._running = undo.pop_all()

    def stop(self) -> None:
        """Stop everything; return when no process of it is left."""
        self._running.close()

    def _start(self, undo: contextlib.ExitStack) -> None:
        state, options = self.options.state.resolve(), self.options
        state.mkdir(parents=True, exist_ok=True)
        undo.enter_context(_alone(state, options.patience))
        leftovers = Leftovers(state / "running")
        leftovers.end()
        storage = Storage(state / "storage")
        leftovers.note(storage.pid)
        undo.callback(leftovers.forget, storage.pid)
        undo.callback(storage.stop)
        logs = Logs(state / "logs")
        replicas = Replicas(
            state, lambda: storage.url, logs, leftovers,
            engine=options.engine, probe_period=options.probe_period, ready_timeout=options.ready_timeout,
        )  # fmt: skip
        replicas.sweep()
        bucket = Bucket(lambda: storage.url)
        plane = ControlPlane(state / "state.db", self._hosting or replicas, self.faults, objects=bucket)
        undo.callback(plane.close)
        undo.callback(replicas.close)
        undo.callback(plane.begin_to_close)  # first, so that running operations and jobs do not count as failed
        try:
            rpc_server = grpc_server.serve(plane, options.port)
            undo.callback(rpc_server.stop)
            services = Services(
                Rest(plane), logs, OtherApis(plane.project_number, self.faults), self.faults, lambda: self.addresses
            )
            rest_server = RestServer(services, options.rest_port)
            undo.callback(rest_server.stop)
        except OSError as error:
            raise UsageError(f"the emulator cannot listen: {error}", fix="choose other ports, or none") from None
        self.grpc_address, self.rest_url, self.storage_url = rpc_server.address, rest_server.url, storage.url


def serve_forever(options: Options, faults: Path | None, ready_file: Path | None, *, stop_on_eof: bool) -> None:
    """Run an emulator until a signal comes or, with `stop_on_eof`, until standard input ends.

    Its addresses are printed as one JSON line, and written to `ready_file`, which is removed when it ends.

    Raises:
        UsageError: the file of faults cannot be read; also as `Emulator.start`.
        EnvironmentFaultError: as `Emulator.start`.
    """
    emulator = Emulator(options)
    if faults is not None:
        try:
            emulator.faults.from_json(faults.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{faults} is not a list of faults: {error}") from None
    if stop_on_eof:
        threading.Thread(target=_signal_at_eof, daemon=True).start()
    files, ours = [] if stop_on_eof else [options.state / ADDRESS_FILE], list[Path | None]()
    try:
        emulator.start()
        ours = [ready_file, *files]  # until it has started they may be those of another emulator
        _announce(emulator, ready_file, files)
        threading.Event().wait()  # a signal raises its exception here
    except (OSError, OverflowError) as error:
        raise UsageError(f"the emulator cannot run: {error}", fix="see `seatrial emulator --help`") from None
    finally:
        for file in filter(None, ours):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        emulator.stop()


def _announce(emulator: Emulator, ready_file: Path | None, files: Sequence[Path]) -> None:
    """Report the addresses: to people on standard error, to programs on standard output and in files."""
    line = json.dumps(emulator.addresses)
    sys.stderr.write(
        f"state in {emulator.options.state}; "
        f"`SEATRIAL_EMULATOR={emulator.rest_url.removeprefix('http://')} seatrial deploy` uses it\n"
    )
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    for file in files:
        file.write_text(emulator.rest_url, encoding="utf-8")
    if ready_file is not None:
        write(ready_file, line)


def _signal_at_eof() -> None:
    """Send this process SIGTERM when its standard input ends, because the process that started it is gone."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin: this thread would hold its lock while the interpreter ends
            pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _alone(state: Path, patience: float) -> Iterator[None]:
    """Lock the folder for this emulator.

    Raises:
        UsageError: another emulator still uses it after `patience` seconds.
    """
    lock = FileLock(state / "lock", thread_local=False)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise UsageError(
            f"another emulator uses the state in {state}", fix="stop it, or choose another folder with --state"
        ) from None
    try:
        yield
    finally:
        lock.release()
