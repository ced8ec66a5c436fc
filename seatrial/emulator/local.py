"""The emulator that a deploy on this machine goes to: a child of its own, or one that runs already.

The child's state lies in the project's build folder, so that the next deploy finds what this one made. It ends with
the block, and also when this process is killed, because its standard input closes then.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seatrial.deploy.vertex.target import Target
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.project import Project
from seatrial.system import overheard, process

ADDRESS_FILE = "address"  # in the state's folder, while an emulator runs that does not stop at the end of its input
VARIABLE = "SEATRIAL_EMULATOR"  # host and port of the REST address of an emulator that runs already
_PROJECT = "local-rehearsal"  # if the configuration names no cloud project
_START_TIMEOUT = 900.0  # seconds; another rehearsal of the same project may have to end first
_ADDRESSES = ("grpc", "rest", "storage", "bucket")  # what a target needs of an emulator's answer
_RUN_BY_HAND = "run `seatrial emulator`, which says more"
_STOP_TIMEOUT = 60.0  # seconds; servers drain for up to 30 s


@contextlib.contextmanager
def running(project: Project, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Target]:
    """Yield the emulator as a target. One that was started for it is stopped, with all it runs, when the block ends.

    `meanwhile` is called while an emulator starts, which takes a second.

    Raises:
        UsageError: SEATRIAL_EMULATOR names no address.
        EnvironmentFaultError: no emulator answers there, or none can be started.
    """
    state = _state(project)
    if address := os.environ.get(VARIABLE, "") or _running_there(state):
        yield _target(project, _asked(address))
        return
    command = [
        sys.executable, "-m", "seatrial", "emulator", "--state", str(state),
        "--stop-on-eof",
    ]  # fmt: skip
    engine = {} if project.image.engine == "auto" else {"SEATRIAL_ENGINE": project.image.engine}
    child = process.start(command, env=engine | dict(os.environ), piped=True)
    try:
        meanwhile()
        yield _target(project, _addresses(child))
    finally:
        _stop(child)


def folder_of(project: Project, uri: str) -> Path:
    """Return where a folder of the bucket lies on this machine, if the emulator is the project's own."""
    return _state(project) / "storage/.cloudstorage" / uri.removeprefix("gs://")


def _state(project: Project) -> Path:
    return project.build_dir / "emulator"


def _running_there(state: Path) -> str:
    """Return the address of an emulator that runs by hand with this very state; "" if none answers."""
    with contextlib.suppress(OSError, ValueError, EnvironmentFaultError, UsageError):
        address = (state / ADDRESS_FILE).read_text(encoding="utf-8")
        _asked(address)
        return address
    return ""


def _asked(address: str) -> dict[str, Any]:
    """Ask an emulator for its addresses."""
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise UsageError(f"{VARIABLE} is {address!r}", fix=f"set {VARIABLE} to HOST:PORT, or unset it")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", "/seatrial/emulator")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return {key: str(found[key]) for key in _ADDRESSES}
    except (OSError, OverflowError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFaultError(
            f"no emulator answers at {address}: {error!r}",
            fix=f"start one with `seatrial emulator`, or unset {VARIABLE}",
        ) from None
    finally:
        connection.close()


def _addresses(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Read the line in which the child says its addresses; what else it prints says why it does not."""
    timer = threading.Timer(_START_TIMEOUT, process.signal_group, (child, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    printed: list[str] = []
    try:
        assert child.stdout is not None  # noqa: S101 - process.start() gives a pipe
        for line in child.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                threading.Thread(target=_drain, args=(child,), daemon=True).start()
                return found
            printed.append(line)
    finally:
        timer.cancel()
    raise EnvironmentFaultError(f"the emulator did not start:\n{''.join(printed).strip()}", fix=_RUN_BY_HAND)


def _drain(child: subprocess.Popen[str]) -> None:
    """Read what the child prints, which would else fill its pipe, and pass it on."""
    assert child.stdout is not None  # noqa: S101 - process.start() gives a pipe
    with contextlib.suppress(ValueError):  # closed under the reader when the child was ended
        for line in child.stdout:
            overheard.pass_on(line)


def _target(project: Project, addresses: dict[str, Any]) -> Target:
    return Target(
        name="local",
        project=project.vertex.project or _PROJECT,
        region=project.vertex.region,
        api=addresses["grpc"],
        services=addresses["rest"],
        storage=addresses["storage"],
        bucket=addresses["bucket"],
    )


def _stop(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None  # noqa: S101 - started with a pipe
    child.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_TIMEOUT)
    process.kill(child)
