"""A project with golden examples of JSON instances, and servers that answer them right, wrong, slowly or not."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.emulator.api.hosting import HostingError
from seatrial.project import Project
from tests.small_project import small_project

Server = Callable[[list[Any]], list[Any]]


def golden_project(folder: Path, inputs: int = 6, **settings: Any) -> Project:
    """Write a project whose training recorded label `n` and score n/10 for the instance {"n": n}."""
    examples = [{"instance": {"n": n}, "label": str(n), "scores": [n / 10]} for n in range(inputs)]
    files: dict[str, str | bytes] = {"artifacts/golden/golden.json": json.dumps(examples)} if inputs else {}
    return small_project(folder, files, **settings)


def right(instances: list[Any]) -> list[Any]:
    """Answer as training did."""
    return [{"label": str(int(one["n"])), "scores": [one["n"] / 10]} for one in instances]


def wrong(instances: list[Any]) -> list[Any]:
    """Answer with the right label and another score."""
    return [{**answer, "scores": [answer["scores"][0] + 0.25]} for answer in right(instances)]


def failing(code: int, text: str, *, every: int = 1, only: int | None = None, first: int | None = None) -> Server:
    """Fail on every so many-th request, or only on one instance, or only so often; else answer right."""
    turn, lock = itertools.count(1), threading.Lock()

    def answer(instances: list[Any]) -> list[Any]:
        if only is not None and all(one["n"] != only for one in instances):
            return right(instances)
        with lock:
            number = next(turn)
        if number % every == 0 and (first is None or number <= first):
            raise HostingError(code, text)
        return right(instances)

    return answer


def slow(seconds: float) -> Server:
    """Answer right, after a while."""

    def answer(instances: list[Any]) -> list[Any]:
        time.sleep(seconds)
        return right(instances)

    return answer
