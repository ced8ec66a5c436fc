"""The process that is started: open the port, start the workers, serve, drain on SIGTERM.

Exit codes: 0 after SIGTERM or SIGINT, also during the load (being stopped is not the predictor's fault); 1 when the
predictor cannot be loaded, a worker ends or the server cannot start. It never restarts anything: the platform does.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from seatrial.serving import log
from seatrial.serving.settings import SettingsError, read_bundle, read_contract
from seatrial.serving.workers import Worker, start

if TYPE_CHECKING:
    import asyncio

_WORK = "the working directory, made if it does not exist; several workers have a folder each in it"
BACKLOG = 2048  # connections that wait in the kernel; uvicorn's own default


def main() -> NoReturn:
    """Serve until a signal comes."""
    workers: list[Worker] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # As process 1 of a container it would otherwise not be stopped at all before the server is up.
        signal.signal(number, lambda *_: leave(0, workers))
    log.configure()
    parser = argparse.ArgumentParser(prog="python -m seatrial.serving", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, metavar="FILE", help="the bundle.json to serve")
    parser.add_argument("--work", type=Path, metavar="DIR", help=_WORK)
    arguments = parser.parse_args()
    try:
        bundle_file = arguments.bundle.resolve()
        bundle = read_bundle(bundle_file)
        contract = read_contract(os.environ)
        if arguments.work is not None:  # before the predictor is imported: its code may write to the working directory
            arguments.work.mkdir(parents=True, exist_ok=True)
            os.chdir(arguments.work)
        listener = listen(contract.port)
        start(workers, bundle, bundle_file, contract, own_folders=arguments.work is not None)
    except (SettingsError, OSError) as error:
        log.write("CRITICAL", log.text_of(error), phase="start", traceback=log.traceback_of(error))
        leave(1, workers)
    from seatrial.serving.acceptor import Acceptor  # only now: the workers import the predictor meanwhile

    acceptor = Acceptor(bundle, contract, workers)
    code = new_event_loop().run_until_complete(acceptor.run(listener))
    leave(code, workers)


def listen(port: int) -> socket.socket:
    """Open the port."""
    # With the protocol by its name: asyncio sets TCP_NODELAY only on what it knows to be TCP, and an answer whose
    # second packet waits for the client's delayed acknowledgement of the first takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - Vertex AI asks for all interfaces
    listener.listen(BACKLOG)
    return listener


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop, and where that does not exist one of asyncio's own."""
    import asyncio

    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def leave(code: int, workers: list[Worker]) -> NoReturn:
    """End the process and its workers now: threads of the predictor that hang must not keep them."""
    for worker in workers:
        worker.end()
    for worker in workers:
        worker.ending()  # who waits for this process may expect that nothing is left of it
    log.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
