"""The deployer is killed at every call that changes something, before and after its effect, and at the others too.

Whatever the moment, the same command run once more, with no help, leaves the server as an undisturbed run does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.deploy.crashing import MUTATING, READING, At, Command, Lab, Left, laboratory

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]  # on a busy machine

# What is slow on a busy machine is no matter here.
STEPS = ("--set", "rollout.steps=[50, 100]", "--set", "rollout.max-latency-ratio=1000")
STAGING = ("--set", "rollout.staging=true")
FIRST, SECOND, THIRD = (Command(number, STEPS) for number in (1, 2, 3))


@dataclass(frozen=True)
class Scenario:
    """A command, what came before it, and how many kills it gives at least."""

    before: tuple[Command, ...]
    command: Command
    kills: int


HALF_WAY = Command(2, STEPS, At("UpdateEndpoint", 0, "after"))
PROVEN = Command(2, STEPS, At("UndeployModel", 0))
RETIRED = Command(2, STEPS, At("UpdateEndpoint", 2))
STAGED = Command(2, (*STEPS, *STAGING), At("UpdateEndpoint", 0, "after"))

SCENARIOS = {
    "a first deploy": Scenario((), FIRST, 22),
    "a second version": Scenario((FIRST,), SECOND, 26),
    "staging": Scenario((), Command(1, STAGING), 34),
    "a rollback": Scenario((FIRST, SECOND), Command(2, ("--rollback",)), 24),
    "a rollback of a rollout that is half way": Scenario((FIRST, HALF_WAY), Command(2, ("--rollback",)), 10),
    "an undeploy": Scenario((FIRST, STAGED), Command(2, ("--undeploy",)), 15),
    "superseding a rollout that is half way": Scenario((FIRST, HALF_WAY), THIRD, 22),
    "superseding a rollout that is the default": Scenario((FIRST, PROVEN), THIRD, 28),
    "superseding a rollout whose former version is retired": Scenario((FIRST, RETIRED), THIRD, 20),
}


assert sum(scenario.kills for scenario in SCENARIOS.values()) >= 200


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("crashes")) as lab:
        yield lab


@pytest.fixture
def lab(opened: Lab) -> Lab:
    opened.begin()
    return opened


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_command_run_again_ends_as_if_it_had_never_been_killed(
    lab: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = SCENARIOS[name]
    expected, counts = _undisturbed(lab, scenario)
    wrong, kills = [], 0
    for at in _calls(counts, dear=scenario.command is THIRD):
        killed, fault = _killed_and_run_again(lab, scenario, at, expected)
        assert killed or at.method in READING, f"{at} was never reached"  # how often it polls is up to the machine
        kills += killed
        wrong += [fault] if fault else []
        if fault:
            with capsys.disabled():
                sys.stderr.write(f"{name}: {fault}\n")
    with capsys.disabled():
        sys.stderr.write(f"\n{name}: killed {kills} times, {len(wrong)} ended otherwise\n")
    assert not wrong, "\n".join(wrong)
    assert kills >= scenario.kills


def _undisturbed(lab: Lab, scenario: Scenario) -> tuple[Left, dict[str, int]]:
    """Run a scenario to its end: what it leaves, and its calls by method."""
    place = lab.place()
    lab.prepare(place, scenario.before)
    ended, counts = lab.counted(place, scenario.command)
    assert ended.code == 0, ended.shown
    assert counts["*"] == sum(count for method, count in counts.items() if method != "*"), "a method is not known here"
    left = lab.left(place)
    assert (left.staging, left.state.record, left.state.running) == (None, None, 0)
    assert left.servers == len(left.state.deployed) <= 1
    assert left.state.split == dict.fromkeys(left.state.deployed, 100)
    lab.clear(place)
    return left, counts


def _calls(counts: dict[str, int], *, dear: bool) -> Iterator[At]:
    """Return every call that changes something, twice, and of those that read some; where they are `dear`, fewer."""
    for method in MUTATING:
        for nth in range(counts[method]):
            yield At(method, nth, "before")
            yield At(method, nth, "after")
    for method in READING:
        count = counts[method]
        chosen = {0} if dear else {0, count // 2, count - 1}
        yield from (At(method, nth) for nth in sorted(chosen) if 0 <= nth < count)


def _killed_and_run_again(lab: Lab, scenario: Scenario, at: At, expected: Left) -> tuple[bool, str]:
    """Kill a scenario's command at a call and run it again; tell whether it was killed, and what is otherwise."""
    place = lab.place()
    lab.prepare(place, scenario.before)
    killed = lab.killed(place, scenario.command, at)
    again, counts = lab.counted(place, scenario.command)
    left = lab.left(place)
    lab.clear(place)
    if left != expected:
        return killed, f"{at}: {left}, not {expected}: {again.shown}"
    # Where all was done before the kill, a rollback may say that there is nothing to go back to.
    if again.code and any(counts[method] for method in MUTATING):
        return killed, f"{at}: exit code {again.code}: {again.shown}"
    return killed, ""
