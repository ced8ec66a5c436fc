"""Note what a process on trial does that may differ in the cloud: what it opens, starts, imports and connects to.

`_seatrial_guard.pth` imports this file into every Python that starts in the trial's environment, so that the children
of the predictor have it too. It is standard library only, Python 3.10, with nothing beside it but its settings and
`weights.py`. Only what the project's own code does is noted, by itself or by a call into a library, and not what a
library tries while it is imported. What C code opens or connects to raises no audit event and is not seen here; the
seal refuses it.

A connection to the outside is refused here already, so that its reason is named. Nothing else is.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Google's client libraries ask it everywhere; it exists in the cloud, so asking is not a fault.
METADATA_SERVER = ("metadata.google.internal", "metadata.google.internal.", "169.254.169.254", "fd20:ce::254")
PREDICTED = "seatrial.serving.predicted"  # what the runtime raises after the load and after each prediction
PORT = 8080  # on which the server listens in the cloud
MACHINE = ("/proc/", "/sys/")
DATABASE = "sqlite3.connect"  # reads a file or makes it
READS = ("open", "os.listdir", "os.scandir", DATABASE)
# Audit events of changes of the file system → which argument is the path.
WRITES = {
    "os.mkdir": 0, "os.remove": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.truncate": 0,
}  # fmt: skip
PROGRAMS = ("subprocess.Popen", "os.exec", "os.posix_spawn")
LOOKUPS = ("/ctypes/util.py", "/platform.py")  # they start programs to look for libraries, and do without them
_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - no more modules than the runtime needs


def is_local(host: str | None) -> bool:
    """Return whether a host name or address is this machine's."""
    import ipaddress
    import socket

    own = socket.gethostname()
    if not host or host in ("localhost", own, own.partition(".")[0]) or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))  # only an address of this machine can be bound
        except OSError:
            return False
    return True


class Guard:
    """The audit hook and what it needs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._record: str = settings["record"]
        self._packages: tuple[str, ...] = tuple(settings["packages"])
        self._python: tuple[str, ...] = tuple(settings["python"])
        self._readable: tuple[str, ...] = tuple(settings["readable"])
        self._writable: tuple[str, ...] = tuple(settings["writable"])
        self._protected: tuple[str, ...] = tuple(settings["protected"])
        self._work: str = settings["work"]
        self._temporary: str = settings["temporary"]
        self._began: float = settings["began"]
        self._absent: dict[str, str] = settings["absent"]
        self._unsure = frozenset(settings["unsure"])
        self._seen: set[tuple[str, str]] = set()
        self._busy: set[int] = set()  # threads in which the guard itself is at work
        self.weigh: Callable[[], None] | None = None  # what is noted again and again, because it may still change

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Handle an audit event of Python."""
        if _thread.get_ident() in self._busy:
            return
        try:
            refused = self._handled(event, arguments)
        except Exception:  # noqa: BLE001 - what goes wrong here must not look like a fault of the predictor
            return
        if refused is not None:
            raise refused

    def _handled(self, event: str, arguments: tuple[Any, ...]) -> Exception | None:
        """Note an event; return what to raise if it is refused."""
        if event == "import":
            return self._import(arguments[0])
        if event in (PREDICTED, "socket.__new__") and self.weigh is not None:
            with contextlib.suppress(Exception):
                self.weigh()
        if event.startswith("socket."):
            return self._socket(event, arguments)
        if event in READS or event in WRITES:
            self._file(event, arguments)
        elif event in PROGRAMS:
            self._program(arguments[0], arguments[1])
        elif event == "os.system":
            self._program("/bin/sh", ["sh", "-c", arguments[0]])
        elif event == "ctypes.dlopen" and isinstance(arguments[0], str) and (frame := self._caller()):
            self._note("library", arguments[0], frame)
        return None

    def _import(self, module: str) -> Exception | None:
        if module in self._absent:
            return ImportError(self._absent[module], name=module)
        if module in self._unsure and (frame := self._caller()):
            self._note("module", module, frame)
        return None

    def _file(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[WRITES.get(event, 0)]
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a descriptor
        path = os.fsdecode(path)
        if path.startswith(MACHINE) and not path.startswith("/proc/self") and not path[6:7].isdigit():
            self._note_once("machine", path)
            return
        changes = event in WRITES or (event == "open" and _is_change(arguments[1], arguments[2]))
        if (event == DATABASE and path.startswith((":memory:", "file:"))) or not path:
            return
        if (changes or event == DATABASE) and os.path.abspath(path).startswith(self._work):  # noqa: PTH100
            self._note_once("kept", path)
            return
        if path.startswith(self._writable if changes else self._readable) and "/.." not in path:
            return  # what nearly all are
        path = os.path.abspath(path)  # noqa: PTH100
        if self._may(path, changes=changes) or (event == "os.mkdir" and os.path.isdir(path)):  # noqa: PTH112
            return  # a folder that exists already is all that most callers of mkdir want
        self._note_once("write" if changes else "read" if event in ("open", DATABASE) else "list", path)

    def _note_once(self, kind: str, path: str) -> None:
        """Note what the project's code did with a path, unless it is noted already."""
        if (kind, path) not in self._seen and (frame := self._caller(os.path.abspath(path))):  # noqa: PTH100
            self._note(kind, path, frame)

    def _may(self, path: str, *, changes: bool) -> bool:
        """Return whether an image allows it as well, as far as that is known here."""
        if path.startswith(self._writable if changes else self._readable):
            return True
        if not path.startswith(self._temporary) or path.startswith(self._protected):
            return False
        if changes:
            return True
        try:
            return os.lstat(path).st_mtime >= self._began  # made by the process itself
        except OSError:
            return False

    def _program(self, program: Any, arguments: Any) -> None:
        program = os.fsdecode(program or (arguments[0] if arguments else ""))
        frame = self._caller()
        if frame is None or program == sys.executable or self._is_lookup():
            return
        self._note("child", program, frame)

    def _socket(self, event: str, arguments: tuple[Any, ...]) -> Exception | None:
        address = arguments[1] if len(arguments) > 1 else None
        if event == "socket.bind":
            if isinstance(address, tuple) and address[1] == PORT and (frame := self._caller()):
                self._note("port", str(PORT), frame)
            return None
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            host = address[0] if isinstance(address, tuple) else None  # a unix socket has no host
            own = f"{host}:{address[1]}" if isinstance(address, tuple) else ""
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            host, own = arguments[0], ""
        else:
            return None
        host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        self._busy.add(_thread.get_ident())
        try:
            local = is_local(host)
        finally:
            self._busy.discard(_thread.get_ident())
        if not local:
            self._note("metadata" if host in METADATA_SERVER else "host", str(host), sys._getframe(3))
            return OSError(101, f"Network is unreachable: the trial has no way out, and {host} was asked for")
        if own and event == "socket.connect" and (frame := self._caller()):
            self._note("own", own, frame)
        return None

    def _is_lookup(self) -> bool:
        """Return whether the part of the standard library that starts a program only looks for libraries."""
        frame: Any = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(self._packages):
            if frame.f_code.co_filename.endswith(LOOKUPS):
                return True
            frame = frame.f_back
        return False

    def _caller(self, path: str = "") -> Any:
        """Return the frame of the event if the project's code caused it, else None.

        It did if it is the innermost code but for the standard library. It also did if it called a library, and handed
        over the path if there is one. It did not if it only imported a library.
        """
        frame: Any = sys._getframe()
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        event = frame
        library = None
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._packages):
                return event if library is None or _handed_over(library, path) else None
            if name.startswith("<frozen importlib"):
                return None
            if not name.startswith(self._python):
                library = frame
            frame = frame.f_back
        return None

    def _note(self, kind: str, what: str, frame: Any) -> None:
        """Append a JSON line to the record, with the stack of a frame; the same only once."""
        if (kind, what) not in self._seen:
            self._seen.add((kind, what))
            self.write(kind, what, self.stack(frame))

    def stack(self, frame: Any = None) -> str:
        """Return the calls that led to a frame, or to the caller, as a traceback."""
        self._busy.add(_thread.get_ident())
        try:
            import traceback

            return "Traceback (most recent call last):\n" + "".join(traceback.format_stack(frame))
        finally:
            self._busy.discard(_thread.get_ident())

    def write(self, kind: str, what: str, stack: str) -> None:
        """Append a JSON line to the record."""
        self._busy.add(_thread.get_ident())
        try:
            with open(self._record, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(json.dumps({kind: what, "traceback": stack}) + "\n")
        except OSError:
            pass  # a child with other rights
        finally:
            self._busy.discard(_thread.get_ident())


def _is_change(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return not {"w", "a", "x", "+"}.isdisjoint(mode)
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _handed_over(frame: Any, path: str) -> bool:
    """Return whether one of the arguments of a function is this path."""
    if not path:
        return True
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 2]
    values = (frame.f_locals.get(name) for name in names)
    return any(isinstance(v, (str, bytes, os.PathLike)) and os.path.abspath(os.fsdecode(v)) == path for v in values)  # noqa: PTH100


class Backwards:
    """What os.scandir returns, in the reverse order."""

    def __init__(self, entries: Any) -> None:
        with entries:
            self._left = iter(list(entries)[::-1])

    def __iter__(self) -> Backwards:
        return self

    def __next__(self) -> Any:
        return next(self._left)

    def __enter__(self) -> Backwards:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop what is left."""
        self._left = iter(())


def list_backwards() -> None:
    """Let os.listdir and os.scandir, and all that uses them, tell the files of a folder in the reverse order."""
    listdir, scandir = os.listdir, os.scandir
    os.listdir = lambda *arguments, **named: listdir(*arguments, **named)[::-1]  # type: ignore[assignment]
    os.scandir = lambda *arguments, **named: Backwards(scandir(*arguments, **named))  # type: ignore[assignment]


def watch() -> None:
    """Watch this process from now on, by the settings beside this file."""
    with open(os.path.join(_HERE, "_seatrial_guard.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        settings = json.load(file)
    sys.dont_write_bytecode = True  # the environment is read-only, as in an image
    guard = Guard(settings)
    from _seatrial_weights import Weights  # type: ignore[import-not-found]

    guard.weigh = Weights(guard.stack, guard.write).weigh
    sys.addaudithook(guard)
    if settings["backwards"]:
        list_backwards()


if __name__ == "_seatrial_guard":
    watch()
