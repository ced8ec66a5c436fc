"""Container engines: docker or podman, found by asking the daemon, run as child processes.

A client whose daemon does not answer is not an engine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.system import process

NAMES = ("docker", "podman")  # in the order in which they are asked
_ANSWER_TIMEOUT = 15.0  # seconds for a daemon to say its version
_PREFIXES = ("DOCKER_", "BUILDX_", "BUILDKIT_", "CONTAINERS_", "CONTAINER_", "BUILDAH_", "STORAGE_", "XDG_")
_ALSO = ("REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")

Name = Literal["docker", "podman"]


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine whose daemon answered.

    Attributes:
        name: which of the two it is; a `program` called docker may be podman's replacement for it.
        program: the path of the client.
        builder: buildx's name of the builder that is docker's daemon itself; empty without the plugin.
    """

    name: Name
    program: str
    builder: str = ""

    @property
    def buildx(self) -> bool:
        """Whether docker builds with BuildKit through its buildx plugin."""
        return bool(self.builder)

    def output(
        self, arguments: Sequence[str], *, timeout: float, cwd: Path | None = None, aloud: bool = False
    ) -> tuple[int, str]:
        """Run the client to its end; return its exit code and its output, which may be overheard with `aloud`.

        Raises:
            EnvironmentFaultError: it does not end within `timeout` seconds.
        """
        return process.output(
            [self.program, *arguments], env=self._environment(), timeout=timeout, cwd=cwd, both=aloud, aloud=aloud
        )

    def lines(
        self, arguments: Sequence[str], *, timeout: float, cwd: Path, temporary: Path, errors: IO[bytes] | None = None
    ) -> Generator[str, None, int]:
        """Run the client, yield the lines of its output, which may be overheard, and return its exit code.

        Its temporary files are made in the folder `temporary`. Its standard error goes to the file `errors`; without
        one it is part of the output.
        """
        env = self._environment() | {"TMPDIR": str(temporary)}
        return process.lines([self.program, *arguments], env=env, timeout=timeout, cwd=cwd, errors=errors, aloud=True)

    def storage(self) -> Path:
        """Return the folder where it keeps images, which may be on another machine."""
        question = "{{.Store.GraphRoot}}" if self.name == "podman" else "{{.DockerRootDir}}"
        return Path(self.ask(["info", "--format", question]).strip())

    def stores_manifests(self) -> bool:
        """Return whether a build makes the manifest already: podman does, and docker with containerd's store."""
        if self.name == "podman":
            return True
        return "io.containerd.snapshotter" in self.ask(["info", "--format", "{{json .DriverStatus}}"])

    def _environment(self) -> dict[str, str]:
        # A client without buildx that is told to use BuildKit fails instead of using the builder that it has.
        return environment() | {"DOCKER_BUILDKIT": "1" if self.buildx else "0"}

    def ask(self, arguments: Sequence[str], *, timeout: float = 60.0) -> str:
        """Run the client and return its output.

        Raises:
            EnvironmentFaultError: it fails; the message has its output.
        """
        code, printed = self.output(arguments, timeout=timeout)
        if code != 0:
            raise EnvironmentFaultError(
                f"`{self.name} {' '.join(arguments[:2])}` failed:\n{printed}",
                fix=f"if this output does not say why, check the engine with `{self.name} info`; then run it again",
            )
        return printed


def environment() -> dict[str, str]:
    """Return the variables that a client may see: of its daemon, storage and login, and of the network."""
    names = [name for name in os.environ if name.startswith(_PREFIXES) or name in _ALSO]
    return process.install_environment(**{name: os.environ[name] for name in names})


def find(wanted: str = "auto") -> Engine:
    """Find an engine: `docker`, `podman`, or `auto` for the first of the two whose daemon answers.

    Raises:
        UsageError: `wanted` is not one of the three.
        EnvironmentFaultError: no daemon answers within 15 s each.
    """
    if wanted not in ("auto", *NAMES):
        raise UsageError(f"there is no container engine {wanted!r}", fix="name docker, podman or auto")
    reasons = []
    for name in NAMES if wanted == "auto" else (wanted,):
        found = _asked(name)
        if isinstance(found, Engine):
            return found
        reasons.append(f"{name}: {found}")
    raise EnvironmentFaultError(
        "no container engine answers\n" + "\n".join(reasons),
        fix="start docker, or install podman; `--engine` and SEATRIAL_ENGINE choose one",
    )


def _asked(name: str) -> Engine | str:
    """Ask the daemon of a client; return the engine, or why there is none."""
    program = shutil.which(name)
    if program is None:
        return "it is not installed"
    question = ["info", "--format", "{{.Version.Version}}"]
    if name == "docker" and "podman" not in _output(program, ["--version"])[1].lower():
        question = ["version", "--format", "{{.Server.Version}}"]
    code, printed = _output(program, question)
    if code != 0:
        return " ".join(printed.split())[-300:] or f"exit code {code}"
    if question[0] == "info":
        return Engine("podman", program)
    return Engine("docker", program, _daemons_builder(program))


def _daemons_builder(program: str) -> str:
    """Return buildx's name of the builder that is the daemon itself; empty without a buildx that can use it.

    It has the name of the daemon's context. Other builders run in containers and do not see local base images.
    """
    code, printed = _output(program, ["context", "inspect", "--format", "{{.Name}}"])
    name = printed.strip()
    return name if code == 0 and name and _output(program, ["buildx", "inspect", name])[0] == 0 else ""


def _output(program: str, arguments: list[str]) -> tuple[int, str]:
    try:
        return process.output([program, *arguments], env=environment(), timeout=_ANSWER_TIMEOUT)
    except EnvironmentFaultError as error:
        return 1, error.message
