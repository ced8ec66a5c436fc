"""SIGINT, SIGTERM and SIGHUP as one exception, raised wherever the program is, so that every `finally` runs."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []


class Interruption(BaseException):
    """A signal asked the program to end; its argument is the signal's number."""


def heed() -> None:
    """Raise `Interruption` on the first of the signals from now on."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's background jobs
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one must not disturb the cleanup
    _received.append(number)
    raise Interruption(number)


def handled() -> None:
    """Forget the interruption: it was caught, and the program goes on to clean up."""
    _received.clear()


def raise_if_swallowed() -> None:
    """Raise the interruption again: Python drops an exception raised in a finalizer or a weakref callback."""
    if _received:
        raise Interruption(_received[0])
