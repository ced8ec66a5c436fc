"""Resource names: their form, their parts, and new ids.

Requests may name a project by id or number; answers always have the number.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from seatrial.emulator.api.refusals import INVALID_ARGUMENT, RefusedError

_LOCATION = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[a-z0-9-]+)(?:/(?P<rest>.+))?")
_MODEL = re.compile(r"models/(?P<id>[^/@]+)(?:@(?P<version>[^/@]+))?")
_JOB = re.compile(r"batchPredictionJobs/[0-9]+")
_ENDPOINT = re.compile(r"endpoints/(?P<id>[^/@]+)")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model or a version of it; `version` is an id, an alias or empty, and `name` never has it."""

    name: str
    id: str
    region: str
    version: str


@dataclass(frozen=True, slots=True)
class EndpointName:
    """An endpoint."""

    name: str
    id: str
    region: str


class Names:
    """Reads the names in requests of one project; the names that it returns have the project's number."""

    def __init__(self, project_number: str) -> None:
        self.project_number = project_number

    def location(self, parent: str, field: str) -> str:
        """Read `projects/P/locations/L`; return it with the project's number.

        Raises:
            RefusedError: INVALID_ARGUMENT, it is not of this form.
        """
        region, rest = self._read(parent, field)
        if rest:
            raise _malformed(field, parent, "projects/{project}/locations/{location}")
        return self._parent(region)

    def model(self, name: str, field: str) -> ModelName:
        """Read the name of a model or of a version of it.

        Raises:
            RefusedError: INVALID_ARGUMENT, it is not of this form.
        """
        region, rest = self._read(name, field)
        if not (match := _MODEL.fullmatch(rest)):
            raise _malformed(field, name, "projects/{project}/locations/{location}/models/{model}")
        return ModelName(f"{self._parent(region)}/models/{match['id']}", match["id"], region, match["version"] or "")

    def endpoint(self, name: str, field: str) -> EndpointName:
        """Read the name of an endpoint.

        Raises:
            RefusedError: INVALID_ARGUMENT, it is not of this form.
        """
        region, rest = self._read(name, field)
        if not (match := _ENDPOINT.fullmatch(rest)):
            raise _malformed(field, name, "projects/{project}/locations/{location}/endpoints/{endpoint}")
        return EndpointName(f"{self._parent(region)}/endpoints/{match['id']}", match["id"], region)

    def job(self, name: str, field: str) -> str:
        """Read the name of a batch prediction job; return it with the project's number.

        Raises:
            RefusedError: INVALID_ARGUMENT, it is not of this form.
        """
        region, rest = self._read(name, field)
        if not _JOB.fullmatch(rest):
            raise _malformed(field, name, "projects/{project}/locations/{location}/batchPredictionJobs/{job}")
        return f"{self._parent(region)}/{rest}"

    def any(self, name: str, field: str) -> str:
        """Read any name below a location, such as an operation's.

        Raises:
            RefusedError: INVALID_ARGUMENT, it is not below a location.
        """
        region, rest = self._read(name, field)
        return f"{self._parent(region)}/{rest}" if rest else self._parent(region)

    def _parent(self, region: str) -> str:
        return f"projects/{self.project_number}/locations/{region}"

    def _read(self, name: str, field: str) -> tuple[str, str]:
        if not (match := _LOCATION.fullmatch(name)):
            raise _malformed(field, name, "projects/{project}/locations/{location}/…")
        return match["region"], match["rest"] or ""


def new_id() -> str:
    """Return an id as Vertex makes it if the client chooses none: 19 decimal digits."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


def new_etag() -> str:
    """Return an etag that no state had before."""
    return f"AMEw9y{secrets.token_urlsafe(24)}"


def _malformed(field: str, name: str, form: str) -> RefusedError:
    text = f"Invalid resource field value in the request: {field} = {name!r}, not {form}"
    return RefusedError(INVALID_ARGUMENT, text)
