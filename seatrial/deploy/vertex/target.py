"""Where a deploy to Vertex AI goes: a region of Google Cloud, or the emulator, which speaks the same API.

Only addresses and times are here; nothing connects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seatrial.deploy.platform import Traits


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for what; all in seconds but the counts.

    Attributes:
        first: the pause before an operation is polled again; pauses grow by half up to `cap`.
        cap: the longest pause between two polls.
        heartbeat: after how long without news a line says that the operation still runs.
        failures: consecutive polls that may fail.
        call: the time limit of one read or poll.
        write: the time limit of one write.
        attempts: how often a failing read or write is sent at most.
        patience: no read is asked again after this long.
        retry: the pause before the second attempt of a call; pauses double up to `cap`.
    """

    first: float = 2.0
    cap: float = 20.0
    heartbeat: float = 60.0
    failures: int = 20
    call: float = 30.0
    write: float = 60.0
    attempts: int = 6
    patience: float = 120.0
    retry: float = 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between Google Cloud and the emulator.

    Attributes:
        traits: what a deploy needs to know.
        limits: of calls and polls.
        ingestion: seconds until a line of a log can be read.
        log_pause: seconds between two readings of a log.
        slow_log: what to say of a log that takes long to arrive.
    """

    traits: Traits
    limits: Limits
    ingestion: float
    log_pause: float
    slow_log: str = ""


TARGETS = {
    "local": Kind(
        Traits("local", rehearsal=True, bake=0.0, settle=5.0),
        Limits(first=0.2, cap=2.0, retry=0.1),
        ingestion=3.0,
        log_pause=0.2,
    ),
    "vertex": Kind(
        # A new host name may need minutes to resolve; how long a new split needs is not documented.
        Traits("vertex", rehearsal=False, bake=300.0, settle=180.0),
        Limits(),
        ingestion=90.0,  # up to a minute and a half
        log_pause=6.0,  # Cloud Logging allows 60 readings a minute
        slow_log=", which may take a minute and a half to arrive",
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """The addresses of a control plane and of what belongs to it.

    Attributes:
        name: a key of `TARGETS`; `local` is a rehearsal at the emulator.
        project: the id of the cloud project.
        region: such as `us-central1`.
        api: host and port of the gRPC control plane.
        services: base URL of Google's other REST APIs at the emulator; None on Vertex, where each has its own host.
        storage: base URL of the storage emulator; None on Vertex.
        bucket: where bundles go in a local rehearsal; "" on Vertex.
    """

    name: Literal["local", "vertex"]
    project: str
    region: str
    api: str
    services: str | None = None
    storage: str | None = None
    bucket: str = ""

    @property
    def kind(self) -> Kind:
        """What differs between Google Cloud and the emulator."""
        return TARGETS[self.name]

    @property
    def traits(self) -> Traits:
        """What a deploy needs to know of the target."""
        return self.kind.traits

    @property
    def parent(self) -> str:
        """The resource name of the location, which models and endpoints lie in."""
        return f"projects/{self.project}/locations/{self.region}"


def vertex(project: str, region: str) -> Target:
    """Return the target on Google Cloud."""
    return Target("vertex", project, region, f"{region}-aiplatform.googleapis.com")
