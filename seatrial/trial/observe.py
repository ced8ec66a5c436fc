"""What a server on trial did → findings: whether it got healthy, what it answered, how it stopped.

The same for a process of this machine and for a container. It asks only through `Server`, and does not start one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seatrial import samples
from seatrial.facts.gather import Gathered
from seatrial.facts.packages.requirements import RequirementFile, marker_environment
from seatrial.findings import Finding, Phase, Severity, Stage, Step, watched
from seatrial.golden import GoldenExample
from seatrial.rules.devices import cuda
from seatrial.rules.rule import Rule
from seatrial.rules.serving import budgets, contract, processes
from seatrial.rules.transforms.golden import NO_GOLDEN
from seatrial.serving import interfaces
from seatrial.trial import contract as contract_suite
from seatrial.trial import evidence, memory, parity
from seatrial.trial import server as server_module
from seatrial.trial.answered import Answered
from seatrial.trial.failures import LOG_TAIL, from_log, standing, translated
from seatrial.trial.measured import Measured
from seatrial.trial.parity import Drift
from seatrial.trial.sealing import judge
from seatrial.trial.server import Answer, Server
from seatrial.trial.stages import Compared

CUDA_PROBE = "cuda_probe.py"
SLOW = 15.0  # seconds of a load, after which a person wants to know what it does
_ENDS_WITHIN = 2.0  # seconds from an answer that says so
_SHOWN = 3  # findings of one kind; a wrong transform makes every image differ


@dataclass(slots=True)
class Trial:
    """What a trial has proved so far.

    Attributes:
        device: what it ran on, `cpu` or `cuda`.
        bundle_digest: 64 hex digits, once there is a bundle.
        versions: of Python and of what the lock pins among torch, torchvision, pillow and numpy.
        interface: how the runtime understood the predictor.
        asked: inputs that were sent, alone and again in batches.
        golden: how many of them have recorded answers.
        compared: how many numbers of answers were compared with recorded ones.
        drift: the largest difference between a recorded and a served number.
        unrecorded: fields of answers, besides label and scores, that no golden example holds.
        changing: of them, those that differ between equal requests, such as a time or an id of the request.
        finished: whether the trial came to its end; its findings say whether it passed.
        unproven: what a green trial still does not prove, in words.
        unsealed: what of this machine the server could still see or reach, in words.
        sealed_as: which image the process was held to, in words; "" for a container.
        healthy_after: seconds from the start of the server to health 200.
        stopped_after: seconds from SIGTERM to the end of the server.
        depth: `default` or `full`.
        measured: what the server needed.
        contract: how many checks of the serving contract were kept, in words.
        stages: what the replay of recorded stages has shown.
        answered: each input that was answered alone.
        log: what the server printed, line by line.
    """

    device: str
    bundle_digest: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    interface: str = ""
    card: str = ""
    asked: int = 0
    golden: int = 0
    compared: int = 0
    drift: float = 0.0
    unrecorded: set[str] = field(default_factory=set)
    changing: set[str] = field(default_factory=set)
    tolerance: float = 0.0
    finished: bool = False
    unproven: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    sealed_as: str = ""
    healthy_after: float = 0.0
    stopped_after: float = 0.0
    depth: Literal["default", "full"] = "default"
    measured: Measured = field(default_factory=Measured)
    contract: str = ""
    stages: Compared = field(default_factory=Compared)
    answered: list[Answered] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


Deeper = Callable[[Server], Stage[None]]


def observe(
    gathered: Gathered,
    server: Server,
    examples: tuple[GoldenExample, ...],
    trial: Trial,
    deeper: Deeper | None = None,
) -> Stage[None]:
    """Wait until a server that was just started is healthy, ask it every input, and stop it.

    `deeper` asks it more before the stop, if every input was answered as it must be.
    """
    trial.unsealed = server.unsealed()
    _, broken = yield from watched(load(gathered, server, trial))
    if broken:
        return
    yield Phase("answers")
    _, broken = yield from watched(_ask(gathered, server, examples, trial))
    if not broken:
        _, broken = yield from watched(deeper(server) if deeper else _contract(gathered, server, examples, trial))
    yield from memory.judge(gathered.project, server.usage(), trial.device, trial.measured)
    yield from _outside(gathered, server)
    trial.unproven += judge.unproven(gathered.project, server.noted(), server.view, full=trial.depth == "full")
    if broken and server.exit_code is not None:
        return
    yield Phase("stop")
    yield Step("SIGTERM")
    began = time.monotonic()
    if deeper and not broken and server.unreachable() is None:
        instances = _good(gathered, examples, trial)
        code = yield from contract_suite.stop(gathered, server, instances, server_module.STOP_TIMEOUT)
    else:
        code = server.stop()
    trial.stopped_after = time.monotonic() - began
    if code != 0:
        what = "did not end within 30 s" if code is None else f"ended with {server.ending}"
        yield contract.NO_STOP.finding(f"after SIGTERM the server {what}", evidence=tuple(server.log[-LOG_TAIL:]))
    trial.finished = True


def versions_in(lock: RequirementFile, python: str) -> dict[str, str]:
    """Return the pins of the distributions that decide what a prediction is."""
    pins = lock.pins(marker_environment(python))
    return {name: str(pins[name].version) for name in ("torch", "torchvision", "pillow", "numpy") if name in pins}


def judge_cuda_probe(code: int, printed: str, trial: Trial) -> Stage[None]:
    """Judge how the script `CUDA_PROBE` ended, and record the card that it ran on."""
    last = printed.strip().splitlines()[-1:] or ["no output"]
    if code != 0:
        evidence = tuple(printed.splitlines()[-LOG_TAIL:])
        yield cuda.NO_CUDA.finding(f"CUDA cannot be used: {last[0]}", evidence=evidence)
        return
    trial.card = last[0]
    yield Step(f"one convolution ran on {trial.card}")


def load(gathered: Gathered, server: Server, trial: Trial) -> Stage[None]:
    """Wait until a server that was just started is healthy; yield why it does not get so."""
    yield Step("starting the server, waiting for health 200")
    limit = gathered.project.smoke.load_timeout
    healthy = server.wait_until_healthy(min(SLOW, limit))
    if healthy is False and limit > SLOW:
        yield Step(f"still loading after {SLOW:g} s{standing(gathered.project, server.stack())}", lasting=True)
        healthy = server.wait_until_healthy(limit - SLOW)
    if healthy:
        trial.healthy_after = time.monotonic() - server.began
        ready = server.wait_for_record("INFO", message="ready")
        trial.interface, trial.measured.workers = str(ready.get("interface", "")), int(ready.get("workers", 0))
        yield Step(f"healthy after {trial.healthy_after:.2f} s; the predictor's interface is {trial.interface}")
        return
    tried = list(_outside(gathered, server))
    yield from tried
    if healthy is False:
        server.dump_and_end()
        yield from_log(gathered, server, contract.NEVER_HEALTHY, f"not healthy within {limit:.0f} s")
        return
    records = server.failures()
    if records and "golden" in records[-1]:
        yield from _unanswered(gathered, server, records[-1])
    elif records:
        places = {finding.location for finding in tried if finding.severity is Severity.ERROR}
        for finding in translated(gathered, records[-1], contract.ENDED, server):
            if finding.location is None or finding.location not in places:  # else it is told already, with its cause
                yield finding
    elif "SIGBUS" in server.ending or server.ending.endswith("(signal 7)"):
        message = f"the server ended with {server.ending}: a container has 64 MB of shared memory, and it wrote more"
        yield from_log(gathered, server, processes.SHARED_MEMORY, message)
    else:
        message = f"the server ended with {server.ending} before it was healthy"
        yield from_log(gathered, server, contract.ENDED, message)


def _unanswered(gathered: Gathered, server: Server, record: dict[str, Any]) -> Iterator[Finding]:
    """Yield why the server did not answer the golden example with which it makes its first prediction."""
    if not record.get("traceback"):
        yield contract.FAILED.finding(str(record["message"]), subject=str(record["golden"]))
        return
    for finding in translated(gathered, record, contract.FAILED, server):
        yield replace(finding, subject=str(record["golden"]))


def _outside(gathered: Gathered, server: Server) -> Iterator[Finding]:
    """Yield what the predictor took from this machine, or tried to reach outside."""
    yield from judge.findings(gathered.project, server.noted(), server.view, sealed=not server.unsealed())


def _contract(gathered: Gathered, server: Server, examples: tuple[GoldenExample, ...], trial: Trial) -> Stage[None]:
    """Run the core of the contract suite."""
    yield Phase("contract")
    yield from contract_suite.prove(gathered, server, _good(gathered, examples, trial), trial, whole=False)


def _good(gathered: Gathered, examples: tuple[GoldenExample, ...], trial: Trial) -> list[Any]:
    """Return an instance that was answered, in a list; [] if nobody knows one."""
    if examples:
        return [examples[0].vertex_instance(gathered.project.artifacts_dir)]
    return [instance for _, instance in samples.instances()][:1] if interfaces.takes_samples(trial.interface) else []


def _ask(gathered: Gathered, server: Server, examples: tuple[GoldenExample, ...], trial: Trial) -> Stage[None]:
    """Send every input alone, then all of them in batches, and compare with what training recorded."""
    trial.golden = len(examples)
    inputs = [(example, example.vertex_instance(gathered.project.artifacts_dir)) for example in examples]
    if not examples:
        yield NO_GOLDEN.finding(f"there are no golden answers in {gathered.project.artifacts}/golden")
        if not interfaces.takes_samples(trial.interface):
            what = f"only golden answers show what a {trial.interface} predictor accepts"
            trial.unproven.append(f"any prediction: {what}")
            return
        trial.unproven.append("that answers equal training's: there are no golden answers")
        inputs = [(GoldenExample(image=name), instance) for name, instance in samples.instances()]
    trial.asked = len(inputs)
    yield Step(f"asking {len(inputs)} inputs, each alone")
    drift = Drift()
    for chunk in [[one] for one in inputs]:
        _, broken = yield from watched(_compare(gathered, server, chunk, trial, drift))
        if broken:
            break
    else:
        yield Step(f"asking them in batches of up to {parity.REQUEST_BYTES / 1e6:.1f} MB")
        for chunk in parity.batches(inputs):
            yield from _compare(gathered, server, chunk, trial, drift)
    trial.drift, trial.compared = drift.largest, drift.compared
    trial.unrecorded = drift.unrecorded - {"label", "scores"}
    yield from evidence.weigh(gathered.project, examples, drift, trial.unproven)


def _compare(
    gathered: Gathered, server: Server, chunk: list[tuple[GoldenExample, Any]], trial: Trial, drift: Drift
) -> Stage[None]:
    alone = len(chunk) == 1
    subject = parity.example_name(chunk[0][0]) if alone else f"a batch of {len(chunk)}"
    began = time.monotonic()
    answer = server.predict([instance for _, instance in chunk])
    seconds = time.monotonic() - began
    predictions = predictions_of(answer)
    if predictions is None:
        yield from refused(gathered, server, subject, answer)
        return
    if alone and answer is not None:
        yield from budgets.too_large(answer.size, subject, gathered.project.vertex.endpoint_type)
    if len(predictions) != len(chunk):
        yield contract.WRONG_COUNT.finding(
            f"{subject}: {len(chunk)} instances, {len(predictions)} predictions", subject=subject
        )
        return
    found = [
        finding
        for (example, _), prediction in zip(chunk, predictions, strict=True)
        for finding in parity.compare(example, prediction, tolerance=trial.tolerance, drift=drift, alone=alone)
    ]
    if alone:
        trial.answered.append(Answered(*chunk[0], predictions[0], seconds, differs=bool(found)))
        trial.measured.seconds_alone.append(round(seconds, 5))
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield Step(f"{len(found) - _SHOWN} more answers differ")


def predictions_of(answer: Answer | None) -> list[Any] | None:
    """Return the predictions of an answer; None if it is not one."""
    found = answer.body.get("predictions") if answer and isinstance(answer.body, dict) else None
    return found if answer and answer.status == 200 and isinstance(found, list) else None


def refused(
    gathered: Gathered, server: Server, subject: str, answer: Answer | None, rule: Rule = contract.FAILED
) -> Iterator[Finding]:
    """Yield why an input got no prediction, under `rule` if the reason has no rule of its own."""
    if answer is not None and answer.status == 503 and server.wait_for_end(_ENDS_WITHIN) is not None:
        answer = None  # the server has ended, and said so to those who still waited
    if answer is not None and answer.status >= 500 and (record := server.logged_failure()).get("traceback"):
        for finding in translated(gathered, record, rule, server):
            yield replace(finding, subject=subject)
        return
    if answer is None and server.ran_out_of_memory:
        yield memory.ran_out(gathered.project, subject)
        return
    if answer is None:
        what = f"the server ended with {server.ending}" if server.exit_code is not None else "no answer"
        yield rule.finding(f"{subject}: {what}", subject=subject, evidence=tuple(server.log[-LOG_TAIL:]))
        return
    yield rule.finding(f"{subject}: HTTP {answer.status}, {str(answer.body)[:300]}", subject=subject)
