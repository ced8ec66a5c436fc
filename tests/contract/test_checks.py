"""Every check holds for a server that keeps the contract, and fails for one that breaks just its point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.contract import suite
from seatrial.contract.check import CHECKS, OF_A_COMMAND, Level
from seatrial.contract.client import Limits
from seatrial.contract.suite import Outcome
from seatrial.findings import Severity

from .conftest import SHORT, asked, command, ended, only, up

# Breaking one of these takes seconds: a client that waits, or many of them.
SLOW = ("client-many", "client-stalls-no-other", "client-stalled-head", "client-stalled-body")
ASKED = [check.name for check in suite.chosen(slow=True, of_a_command=False)]
LIVED = [check.name for check in CHECKS.values() if check.group in OF_A_COMMAND]
# Patient ones, so that a busy machine breaks nothing; only what is waited for on purpose is shortened.
PATIENT = Limits(keep_alive=0.6, stalled=20.0, endless=6_000_000, quick=5.0)
# What one start can break all at once; the others end the server, or hide one another.
TOGETHER = (
    "start-all-interfaces", "start-health-503", "start-predict-503",
    "stop-health", "stop-exit-code", "stop-leaves-nothing", "stop-log", "again-failed-load",
)  # fmt: skip
STUBBORN = ("stop-in-time", "again-stop-while-loading")
ENDING = ("start-port", "start-healthy", "stop-answers")


def test_there_are_checks_for_every_group_and_each_says_what_and_where() -> None:
    assert len(CHECKS) >= 40
    for check in CHECKS.values():
        assert check.says.endswith(".")
        assert check.source.startswith("https://")


def test_a_server_that_keeps_the_contract_keeps_every_check() -> None:
    with up(limits=PATIENT) as target:
        results, findings = only(ASKED, target)
    assert {name: result.seen for name, result in results.items() if result.outcome is not Outcome.KEPT} == {}
    assert findings == []
    assert sorted(results) == sorted(ASKED)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.proof) if n in SLOW else n for n in ASKED])
def test_a_server_that_breaks_a_point_does_not_keep_its_check(name: str) -> None:
    with up(name) as target:
        results, findings = only([name], target)
    assert results[name].outcome is Outcome.BROKEN, results[name].seen
    expected = Severity.ERROR if CHECKS[name].level is Level.REQUIRED else Severity.WARNING
    found = {finding.subject: finding for finding in findings}[name]
    assert (found.code, found.severity) == ("ST508", expected)
    assert CHECKS[name].says in found.cause


def test_a_command_that_keeps_the_contract_keeps_every_check_of_its_life() -> None:
    results, _ = ended(suite.prove_command(command(), asked(replace(PATIENT, failing=20.0)), suite.chosen(LIVED)))
    assert {name: result.seen for name, result in results.items() if result.outcome is not Outcome.KEPT} == {}


@pytest.mark.proof
def test_a_command_that_breaks_points_of_its_life_does_not_keep_their_checks() -> None:
    results, _ = ended(suite.prove_command(command(*TOGETHER), asked(), suite.chosen(TOGETHER)))
    assert {name: result.outcome for name, result in results.items() if name in TOGETHER} == dict.fromkeys(
        TOGETHER, Outcome.BROKEN
    )


@pytest.mark.proof
def test_a_command_that_does_not_heed_sigterm_does_not_keep_the_checks_of_its_end() -> None:
    results, _ = ended(suite.prove_command(command(*STUBBORN), asked(), suite.chosen(STUBBORN)))
    assert {results[name].outcome for name in STUBBORN} == {Outcome.BROKEN}


@pytest.mark.parametrize("name", ENDING)
def test_a_command_that_ends_or_is_never_reached_does_not_keep_the_check(name: str) -> None:
    limits = replace(SHORT, load=4.0) if name == "start-port" else SHORT
    results, _ = ended(suite.prove_command(command(name), asked(limits), suite.chosen([name])))
    assert results[name].outcome is Outcome.BROKEN


def test_no_check_of_a_life_is_left_out_here() -> None:
    assert sorted((*TOGETHER, *STUBBORN, *ENDING)) == sorted(LIVED)
