"""Serving for the interfaces whose class gets a request whole and answers it whole, one at a time.

Their classes were written for one request at a time, so each gets one thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from seatrial.serving.answers import AnswerError, Request, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.serving.interfaces import Interface


class WholeRequest:
    """A loaded predictor, asked through `ask`."""

    def __init__(self, interface: Interface, ask: Callable[[Request], bytes]) -> None:
        self.interface = interface.name
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "inference")

    async def answer(self, body: bytes) -> bytes:
        """Answer a JSON request."""
        request = await asyncio.to_thread(parse, body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, request)

    async def answer_image(self, data: bytes) -> bytes:  # noqa: ARG002 - the signature of all interfaces
        """Refuse a request whose body is one image file."""
        raise AnswerError(415, f"a predictor of the {self.interface} interface takes JSON, not an image")
