"""What the control plane asks of whoever runs deployed models: get them, start them, ask them, end them.

Only the shape and its words are here; a bundle's process and a container are started elsewhere. Nothing here knows
of the API's operations or of their records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.cloud import aiplatform_v1 as v1


class HostingError(Exception):
    """A deployed model that cannot be run or asked, in the words and with the status code that Vertex gives it."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is a google.rpc status code, such as 9 for FAILED_PRECONDITION."""
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Placement:
    """A model version at its place: which endpoint it is deployed to, as which deployed model, on which machine.

    Attributes:
        project_number: the number of the project, as decimal digits.
        region: such as `us-central1`.
        endpoint_id: the last part of the endpoint's name.
        deployed_model_id: its id on that endpoint.
        model: the version, as `v1.Model`.
        machine_spec: as `v1.MachineSpec`.
    """

    project_number: str
    region: str
    endpoint_id: str
    deployed_model_id: str
    model: v1.Model
    machine_spec: v1.MachineSpec


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to a prediction, unchanged."""

    status: int
    content_type: str
    body: bytes


class Hosting(Protocol):
    """Runs deployed models; every method may be called from several threads at once."""

    def prepare(self, placement: Placement) -> None:
        """Get the artifacts; the stage PREPARING_MODEL.

        Raises:
            HostingError: they cannot be read.
        """

    def fetch(self, placement: Placement) -> None:
        """Get the image, or the locked environment that stands in for it; the stage GETTING_CONTAINER_IMAGE.

        Raises:
            HostingError: it cannot be pulled or installed.
        """

    def start(self, placement: Placement) -> None:
        """Start the server and return when its health said 200; the stage STARTING_MODEL_SERVER.

        Raises:
            HostingError: it ended, or did not become healthy in time. Nothing of it runs then.
        """

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:
        """Send one prediction, starting the server first where it does not run.

        Raises:
            HostingError: it takes no traffic, or no answer came within `timeout` seconds.
        """

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        """End a server and everything of it; nothing happens where none runs."""

    def close(self) -> None:
        """End every server."""
