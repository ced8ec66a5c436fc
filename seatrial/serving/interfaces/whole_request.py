"""Serving for the interfaces whose class gets a request whole and answers it whole, one at a time.

Their classes were written for one request at a time, so no worker has a second one meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, Request, call, failure, parse
from seatrial.serving.frames import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.frames import Job
    from seatrial.serving.interfaces import Interface
    from seatrial.serving.origin import Origin


class WholeRequest:
    """A loaded predictor, asked through `ask`."""

    splits = False

    def __init__(self, interface: Interface, ask: Callable[[Request], bytes]) -> None:
        self.interface = interface.name
        self.no_image = f"a predictor of the {self.interface} interface takes JSON, not an image"
        self._ask = ask

    def answer(self, job: Job) -> list[Result]:
        """Answer each request."""
        return [self._answered(item.data, job.origins[item.request]) for item in job.items]

    def _answered(self, body: bytes, origin: Origin) -> Result:
        log.about(origin)
        try:
            return Result(200, call("the request", self._ask, parse(body)))
        except AnswerError as error:
            return failure(error)
