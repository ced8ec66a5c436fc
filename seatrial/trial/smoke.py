"""`seatrial smoke`: check → build → environment → load → golden answers → stop, on one device.

The stages' own work lies in their modules; this one only joins them and turns what the server did into findings.
Errors of a stage end the trial, except that an inconsistent environment is still started: what really happens in it
is the better evidence.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seatrial import environment, golden, interpreter, process
from seatrial import kept as kept_environments
from seatrial.bundle import Bundle, build
from seatrial.check import check
from seatrial.errors import EnvironmentFaultError
from seatrial.facts import requirements
from seatrial.findings import Finding, Phase, Stage, Step, watched
from seatrial.golden import GoldenExample
from seatrial.kept import Copy, Kept
from seatrial.project import Project
from seatrial.rules import RULES
from seatrial.rules.runtime import outside_runtime
from seatrial.rules.translate import diagnose, user_frames
from seatrial.trial import parity, samples
from seatrial.trial.parity import Drift
from seatrial.trial.server import Answer, Server, serve, served_environment

DEPTH = "default"
REQUEST_BYTES = 1_500_000  # of a request to a shared public endpoint, by Vertex's custom-container requirements
_SHOWN = 3  # findings of one kind; a wrong transform makes every image differ
_LOG_TAIL = 15  # lines


@dataclass(slots=True)
class Trial:
    """What a trial proved, as far as it came.

    Attributes:
        device: what it ran on, `cpu` or `cuda`.
        bundle_digest: 64 hex digits, once there is a bundle.
        versions: of Python and of what the lock pins among torch, torchvision, pillow and numpy.
        interface: how the runtime understood the predictor.
        asked: inputs that were sent, alone and again in batches.
        golden: how many of them have recorded answers.
        compared: how many numbers of answers were compared with recorded ones.
        drift: the largest difference between a recorded and a served number.
        finished: the trial came to its end; whether it passed, its findings tell.
        unproven: what a green trial still does not prove, in words.
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
    tolerance: float = 0.0
    finished: bool = False
    unproven: list[str] = field(default_factory=list)


def smoke(project: Project, device: str, *, skip_check: bool = False) -> Stage[Trial]:
    """Run the whole trial of a project on `cpu` or `cuda`.

    Raises:
        UsageError: the project cannot be read or built.
        EnvironmentFaultError: there is no such device, no network, or no room.
    """
    trial = Trial(device, tolerance=project.smoke.tolerance_for(device))
    if device == "cuda":
        _require_card()
    if not skip_check:
        yield Phase("check")
        _, broken = yield from watched(check(project))
        if broken:
            return trial
    yield Phase("build")
    examples = golden.read(project.artifacts_dir)
    bundle = yield from build(project, device)
    if bundle is None:
        return trial
    trial.bundle_digest = bundle.digest
    yield Phase("environment")
    kept, broken = yield from watched(_keep(project, device, trial))
    if kept is None or broken:
        return trial
    yield from kept_environments.announce_full_copy(kept)
    with kept_environments.copy(kept) as copy:
        environment.install_wheels(copy, [bundle.predictor_wheel, bundle.runtime_wheel])
        yield from environment.inconsistencies(copy, requirements.read(project.lock_for(device), project.root))
        _, broken = yield from watched(_on_device(project, bundle, copy, examples, trial))
        if broken and device == "cuda":
            return trial
        yield from kept_environments.settle(copy)
    return trial


def _require_card() -> None:
    """Fail at once where no NVIDIA driver can answer.

    Raises:
        EnvironmentFaultError: always, where there is no card.
    """
    command = shutil.which("nvidia-smi") or ""
    code, printed = (
        process.output([command, "-L"], env=process.install_environment(), timeout=20) if command else (1, "")
    )
    if code != 0 or "GPU " not in printed:
        raise EnvironmentFaultError(
            "--device cuda needs an NVIDIA GPU, and this machine has none that its driver shows",
            fix="run it on a GPU runner, or use --device cpu",
        )


def _keep(project: Project, device: str, trial: Trial) -> Stage[Kept | None]:
    lock_file = project.lock_for(device)
    lock = requirements.read(lock_file, project.root)
    yield from outside_runtime(lock, requirements.read_runtime("requirements.in"), project.python)
    found = yield from interpreter.find(project.python)
    pins = lock.pins(requirements.marker_environment(project.python))
    named = ("torch", "torchvision", "pillow", "numpy")
    trial.versions = {"python": found.version, **{n: str(pins[n].version) for n in named if n in pins}}
    runtime_lock = requirements.read_runtime("requirements.txt")
    merged = environment.merge(lock, lock_file.read_text(encoding="utf-8"), runtime_lock)
    return (yield from environment.keep(merged, found))


def _on_device(
    project: Project, bundle: Bundle, copy: Copy, examples: tuple[GoldenExample, ...], trial: Trial
) -> Stage[None]:
    if trial.device == "cuda":
        yield Phase("device")
        _, broken = yield from watched(_probe_cuda(copy, trial))
        if broken:
            return
    yield Phase("load")
    with serve(copy, bundle, trial.device) as server:
        _, broken = yield from watched(_load(project, server, copy, trial))
        if broken:
            return
        yield Phase("answers")
        _, broken = yield from watched(_ask(project, server, examples, trial))
        yield from _outside(project, server)
        if children := server.children():
            trial.unproven.append(f"that child processes ({', '.join(children)}) reach nothing outside")
        if broken and server.exit_code is not None:
            return
        yield Phase("stop")
        yield Step("SIGTERM")
        code = server.stop()
        if code != 0:
            what = "did not end within 30 s" if code is None else f"ended with exit code {code}"
            yield RULES["ST505"].finding(f"after SIGTERM the server {what}", evidence=tuple(server.log[-_LOG_TAIL:]))
    trial.finished = True


def _probe_cuda(copy: Copy, trial: Trial) -> Stage[None]:
    code, printed = _run_script(copy, "cuda_probe.py", "cuda")
    last = printed.strip().splitlines()[-1:] or ["no output"]
    if code != 0:
        yield RULES["ST602"].finding(
            f"CUDA cannot be used: {last[0]}", evidence=tuple(printed.splitlines()[-_LOG_TAIL:])
        )
        return
    trial.card = last[0]
    yield Step(f"one convolution ran on {trial.card}")


def _load(project: Project, server: Server, copy: Copy, trial: Trial) -> Stage[None]:
    yield Step("starting the server, waiting for health 200")
    healthy = server.wait_until_healthy(project.smoke.load_timeout)
    if healthy:
        trial.interface = str(server.wait_for_record("INFO", "ready").get("interface", ""))
        yield Step(f"healthy; the predictor's interface is {trial.interface}")
        return
    yield from _outside(project, server)
    if healthy is False:
        server.dump_and_kill()
        yield _from_log(project, server, "ST502", f"not healthy within {project.smoke.load_timeout:.0f} s")
        return
    records = [r for r in server.records("CRITICAL") if r.get("phase") == "load"]
    if records:
        yield from _translated(project, records[-1], "ST501", copy)
    else:
        what = f"the server ended with {_exit_text(server.exit_code)} before it was healthy"
        yield _from_log(project, server, "ST501", what)


def _from_log(project: Project, server: Server, code: str, message: str) -> Finding:
    """Make a finding of a server that left no record of why: at the user's frame in a dumped stack, if there is one."""
    location, frames = user_frames("\n".join(server.log), project)
    evidence = tuple(frames) if location else tuple(server.log[-_LOG_TAIL:])
    return RULES[code].finding(message, location=location, evidence=evidence)


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _translated(project: Project, record: dict[str, Any], otherwise: str, copy: Copy | None) -> Iterator[Finding]:
    """Give the finding behind an exception that the server logged; `otherwise` is the rule when none knows it."""
    text = str(record.get("traceback", ""))
    known = diagnose(text, project)
    if not known:
        location, frames = user_frames(text, project)
        message = str(record.get("message", "the predictor failed"))
        yield RULES[otherwise].finding(message, location=location, evidence=tuple(frames))
    elif known[0].code == "ST122" and copy is not None:
        yield replace(known[0], evidence=known[0].evidence + _hidden_cause(copy))
    else:
        yield known[0]


def _hidden_cause(copy: Copy) -> tuple[str, ...]:
    _, printed = _run_script(copy, "hidden_cause.py", "cpu")
    return tuple(printed.splitlines()[-5:])


def _run_script(copy: Copy, name: str, device: str) -> tuple[int, str]:
    """Run one of this folder's scripts in the predictor's environment, as isolated as the server."""
    script = shutil.copy(str(Path(__file__).with_name(name)), str(copy.folder("served")))
    env, folder = served_environment(copy, device), copy.folder("work")
    return process.output([str(copy.python), "-I", script], env=env, cwd=folder, timeout=120)


def _outside(project: Project, server: Server) -> Iterator[Finding]:
    """Yield one finding for each host that the predictor tried to reach."""
    seen = set()
    for attempt in server.outside_connections():
        if attempt["host"] not in seen:
            seen.add(attempt["host"])
            location, frames = user_frames(attempt["traceback"], project)
            yield RULES["ST506"].finding(
                f"the predictor tried to reach {attempt['host']}", location=location, evidence=tuple(frames)
            )


def _ask(project: Project, server: Server, examples: tuple[GoldenExample, ...], trial: Trial) -> Stage[None]:
    """Send every input alone, then all of them in batches, and compare with what training recorded."""
    trial.golden = len(examples)
    inputs = [(example, example.vertex_instance(project.artifacts_dir)) for example in examples]
    if not examples:
        trial.unproven.append("that answers equal training's, because artifacts/golden/golden.json is not there")
        yield RULES["ST403"].finding(f"there are no golden answers in {project.artifacts}/golden")
        if trial.interface != "batched":
            trial.unproven.append(
                f"any prediction: what a {trial.interface} predictor accepts, only golden answers say"
            )
            return
        inputs = [(GoldenExample(image=name), instance) for name, instance in samples.instances()]
    trial.asked = len(inputs)
    yield Step(f"asking {len(inputs)} inputs, each alone")
    drift = Drift()
    for chunk in [[one] for one in inputs]:
        _, broken = yield from watched(_compare(project, server, chunk, trial, drift))
        if broken:
            break
    else:
        yield Step(f"asking them in batches of up to {REQUEST_BYTES / 1e6:.1f} MB")
        for chunk in _batches(inputs):
            yield from _compare(project, server, chunk, trial, drift)
    trial.drift, trial.compared = drift.largest, drift.compared
    if examples and not drift.compared:
        trial.unproven.append("that scores equal training's: the golden answers record none")


def _batches(inputs: list[tuple[GoldenExample, Any]]) -> Iterator[list[tuple[GoldenExample, Any]]]:
    batch: list[tuple[GoldenExample, Any]] = []
    size = 0
    for one in inputs:
        own = len(repr(one[1]))
        if batch and size + own > REQUEST_BYTES * 0.9:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += own
    yield batch


def _compare(
    project: Project, server: Server, chunk: list[tuple[GoldenExample, Any]], trial: Trial, drift: Drift
) -> Stage[None]:
    alone = len(chunk) == 1
    subject = parity.example_name(chunk[0][0]) if alone else f"a batch of {len(chunk)}"
    answer = server.predict([instance for _, instance in chunk])
    predictions = answer.body.get("predictions") if answer and isinstance(answer.body, dict) else None
    if answer is None or answer.status != 200 or not isinstance(predictions, list):
        yield from _refused(project, server, subject, answer)
        return
    if len(predictions) != len(chunk):
        yield RULES["ST503"].finding(
            f"{subject}: {len(chunk)} instances, {len(predictions)} predictions", subject=subject
        )
        return
    found = [
        finding
        for (example, _), prediction in zip(chunk, predictions, strict=True)
        for finding in parity.compare(example, prediction, tolerance=trial.tolerance, drift=drift, alone=alone)
    ]
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield Step(f"{len(found) - _SHOWN} more answers differ")


def _refused(project: Project, server: Server, subject: str, answer: Answer | None) -> Iterator[Finding]:
    """Yield why a golden input got no prediction."""
    records = [r for r in server.records("ERROR") if r.get("phase") == "predict"]
    if answer is not None and answer.status >= 500 and records and records[-1].get("traceback"):
        for finding in _translated(project, records[-1], "ST504", None):
            yield replace(finding, subject=subject)
        return
    if answer is None:
        what = f"the server ended with {_exit_text(server.exit_code)}" if server.exit_code is not None else "no answer"
        yield RULES["ST504"].finding(f"{subject}: {what}", subject=subject, evidence=tuple(server.log[-_LOG_TAIL:]))
        return
    yield RULES["ST504"].finding(f"{subject}: HTTP {answer.status}, {str(answer.body)[:300]}", subject=subject)
