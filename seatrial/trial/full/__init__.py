"""`smoke --full`: what a server on trial shows only if it is asked more, longer and in other ways.

One module a point; this table joins them. A point sends requests through the session and yields findings. What it
could not show it adds to `Trial.unproven`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seatrial import samples
from seatrial.facts.gather import Gathered
from seatrial.findings import Phase, Stage, Step, watched
from seatrial.golden import GoldenExample
from seatrial.rules.serving.contract import FAILED
from seatrial.serving import interfaces
from seatrial.trial import contract, parity
from seatrial.trial.full import batches, budgets, endurance, inputs, load, order, parameters, surroundings
from seatrial.trial.full.session import Input, Session
from seatrial.trial.observe import Trial
from seatrial.trial.sealing import judge
from seatrial.trial.sealing.watching import Noted
from seatrial.trial.server import Server

Point = Callable[[Session], Stage[None]]


def _contract(session: Session) -> Stage[None]:
    """Hold the server against all of the serving contract that a server which is up can show."""
    yield from contract.prove(session.gathered, session.server, [session.inputs[0].instance], session.trial, whole=True)


# Endurance first: it measures a server that nothing unusual has happened to, and it ends a steep leak early.
POINTS: dict[str, Point] = {
    "endurance": endurance.prove,
    "load": load.prove,
    "batches": batches.prove,
    "order": order.prove,
    "parameters": parameters.prove,
    "inputs": inputs.prove,
    "contract": _contract,
    "budgets": budgets.prove,
}


@dataclass(slots=True)
class Full:
    """A full trial.

    Attributes:
        inputs: what the first server answered, to be asked of the second.
        host: the name of the first one's machine.
    """

    gathered: Gathered
    examples: tuple[GoldenExample, ...]
    trial: Trial
    inputs: list[Input] = field(default_factory=list)
    host: str = ""

    def prove(self, server: Server) -> Stage[None]:
        """Ask a server all points, which answered every golden input as it must."""
        self.trial.depth = "full"
        session = Session(self.gathered, server, self.trial, _inputs(self.gathered, self.examples, self.trial))
        if not session.inputs:
            self.trial.unproven.append("anything that a full trial asks: there is no input to ask it with")
            return
        _, broken = yield from watched(_alone(session))
        if broken:
            return
        for name, point in POINTS.items():
            if session.over:
                self.trial.unproven.append(f"{name}: {session.over}")
                continue
            yield Phase(name)
            session.begin()
            yield from point(session)
        self.inputs, self.host = [] if session.over else session.inputs, server.host()
        if changing := ", ".join(sorted(self.trial.changing)):
            self.trial.unproven.append(f"what the answers hold in {changing}: it differs between equal requests")

    def elsewhere(self, server: Server, noted: Sequence[Noted] = ()) -> Stage[None]:
        """Ask a server that was started in other surroundings what the first one was asked; `noted` is known of it."""
        yield from surroundings.prove(Session(self.gathered, server, self.trial, self.inputs), self.host)
        known = {(entry.kind, entry.what) for entry in noted}
        more = [e for e in server.noted() if e.kind != "untrained" and (e.kind, e.what) not in known]
        yield from judge.findings(self.gathered.project, more, server.view, sealed=not server.unsealed())


def _inputs(gathered: Gathered, examples: tuple[GoldenExample, ...], trial: Trial) -> list[Input]:
    """Return the golden examples, or the samples where there are none and the predictor takes images."""
    folder = gathered.project.artifacts_dir
    if examples:
        return [Input(parity.example_name(example), example.vertex_instance(folder)) for example in examples]
    if not interfaces.takes_samples(trial.interface):
        return []
    return [Input(name, instance) for name, instance in samples.instances()]


def _alone(session: Session) -> Stage[None]:
    """Ask every input alone, and keep its answer: every later one must be equal."""
    yield Step(f"asking {len(session.inputs)} inputs, each alone")
    for one in session.inputs:
        found = yield from session.ask([one], one.name, FAILED)
        if found is None:
            return
        (one.answer,) = found
