"""The base image: its Python and the wheels that run on it, found by running the image.

It is named by digest, or by the id of an image that this machine has built, so that the image that was examined is the
one that serves.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Stage, Step
from seatrial.project import Project

PULL_TIMEOUT = 1800.0  # seconds
_BY_DIGEST = re.compile(r"[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}")
_BY_ID = re.compile(r"sha256:[0-9a-f]{64}")
_PLATFORM = ("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}")
# How engines end for a program that is not in the image or cannot be run, and what runc and crun say then. The first
# code is also that of an engine that may start no container here, as podman where it may not set its limits.
_NOT_FOUND = (126, 127)
_NO_SUCH_PROGRAM = re.compile(r'exec: "|executable file|(?i:no such file|not found)')
# Versions of glibc that uv has a platform for: `uv pip install --help`, --python-platform.
_GLIBC_MINORS = (17, 28, *range(31, 41))
_ASK = """
import os, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (OSError, ValueError):
    libc = ""
print("%s\\n%d.%d.%d" % (sys.implementation.name, *sys.version_info[:3]))
print("%s\\n%s" % (getattr(sys, "_base_executable", None) or sys.executable, libc))
"""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base image that is on this machine and fits.

    Attributes:
        reference: NAME@sha256:DIGEST or sha256:ID, as configured.
        executable: the path of its Python, inside.
        version: of that Python, in full.
        platform: uv's name of the wheels that its C library supports.
        layers: the digests of its layers as uncompressed tars.
    """

    reference: str
    executable: str
    version: str
    platform: str
    layers: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The digest of its manifest or of its configuration, 64 hex digits."""
        return self.reference.rpartition(":")[2]

    @property
    def ground(self) -> str:
        """What a Dockerfile's FROM calls it: BuildKit takes no id."""
        return f"localhost/seatrial-base:{self.digest[:16]}" if is_id(self.reference) else self.reference


def is_id(reference: str) -> bool:
    """Return whether a base is named by its id, which only the machine knows that has built it."""
    return bool(_BY_ID.fullmatch(reference))


def resolve(project: Project, engine: Engine) -> Stage[BaseImage]:
    """Return the configured base; pull it if it is not on this machine yet.

    Raises:
        UsageError: none is configured, it is named by neither digest nor id, no image here has that id, or its Python,
            platform or C library does not fit.
        EnvironmentFaultError: it cannot be pulled or run.
    """
    reference = project.image.base
    _require_fixed(reference, engine)
    code, printed = engine.output([*_PLATFORM, reference], timeout=60)
    if code != 0 and is_id(reference):
        raise UsageError(
            f"[tool.seatrial.image] base: {engine.name} has no image {reference} on this machine",
            fix="build it here again, or push it to a registry and name it by digest, which every machine can pull",
        )
    if code != 0:
        yield Step(f"pulling {reference}")
        pull = ["pull", "--platform", "linux/amd64", reference]
        code, printed = engine.output(pull, timeout=PULL_TIMEOUT, aloud=True)
        if code != 0:
            raise EnvironmentFaultError(
                f"{engine.name} could not pull the base image:\n{printed[-2000:]}",
                fix="check name and digest in [tool.seatrial.image] and the network; for a private registry, run "
                f"`{' '.join([engine.name, 'login', *registry_of(reference)])}`",
            )
        printed = engine.ask([*_PLATFORM, reference])
    if printed.strip() != "linux/amd64":
        raise UsageError(
            f"[tool.seatrial.image] base is an image for {printed.strip()}; Vertex AI serves linux/amd64",
            fix=f"pull the right one with `{engine.name} pull --platform linux/amd64 NAME:TAG` and name its digest",
        )
    _, layers = identity(engine, reference)
    executable, version, libc = _python(project, engine, reference)
    base = BaseImage(reference, executable, version, _wheel_platform(libc), layers)
    if base.ground != reference:
        engine.ask(["tag", reference, base.ground])
    return base


def identity(engine: Engine, reference: str) -> tuple[str, tuple[str, ...]]:
    """Return an image's id, `sha256:…`, and the digests of its layers, the lowest first.

    Raises:
        EnvironmentFaultError: the engine has no such image, or its answer cannot be read.
    """
    printed = engine.ask(["image", "inspect", "--format", "{{.Id}} {{json .RootFS.Layers}}", reference])
    own_id, _, listed = printed.partition(" ")
    try:
        return f"sha256:{own_id.removeprefix('sha256:')}", tuple(map(str, json.loads(listed)))
    except (ValueError, TypeError):
        raise EnvironmentFaultError(
            f"{engine.name} describes {reference} in an unknown form:\n{printed[-2000:]}",
            fix=f"look at `{engine.name} image inspect {reference}`; an image without layers cannot be used",
        ) from None


def registry_of(reference: str) -> tuple[str, ...]:
    """Return the registry that a reference names; none for Docker Hub, which is where a name without one leads."""
    host, slash, _ = reference.partition("/")
    return (host,) if slash and (set(".:") & set(host) or host == "localhost") else ()


def _require_fixed(reference: str, engine: Engine) -> None:
    if _BY_DIGEST.fullmatch(reference) or is_id(reference):
        return
    if not reference:
        what = "[tool.seatrial.image] has no `base`, the image with the Python that serves"
    else:
        what = f'[tool.seatrial.image] base: "{reference}" has no digest; the image behind a tag can change'
    name = reference.partition("@")[0] or "NAME:TAG"
    program = engine.name
    question = f"{program} image inspect --format '{{{{index .RepoDigests 0}}}}' {name}"
    own = f"{program} image inspect --format '{{{{.Id}}}}' {name}"
    raise UsageError(
        what,
        fix=f"run `{program} pull {name}`, then set `base` to what `{question}` prints, the name with its digest; if "
        f"the image was built on this machine, to what `{own}` prints, its id",
    )


def _python(project: Project, engine: Engine, reference: str) -> tuple[str, str, str]:
    """Run the Pythons that the image may have; the first of the configured version wins."""
    seen = []
    for program in (f"python{project.python}", "python3", "/usr/local/bin/python3", "/usr/bin/python3"):
        code, printed = engine.output(
            [
                "run", "--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=all", "--user=65532:65532",
                f"--entrypoint={program}", reference, "-I", "-S", "-c", _ASK,
            ],
            timeout=120,
        )  # fmt: skip
        if code in _NOT_FOUND and _NO_SUCH_PROGRAM.search(printed):
            continue
        answer = printed.splitlines()[-4:]
        if code != 0 or len(answer) != 4:
            raise EnvironmentFaultError(
                f"{engine.name} could not run {program} of the base image:\n{printed[-2000:]}",
                fix=f"try `{engine.name} run --rm --entrypoint={program} {reference} --version`; "
                "if that fails too, repair the engine or choose another image",
            )
        implementation, version, executable, libc = answer
        if implementation == "cpython" and version.startswith(f"{project.python}."):
            return executable, version, libc
        seen.append(f"{implementation} {version}")
    has = f"has {', '.join(dict.fromkeys(seen))}" if seen else "has no Python that can be run"
    raise UsageError(
        f"[tool.seatrial.image] base {has}, but `python` is {project.python}",
        fix=f"name a base image with CPython {project.python}, or change `python` and lock again",
    )


def _wheel_platform(libc: str) -> str:
    found = re.fullmatch(r"glibc 2\.(\d+)", libc.strip())
    fitting = [minor for minor in _GLIBC_MINORS if found and minor <= int(found[1])]
    if not fitting:
        raise UsageError(
            f"[tool.seatrial.image] base has the C library {libc.strip() or '(not glibc)'}; "
            "wheels of torch need glibc 2.17 or later",
            fix="name a base image of Debian, Ubuntu or another distribution with glibc",
        )
    return f"x86_64-manylinux_2_{fitting[-1]}"
