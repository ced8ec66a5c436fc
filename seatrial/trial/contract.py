"""The contract suite on a server on trial: its core in every trial, all that fits in a full one.

What other parts of the trial prove with the predictor's own answers is left to them: other modes of images and
parameters. The server's start and failed load are the trial's own; its end is the suite's in a full trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seatrial.contract import life, suite
from seatrial.contract.check import CHECKS, Check, Group
from seatrial.contract.client import Client, Limits, Target
from seatrial.contract.suite import Outcome
from seatrial.findings import Finding, Stage, Step
from seatrial.serving import interfaces

if TYPE_CHECKING:
    from seatrial.facts.gather import Gathered
    from seatrial.trial.observe import Trial
    from seatrial.trial.server import Server

CORE_SECONDS = 5.0  # after which the core stops, and says so: each prediction of a slow predictor takes its time
_FORMS = frozenset({"image-raw", "image-base64-text", "image-data-url", "image-url-safe"})  # decode() may have its own
# What trial/full/inputs.py and trial/full/parameters.py prove, with the answers compared and the fault's place.
_PROVEN_ELSEWHERE = frozenset(
    {
        "image-grey", "image-palette", "image-alpha", "image-grey-alpha", "image-cmyk", "image-16-bit", "image-exif",
        "predict-empty-parameters", "predict-unknown-parameter", "body-deep-parameters",
    }
)  # fmt: skip
_OF_STOP = ("stop-answers", "stop-health")  # what else an end shows is ST505
LEFT_OUT = _FORMS | _PROVEN_ELSEWHERE


def prove(gathered: Gathered, server: Server, instances: Sequence[Any], trial: Trial, *, whole: bool) -> Stage[None]:
    """Run the core of the suite, or with `whole` all of it that asks a server."""
    if (reason := server.unreachable()) is not None:
        trial.unproven.append(f"the serving contract beyond golden requests: {reason}")
        return
    checks = [check for check in (suite.chosen(of_a_command=False) if whole else suite.core()) if _fits(check, trial)]
    target = target_of(gathered, server, instances)
    results = yield from _within(suite.prove(target, checks, None if whole else CORE_SECONDS))
    trial.contract = suite.told(results)
    untried = [result for result in results if result.outcome is Outcome.NOT_TRIED]
    for reason in dict.fromkeys(result.seen for result in untried):
        names = ", ".join(result.check.name for result in untried if result.seen == reason)
        trial.unproven.append(f"{names} of the serving contract: {reason}")
    yield Step(trial.contract)


@dataclass(frozen=True, slots=True)
class _Stopping:
    """A server on trial as the suite stops it."""

    server: Server

    @property
    def exit_code(self) -> int | None:
        return self.server.exit_code

    def terminate(self) -> None:
        self.server.terminate()

    def wait(self, timeout: float) -> int | None:
        return self.server.wait_for_end(timeout)

    def left_behind(self) -> bool:
        return False  # the seal ends them, and the container its own


def stop(gathered: Gathered, server: Server, instances: Sequence[Any], timeout: float) -> Stage[int | None]:
    """Stop a server with predictions under way; yield what is not kept of that, and return the exit code."""
    target = target_of(gathered, server, instances)
    ended = life.watch_end(_Stopping(server), Client(replace(target, limits=replace(target.limits, stop=timeout))))
    yield from suite.look([CHECKS[name] for name in _OF_STOP], ended)
    return ended.exit_code


def _within(stage: Stage[list[suite.Result]]) -> Stage[list[suite.Result]]:
    """Yield the findings and steps of the suite, whose groups are no phases of a trial."""
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(event, Finding | Step):
            yield event


def _fits(check: Check, trial: Trial) -> bool:
    """Return whether a check is about the server, or about a predictor of which the runtime decodes the images."""
    if check.name in LEFT_OUT or check.slow:
        return False
    return interfaces.takes_samples(trial.interface) or not (check.instances or check.group is Group.IMAGES)


def target_of(gathered: Gathered, server: Server, instances: Sequence[Any]) -> Target:
    """Return a server on trial as the suite sees it."""
    serving = gathered.project.serving
    usual = Limits()
    limits = Limits(
        body=min(usual.body, serving.max_body_bytes), endless=max(usual.endless, 2 * serving.max_body_bytes)
    )
    return Target(server.connect, server.health_route, server.predict_route, instances, limits=limits)
