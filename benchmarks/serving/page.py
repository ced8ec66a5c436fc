"""The page of the comparison, its tables for the terminal too, and the report for programs."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.serving import machine
from benchmarks.serving.figures import FOREIGN, LIMIT, Cell, Demand, Figures, demands
from benchmarks.serving.measure import ATTEMPTS, BATCHES, WARM_UP
from benchmarks.serving.prepare import PYTHON, Workshop
from benchmarks.serving.record import Plan, Start
from benchmarks.serving.servers import ROOT, Server

_TEXT = """\
# How fast it serves, beside other servers

`nox -s bench -- serving` wrote this on {date}. Every server answers the same JSON body, one photo of {photo:.0f} kB in
base64, with the same model, torchvision's usual preprocessing and the five best classes; all answers were compared.
Only how they serve differs. [benchmarks/serving](../benchmarks/serving) has the code, the settings and the locks.

![images a second]({chart})

"""
_METHOD = """\
## How it was measured

- {rounds} rounds, in which every server was started anew, in another order each time. A figure is the median of the
  rounds; the least and the most stand beside it. A window of load is {seconds:g} s, after {warm:g} s of warming up.
- The load is wrk with one thread: each client sends its next request when the last was answered. A rate is that from
  the first request to the last answer, because the end of a window cuts batches off.
- A window in which other programs used more than {foreign:g} of a core was measured again, up to {attempts} times.
  {disturbed} of {windows} windows stayed disturbed; they count only where no round was better.
- **The limit** is the same work without HTTP: for one client one image at a time, else in a process for each core with
  one thread, in the best of batches of {batches}.
- **Memory** is the proportional set size of all processes of a server, the most that was seen after a window.
- **Healthy** is the time until the health route says 200; TorchServe says so before it has loaded the model. The
  limit's is that of one process that imports torch and loads the model.
- The models have random weights. Settings of each server: [servers.py](../benchmarks/serving/servers.py).
- {machine}
- {versions}.
"""


def conditions(workshop: Workshop, servers: Sequence[Server]) -> dict[str, str]:
    """Return what the figures depend on: the machine and the versions."""
    versions = {}
    for server in servers:
        if server.distribution and server.distribution not in versions:
            versions[server.distribution] = _version(workshop.python(server), server.distribution)
    if servers:
        versions |= {name: _version(workshop.python(servers[0]), name) for name in ("torch", "torchvision", "pillow")}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "machine": f"{machine.cores()} cores ({_processor()}), {memory:.0f} GB memory, Linux {platform.release()}",
        "photo": f"{workshop.photo.stat().st_size / 1000:.0f}" if workshop.photo.exists() else "0",
        "commit": _commit(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) + f"; Python {PYTHON}",
    }


def written(plan: Plan, figures: Figures, titles: Mapping[str, str], conditions: Mapping[str, str]) -> str:
    """Return the page."""
    windows, disturbed = figures.count()
    head = _TEXT.format(date=conditions["date"], photo=float(conditions["photo"]), chart="serving.svg")
    method = _METHOD.format(
        rounds=plan.rounds, seconds=plan.seconds, warm=WARM_UP, foreign=FOREIGN, attempts=ATTEMPTS, windows=windows,
        disturbed=disturbed, batches=", ".join(map(str, BATCHES)), machine=f"{conditions['machine']}.",
        versions=f"Seatrial at {conditions['commit']}; {conditions['versions']}",
    )  # fmt: skip
    return head + "\n".join(tables(figures, titles)) + "\n" + method


def tables(figures: Figures, titles: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of all tables."""
    for model in figures.models:
        yield f"## {model}"
        yield ""
        yield "Images a second (least to most of a round), their share of the limit; p50 / p99 in milliseconds."
        yield ""
        columns = [f"{clients} client{'s' if clients > 1 else ''}" for clients in figures.clients]
        yield f"| | {' | '.join((*columns, 'memory', 'healthy', 'first answer'))} |"
        yield f"|---|{'---|' * (len(columns) + 3)}"
        for server in figures.servers(model):
            cells = [_cell(figures.cell(model, server, clients)) for clients in figures.clients]
            yield f"| {titles.get(server, server)} | {' | '.join((*cells, *_whole(figures, model, server)))} |"
        limits = [_limit(figures.limit(model, clients)) for clients in figures.clients]
        yield f"| {titles.get(LIMIT, LIMIT)} | {' | '.join((*limits, *_whole(figures, model, LIMIT)))} |"
        yield ""
    if told := [demand for demand in demands(figures) if demand.reached is not None]:
        yield "## What is asked of Seatrial's runtime"
        yield ""
        yield "| | asked | measured | |"
        yield "|---|---|---|---|"
        yield from (_demand(demand) for demand in told)
        yield ""
    for (server, model), reason in figures.failed.items():
        yield f"{titles.get(server, server)} with {model} was not measured: {' '.join(reason.split())[:300]}"
        yield ""


def report(
    plan: Plan, figures: Figures, titles: Mapping[str, str], conditions: Mapping[str, str], starts: Sequence[Start]
) -> str:
    """Return everything for programs, as JSON: the figures, and each window that they are made of."""
    found = [
        {
            "model": model,
            "server": server,
            "title": titles.get(server, server),
            **(asdict(whole) if (whole := figures.whole(model, server)) else {}),
            "clients": {
                clients: asdict(cell)
                for clients in figures.clients
                if (cell := figures.cell(model, server, clients)) is not None
            },
        }
        for model in figures.models
        for server in figures.servers(model)
    ]
    limits = {m: {clients: figures.limit(m, clients) for clients in figures.clients} for m in figures.models}
    asked = [{**asdict(demand), "kept": demand.kept} for demand in demands(figures)]
    content = {
        "format": 1,
        "conditions": dict(conditions),
        "plan": {name: value for name, value in asdict(plan).items() if name not in ("beside", "contents")},
        "servers": found,
        "limit": limits,
        "asked": asked,
        "starts": [asdict(start) for start in starts],
    }
    return json.dumps(content, indent=1) + "\n"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    share = "" if cell.of_limit is None else f", {cell.of_limit:.2f}"
    errors = f", **{cell.errors} errors**" if cell.errors else ""
    spread = f" ({cell.least:.1f} to {cell.most:.1f})" if cell.rounds > 1 else ""
    return f"**{cell.rate:.1f}**{spread}{share}; {cell.p50:.0f} / {cell.p99:.0f}{errors}"


def _whole(figures: Figures, model: str, server: str) -> tuple[str, str, str]:
    whole = figures.whole(model, server)
    if whole is None:
        return ("", "", "")
    answered = "" if server == LIMIT else f"{whole.answered:.1f} s"
    return (f"{whole.memory:.0f} MB", f"{whole.healthy:.1f} s", answered)


def _limit(rate: float | None) -> str:
    return "" if rate is None else f"**{rate:.1f}**"


def _demand(demand: Demand) -> str:
    sign, mark = ("≤" if demand.at_most else "≥"), ("yes" if demand.kept else "**no**")
    return f"| {demand.model}, {demand.text} | {sign} {demand.asked:g} | {demand.reached:.2f} | {mark} |"


def _version(python: Path, distribution: str) -> str:
    command = [str(python), "-c", f"from importlib.metadata import version; print(version({distribution!r}))"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return run.stdout.strip() or "unknown"


def _commit() -> str:
    """Return the commit that was measured, with a mark if there are changes."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return run.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
