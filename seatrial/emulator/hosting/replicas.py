"""The deployed models that run on this machine, each as a process or a container.

The version decides which of the two; `probes` keeps each one running. After a restart of the emulator a deployed
model starts with its first request.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from seatrial.emulator.api import refusals
from seatrial.emulator.api.hosting import HostingError, Placement, Reply
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting import checks, variables
from seatrial.emulator.hosting.bundles import IMAGE_PREFIX, Bundles
from seatrial.emulator.hosting.checks import PERIOD
from seatrial.emulator.hosting.containers import Containers
from seatrial.emulator.hosting.leftovers import Leftovers
from seatrial.emulator.hosting.probes import Replica, Rules

READY_TIMEOUT = 1800.0  # seconds, for a version without deployment_timeout; ours, as Vertex documents no default

_Key = tuple[str, str]


class Replicas:
    """The emulator's `Hosting`: one replica for each deployed model, whatever its machine and number of replicas."""

    def __init__(
        self,
        state: Path,
        storage_url: Callable[[], str],
        logs: Logs,
        leftovers: Leftovers,
        *,
        engine: str = "auto",
        probe_period: float = PERIOD,
        ready_timeout: float = READY_TIMEOUT,
    ) -> None:
        """`state` is the folder of what is kept between runs; the period is that of Vertex's own probes."""
        self._bundles = Bundles(state / "bundles", storage_url, logs, leftovers)
        self._containers = Containers(state, engine, logs)
        self._logs, self._period, self._ready_timeout = logs, probe_period, ready_timeout
        # More at once would only make each of them slower.
        self._starting = threading.BoundedSemaphore(max(4, 2 * (os.cpu_count() or 1)))
        self._lock = threading.Lock()
        self._replicas: dict[_Key, Replica] = {}
        self._stopped: set[_Key] = set()
        self._closed = False
        self._on_demand: defaultdict[_Key, threading.Lock] = defaultdict(threading.Lock)

    def sweep(self) -> None:
        """Remove the containers that a killed emulator left.

        Raises:
            EnvironmentFaultError: they cannot be removed.
        """
        self._containers.sweep()

    def prepare(self, placement: Placement) -> None:
        """Download the bundle, if it is one; a container downloads its artifacts itself."""
        if _is_bundle(placement):
            self._bundles.prepare(placement)

    def fetch(self, placement: Placement) -> None:
        """Install the bundle's environment, or pull the image."""
        (self._bundles if _is_bundle(placement) else self._containers).fetch(placement)

    def start(self, placement: Placement) -> None:
        """Start the server and wait until it is healthy, at most until the version's deadline if it has one."""
        with self._lock:
            self._stopped.discard(_key(placement))
            replica = self._begun(placement)
        self._wait_for(replica, placement)

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:
        """Send one prediction; a server that does not run is started first, however long that takes."""
        key = _key(placement)
        replica = self._replicas.get(key)
        if replica is None or replica.over:
            with self._on_demand[key]:
                self.prepare(placement)
                self.fetch(placement)
                with self._lock:
                    if key in self._stopped:  # the request was on its way while it was undeployed
                        raise HostingError(refusals.UNAVAILABLE, "The deployed model is not there any more.")
                    replica = self._begun(placement)
            self._wait_for(replica, placement)
        return replica.ask(body, content_type, timeout)

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        """End a server; do nothing if none runs."""
        key = (endpoint_id, deployed_model_id)
        with self._lock:
            self._stopped.add(key)
            replica = self._replicas.pop(key, None)
        if replica is not None:
            replica.stop()

    def close(self) -> None:
        """End every server, all at the same time."""
        with self._lock:
            replicas = list(self._replicas.values())
            self._replicas.clear()
            self._closed = True
        for replica in replicas:
            replica.tell_to_stop()
        for replica in replicas:
            replica.stop()

    def _begun(self, placement: Placement) -> Replica:
        """Return the replica of a placement, started if there is none yet; the caller holds the lock."""
        if self._closed:
            raise HostingError(refusals.UNAVAILABLE, "The emulator is being stopped.")
        key = _key(placement)
        replica = self._replicas.get(key)
        if replica is None or replica.over:
            replica = self._replicas[key] = self._replica(placement)
            replica.begin()
        return replica

    def _wait_for(self, replica: Replica, placement: Placement) -> None:
        try:
            replica.wait_until_ready()
        except HostingError:
            key = _key(placement)
            with self._lock:
                if self._replicas.get(key) is replica:
                    del self._replicas[key]
            raise

    def _replica(self, placement: Placement) -> Replica:
        health, predict = variables.routes(placement)
        link = refusals.logs_link(placement.project_number, placement.region, placement.endpoint_id)
        own = variables.probes(placement)
        rules = Rules(
            startup=own.get("startup", checks.NONE),
            alive=own.get("liveness", checks.connects(self._period)),
            health=own.get("health", checks.answers(health, self._period)),
            predict_route=predict,
            ready_timeout=variables.deployment_timeout(placement) or self._ready_timeout,
            exited=HostingError(refusals.FAILED_PRECONDITION, refusals.server_exited(link)),
            never_ready=HostingError(refusals.FAILED_PRECONDITION, refusals.never_ready(link)),
            period=self._period,
        )
        room = (self._bundles if _is_bundle(placement) else self._containers).room(placement)
        return Replica(room, rules, self._starting, lambda text: self._logs.write(placement, text, error=True))


def _is_bundle(placement: Placement) -> bool:
    return bool(placement.model.container_spec.image_uri.startswith(IMAGE_PREFIX))


def _key(placement: Placement) -> _Key:
    return placement.endpoint_id, placement.deployed_model_id
