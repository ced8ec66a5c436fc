"""A file that builds or deploys a project, as facts: what it installs, which images it names, what it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from seatrial.facts.builds.commands import Command
    from seatrial.facts.builds.workflows import Workflow
    from seatrial.findings import Location


@dataclass(frozen=True, slots=True)
class Install:
    """A `pip install` command: what it asks for by name, what else, and its options as (name, value)."""

    location: Location
    stage: int
    requirements: tuple[Requirement, ...]
    others: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of the options of these names."""
        return tuple(value for name, value in self.options if name in names)

    def has(self, *names: str) -> bool:
        """Return whether one of these options is given."""
        return any(name in names for name, _ in self.options)


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a file names: an image, an address, a setting's value with the name of the setting."""

    text: str
    location: Location
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that a file asks for: its type, and the type and number of its accelerators as they are written."""

    name: str
    accelerator: str
    count: int
    location: Location


@dataclass(frozen=True, slots=True)
class BuildFile:
    """One file.

    Attributes:
        path: relative to the project.
        is_dockerfile: whether it is one.
        bases: the images that its FROM lines name, by default values of ARG.
        installs: its `pip install` commands; of Dockerfiles only.
        settings: what it sets of pip's and uv's indexes, by the equivalent option of pip.
        copies_all: the places at which it copies its whole context.
        copies: what else it copies out of the context, by the paths in it.
        left_out: those of them that exist in the project, and that .dockerignore leaves out of the context.
        variables: the environment variables of the image that it makes, name as `setting`.
        packages: the packages of the operating system that its commands install, in any stage.
        names_archive: whether it names a server with old packages of Debian or Ubuntu.
        starts: the words of the command that the image starts, if they are certain.
        started_at: where they are.
        prebuilt: images of the prebuilt prediction containers that it names.
        addresses: web addresses in it that have a login.
        commands: its commands of gcloud and docker; none of Dockerfiles and Python files.
        machines: the machines in a configuration of Terraform.
        workflow: its jobs, if it is a workflow.
        retired: commands of AI Platform Prediction in it, the service that Vertex AI replaced; none of Python files.
    """

    path: str
    is_dockerfile: bool = False
    bases: tuple[Named, ...] = ()
    installs: tuple[Install, ...] = ()
    settings: tuple[Named, ...] = ()
    copies_all: Location | None = None
    copies: tuple[Named, ...] = ()
    left_out: tuple[Named, ...] = ()
    variables: tuple[Named, ...] = ()
    packages: frozenset[str] = frozenset()
    names_archive: bool = False
    starts: tuple[str, ...] = ()
    started_at: Location | None = None
    prebuilt: tuple[Named, ...] = ()
    addresses: tuple[Named, ...] = ()
    commands: tuple[Command, ...] = ()
    machines: tuple[Machine, ...] = ()
    workflow: Workflow | None = None
    retired: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Builds:
    """All such files.

    Attributes:
        files: by path.
        context: what a build context would hold, where a Dockerfile copies it.
        in_lfs: files of the artifacts that .gitattributes gives to Git LFS.
    """

    files: tuple[BuildFile, ...] = ()
    context: tuple[str, ...] = field(default=())
    in_lfs: tuple[str, ...] = ()
