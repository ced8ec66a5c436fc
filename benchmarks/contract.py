"""Hold other servers against the contract suite, beside our own, and write docs/contract-peers.md.

Each server of benchmarks/peers runs in an environment of its own, of nothing but its lock, and answers for the same
tiny predictor, as its own guide writes one. They are used as they come, without a proxy before them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial import __version__, samples
from seatrial.contract import suite
from seatrial.contract.check import Check, Level
from seatrial.contract.suite import Asked, Outcome, Result
from seatrial.contract.variables import CONTRACT
from seatrial.environment.interpreter import uv
from seatrial.findings import Step
from seatrial.system import process
from seatrial.system.signals import heed

ROOT = Path(__file__).parent.parent
PEERS = Path(__file__).parent / "peers"
PAGE = ROOT / "docs/contract-peers.md"
TIMEOUT = 900.0  # seconds for an installation
MARKS = {Outcome.KEPT: "yes", Outcome.BROKEN: "**no**", Outcome.NOT_TRIED: "-"}


_HEAD = """\
`nox -s bench -- contract` wrote this on {today}, with Python {python} on {cores} cores. Each server answers for
the same predictor, as its own guide writes one ([benchmarks/peers](../benchmarks/peers)), in an environment of its
lock, as it comes: without a proxy before it, and without settings that its guide does not show.

What a check says is in [contract.md](contract.md); the required ones are marked (r). A dash is a check that could not
be tried. The checks of instances and images judge what becomes of a bad one: Seatrial's runtime decodes images itself,
the others leave that to the predictor, whose guides show no handling of errors.
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server.

    Attributes:
        title: in the table.
        distribution: whose version is named.
        health: its health route, if it has one of its own.
        predict: its predict route, if it has one of its own.
    """

    title: str
    distribution: str
    health: str = CONTRACT["AIP_HEALTH_ROUTE"]
    predict: str = CONTRACT["AIP_PREDICT_ROUTE"]


PLACES = {
    "cpr": Peer("CPR model server", "google-cloud-aiplatform"),
    "fastapi": Peer("FastAPI", "fastapi"),
    "litserve": Peer("LitServe", "litserve"),
    "bentoml": Peer("BentoML", "bentoml", "/readyz", "/predict"),
}
OURS = Peer("Seatrial", "seatrial")


def main() -> None:
    """Ask the servers that the command line names, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these, and no page: {', '.join(PLACES)}")
    names = parser.parse_args().names
    heed()  # so that an interrupted run ends the servers that it has started
    told: dict[str, tuple[Peer, str, list[Result]]] = {}
    if not names:
        told["seatrial"] = (OURS, __version__, _ours())
    for name in names or PLACES:
        peer = PLACES[name]
        python = _environment(name)
        shown = f"from importlib.metadata import version; print(version({peer.distribution!r}))"
        number = subprocess.run([python, "-c", shown], check=True, capture_output=True, text=True, timeout=60)
        os.environ["PYTHONPATH"] = str(PEERS)
        told[name] = (peer, number.stdout.strip(), _asked(peer, [python, str(PEERS / name / "server.py")]))
    if not names:
        PAGE.write_text("\n".join(_page(told)) + "\n", encoding="utf-8")


def _environment(name: str) -> str:
    """Return the interpreter of an environment of a server's lock, made if it is not there."""
    folder = ROOT / "build/contract-peers" / name
    python = str(folder / "bin/python")
    lock = str(PEERS / name / "requirements.txt")
    for command in (
        [uv(), "venv", "--quiet", "--no-project", "--allow-existing", "--python", "3.11", str(folder)],
        [uv(), "pip", "sync", "--quiet", "--no-config", "--python", python, "--require-hashes", lock],
    ):
        subprocess.run(command, check=True, timeout=TIMEOUT, env=process.install_environment())
    return python


def _ours() -> list[Result]:
    """Ask our own runtime, with the same predictor in its own interface."""
    folder = ROOT / "build/contract-peers/seatrial"
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    (folder / "bundle.json").write_text(
        '{"format": 1, "name": "tone", "digest": "0", "predictor": "seatrial_tone:Tone"}', encoding="utf-8"
    )
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PEERS), str(PEERS / "seatrial"), str(ROOT)])
    return _asked(OURS, [sys.executable, "-m", "seatrial.serving", "--bundle", str(folder / "bundle.json")])


def _asked(peer: Peer, command: Sequence[str]) -> list[Result]:
    """Run the whole suite on a server."""
    instances = [instance for _, instance in samples.instances()][:1]
    stage = suite.prove_command(command, Asked(peer.health, peer.predict, instances), suite.chosen())
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            results: list[Result] = end.value
            break
        if isinstance(event, Step):
            sys.stderr.write(f"\r\033[K{peer.title}: {event.text}")
    sys.stderr.write(f"\r\033[K{peer.title}: {suite.told(results)}\n")
    for result in results:
        if result.outcome is not Outcome.KEPT:
            sys.stderr.write(f"  {result.check.name}: {result.outcome}: {result.seen[:150]}\n")
    return results


def _page(told: Mapping[str, tuple[Peer, str, list[Result]]]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# The contract beside other servers"
    yield ""
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    yield _HEAD.format(today=today, python=platform.python_version(), cores=os.cpu_count())
    yield f"| | {' | '.join(f'{peer.title} {number}' for peer, number, _ in told.values())} |"
    yield f"|---|{'---|' * len(told)}"
    for level in Level:
        cells = (_kept(results, level) for _, _, results in told.values())
        yield f"| **{level} checks kept** | {' | '.join(cells)} |"
    by_name = {name: {result.check.name: result for result in results} for name, (_, _, results) in told.items()}
    for check in suite.chosen():
        marks = (_mark(found.get(check.name)) for found in by_name.values())
        yield f"| `{check.name}`{_level(check)} | {' | '.join(marks)} |"
    yield ""
    yield "TorchServe is not here: it needs Java, which this comparison does not install."


def _kept(results: Sequence[Result], level: Level) -> str:
    of_level = [result for result in results if result.check.level is level]
    return f"{sum(result.outcome is Outcome.KEPT for result in of_level)} of {len(of_level)}"


def _level(check: Check) -> str:
    return " (r)" if check.level is Level.REQUIRED else ""


def _mark(result: Result | None) -> str:
    return MARKS[result.outcome] if result else MARKS[Outcome.NOT_TRIED]


if __name__ == "__main__":
    main()
