"""Measure a server from its start to its end, or the limit; a window that other programs disturb is measured again."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.serving import load, machine, running
from benchmarks.serving.figures import FOREIGN
from benchmarks.serving.prepare import Workshop
from benchmarks.serving.record import Start, Window
from benchmarks.serving.servers import FOLDER, Server
from seatrial.serving.workers import MEMORY, THREADS

ATTEMPTS = 3  # of a window
WARM_UP = 2.0  # seconds
BATCHES = (1, 8, 16)  # of the limit: larger ones were slower on two cores

Measured = tuple[Start, Mapping[str, Any]]  # in round 0, and the answer that was given


def of_server(
    server: Server, model: str, settings: Mapping[str, str], clients: Sequence[int], seconds: float, workshop: Workshop
) -> Measured:
    """Start a server, ask it, end it.

    Raises:
        StartError: it does not start.
        LoadError: it cannot be asked.
    """
    rehearse(server, model, settings, workshop)
    with running.running(server, model, settings, workshop) as run:

        def asked(number: int) -> Window:
            sent = load.send(run.url, workshop.body, number, seconds)
            return Window(sent.rate, sent.p50, sent.p99, sent.requests, sent.errors, 0, 0, clients=number)

        load.send(run.url, workshop.body, min(8, max(clients)), WARM_UP)
        windows, memory = [], 0.0
        for number in clients:
            run.settle()
            windows.append(_undisturbed(partial(asked, number), run.number))
            memory = max(memory, machine.memory(run.number))
        return Start(0, model, server.name, run.healthy, run.answered, memory, tuple(windows)), run.answer


def rehearse(server: Server, model: str, settings: Mapping[str, str], workshop: Workshop) -> None:
    """Start a server once that was never started: it compiles what it imports.

    Raises:
        StartError: it does not start.
    """
    rehearsed = workshop.rehearsed(server, model)
    if not rehearsed.exists():
        with running.running(server, model, settings, workshop):
            rehearsed.touch()


def of_limit(server: Server, model: str, clients: Sequence[int], seconds: float, workshop: Workshop) -> Measured:
    """Measure what the machine does without HTTP: one image at a time, and batches in a process a core."""
    cores = machine.cores()
    lone = [(1, 1, threads) for threads in sorted({1, cores})] if 1 in clients else []
    many = [(batch, cores, 1) for batch in BATCHES] if max(clients) > 1 else []
    script, folder, body = FOLDER / "limit.py", workshop.model(model), workshop.body
    command = [str(part) for part in (workshop.python(server), script, folder, body, cores)]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**THREADS, **MEMORY, "PATH": os.defpath, "PYTHONPATH": str(FOLDER)},  # as our runtime has it
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        answer = _said(process)["answer"]["predictions"][0]
        loaded = time.monotonic() - began
        _said(process)  # all of them have loaded it
        windows = []
        for way in (*lone, *many):
            _worked(process, *way, WARM_UP / 4)
            windows.append(_undisturbed(partial(_worked, process, *way, seconds), process.pid))
        memory = machine.memory(process.pid)
    finally:
        running.end(process)
    return Start(0, model, server.name, loaded, loaded, memory, tuple(windows)), answer


def _worked(process: subprocess.Popen[str], batch: int, processes: int, threads: int, seconds: float) -> Window:
    """Have the processes of the limit work for a window."""
    assert process.stdin is not None  # noqa: S101 - a pipe
    way = {"batch": batch, "processes": processes, "threads": threads}
    process.stdin.write(json.dumps({**way, "seconds": seconds}) + "\n")
    process.stdin.flush()
    said = _said(process)
    return Window(said["rate"], said["p50_ms"], said["p99_ms"], said["images"], 0, 0, 0, **way)


def _said(process: subprocess.Popen[str]) -> Any:
    """Return the next line of the limit's first process."""
    assert process.stdout is not None  # noqa: S101 - a pipe
    line = process.stdout.readline()
    if not line:
        raise running.StartError("the limit's processes ended")
    return json.loads(line)


def _undisturbed(measure: Callable[[], Window], root: int) -> Window:
    """Return a window in which others used next to nothing, or after some attempts the one with the least of it."""
    windows: list[Window] = []
    for _ in range(ATTEMPTS):
        began, busy, worked, own = time.monotonic(), machine.busy_now(), machine.worked(root), _own()
        window = measure()
        used, ours, all_ = machine.worked(root) - worked, _own() - own, machine.busy_now() - busy
        elapsed = time.monotonic() - began
        windows.append(replace(window, foreign=max(0.0, (all_ - used - ours) / elapsed), used=used / elapsed))
        if windows[-1].foreign <= FOREIGN:
            break
    return min(windows, key=lambda window: window.foreign)


def _own() -> float:
    """Return the processor seconds of this process and of those that it has waited for: wrk."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + time.process_time()
