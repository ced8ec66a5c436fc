"""The suite: chooses checks, runs them on a server, and says of each whether it is kept.

A check that could not be tried is never counted as kept: its result says why.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from seatrial.contract import bodies, clients, health, images, life, predict, transport
from seatrial.contract.check import CHECKS, OF_A_COMMAND, BrokenError, Check, Group, Level, NotSeenError
from seatrial.contract.client import Client, Limits, Target
from seatrial.contract.process import Running, running
from seatrial.contract.wire import NoAnswerError
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step
from seatrial.rules.serving.contract import NOT_KEPT

MODULES = (life, health, predict, bodies, transport, images, clients)  # that fill the table
FIRST = ("health-200", "predict-answers")  # which nearly all others build on, so that they always run
_RECOVERY = 3  # looks at a server that a check may have ended
_SEVERITIES = {Level.REQUIRED: Severity.ERROR, Level.RECOMMENDED: Severity.WARNING}


class Outcome(StrEnum):
    """What became of a check."""

    KEPT = "kept"
    BROKEN = "not kept"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Result:
    """A check with its outcome; `seen` is what the server did, or why it was not tried."""

    check: Check
    outcome: Outcome
    seen: str = ""
    seconds: float = 0.0
    evidence: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """Return the finding of a check that is not kept."""
        check = self.check
        return NOT_KEPT.finding(
            f"{check.name}: {self.seen}",
            severity=_SEVERITIES[check.level],
            subject=check.name,
            cause=f"the contract says ({check.level}): {check.says}",
            fix=f"`seatrial contract --only {check.name}` repeats this check",
            evidence=(*self.evidence, check.source),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        check = self.check
        told = {"name": check.name, "group": check.group.value, "level": check.level.value, "says": check.says}
        seen = {"outcome": self.outcome.value, "seen": self.seen, "seconds": round(self.seconds, 3)}
        return {**told, "source": check.source, **seen}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server is asked with, however it is reached: see `Target`."""

    health: str
    predict: str
    instances: Sequence[Any] = ()
    parameters: Any = None
    limits: Limits = field(default_factory=Limits)


def chosen(names: Iterable[str] = (), *, slow: bool = False, of_a_command: bool = True) -> list[Check]:
    """Return the checks of these names or groups, or all; the slow ones only if asked for.

    Raises:
        UsageError: there is no check or group of a name, or none of them can be run.
    """
    wanted = set(names)
    groups = {group.value for group in Group}
    for name in sorted(wanted):
        if name not in CHECKS and name not in groups:
            near = difflib.get_close_matches(name, [*CHECKS, *groups], n=1)
            fix = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no check {name}", fix=f"{fix}`seatrial contract --list` shows all")
    found = [
        check
        for check in CHECKS.values()
        if (not wanted or check.name in wanted or check.group.value in wanted)
        and (slow or not check.slow or check.name in wanted)
    ]
    if not of_a_command:
        if wanted and all(check.group in OF_A_COMMAND for check in found):
            fix = "give the command behind `--` instead of --url"
            raise UsageError("these checks start and stop the server themselves", fix=fix)
        found = [check for check in found if check.group not in OF_A_COMMAND]
    return sorted(found, key=lambda check: list(Group).index(check.group))


def core() -> list[Check]:
    """Return the checks that take milliseconds, and that hold for every predictor."""
    return [check for check in chosen(of_a_command=False) if check.core and not check.instances]


def prove(target: Target, checks: Sequence[Check], seconds: float | None = None) -> Stage[list[Result]]:
    """Run checks on a server that is up; yield a finding for each that is not kept.

    After so many `seconds` no further one is begun.
    """
    until = None if seconds is None else time.monotonic() + seconds
    known = yield from _first(target, checks)
    results = list(known.values())
    client = Client(_usable(target, known))
    over = ""
    for group in Group:
        of_group = [check for check in checks if check.group is group and check.name not in known]
        if not of_group:
            continue
        yield Phase(group.value)
        for number, check in enumerate(of_group, start=1):
            yield Step(f"{number} of {len(of_group)}: {check.name}")
            if until is not None and time.monotonic() > until:
                over = over or f"the others took {seconds:g} s"
            result = Result(check, Outcome.NOT_TRIED, over) if over else _result(check, client)
            if result.outcome is Outcome.BROKEN:
                over = _over(client, check)
                result = replace(result, seen=f"{result.seen}; {over}" if over else result.seen)
                yield result.finding()
            results.append(result)
        yield Step(told(results, group))
    return results


def _first(target: Target, checks: Sequence[Check]) -> Stage[dict[str, Result]]:
    """Run the checks that the others build on."""
    yield Phase("first")
    client = Client(target)
    found: dict[str, Result] = {}
    for name in FIRST:
        if name == FIRST[-1] and not target.instances and CHECKS[name] not in checks:
            continue
        yield Step(name)
        found[name] = result = _result(CHECKS[name], client)
        if result.outcome is Outcome.BROKEN:
            yield result.finding()
    yield Step(told([*found.values()]))
    return found


def _usable(target: Target, known: Mapping[str, Result]) -> Target:
    """Return the target without its instances if they are not answered: else all checks would fail for one reason."""
    answered = known.get(FIRST[-1])
    if answered is None or answered.outcome is Outcome.KEPT:
        return target
    return replace(target, instances=(), why_none="the good request is not answered")


def _result(check: Check, seen: Any) -> Result:
    began = time.monotonic()
    try:
        check.run(seen)
        outcome, text = Outcome.KEPT, ""
    except NotSeenError as reason:
        outcome, text = Outcome.NOT_TRIED, str(reason)
    except (BrokenError, NoAnswerError) as error:
        outcome, text = Outcome.BROKEN, str(error)
    except OSError as error:
        outcome, text = Outcome.BROKEN, f"the connection broke: {error.strerror or error}"
    return Result(check, outcome, text, time.monotonic() - began)


def _over(client: Client, check: Check) -> str:
    """Return why nothing more can be asked after a check that is not kept; "" if the server is healthy."""
    for _ in range(_RECOVERY):
        try:
            client.healthy()
        except (BrokenError, NoAnswerError):
            time.sleep(0.5)
        else:
            return ""
    return f"since {check.name} the server is not healthy"


def told(results: Sequence[Result], group: Group | None = None) -> str:
    """Return how many checks are kept, of a group or of all, in words."""
    of_group = [result for result in results if group is None or result.check.group is group]
    counts = {each: sum(result.outcome is each for result in of_group) for each in Outcome}
    words = [f"{counts[Outcome.KEPT]} of {len(of_group)} checks kept"]
    words += [f"{counts[each]} {each}" for each in (Outcome.BROKEN, Outcome.NOT_TRIED) if counts[each]]
    return ", ".join(words)


def prove_command(command: Sequence[str], asked: Asked, checks: Sequence[Check]) -> Stage[list[Result]]:
    """Start a server, look at its start, run checks on it, stop it, and start it again to see it fail.

    Raises:
        EnvironmentFaultError: the command cannot be run.
    """

    def start(more: Mapping[str, str]) -> AbstractContextManager[Running]:
        return running(command, asked.health, asked.predict, more)

    wanted = {group: [check for check in checks if check.group is group] for group in OF_A_COMMAND}
    results: list[Result] = []
    with start({}) as server:
        yield Phase(Group.START.value)
        yield Step("waiting for health 200")
        target = _target(asked, server)
        body = Client(target).body() if asked.instances else b""
        started = life.watch_start(server, target, body)
        healthy = started.healthy_after is not None
        needed = [*wanted[Group.START], *([] if healthy else [CHECKS["start-healthy"]])]
        results += yield from look(list(dict.fromkeys(needed)), started, server)
        if not healthy:
            why = "the server never got healthy"
            return [*results, *(Result(each, Outcome.NOT_TRIED, why) for each in checks if each not in needed)]
        others = [check for check in checks if check.group not in OF_A_COMMAND]
        results += yield from prove(target, others)
        if wanted[Group.STOP]:
            yield Phase(Group.STOP.value)
            yield Step("SIGTERM while predictions are under way")
            ended = life.watch_end(server, Client(_usable(target, {r.check.name: r for r in results})))
            ended = replace(ended, printed=server.printed, errors=server.errors())
            results += yield from look(wanted[Group.STOP], ended, server)
    if wanted[Group.AGAIN]:
        yield Phase(Group.AGAIN.value)
        yield Step("starting it without its model, and stopping it while it loads")
        results += yield from look(wanted[Group.AGAIN], life.watch_again(start, started))
    return results


def _target(asked: Asked, server: Running) -> Target:
    return Target(server.connect, asked.health, asked.predict, asked.instances, asked.parameters, asked.limits)


def look(checks: Sequence[Check], seen: Any, server: Running | None = None) -> Stage[list[Result]]:
    """Judge what was seen of a start or an end; the log is evidence."""
    results = [_result(check, seen) for check in checks]
    for number, result in enumerate(results):
        if result.outcome is Outcome.BROKEN:
            evidence = server.tail() if server and result.check.name == "start-healthy" else ()
            results[number] = replace(result, evidence=evidence)
            yield results[number].finding()
    if checks:
        yield Step(told(results))
    return results


def require_reachable(target: Target) -> None:
    """Refuse a server that nobody reaches.

    Raises:
        EnvironmentFaultError: its port takes no connection.
    """
    try:
        target.connect(target.limits.health).close()
    except OSError as error:
        raise EnvironmentFaultError(f"the server cannot be reached: {error.strerror or error}") from None


def listed() -> Iterator[Check]:
    """Yield every check in the order in which they run."""
    yield from chosen(slow=True)
