"""A small real predictor for tests of hosting: numpy and Pillow, no torch, ready in a second."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1

from seatrial import project as projects
from seatrial.bundle import Bundle, build
from seatrial.deploy.vertex.storage import store
from seatrial.deploy.vertex.target import Target
from seatrial.emulator.api.hosting import Placement
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting.leftovers import Leftovers
from seatrial.emulator.hosting.replicas import Replicas
from seatrial.emulator.hosting.storage import BUCKET, Storage
from tests.stages import ended

PREDICTOR = "predictor/half_predictor.py"
Edit = Callable[[str], str]


def built(root: Path, edit: Edit = lambda text: text) -> Bundle:
    """Build the bundle of the project in `root`, after `edit` changed the text of its predictor."""
    file = root / PREDICTOR
    file.write_text(edit(file.read_text()))
    bundle = ended(build(projects.load(root), "cpu")).value
    assert bundle is not None
    return bundle


def at_load(code: str) -> Edit:
    """Return an edit that puts lines of code at the beginning of load()."""
    first = "        artifacts = Path("
    lines = "".join(f"        {line}\n" for line in code.splitlines())
    return lambda text: text.replace(first, lines + first)


def stored(bundle: Bundle, url: str) -> v1.Model:
    """Put a bundle into the bucket and return the version that names it."""
    uri = ended(store(Target("local", "demo", "us-central1", "", None, url, BUCKET), bundle.path, bundle.digest)).value
    spec = v1.ModelContainerSpec(image_uri=f"seatrial.local/bundle:{bundle.digest[:16]}")
    return v1.Model(artifact_uri=uri, container_spec=spec)


def placed(model: v1.Model, deployed: str = "1") -> Placement:
    machine = v1.MachineSpec(machine_type="n1-standard-4")
    return Placement("123456789012", "us-central1", "digits", deployed, model, machine)


def image_of(file: Path) -> bytes:
    """Return the body of a prediction request for one image."""
    return json.dumps({"instances": [{"b64": base64.b64encode(file.read_bytes()).decode()}]}).encode()


@dataclass
class Room:
    """What runs deployed models, with its state."""

    state: Path
    storage: Storage
    logs: Logs
    replicas: Replicas

    def deploy(self, placement: Placement) -> None:
        self.replicas.prepare(placement)
        self.replicas.fetch(placement)
        self.replicas.start(placement)

    def printed(self, placement: Placement, severity: str = "DEFAULT") -> list[dict[str, Any]]:
        """Return the log of a deployed model."""
        query = f'labels.deployed_model_id="{placement.deployed_model_id}" severity>={severity}'
        found = self.logs.answer({"resourceNames": ["projects/demo"], "filter": query, "pageSize": 1000})
        return list(found.get("entries", []))

    def running(self) -> list[int]:
        """Return the numbers of the recorded server processes."""
        return [int(file.name) for file in (self.state / "running").iterdir()]


def room(state: Path, storage: Storage, **options: Any) -> Room:
    logs, leftovers = Logs(state / "logs"), Leftovers(state / "running")
    replicas = Replicas(state, lambda: storage.url, logs, leftovers, **{"probe_period": 0.2, **options})
    return Room(state, storage, logs, replicas)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
