"""Running an engine's own builder on a Dockerfile, with every switch that makes its result repeatable."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections import deque
from pathlib import Path

from seatrial.bundle import SOURCE_DATE_EPOCH
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step

BUILD_TIMEOUT = 3600.0  # seconds; a daemon reads and writes a layer of 6 GB three times
REMOVE_TIMEOUT = 120.0  # seconds to remove a working container, all files of a layer
# What buildah, which podman builds with, logs of a stage: `msg="Container ID: a6a1f7c0…"`.
_WORKING = re.compile(r"level=debug .*Container ID: ([0-9a-f]{64})")
_LOG = "log"  # podman's, in the temporary folder of a build


def build(engine: Engine, context: Path, text: str, tag: str, *, fresh: bool = False) -> Stage[None]:
    """Build a folder of tars with a Dockerfile `text` and tag the result; `fresh` uses no cache.

    A build that fails or is interrupted leaves nothing: no working container, no temporary file.

    Raises:
        EnvironmentFaultError: the builder failed; the message has the end of its output.
    """
    (context / "Dockerfile").write_text(text, encoding="utf-8")
    command = [*_command(engine), *(["--no-cache"] if fresh else []), "--tag", tag, "."]
    last: deque[str] = deque(maxlen=30)
    code = -1
    with tempfile.TemporaryDirectory(prefix="temporary-", dir=context.parent, ignore_cleanup_errors=True) as name:
        temporary = Path(name)
        try:
            code = yield from _run(engine, command, context, temporary, last)
        finally:
            if code != 0:
                _remove_working_container(engine, temporary)
    if code != 0:
        raise EnvironmentFaultError(
            f"{engine.name} could not build {tag}:\n" + "\n".join(last),
            fix=f"if this output does not say why, check the engine with `{engine.name} info` and its disk with `df`; "
            "then run it again",
        )


def _run(engine: Engine, command: list[str], context: Path, temporary: Path, last: deque[str]) -> Stage[int]:
    """Run a builder, yield its steps, keep the end of its output in `last`; return its exit code."""
    with (temporary / _LOG).open("w+b") as log:
        # docker prints its steps on either stream; podman on one, and a log on the other.
        errors = log if engine.name == "podman" else None
        run = engine.lines(command, timeout=BUILD_TIMEOUT, cwd=context, temporary=temporary, errors=errors)
        with contextlib.closing(run):
            while True:
                try:
                    last.append(next(run))
                except StopIteration as end:
                    code = int(end.value)
                    break
                if last[-1].upper().startswith(("STEP ", "#")) and "ADD " in last[-1]:
                    yield Step(last[-1].strip())
        log.seek(0)
        logged = log.read().decode("utf-8", "replace").splitlines()
        last.extend(line for line in logged if " level=debug " not in line)
    return code


def _remove_working_container(engine: Engine, temporary: Path) -> None:
    """Remove the container that podman builds in: any signal that ends podman leaves it and its files behind."""
    log = (temporary / _LOG).read_text(encoding="utf-8", errors="replace")
    for container in _WORKING.findall(log):
        with contextlib.suppress(EnvironmentFaultError):
            engine.output(["rm", "--force", container], timeout=REMOVE_TIMEOUT)


def _command(engine: Engine) -> list[str]:
    if engine.name == "podman":
        return [
            "--log-level=debug",  # names the container that it works in, which nothing else does
            "build", "--pull=never", "--network=none", "--format=oci", "--platform=linux/amd64",
            f"--timestamp={SOURCE_DATE_EPOCH}",
        ]  # fmt: skip
    if not engine.buildx:
        return ["build", "--network=none", "--rm", "--force-rm"]
    # SOURCE_DATE_EPOCH fixes the creation time, and two builds are one image: tried with docker 26.1 and both of its
    # stores. 20.10 always takes the time of the build. `rewrite-timestamp` has nothing left to do, since every file in
    # the tars has that time, and builds with containerd's store refuse it.
    return [
        "buildx", "build", f"--builder={engine.builder}", "--load", "--provenance=false", "--sbom=false",
        "--network=none", "--platform=linux/amd64", f"--build-arg=SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}",
        "--progress=plain",
    ]  # fmt: skip
