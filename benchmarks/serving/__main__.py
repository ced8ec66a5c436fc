"""Compare how fast servers answer: `nox -s bench -- serving`, all of it in about an hour on two cores.

It needs wrk, and java for TorchServe: `apt-get install wrk default-jre-headless`. The first run installs each server.
A run that was ended goes on with --resume. The whole comparison writes docs/serving.json, docs/serving.svg and
docs/serving-benchmark.md; a part of it only tells what it measured, and leaves it in build/serving-benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.serving import chart, measure, page
from benchmarks.serving.figures import FOREIGN, Figures
from benchmarks.serving.load import LoadError
from benchmarks.serving.prepare import MODELS, Workshop, say
from benchmarks.serving.record import Plan, Record, Start
from benchmarks.serving.running import StartError, same
from benchmarks.serving.servers import FOLDER, NAMES, ROOT, Kind, Server, chosen
from seatrial.system.signals import Interruption, heed

CLIENTS = (1, 8, 32, 256)
ROUNDS, SECONDS = 3, 8.0
QUICK = {"only": ("ours", "ours-cpr", "cpr-tuned", "limit"), "concurrency": (1, 8, 32), "rounds": 1, "seconds": 3.0}
"""What --quick measures: about two minutes for one model."""


def main() -> int:
    """Measure what the command line asks, and tell it."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    heed()  # so that an interrupted run ends the servers that it has started
    workshop = Workshop(arguments.folder.resolve())
    record = Record(workshop.folder)
    plan = record.plan() if arguments.resume else _plan(arguments)
    if plan is None:
        sys.exit("there is no run to resume")
    servers = _available(chosen(plan.servers, [Path(each) for each in plan.beside]))
    contents = {server.name: _content(server) for server in servers}
    if arguments.prepare:
        return _prepare(servers, plan.models, workshop)
    if not arguments.resume:
        plan = replace(plan, contents=contents)
        record.begin(plan)
    elif plan.contents != contents:
        sys.exit("what is measured has changed since that run began: begin again, without --resume")
    deadline = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
    try:
        finished = _measure(plan, servers, workshop, record, deadline)
    except Interruption:
        say("interrupted; --resume goes on")
        finished = False
    return _tell(plan, servers, workshop, record, finished=finished)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench -- serving", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--only", type=_names, default=NAMES, metavar="NAMES", help=f"of {','.join(NAMES)}")
    parser.add_argument("--models", type=_models, default=MODELS, metavar="NAMES", help=f"of {','.join(MODELS)}")
    parser.add_argument("--concurrency", type=_numbers, default=CLIENTS, metavar="NUMBERS", help="clients at once")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a window")
    parser.add_argument("--quick", action="store_true", help="ours, CPR tuned and the limit, once, for 3 s each")
    parser.add_argument(
        "--beside", type=Path, action="append", default=[], metavar="DIR", help="another checkout's too"
    )
    parser.add_argument("--prepare", action="store_true", help="install everything, start it once, measure nothing")
    parser.add_argument("--resume", action="store_true", help="go on with the last run, as it was begun")
    parser.add_argument("--minutes", type=float, help="end after the start that is under way then; --resume goes on")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/serving-benchmark", help="where all of it lies")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(
            {name: value for name, value in QUICK.items() if vars(arguments)[name] == parser.get_default(name)}
        )
    return arguments


def _names(text: str) -> tuple[str, ...]:
    return _known(text, NAMES)


def _models(text: str) -> tuple[str, ...]:
    return _known(text, MODELS)


def _known(text: str, known: Sequence[str]) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
    return tuple(name for name in known if name in names)


def _numbers(text: str) -> tuple[int, ...]:
    numbers = sorted({int(part) for part in text.split(",")})
    if numbers[0] < 1:
        raise argparse.ArgumentTypeError("at least one client asks")
    return tuple(numbers)


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        servers=arguments.only,
        beside=tuple(str(each.resolve()) for each in arguments.beside),
        models=arguments.models,
        clients=arguments.concurrency,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        contents={},
    )


def _available(servers: Sequence[Server]) -> list[Server]:
    """Return the servers that this machine can run, and say which are left out."""
    for server in servers:
        if missing := server.missing():
            say(f"{server.title} is left out: {missing}")
    return [server for server in servers if not server.missing()]


def _content(server: Server) -> str:
    """Return a digest of all that a server's windows depend on."""
    folder = FOLDER / server.folder if server.kind is Kind.PEER else server.checkout / "seatrial/serving"
    files = sorted(
        {*folder.rglob("*"), *(FOLDER / "pictures").glob("*"), *FOLDER.glob("*.py"), ROOT / "requirements.txt"}
    )
    digest = hashlib.sha256(repr(server.settings).encode())
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _prepare(servers: Sequence[Server], models: Sequence[str], workshop: Workshop) -> int:
    """Make ready what servers need, and start each once; return 1 if one of them does not start."""
    failed = 0
    for server in servers:
        for model in models:
            workshop.prepare(server, model)
            try:
                if server.kind is not Kind.LIMIT:
                    measure.rehearse(server, model, next(iter(server.settings.values())), workshop)
            except StartError as error:
                say(f"{server.title} with {model}: {error}")
                failed = 1
    return failed


def _measure(plan: Plan, servers: Sequence[Server], workshop: Workshop, record: Record, deadline: float | None) -> bool:
    """Measure what is still missing; return whether nothing is, when the time is over."""
    for server in servers:
        for model in plan.models:
            workshop.prepare(server, model)
    answers: dict[str, Mapping[str, Any]] = {}
    for number in range(1, plan.rounds + 1):
        turned = [*servers[(number - 1) % len(servers) :], *servers[: (number - 1) % len(servers)]]
        for model in plan.models:
            for server in turned:
                ways = [({}, list(plan.clients))] if server.kind is Kind.LIMIT else server.starts(plan.clients)
                done = sum((s.round, s.model, s.server) == (number, model, server.name) for s in record.starts())
                for settings, clients in ways[done:]:
                    if deadline is not None and time.monotonic() > deadline:
                        say("the time is over; --resume goes on")
                        return False
                    start = _start(server, model, settings, clients, plan.seconds, workshop, answers)
                    record.add(replace(start, round=number))
                    say(f"{number}/{plan.rounds} {model} {server.title}: {_told(start)}")
    return True


def _start(
    server: Server,
    model: str,
    settings: Mapping[str, str],
    clients: Sequence[int],
    seconds: float,
    workshop: Workshop,
    answers: dict[str, Mapping[str, Any]],
) -> Start:
    """Measure a start; what failed, or answered otherwise than the others, is told in its place."""
    try:
        if server.kind is Kind.LIMIT:
            start, answer = measure.of_limit(server, model, clients, seconds, workshop)
        else:
            start, answer = measure.of_server(server, model, settings, clients, seconds, workshop)
    except (StartError, LoadError) as error:
        return Start(0, model, server.name, 0, 0, 0, (), failed=str(error))
    if not same(answers.setdefault(model, answer), answer):
        return Start(0, model, server.name, 0, 0, 0, (), failed=f"it answers otherwise than the others: {answer}")
    return start


def _told(start: Start) -> str:
    if start.failed:
        return f"FAILED: {start.failed}"
    windows = (
        f"{f'c{each.clients}' if each.clients else f'{each.processes} x b{each.batch}'} {each.rate:.1f}/s"
        f"{f' ({each.errors} errors)' if each.errors else ''}{' (disturbed)' if each.foreign > FOREIGN else ''}"
        for each in start.windows
    )
    return f"healthy {start.healthy:.1f} s, {', '.join(windows)}, {start.memory:.0f} MB"


def _tell(plan: Plan, servers: Sequence[Server], workshop: Workshop, record: Record, *, finished: bool) -> int:
    """Print the tables; write the page, its chart and its figures if everything was measured."""
    starts = record.starts()
    peers = [server.name for server in servers if server.kind is Kind.PEER]
    figures = Figures(starts, peers)
    titles = {server.name: server.title for server in servers}
    sys.stdout.write("\n".join(page.tables(figures, titles)) + "\n")
    whole = (plan.servers, plan.models, plan.clients) == (NAMES, MODELS, CLIENTS) and plan.rounds >= ROUNDS
    conditions = page.conditions(workshop, servers)
    folder = ROOT / "docs" if whole and finished else workshop.folder
    for name, text in (
        ("serving.json", page.report(plan, figures, titles, conditions, starts)),
        ("serving.svg", chart.drawn(figures, titles)),
        ("serving-benchmark.md", page.written(plan, figures, titles, conditions)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    say(f"wrote serving.json, serving.svg and serving-benchmark.md in {folder}")
    return 0 if finished and not figures.failed else 1


if __name__ == "__main__":
    sys.exit(main())
