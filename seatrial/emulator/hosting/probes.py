"""Keeping one deployed model running by Vertex's rules: when it is ready, when it gets no traffic, when it restarts.

Here a server is only started, probed and ended; what starts, a process or a container, comes from the caller, and so do
the probes. Until the startup probe holds, neither of the others is asked; the one of liveness decides about restarts,
the one of health about traffic: https://kubernetes.io/docs/concepts/workloads/pods/probes/.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from seatrial.emulator.api.hosting import HostingError, Reply
from seatrial.emulator.api.refusals import CANCELLED, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE
from seatrial.emulator.hosting.checks import NONE, PERIOD, Course, Probe, Running, sent

_BACKOFF_AT_MOST = 30  # periods between two restarts: Kubernetes' five minutes, at its ten seconds
_LOOK = 0.1  # seconds within which a server's end, and its first healthy answer, are noticed

Launch = Callable[[], Running]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a server is watched.

    Attributes:
        alive, health, startup: the probes.
        predict_route: the route of predictions.
        ready_timeout: seconds from its start until it must have been healthy once.
        exited, never_ready: the errors of a first start that fails.
        period: seconds until the first restart; each further one waits twice as long as the last.
    """

    alive: Probe
    health: Probe
    predict_route: str
    ready_timeout: float
    exited: HostingError
    never_ready: HostingError
    startup: Probe = NONE
    period: float = PERIOD


class Replica:
    """One deployed model and the thread that keeps it running; in its `room` it may be started several times."""

    def __init__(
        self,
        room: AbstractContextManager[Launch],
        rules: Rules,
        starting: threading.Semaphore,
        note: Callable[[str], None],
    ) -> None:
        """`starting` limits how many start at once; `note` gets a line about each restart."""
        self._room, self._rules, self._starting, self._note = room, rules, starting, note
        self._stopping, self._settled = threading.Event(), threading.Event()
        self._healthy = False
        self._failure: HostingError | None = None
        self._address = ("", 0)
        self._thread = threading.Thread(target=self._live, daemon=True)

    def begin(self) -> None:
        """Begin to start it; `wait_until_ready` waits for that."""
        self._thread.start()

    def wait_until_ready(self) -> None:
        """Return when it is healthy for the first time.

        Raises:
            HostingError: it ended, was not healthy in time, or was stopped.
        """
        self._settled.wait()
        if self._failure is not None:
            raise self._failure
        if self._stopping.is_set():
            raise HostingError(CANCELLED, "The deployment was cancelled.")

    @property
    def over(self) -> bool:
        """Whether nothing keeps it running any more, for example because its container engine failed."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def ask(self, body: bytes, content_type: str, timeout: float) -> Reply:
        """Send a prediction.

        Raises:
            HostingError: it gets no traffic now, the connection broke, or no answer came in `timeout` seconds.
        """
        if not self._healthy:
            raise HostingError(UNAVAILABLE, "No healthy replica of the deployed model takes traffic.")
        try:
            headers = {"Content-Type": content_type} if content_type else {}
            return sent(self._address, self._rules.predict_route, timeout, body=body, headers=headers)
        except TimeoutError:
            raise HostingError(DEADLINE_EXCEEDED, f"The deployed model did not answer within {timeout:g} s.") from None
        except (OSError, http.client.HTTPException) as error:
            raise HostingError(UNAVAILABLE, f"The connection to the deployed model broke: {error!r}.") from None

    def tell_to_stop(self) -> None:
        """Tell it to end, without waiting for that."""
        self._stopping.set()

    def stop(self) -> None:
        """End it; return when nothing of it is left."""
        self.tell_to_stop()
        self._thread.join()

    def _live(self) -> None:
        if not self._has_its_turn():
            self._settled.set()
            return
        try:
            with self._room as launch:
                self._keep(launch)
        except HostingError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - whatever it was, the start has failed
            self._failure = HostingError(INTERNAL, str(error) or repr(error))
        finally:
            self._settle()

    def _has_its_turn(self) -> bool:
        """Wait until not too many others are starting; return False if it was stopped meanwhile."""
        while not self._stopping.is_set():
            if self._starting.acquire(timeout=_LOOK):
                return True
        return False

    def _settle(self) -> None:
        """Mark the start as over, successful or not, and let the next one have its turn."""
        if not self._settled.is_set():
            self._settled.set()
            self._starting.release()

    def _keep(self, launch: Launch) -> None:
        """Start it, and restart it whenever it ends, until it is stopped or its first start fails."""
        deadline = time.monotonic() + self._rules.ready_timeout
        pause = self._rules.period
        while not self._stopping.is_set():
            running = launch()
            try:
                self._address = running.address
                why = self._watch(running, deadline)
            finally:
                self._healthy = False
                running.end()
            if not self._stopping.is_set():
                self._note(f"{why}; it is started again in {pause:g} s")
                self._stopping.wait(pause)
                pause = min(2 * pause, _BACKOFF_AT_MOST * self._rules.period)

    def _watch(self, running: Running, deadline: float) -> str:
        """Probe a started server until it must be restarted, and return why, or until it is stopped."""
        startup, alive, health = Course(self._rules.startup), None, None
        while not self._stopping.is_set():
            failed = next((each for each in (startup, alive) if each is not None and each.failed), None)
            if running.ended(certain=failed is not None):
                if not self._settled.is_set():
                    raise self._rules.exited
                return "The model server exited"
            if failed is not None:
                return f"The model server {failed.probe.failing}"
            if alive is not None and health is not None:
                alive.ask(running)
                health.ask(running)
                self._healthy = health.held
            else:
                startup.ask(running)
                if startup.held:
                    alive, health = Course(self._rules.alive), Course(self._rules.health)
                    continue
            if self._healthy:
                self._settle()
            elif not self._settled.is_set() and time.monotonic() > deadline:
                raise self._rules.never_ready
            self._stopping.wait(min(_LOOK, self._rules.period))
        return ""
