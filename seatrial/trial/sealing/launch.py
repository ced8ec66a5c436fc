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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seatrial.environment.store import Copy
from seatrial.errors import EnvironmentFaultError
from seatrial.system import process
from seatrial.trial import inside
from seatrial.trial.inside import usage
from seatrial.trial.sealing import view
from seatrial.trial.sealing.view import Target, View

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
        host: the name of the machine that it sees; "" for this machine's own.
        refused: the better ways, and why this machine could not do them.
    """

    running: subprocess.Popen[str]
    began: float
    way: str
    view: View
    port: int
    host: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    _control: socket.socket | None = None
    _asking: threading.Lock = field(default_factory=threading.Lock)  # one question and its answer at a time
    _inside: str = ""  # the user namespace that it is in, where it has one of its own
    _children: set[int] = field(default_factory=set)

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

    def find_children(self) -> None:
        """Note all that the process has started, also in sessions of its own, so that `close` ends it, too."""
        self._children.update(self._living() if self._inside else usage.tree(self.running.pid))

    def _living(self) -> Iterator[int]:
        """Yield the processes in the program's namespaces, which no other process is in."""
        for name in os.listdir("/proc"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                if name.isdecimal() and os.readlink(f"/proc/{name}/ns/user") == self._inside:  # noqa: PTH115
                    yield int(name)

    def close(self) -> None:
        """End the process and all that it started."""
        self.find_children()
        process.signal_group(self.running, signal.SIGKILL)
        for child in self._children - {self.running.pid}:
            # It would hold the log open, and stay on this machine.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        process.kill(self.running)
        if self._control is not None:
            self._control.close()


def start(
    copy: Copy,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    device: str,
    target: Target = view.SLIM,
    before: Sequence[str] = (),
    umask: int = -1,
    user: int = view.USER,
    host: str = view.HOST,
) -> Sealed:
    """Start a program of a trial's copy under the seal, in its working directory, with AIP_HTTP_PORT in `env`.

    Raises:
        EnvironmentFaultError: it does not start.
    """
    for way in WAYS:
        if way not in _REFUSED:
            if way != "namespaces":
                copy.fill()  # only a root of its own shows the packages of the kept environment in their place
            seen = view.of(copy, device, target)
            plan = _plan(copy, command, seen, way, target.shared_memory) | {
                "user": user,
                "host": host,
                "texts": seen.texts_on(host),
            }
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
    if way == "namespaces":
        env = {name: text for name, text in env.items() if (name, text) not in _needless(copy)}
        env["HOSTNAME"] = str(plan["host"])  # engines and Kubernetes set it
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
    sealed = Sealed(running, began, way, seen, port, refused=refused)
    if way == "namespaces":
        sealed = replace(sealed, host=str(plan["host"]), _control=ours, _inside=_namespace(running.pid))
    return sealed, ""


def _namespace(pid: int) -> str:
    """Return the user namespace of a process; "" if it has ended."""
    try:
        found = os.readlink(f"/proc/{pid}/ns/user")  # noqa: PTH115
        return found if found != os.readlink("/proc/self/ns/user") else ""  # noqa: PTH115
    except OSError:
        return ""


def _needless(copy: Copy) -> tuple[tuple[str, str], ...]:
    """Return the variables that no image has, and that do nothing in a root of its own: it has a /tmp, and no GPU."""
    return ("TMPDIR", str(copy.folder("tmp"))), ("CUDA_VISIBLE_DEVICES", "")


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


def _plan(copy: Copy, command: Sequence[str], seen: View, way: str, shared_memory: int) -> dict[str, object]:
    """Return what `inside/seal.py` reads."""
    return {
        "way": way,
        "parent": os.getpid(),
        "root": str(copy.folder("root")),
        "folder": str(copy.folder("work")),
        "command": list(command),
        "links": sorted(seen.links.items()),
        "folders": view.EMPTY_FOLDERS,
        "shown": [(shown.place, shown.source, shown.writable) for shown in seen.shown],
        "shared_memory": shared_memory,
        "loader_list": seen.loader_list,
        # Landlock cannot show other files in their place.
        "landlock_readable": list(seen.texts),
        "landlock_writable": [view.TEMPORARY, "/dev/shm"],  # noqa: S108
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
