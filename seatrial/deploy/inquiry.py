"""An inquiry: requests to an endpoint until their replies decide something about one deployed model."""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial.deploy.answers import differences
from seatrial.deploy.exchange import Question, Reply
from seatrial.deploy.requests import Limits, Progress, replies
from seatrial.findings import Finding, Stage
from seatrial.trial.parity import Drift

if TYPE_CHECKING:
    from seatrial.deploy.platform import Endpoint, Platform
    from seatrial.facts.gather import Gathered


class Inquiry(abc.ABC):
    """What is asked of an endpoint, what came back, and whether that is enough."""

    def __init__(self, gathered: Gathered, deployed_id: str, limits: Limits) -> None:
        """`deployed_id` is the deployed model that is judged."""
        self._gathered = gathered
        self._project = project = gathered.project
        self._id = deployed_id
        self._limits = limits
        self._tolerance = project.smoke.tolerance_for(project.vertex.device)
        self._drift = Drift()
        self._wrong: dict[str, Finding] = {}
        self._refused: Reply | None = None
        self._began = time.monotonic()

    def run(self, platform: Platform, endpoint: Endpoint) -> Stage[None]:
        """Ask until it is over, or until a limit is reached, and yield the findings."""
        progress = Progress()
        with contextlib.closing(replies(platform, endpoint, self.choose, self._limits)) as stream:
            for reply in stream:
                if reply is not None:
                    self.take(reply)
                if self.over:
                    break
                yield from progress.line(self.line)
        yield from self.findings()

    @property
    @abc.abstractmethod
    def over(self) -> bool:
        """Whether nothing more needs to be asked."""

    @abc.abstractmethod
    def choose(self) -> Question | None:
        """Return what to ask next; None for nothing right now."""

    @abc.abstractmethod
    def take(self, reply: Reply) -> None:
        """Take a reply into account."""

    @abc.abstractmethod
    def line(self) -> str:
        """Return how far it has come, in words."""

    @abc.abstractmethod
    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, or what is missing."""

    def _compare(self, reply: Reply) -> None:
        """Note where an answer of the deployed model differs from what training recorded."""
        for finding in differences(reply, self._tolerance, self._drift):
            self._wrong.setdefault(finding.subject, finding)

    @property
    def _settled(self) -> bool:
        """Whether a change of the split has had time to arrive."""
        return time.monotonic() - self._began >= self._limits.settle
