"""Start a process under the seal, in the best way that this machine has.

`inside/seal.py` does the sealing, in the process that becomes the program. What a machine refuses once is not tried
again in the same run.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.environment.store import Copy
from seatrial.errors import EnvironmentFaultError
from seatrial.system import process
from seatrial.trial import inside
from seatrial.trial.sealing import view
from seatrial.trial.sealing.view import View

WAYS = ("namespaces", "landlock", "nothing") if sys.platform == "linux" else ("nothing",)
PORT = 8080  # AIP_HTTP_PORT where nobody sets another, by Vertex AI's custom container requirements
_SAYS_WITHIN = 60.0  # seconds; a first start of Python from a slow disk takes some
_MESSAGE = 4096  # bytes
_KIND = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_STREAM)  # keeps messages apart; macOS has none, and needs none
_REFUSED: dict[str, str] = {}  # way → why this machine cannot do it


@dataclass(frozen=True, slots=True)
class Sealed:
    """A process under the seal.

    Attributes:
        running: the process itself, from the seal on.
        began: the monotonic time of the start.
        way: how it is sealed.
        view: what it sees.
        port: the port that a server of it listens on.
        refused: the better ways, and why this machine could not do them.
    """

    running: subprocess.Popen[str]
    began: float
    way: str
    view: View
    port: int
    refused: Mapping[str, str] = field(default_factory=dict)
    _control: socket.socket | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock)  # one question and its answer at a time

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection to the port.

        Raises:
            OSError: nobody listens, or not within `timeout` seconds.
        """
        if self._control is None:
            return socket.create_connection(("127.0.0.1", self.port), timeout)
        with self._asking:
            self._control.send(str(self.port).encode())
            message, attached, _, _ = self._control.recvmsg(1, socket.CMSG_SPACE(4))
        if not message or not attached:
            raise ConnectionResetError("the process in the server's network has ended")
        connection = socket.socket(fileno=array.array("i", attached[0][2])[0])
        try:
            _wait_for(connection, timeout)
        except OSError:
            connection.close()
            raise
        connection.settimeout(timeout)
        return connection

    def unsealed(self) -> list[str]:
        """Return what the seal does not hold, in words; [] if it holds everything."""
        if self.way == "namespaces":
            return []
        only = "whether a file exists, /tmp, /dev/shm and what C code sends as datagrams are this machine's"
        why = "; ".join(f"{way}: {reason}" for way, reason in self.refused.items()) or f"{sys.platform} has neither"
        if self.way == "landlock":
            return [f"{only}, because only Landlock works here ({why})"]
        return [f"the predictor sees all of this machine, because namespaces and Landlock do not work here ({why})"]

    def close(self) -> None:
        """End the process and all that it started."""
        process.kill(self.running)
        if self._control is not None:
            self._control.close()


def start(
    copy: Copy,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    device: str,
    image_has: tuple[str, ...] = (),
    before: Sequence[str] = (),
    umask: int = -1,
    user: int = view.USER,
) -> Sealed:
    """Start a program of a trial's copy under the seal, in its working directory, with AIP_HTTP_PORT in `env`.

    Raises:
        EnvironmentFaultError: it does not start.
    """
    seen = view.of(copy, device, image_has)
    for way in WAYS:
        if way not in _REFUSED:
            plan = _plan(copy, command, seen, way) | {"user": user}
            sealed, reason = _start(copy, plan, env, seen, [*before], umask)
            if sealed is not None:
                return sealed
            _REFUSED[way] = reason
    raise EnvironmentFaultError(
        f"the process on trial does not start: {_REFUSED.pop(WAYS[-1])}",
        fix=f"check that {copy.kept.interpreter.executable} runs",
    )


def _start(
    copy: Copy, plan: Mapping[str, object], env: Mapping[str, str], seen: View, before: list[str], umask: int
) -> tuple[Sealed | None, str]:
    """Start what a plan says; without a process, return why it cannot be done."""
    way, began = str(plan["way"]), time.monotonic()
    port = PORT if way == "namespaces" else _free_port()
    file = copy.folder("seal") / "plan.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    script = str(shutil.copy(inside.FOLDER / "seal.py", file.parent))
    ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
    with theirs:
        running = process.start(
            [*before, str(copy.python), "-I", "-S", script, str(file), str(theirs.fileno())],
            env={**env, "AIP_HTTP_PORT": str(port)}, cwd=copy.folder("work"), umask=umask, passed=[theirs.fileno()],
        )  # fmt: skip
    ours.settimeout(_SAYS_WITHIN)
    try:
        said = json.loads(ours.recv(_MESSAGE) or b"{}")
    except OSError:
        said = {}
    except BaseException:
        process.kill(running)
        raise
    if "sealed" not in said:
        printed = _ended(running)
        ours.close()
        return None, str(said.get("failed") or printed).strip() or "it ended at once"
    if way != "namespaces":
        ours.close()
    refused = {way: why for way, why in _REFUSED.items() if way in WAYS}
    return Sealed(running, began, way, seen, port, refused, ours if way == "namespaces" else None), ""


def _wait_for(connection: socket.socket, timeout: float) -> None:
    if not select.select([], [connection], [], timeout)[1]:
        raise TimeoutError("timed out")
    if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))


def _ended(running: subprocess.Popen[str]) -> str:
    """End a process that was not sealed, and return the last line that it printed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(5)
    process.signal_group(running, signal.SIGKILL)
    printed = running.stdout.read() if running.stdout else ""
    process.kill(running)
    return (printed.strip().splitlines() or [""])[-1]


def _plan(copy: Copy, command: Sequence[str], seen: View, way: str) -> dict[str, object]:
    """Return what `inside/seal.py` reads."""
    return {
        "way": way,
        "parent": os.getpid(),
        "root": str(copy.folder("root")),
        "folder": str(copy.folder("work")),
        "command": list(command),
        "host": view.HOST,
        "links": sorted(seen.links.items()),
        "texts": seen.texts,
        "folders": view.EMPTY_FOLDERS,
        "shown": [(shown.place, shown.source, shown.writable) for shown in seen.shown],
        "shared_memory": view.SHARED_MEMORY,
        "loader_list": seen.loader_list,
        # Landlock cannot show other files in their place.
        "landlock_readable": list(seen.texts),
        "landlock_writable": [view.TEMPORARY, "/dev/shm"],  # noqa: S108
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
