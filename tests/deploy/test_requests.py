from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy import requests
from seatrial.deploy.requests import Limits, questions
from seatrial.deploy.vertex.target import TARGETS
from tests.deploy.golden_project import golden_project, right
from tests.deploy.live_endpoint import NEW, THIRD, live
from tests.deploy.vertex.resources import project

LIMITS = Limits(seconds=60, settle=0)


@pytest.mark.parametrize(("seconds", "longest"), [(None, 60.0), (30, 60.0), (1800, 1800.0)])
def test_an_answer_may_take_as_long_as_the_endpoint_waits_for_it(seconds: int | None, longest: float) -> None:
    assert Limits.of(project(inference_timeout=seconds), TARGETS["vertex"].traits).request_timeout == longest


def test_what_is_in_flight_is_left_when_the_caller_ends(tmp_path: Path) -> None:
    asked, release = threading.Event(), threading.Event()

    def blocked(instances: list[Any]) -> list[Any]:
        asked.set()
        release.wait(60)
        return right(instances)

    project = golden_project(tmp_path, 1)
    (question,) = questions(project, interface="batched")
    with live(tmp_path, {NEW: 100}, {NEW: blocked, THIRD: right}) as (platform, endpoint):
        stream = requests.replies(platform, endpoint, lambda: question, LIMITS)
        assert next(stream) is None
        assert asked.wait(10)
        stream.close()  # would last a minute if it waited for the answer
        left = not release.is_set()
        release.set()
    assert left
