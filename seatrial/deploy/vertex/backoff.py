"""Back-off: which failures of a call pass by themselves, and how long to pause before the next attempt.

`google.api_core.retry` is not used: it does not count attempts, it wraps the last failure in an error of its own, and
it sleeps where a stage must yield its progress or look whether a lost write was made.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import grpc
from google.api_core import exceptions

from seatrial.deploy.vertex.target import Limits

# UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE; a reset connection is the last too
TRANSIENT = frozenset({2, 4, 8, 10, 13, 14})
_AMBIGUOUS = frozenset({1, 2, 4, 10, 13, 14})  # CANCELLED is what a proxy's reset stream arrives as
NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED = 5, 6, 9, 10

T = TypeVar("T")


def code_of(error: exceptions.GoogleAPICallError) -> int:
    """Return the google.rpc status code of an error; 2, UNKNOWN, if it has none."""
    status = error.grpc_status_code
    return 2 if status is None else int(status.value[0])


def name_of(code: int) -> str:
    """Return the name of a google.rpc status code, such as UNAVAILABLE."""
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), f"code {code}")


def ambiguous(error: exceptions.GoogleAPICallError) -> bool:
    """Return whether the change that failed so may have been made."""
    return code_of(error) in _AMBIGUOUS


def pause_after(limits: Limits, attempt: int) -> float:
    """Return the pause after an attempt, the first being 1."""
    return jittered(min(limits.cap, limits.retry * 2.0 ** (attempt - 1)))


def jittered(pause: float) -> float:
    """Return a pause of which up to half is left to chance."""
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


def again(limits: Limits, call: Callable[[], T]) -> T:
    """Call until it answers, at most as often and as long as the limits say.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the last failure.
    """
    end = time.monotonic() + limits.patience
    attempt = 0
    while True:
        try:
            return call()
        except exceptions.GoogleAPICallError as error:
            attempt += 1
            pause = pause_after(limits, attempt)
            if code_of(error) not in TRANSIENT or attempt >= limits.attempts or time.monotonic() + pause > end:
                raise
            time.sleep(pause)
