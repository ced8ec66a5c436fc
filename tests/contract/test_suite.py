"""Choosing checks, and what becomes of those that cannot be tried."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.contract import page, suite
from seatrial.contract.check import CHECKS
from seatrial.contract.client import Client, Target
from seatrial.contract.suite import Outcome
from seatrial.errors import EnvironmentFaultError, UsageError

from .conftest import INSTANCES, asked, command, ended, only, up

ROOT = Path(__file__).parents[2]


def refused(timeout: float) -> socket.socket:
    raise ConnectionRefusedError(111, "Connection refused")


def test_the_page_is_up_to_date() -> None:
    text = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    assert text == page.page(), "run `python -m seatrial.contract.page docs/contract.md`"


def test_a_name_that_does_not_exist_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="there is no check health-haed") as unknown:
        suite.chosen(["health-haed"])
    assert "health-head" in unknown.value.fix


def test_slow_checks_run_only_if_asked_for_or_named() -> None:
    slow = {check.name for check in CHECKS.values() if check.slow}
    assert slow
    assert not slow & {check.name for check in suite.chosen()}
    assert slow <= {check.name for check in suite.chosen(slow=True)}
    assert [check.name for check in suite.chosen(["client-stalled-body"])] == ["client-stalled-body"]


def test_checks_of_a_life_need_a_command() -> None:
    with pytest.raises(UsageError, match="start and stop the server themselves"):
        suite.chosen(["stop"], of_a_command=False)


def test_without_a_good_request_what_needs_one_is_not_tried() -> None:
    with up() as target:
        results, findings = only(["predict-large", "body-empty"], replace(target, instances=()))
    assert results["body-empty"].outcome is Outcome.KEPT
    assert results["predict-large"].outcome is Outcome.NOT_TRIED
    assert results["predict-large"].seen == "what a good request is, is not known"
    assert findings == []


def test_without_an_image_the_checks_of_images_are_not_tried() -> None:
    with up("predict-empty") as target:
        results, _ = only(["image-cmyk"], replace(target, instances=[3]))
    assert results["image-cmyk"].outcome is Outcome.NOT_TRIED


def test_a_good_request_that_is_refused_is_told_once() -> None:
    with up("predict-answers") as target:
        results, findings = only(["clients", "http-charset"], target)
    assert [finding.subject for finding in findings] == ["predict-answers"]
    assert results["client-many"].outcome is Outcome.NOT_TRIED


@pytest.mark.proof
def test_after_a_check_that_ends_the_server_nothing_more_is_tried() -> None:
    with up("client-many") as target:
        results, _ = only(["client-many", "client-at-once"], target)
    assert results["client-many"].seen.endswith("since client-many the server is not healthy")
    assert results["client-at-once"].outcome is Outcome.NOT_TRIED


@pytest.mark.parametrize("wrapped", [lambda it: it, lambda it: [{"id": 3, "image": it}], lambda it: ["a", it["b64"]]])
def test_an_image_deep_in_an_instance_is_found_and_replaced(wrapped: Callable[[Any], Any]) -> None:
    client = Client(Target(refused, "/health", "/predict", [wrapped(INSTANCES[0])]))
    body = client.with_image(b"other")
    assert json.loads(body) == {"instances": [wrapped({"b64": "b3RoZXI="})]}


def test_a_server_that_nobody_reaches_is_no_finding() -> None:
    with pytest.raises(EnvironmentFaultError, match="cannot be reached: Connection refused"):
        suite.require_reachable(Target(refused, "/health", "/predict"))


def test_a_command_that_does_not_exist_is_no_finding() -> None:
    with pytest.raises(EnvironmentFaultError, match="cannot run /no/such/program"):
        ended(suite.prove_command(["/no/such/program"], asked(), suite.chosen()))


def test_a_command_that_ends_leaves_its_log_as_evidence_and_all_else_not_tried() -> None:
    results, findings = ended(suite.prove_command(command("start-healthy"), asked(), suite.chosen()))
    assert results["start-healthy"].outcome is Outcome.BROKEN
    (found,) = findings
    assert any('"loading"' in line for line in found.evidence)
    assert results["stop-answers"].outcome is Outcome.NOT_TRIED
    assert len(results) == len(suite.chosen())
