"""A worker process: load the predictor, then predict what the acceptor sends, one job after the other.

`python -m seatrial.serving.worker JOBS CONTROL LOCK WEIGHTS FILE FOLDER` speaks on the socket JOBS in the frames of
`seatrial.serving.frames` and serves the bundle FILE; LOCK, WEIGHTS and FOLDER are what the workers share. All code of
the predictor runs in the main thread, which reads the jobs too: to hand them over from another thread took longer. A
byte on the socket CONTROL has it print where its threads are, and the process ends with the acceptor's side of that
socket, whatever it does at that moment.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seatrial.serving import log, predictors
from seatrial.serving.frames import Failed, Job, Ready, Results, Unframed, decode_job, frame
from seatrial.serving.settings import read_bundle, read_contract
from seatrial.serving.warmup import WarmUpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.serving.interfaces.adapter import Served

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_PIECE = 1 << 20  # bytes
# An audit event, raised after the load and behind every job, for whoever watches this process.
PREDICTED = "seatrial.serving.predicted"


def main() -> NoReturn:
    """Serve until the acceptor ends."""
    jobs, controlling, lock, weights, file, folder = sys.argv[1:]
    acceptor, control = (socket.socket(fileno=int(descriptor)) for descriptor in (jobs, controlling))
    for passed in (int(jobs), int(controlling), int(lock), int(weights)):
        if passed >= 0:
            os.set_inheritable(passed, False)
    log.share(int(lock))
    _end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the acceptor decides; a terminal tells both
    log.configure()
    faulthandler.enable()  # a crash inside a C extension leaves at least the Python stack on stderr
    threading.Thread(target=_obey, args=(control,), name="control", daemon=True).start()
    served = _load(Path(file), Path(folder), int(weights), acceptor)
    for job in _jobs(acceptor):
        _use_threads(job.threads)
        _send(acceptor, served.answer(job))
        log.about()
        sys.audit(PREDICTED)
    _leave()


def _load(file: Path, folder: Path, weights: int, acceptor: socket.socket) -> Served:
    began = time.monotonic()
    try:
        served = predictors.load(read_bundle(file), read_contract(os.environ), folder, weights)
    except BaseException as error:
        log.flush()
        failed = Failed(log.text_of(error), log.traceback_of(error))
        if isinstance(error, WarmUpError):
            failed = Failed(str(error), error.result.traceback, error.name)
        _send(acceptor, failed)
        threading.Event().wait()  # the acceptor ends this process
        raise
    log.flush()
    _send(acceptor, Ready(served.interface, served.splits, served.no_image, time.monotonic() - began))
    sys.audit(PREDICTED)
    return served


def _jobs(acceptor: socket.socket) -> Iterator[Job]:
    """Yield what comes, until the acceptor ends."""
    frames = Unframed()
    # One buffer for all: bytes of a megabyte that shrink to what has come let the memory of the first thousand requests
    # creep up by 4 kB each.
    buffer = memoryview(bytearray(_PIECE))
    with suppress(OSError):
        while size := acceptor.recv_into(buffer):
            yield from map(decode_job, frames.feed(buffer[:size]))


def _obey(control: socket.socket) -> None:
    try:
        while control.recv(1):
            faulthandler.dump_traceback()  # not on a signal: it would read stacks that go on meanwhile
    finally:
        _leave()


def _leave() -> NoReturn:
    log.flush()
    os._exit(0)


def _send(acceptor: socket.socket, message: Results | Ready | Failed) -> None:
    try:
        acceptor.sendall(frame(message))
    except OSError:
        os._exit(0)  # the acceptor has ended


def _use_threads(count: int) -> None:
    """Let torch use so many threads from now on, if the predictor has imported it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)


def _end_with_parent() -> None:
    """Let the kernel end this process with the acceptor, also while C code holds the interpreter."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)


if __name__ == "__main__":
    main()
