"""A worker process: load the predictor, then predict what the acceptor sends, one job after the other.

`python -m seatrial.serving.worker FD LOCK WEIGHTS FILE FOLDER` speaks on the socket FD in the frames of
`seatrial.serving.frames` and serves the bundle FILE; LOCK, WEIGHTS and FOLDER are what the workers share. All code of
the predictor runs in the main thread. The process ends with the acceptor's side of the socket, whatever it does at that
moment.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seatrial.serving import log, predictors
from seatrial.serving.frames import Failed, Job, Ready, Results, Unframed, decode_job, frame
from seatrial.serving.settings import read_bundle, read_contract
from seatrial.serving.warmup import WarmUpError

if TYPE_CHECKING:
    from seatrial.serving.interfaces.adapter import Served

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_PIECE = 1 << 20  # bytes
# An audit event, raised after the load and behind every job, for whoever watches this process.
PREDICTED = "seatrial.serving.predicted"


def main() -> NoReturn:
    """Serve until the acceptor ends."""
    descriptor, lock, weights, file, folder = sys.argv[1:]
    acceptor = socket.socket(fileno=int(descriptor))
    acceptor.set_inheritable(False)
    for passed in (int(lock), int(weights)):
        if passed >= 0:
            os.set_inheritable(passed, False)
    log.share(int(lock))
    _end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the acceptor decides; a terminal tells both
    log.configure()
    faulthandler.enable()  # a crash inside a C extension leaves at least the Python stack on stderr
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(acceptor, jobs), name="jobs", daemon=True).start()
    served = _load(Path(file), Path(folder), int(weights), acceptor)
    while True:
        job = jobs.get()
        _use_threads(job.threads)
        _send(acceptor, served.answer(job))
        log.about()
        sys.audit(PREDICTED)


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


def _read(acceptor: socket.socket, jobs: queue.SimpleQueue[Job]) -> None:
    frames = Unframed()
    # One buffer for all: bytes of a megabyte that shrink to what has come let the memory of the first thousand requests
    # creep up by 4 kB each.
    buffer = memoryview(bytearray(_PIECE))
    try:
        while size := acceptor.recv_into(buffer):
            for payload in frames.feed(buffer[:size]):
                if payload:
                    jobs.put(decode_job(payload))
                else:  # not on a signal: faulthandler would read stacks that go on meanwhile
                    faulthandler.dump_traceback()
    finally:
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
