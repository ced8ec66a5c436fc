"""The process: open the port, load the predictor in a thread, serve, drain on SIGTERM.

Exit codes: 0 after SIGTERM or SIGINT, also during the load (being stopped is not the predictor's fault); 1 when the
predictor cannot be loaded or the server cannot start. It never restarts anything: the platform does.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seatrial.serving import log
from seatrial.serving.settings import SettingsError, read_bundle, read_contract

if TYPE_CHECKING:
    from seatrial.serving.app import App
    from seatrial.serving.settings import Bundle, Contract

DRAIN_SECONDS = 25.0  # Kubernetes kills 30 s after SIGTERM; Vertex AI documents no grace period of its own
BACKLOG = 2048  # connections that wait in the kernel; uvicorn's own default


def main() -> NoReturn:
    """Serve until a signal comes."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # As process 1 of a container it would otherwise not be stopped at all before the server is up.
        signal.signal(number, lambda *_: os._exit(0))
    log.configure()
    faulthandler.enable()  # a crash inside a C extension leaves at least the Python stack on stderr
    parser = argparse.ArgumentParser(prog="python -m seatrial.serving", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, metavar="FILE", help="the bundle.json to serve")
    parser.add_argument("--work", type=Path, metavar="DIR", help="the working directory, made if it does not exist")
    arguments = parser.parse_args()
    try:
        bundle = read_bundle(arguments.bundle)
        contract = read_contract(os.environ)
        if arguments.work is not None:  # before the predictor is imported: its code may write to the working directory
            arguments.work.mkdir(parents=True, exist_ok=True)
            os.chdir(arguments.work)
        listener = _listen(contract.port)
    except (SettingsError, OSError) as error:
        log.write("CRITICAL", log.text_of(error), phase="start", traceback=log.traceback_of(error))
        _leave(1)
    _set_threads()
    asyncio.run(_serve(bundle, contract, listener))
    _leave(0)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - Vertex AI asks for all interfaces
    listener.listen(BACKLOG)
    return listener


def _set_threads() -> None:
    """Fix the number of torch's threads before anything imports it; what the environment sets already stays."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    # OpenMP threads that spin while they wait take the cores from others: on 2 cores, with 2 x 2 threads,
    # mobilenet_v3_small answered 0.2-0.4 requests a second spinning and 85-175 waiting (torch 2.15).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


async def _serve(bundle: Bundle, contract: Contract, listener: socket.socket) -> None:
    import uvicorn  # only now: the port is open while it is imported

    from seatrial.serving.app import App

    app = App(bundle, contract)
    loop = asyncio.get_running_loop()

    class Server(uvicorn.Server):
        """uvicorn with two changes: when the predictor is loaded, and what a signal does."""

        draining: asyncio.Task[None] | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            threading.Thread(target=_load, args=(app, bundle, contract, loop), name="load", daemon=True).start()

        def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002
            # uvicorn would close the port at once; health has to answer 503 first, while requests finish.
            loop.call_soon_threadsafe(self.start_draining)

        def start_draining(self) -> None:
            if self.draining is None:
                self.draining = asyncio.ensure_future(self.drain())

        async def drain(self) -> None:
            if not await app.drain(DRAIN_SECONDS):
                log.write("WARNING", f"predictions were still running {DRAIN_SECONDS:.0f} s after the signal")
            self.should_exit = True

    # Fixed, not "auto": what is installed beside the predictor must not choose the server's parts.
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    await Server(config).serve(sockets=[listener])


def _load(app: App, bundle: Bundle, contract: Contract, loop: asyncio.AbstractEventLoop) -> None:
    began = time.monotonic()
    try:
        from seatrial.serving import predictors

        served = predictors.load(bundle, contract)
    except BaseException as error:  # noqa: BLE001 - SystemExit of a module is a failed load as well
        log.write("CRITICAL", log.text_of(error), phase="load", traceback=log.traceback_of(error))
        _leave(1)
    seconds = round(time.monotonic() - began, 3)

    def ready() -> None:  # on the event loop, so that no health request falls between the two
        app.served = served
        log.write("INFO", "ready", interface=served.interface, load_seconds=seconds, bundle=bundle.digest)

    loop.call_soon_threadsafe(ready)


def _leave(code: int) -> NoReturn:
    """End the process now: threads of the predictor that hang must not keep it."""
    log.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
