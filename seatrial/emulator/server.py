"""The emulator as a whole: control plane, both wires, bucket, logs and the deployed models, started and stopped as one.

Its state is one folder, which one emulator has at a time. Whatever an emulator that was killed left running is ended
by the next one in that folder.
"""

from __future__ import annotations

import argparse
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
from seatrial.emulator.hosting.leftovers import Leftovers
from seatrial.emulator.hosting.probes import PERIOD
from seatrial.emulator.hosting.replicas import READY_TIMEOUT, Replicas
from seatrial.emulator.hosting.storage import BUCKET, Storage
from seatrial.emulator.local import ADDRESS_FILE
from seatrial.emulator.wire import grpc_server
from seatrial.emulator.wire.other_apis import OtherApis
from seatrial.emulator.wire.rest_server import RestServer, Services
from seatrial.emulator.wire.transcoding import Rest
from seatrial.errors import ExitCode, UsageError
from seatrial.system.files import write

_PATIENCE = 900.0  # seconds that a rehearsal waits for another one of the same project


@dataclass(frozen=True, slots=True)
class Options:
    """What an emulator can be told.

    Attributes:
        state: the folder of its state, made where it is missing.
        port: of the gRPC control plane; 0 for any. `rest_port` is the REST APIs'.
        engine: `docker`, `podman` or `auto`: what runs versions that name an image.
        probe_period: seconds between two probes of a deployed model; Vertex's are 10.
        ready_timeout: seconds until a deployed model must be ready, where its version names none.
        patience: seconds to wait for another emulator that has the folder.
    """

    state: Path
    port: int = 0
    rest_port: int = 0
    engine: str = "auto"
    probe_period: float = PERIOD
    ready_timeout: float = READY_TIMEOUT
    patience: float = 0.0


class Emulator:
    """An emulator; `faults` takes orders at any time, the addresses are there once it was started."""

    def __init__(self, options: Options, hosting: Hosting | None = None) -> None:
        """`hosting` takes the place of what really runs deployed models; whoever gives it closes it."""
        self.options, self.faults, self.bucket = options, Faults(), BUCKET
        self.grpc_address = self.rest_url = self.storage_url = ""
        self._hosting = hosting
        self._running = contextlib.ExitStack()

    @property
    def addresses(self) -> dict[str, str]:
        """Where it answers, as `GET /seatrial/emulator` says it."""
        return {
            "grpc": self.grpc_address,
            "rest": self.rest_url,
            "storage": self.storage_url,
            "bucket": self.bucket,
            "project_number": PROJECT_NUMBER,
        }

    def start(self) -> None:
        """Start everything; when it fails, nothing is left running.

        Raises:
            UsageError: another emulator has the state, or a port is taken.
            EnvironmentFaultError: what a killed one left cannot be removed, or the bucket does not start.
        """
        with contextlib.ExitStack() as undo:
            self._start(undo)
            self._running = undo.pop_all()

    def stop(self) -> None:
        """Stop everything; returns when no process of it is left."""
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
        plane = ControlPlane(state / "state.db", self._hosting or replicas, self.faults)
        undo.callback(plane.close)
        undo.callback(replicas.close)
        undo.callback(plane.operations.closing.set)  # first, so that what is under way is not taken for having failed
        try:
            rpc_server = grpc_server.serve(plane, options.port)
            undo.callback(rpc_server.stop)
            services = Services(
                Rest(plane), logs, OtherApis(plane.project_number, self.faults), self.faults, lambda: self.addresses
            )
            rest_server = RestServer(services, options.rest_port)
            undo.callback(rest_server.stop)
        except OSError as error:
            raise UsageError(f"the emulator cannot listen: {error}", fix="name other ports, or none") from None
        self.grpc_address, self.rest_url, self.storage_url = rpc_server.address, rest_server.url, storage.url


def serve_forever(arguments: argparse.Namespace) -> int:
    """Run `seatrial emulator` until a signal comes, or with --stop-on-eof until standard input ends.

    Its addresses are one JSON line on standard output, and in the --ready-file, which is gone when it ends.

    Raises:
        UsageError: --faults cannot be read, or as `Emulator.start`.
        EnvironmentFaultError: as `Emulator.start`.
    """
    emulator = Emulator(
        Options(
            state=arguments.state,
            port=arguments.port,
            rest_port=arguments.rest_port,
            engine=os.environ.get("SEATRIAL_ENGINE") or "auto",
            probe_period=arguments.probe_period,
            patience=_PATIENCE if arguments.stop_on_eof else 0.0,
        )
    )
    if arguments.faults is not None:
        try:
            emulator.faults.from_json(arguments.faults.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{arguments.faults} is no list of faults: {error}") from None
    if arguments.stop_on_eof:
        threading.Thread(target=_signal_at_eof, daemon=True).start()
    files = [] if arguments.stop_on_eof else [arguments.state / ADDRESS_FILE]
    try:
        emulator.start()
        _announce(emulator, arguments.ready_file, files)
        threading.Event().wait()  # a signal's exception comes out of here
    except (OSError, OverflowError) as error:
        raise UsageError(f"the emulator cannot run so: {error}", fix="see `seatrial emulator --help`") from None
    finally:
        for file in filter(None, [arguments.ready_file, *files]):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        emulator.stop()
    return int(ExitCode.PASSED)


def _announce(emulator: Emulator, ready_file: Path | None, files: Sequence[Path]) -> None:
    """Say where it answers: to people on standard error, to programs on standard output and in a file."""
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
    """End the process as a signal would, whatever it is doing, when whoever started it is gone."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin, whose lock this thread would hold while the interpreter ends
            pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _alone(state: Path, patience: float) -> Iterator[None]:
    """Have the folder for this emulator alone.

    Raises:
        UsageError: another one has it, and still had it after `patience` seconds.
    """
    lock = FileLock(state / "lock", thread_local=False)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise UsageError(
            f"another emulator has its state in {state}", fix="stop it, or name another folder with --state"
        ) from None
    try:
        yield
    finally:
        lock.release()
