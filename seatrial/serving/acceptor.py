"""The life of the acceptor: it serves HTTP, hears its workers, and ends when one of them ends or a signal comes.

It never runs code of the predictor, so that it answers health at any time.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import uvicorn

from seatrial.serving import log, machine
from seatrial.serving.app import App, ended
from seatrial.serving.connections import KEEP_ALIVE_SECONDS, Connection
from seatrial.serving.dispatch import Dispatch
from seatrial.serving.frames import Failed, Ready, Results
from seatrial.serving.metrics import Metrics

if TYPE_CHECKING:
    import socket

    from seatrial.serving.settings import Bundle, Contract
    from seatrial.serving.workers import Worker

DRAIN_SECONDS = 25.0  # Kubernetes kills 30 s after SIGTERM; Vertex AI documents no grace period of its own
_SENT_LOOK = 0.02  # seconds between two looks whether all answers have left; uvicorn by itself allows them 1 s
_ANSWERS_LEAVE = 0.2  # seconds from the end of a worker to that of the process, in which errors are still sent
_STACKS_PRINTED = 2.0  # seconds in which a worker that is aborted prints where it stands


class _Server(uvicorn.Server):
    """uvicorn, but the acceptor decides when its workers are heard and what a signal does."""

    def __init__(self, acceptor: Acceptor, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._acceptor = acceptor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        await self._acceptor.hear()

    def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002
        # uvicorn would close the port at once; health has to answer 503 first, while requests finish.
        self._acceptor.stop()


class Acceptor:
    """The HTTP server, and the workers that it feeds."""

    def __init__(self, bundle: Bundle, contract: Contract, workers: list[Worker]) -> None:
        self._bundle = bundle
        self._workers = workers
        self._code = 0
        self._draining: asyncio.Task[None] | None = None
        self._dispatch = Dispatch(max_batch=bundle.max_batch, max_waiting=bundle.max_waiting, cores=machine.cores())
        self._metrics = Metrics()
        self._app = App(bundle, contract, self._dispatch, self._metrics)
        # Fixed, not "auto": what is installed beside the predictor must not choose the server's parts.
        config = uvicorn.Config(
            self._app,
            http=Connection,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(self, config)

    async def run(self, listener: socket.socket) -> int:
        """Serve until the end, and return the exit code."""
        self._loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGUSR1"):  # not on Windows
            self._loop.add_signal_handler(signal.SIGUSR1, self._say_where)
            self._loop.add_signal_handler(signal.SIGABRT, self._abort)
        await self._server.serve(sockets=[listener])
        return self._code

    async def hear(self) -> None:
        """Listen to the workers from now on."""
        for worker in list(self._workers):
            await worker.listen(self._heard, self._lost)

    def stop(self) -> None:
        """Refuse what is new, let what runs finish, and end."""
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        until = self._loop.time() + DRAIN_SECONDS
        if not await self._app.drain(DRAIN_SECONDS):
            log.write("WARNING", f"predictions were still running {DRAIN_SECONDS:.0f} s after the signal")
        while self._is_sending() and self._loop.time() < until:
            await asyncio.sleep(_SENT_LOOK)
        self._server.should_exit = True

    def _is_sending(self) -> bool:
        """Return whether a part of an answer still waits for its client to read on."""
        connections = self._server.server_state.connections
        return any(connection.transport.get_write_buffer_size() for connection in connections)

    def _heard(self, worker: Worker, message: Ready | Failed | Results) -> None:
        if self._app.failed:
            return
        if isinstance(message, Results):
            self._metrics.worked(len(message.results), message.seconds)
            self._dispatch.done(worker, message.results)
        elif isinstance(message, Ready):
            worker.ready = message
            self._dispatch.add(worker)
            self._note_ready()
        else:
            more = {"golden": message.golden} if message.golden else {}
            phase = "warm-up" if more else "load"
            log.write("CRITICAL", message.message, phase=phase, traceback=message.traceback, **more)
            self._fail()

    def _note_ready(self) -> None:
        said = [worker.ready for worker in self._workers if worker.ready is not None]
        if len(said) == len(self._workers):
            self._app.served = said[0]
            seconds = round(max(one.seconds for one in said), 3)
            more = {"workers": len(said), "bundle": self._bundle.digest}
            log.write("INFO", "ready", interface=said[0].interface, load_seconds=seconds, **more)

    def _lost(self, worker: Worker) -> None:
        """End because a worker has ended: a server that is short of one answers too slowly without saying why."""
        if self._app.failed or self._server.should_exit:
            return
        ending = worker.ending()
        doing = "predicted" if worker.ready else "loaded or made its first prediction"
        log.write("CRITICAL", f"a worker ended with {ending} while it {doing}", phase="worker", ending=ending)
        self._fail()

    def _fail(self) -> None:
        self._app.failed = True
        self._dispatch.fail_all(ended())
        self._code = 1
        self._loop.call_later(_ANSWERS_LEAVE, self._end)

    def _end(self) -> None:
        self._server.should_exit = self._server.force_exit = True

    def _say_where(self) -> None:
        """Let a worker print where its threads are: one that still loads, or else the first."""
        loading = [worker for worker in self._workers if worker.ready is None]
        (loading or self._workers)[0].say_where()

    def _abort(self) -> None:
        """Let the workers print where they are, also where C code holds the interpreter, and end as they do."""
        self._app.failed = True
        for worker in self._workers:  # one after the other: what several print at a time is mixed up
            worker.signal(signal.SIGABRT)
            worker.ending(_STACKS_PRINTED)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGABRT)
