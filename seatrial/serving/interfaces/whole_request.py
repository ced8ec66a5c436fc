"""Serving for the interfaces whose class gets a request whole and answers it whole, one at a time.

Their classes were written for one request at a time, so no worker has a second one meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.serving import log
from seatrial.serving.answers import AnswerError, Request, call, failure, parse
from seatrial.serving.frames import Result, Results
from seatrial.serving.laps import Laps

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.frames import Job
    from seatrial.serving.interfaces import Interface
    from seatrial.serving.origin import Origin


class WholeRequest:
    """A loaded predictor, asked through `ask`."""

    splits = False

    def __init__(self, interface: Interface, ask: Callable[[Request, Laps], bytes]) -> None:
        self.interface = interface.name
        self.no_image = f"a predictor of the {self.interface} interface takes JSON, not an image"
        self._ask = ask

    def answer(self, job: Job) -> Results:
        """Answer each request."""
        laps = Laps()
        return Results([self._answered(item.data, job.origins[item.request], laps) for item in job.items], laps.seconds)

    def _answered(self, body: bytes, origin: Origin, laps: Laps) -> Result:
        log.about(origin)
        try:
            request = parse(body)
            laps.end("decode")
            answer = call("the request", self._ask, request, laps)
            laps.end("postprocess")
            return Result(200, answer)
        except AnswerError as error:
            return failure(error)
