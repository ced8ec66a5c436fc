"""The worker processes as the acceptor sees them: how many, how they start, what they say, and that one has ended.

A worker is a fresh process, never a fork of one that has imported torch. None is ever started again: the platform
replaces the whole container.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.serving import log, machine, weights
from seatrial.serving.frames import FromWorker, Job, Ready, Unframed, decode_from_worker, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.settings import Bundle, Contract

_END_WITHIN = 1.0  # seconds from the end of a worker's socket to its exit code
THREADS = {
    # OpenMP threads that spin while they wait take the cores from others: on 2 cores, with 2 x 2 threads,
    # mobilenet_v3_small answered 0.2-0.4 requests a second spinning and 85-175 waiting (torch 2.15).
    "OMP_WAIT_POLICY": "PASSIVE",
    # But to sleep and be woken between two layers costs a lone client's prediction a tenth to a third of its time with
    # two threads (resnet18 60 -> 57 ms, mobilenet_v3_small 26 -> 18 ms). GNU's OpenMP spins so many times first, 40 to
    # 120 us as the processor's `pause` is; beside a busy worker such a prediction takes 1.3 (resnet18) to 2.2 times
    # as long, and with its own 300,000 times up to 20.
    "GOMP_SPINCOUNT": "2000",
}
MEMORY = {
    # glibc gives freed memory back to the kernel after each batch, which clears it and gives it again for the next:
    # 9 % of the time of a batch of 8 for mobilenet_v3_small on 2 cores. It keeps this much of it, and maps apart only
    # what is larger than its own largest threshold (mallopt(3)).
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    # It asks for large pages, of which a batch touches fewer: 2 to 5 % less time. Another C library, or one before
    # 2.35, ignores it.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


def start(
    workers: list[Worker], bundle: Bundle, bundle_file: Path, contract: Contract, *, own_folders: bool = False
) -> None:
    """Start the workers, each added to the list at once, so that none is left behind.

    With `own_folders` each of several begins in a folder of its own below the working directory: code that unpacks or
    copies something there was written for one process.
    """
    shared, environments = Shared.make(contract), _environments(bundle)
    for number, environment in enumerate(environments):
        folder = Path.cwd()
        if own_folders and len(environments) > 1:
            folder /= f"worker-{number}"
            folder.mkdir(exist_ok=True)
        workers.append(Worker(bundle_file, environment, shared, folder))
    log.share(shared.lock)


@dataclass(frozen=True)
class Shared:
    """What the processes of a server share.

    Attributes:
        lock: the descriptor of a file that is locked while something happens in one process only.
        weights: the descriptor of the file for `seatrial.serving.weights`; -1 if they are not shared.
        folder: where artifacts of Cloud Storage are fetched to, once for all; "" if there are none.
    """

    lock: int
    weights: int
    folder: str

    @classmethod
    def make(cls, contract: Contract) -> Shared:
        """Make it."""
        from_bucket = contract.storage_uri.startswith("gs://")
        folder = tempfile.mkdtemp(prefix="seatrial-") if from_bucket else ""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("seatrial-log", 0), os.memfd_create(weights.NAME, 0), folder)
        descriptor, file = tempfile.mkstemp(prefix="seatrial-log-")
        os.unlink(file)  # noqa: PTH108 - of a descriptor that stays open
        return cls(descriptor, -1, folder)


def _environments(bundle: Bundle) -> list[dict[str, str]]:
    """Return the variables of each worker: one a GPU, which it alone sees, else one a core, or as many as set."""
    gpus = machine.gpus()
    count = 1 if machine.ONE_WORKER in os.environ else bundle.workers or len(gpus) or machine.cores()
    memory = {} if machine.GIVES_BACK in os.environ else MEMORY
    # torch's threads, before anything imports it; what the environment sets already stays.
    usual = {"OMP_NUM_THREADS": str(machine.cores()), **THREADS, **memory, **os.environ}
    for name in (machine.ONE_WORKER, machine.GIVES_BACK):  # which are no predictor's business
        usual.pop(name, None)
    if not gpus or bundle.workers == 1:
        return [usual] * count
    return [{**usual, "CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} for number in range(count)]


class Worker(asyncio.Protocol):
    """A worker process and the acceptor's end of its sockets.

    Attributes:
        ready: what it said when it had loaded the predictor; None before.
    """

    def __init__(self, bundle_file: Path, environment: dict[str, str], shared: Shared, folder: Path) -> None:
        self.ready: Ready | None = None
        self._frames = Unframed()
        self._transport: Any = None
        self._ours, theirs = socket.socketpair()
        self._control, controlled = socket.socketpair()
        with theirs, controlled:
            isolated = ["-I"] if sys.flags.isolated else []
            command = [sys.executable, *isolated, "-m", "seatrial.serving.worker"]
            passed = [theirs.fileno(), controlled.fileno(), shared.lock, shared.weights]
            self.process = subprocess.Popen(
                [*command, *map(str, passed), str(bundle_file), shared.folder],
                env=environment, cwd=folder, pass_fds=[one for one in passed if one >= 0], stdin=subprocess.DEVNULL,
            )  # fmt: skip

    async def listen(self, heard: Callable[[Worker, FromWorker], None], ended: Callable[[Worker], None]) -> None:
        """Hand on what the worker says, and that it has ended."""
        self._heard, self._ended = heard, ended
        self._ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._ours)

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the worker says apart."""
        for payload in self._frames.feed(data):
            self._heard(self, decode_from_worker(payload))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the socket's end says nothing more
        """Say that the worker has ended."""
        self._ended(self)

    def send(self, job: Job) -> None:
        """Let the worker begin a job."""
        self._transport.write(frame(job))

    def say_where(self) -> None:
        """Let the worker print where its threads are."""
        with suppress(OSError):  # it has ended
            self._control.send(b"?")

    def signal(self, number: int) -> None:
        """Send the worker a signal, if it runs."""
        self.process.send_signal(number)

    def ending(self, within: float = _END_WITHIN) -> str:
        """Return how the process ended, in words; it is waited for."""
        deadline = time.monotonic() + within
        while (code := self.process.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if code is None:
            return "its socket closed"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """End the process at once."""
        self.process.kill()
