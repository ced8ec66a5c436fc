"""The interfaces to what runs deployed models, and to the bucket that batch predictions read and write.

`seatrial.emulator.hosting` implements it with processes and containers, tests with simpler means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from google.cloud import aiplatform_v1 as v1


class HostingError(Exception):
    """A deployed model cannot be run or asked; with Vertex's own text and status code."""

    def __init__(self, code: int, message: str) -> None:
        """`code` is a google.rpc status code, such as 9 for FAILED_PRECONDITION."""
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model version is deployed: to which endpoint, as which deployed model, on which machine.

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
        """Download the artifacts; the stage PREPARING_MODEL.

        Raises:
            HostingError: they cannot be read.
        """

    def fetch(self, placement: Placement) -> None:
        """Get the image, or the locked environment in its place; the stage GETTING_CONTAINER_IMAGE.

        Raises:
            HostingError: it cannot be pulled or installed.
        """

    def start(self, placement: Placement) -> None:
        """Start the server and return when its health answers 200; the stage STARTING_MODEL_SERVER.

        Raises:
            HostingError: it ended, or was not healthy in time. Nothing of it runs then.
        """

    def ask(self, placement: Placement, body: bytes, content_type: str, timeout: float) -> Reply:
        """Send one prediction, after starting the server if it does not run.

        Raises:
            HostingError: it gets no traffic, or no answer came within `timeout` seconds.
        """

    def stop(self, endpoint_id: str, deployed_model_id: str) -> None:
        """End a server and everything of it; do nothing if none runs."""

    def close(self) -> None:
        """End every server."""


class Objects(Protocol):
    """The objects of Cloud Storage, by their URIs; every method may be called from several threads at once."""

    def matching(self, uri: str) -> list[str]:
        """Return the URIs of the objects that a URI names, which may have wildcards.

        Raises:
            HostingError: there is none, or they cannot be listed.
        """

    def read(self, uri: str) -> bytes:
        """Return an object's content.

        Raises:
            HostingError: it cannot be read.
        """

    def write(self, uri: str, content: bytes) -> None:
        """Write an object.

        Raises:
            HostingError: it cannot be written.
        """
