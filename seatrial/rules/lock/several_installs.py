"""Family 1, Dockerfiles: several `pip install` commands, each of which resolves for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds.files import Install
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

SEVERAL_INSTALLS = Rule(
    code="ST108",
    title="a later install can change what an earlier one installed",
    explanation=(
        "Each `pip install` resolves for itself. A later one that is neither from a hashed lock nor without "
        "dependencies may replace what an earlier one chose, torch included, and leave a torchvision behind that was "
        "built for another. The containers that the SDK of Vertex AI generates install in this way."
    ),
    fix="install everything with one `pip install --require-hashes -r requirements.txt`, and the project's own package "
    "with --no-deps",
    severity=Severity.WARNING,
    detected=(
        "By the `pip install` commands of a stage of a Dockerfile, without those of pip and build tools alone: a "
        "second one that has neither --no-deps nor --require-hashes and is not of a file of hashed pins. Only the "
        "build shows what it really installs, so this only warns."
    ),
    bad="RUN pip install torch==2.8.0 torchvision==0.23.0\nRUN pip install timm",
    good="RUN pip install --require-hashes -r requirements.txt",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=(
        "https://github.com/pytorch/vision/issues/9174",
        "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/docker_utils/build.py",
    ),
)


@SEVERAL_INSTALLS.decided_by
def _several_installs(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        first: dict[int, Install] = {}
        for install in file.installs:
            if _is_of_tools(install):
                continue
            before = first.setdefault(install.stage, install)
            if before is not install and not _moves_nothing(install, facts):
                yield SEVERAL_INSTALLS.finding(
                    f"this `pip install` can change what the one in line {before.location.line} installed",
                    location=install.location,
                    cause="it resolves for itself, without hashes and with dependencies; only the build shows "
                    "what it takes",
                )


_TOOLS = {"pip", "setuptools", "wheel", "uv", "pip-tools", "build", "hatchling", "ninja", "cython"}


def _is_of_tools(install: Install) -> bool:
    names = {str(canonicalize_name(requirement.name)) for requirement in install.requirements}
    return not install.others and bool(names) and names <= _TOOLS and not install.has("-r", "--requirement", "-e")


def _moves_nothing(install: Install, facts: Facts) -> bool:
    if install.has("--no-deps", "--require-hashes"):
        return True
    files = install.values("-r", "--requirement")
    only_files = bool(files) and not install.requirements and not install.others
    return only_files and all(_is_hashed(name, facts) for name in files)


def _is_hashed(name: str, facts: Facts) -> bool:
    """Return whether a requirement file is one of the project's locks with a hash in it: then pip asks for all."""
    locks = [lock for lock in (facts.lock, facts.cpu_lock) if lock is not None]
    return any(lock.path == name.rsplit("/", 1)[-1] and any(e.hashes for e in lock.entries) for lock in locks)
