"""Where a deploy goes: Vertex AI in a region, or the emulator on this machine.

Only addresses are here; nothing connects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """The addresses of a control plane and of what belongs to it.

    Attributes:
        kind: `local` is a rehearsal at the emulator; nothing is then created on Google Cloud.
        project: the id of the cloud project.
        region: such as `us-central1`.
        api: host and port of the gRPC control plane.
        services: base URL of Google's other REST APIs at the emulator; None on Vertex, where each has its own host.
        storage: base URL of the storage emulator; None on Vertex.
        bucket: where bundles go in a local rehearsal; "" on Vertex.
    """

    kind: Literal["local", "vertex"]
    project: str
    region: str
    api: str
    services: str | None = None
    storage: str | None = None
    bucket: str = ""

    @property
    def parent(self) -> str:
        """The resource name of the location, which models and endpoints lie in."""
        return f"projects/{self.project}/locations/{self.region}"


def vertex(project: str, region: str) -> Target:
    """Give the target on Google Cloud."""
    return Target("vertex", project, region, f"{region}-aiplatform.googleapis.com")
