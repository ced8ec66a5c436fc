"""Run a program that sees of this machine what a slim image would hold, and nothing else.

This file runs by its path, with nothing of the tool beside it: standard library only, Python 3.10. `seal.py PLAN FD`
reads what to show from the JSON file PLAN and says on the socket FD how it went: `{"sealed": HOW}` before the program
begins, or `{"failed": WHY}`. In namespaces a small process stays behind in the program's network. It answers every
message on the socket with a connection to the port that the message names.

The ways, best first:
- `namespaces`: a root of its own, in which nothing else exists; a network of its own with nothing but itself; a user
  without a name and without rights.
- `landlock`: the kernel refuses to open anything else. Its existence can still be seen.
- `nothing`: for machines that have neither.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

Plan = dict[str, Any]

# linux/sched.h, linux/mount.h, linux/prctl.h
_NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x40000000  # mount, uts, ipc, user, network
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE, _READ_ONLY = 442, 0x8000, 1
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS and IFF_UP, linux/sockios.h and linux/if.h
_MOST_WAITING = 16  # bytes of a message that names a port

# linux/landlock.h
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
_ALL_FILES = (1 << 13) - 1  # version 1
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE  # all that a rule about a file may allow
_CONNECT = 2  # since version 4
_UNPRIVILEGED = 1024  # ports below it cannot be opened without rights, so that nobody listens there on this machine

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Seal this process as the plan says, and become the program."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - no more modules than needed
        plan: Plan = json.load(file)
    control = socket.socket(fileno=int(sys.argv[2]))
    control.set_inheritable(False)
    try:
        _end_with(plan["parent"])
        {"namespaces": _in_namespaces, "landlock": _by_landlock, "nothing": lambda *_: None}[plan["way"]](plan, control)
    except OSError as error:
        control.send(json.dumps({"failed": f"{error.filename2 or error.filename or ''} {error.strerror}"}).encode())
        sys.exit(70)
    control.send(json.dumps({"sealed": plan["way"]}).encode())
    os.chdir(plan["folder"])
    os.execv(plan["command"][0], plan["command"])  # noqa: S606


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when the one that started it ends: no server outlives a killed trial."""
    if sys.platform == "linux":
        _call("prctl", _DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the process that started this one has ended")


def _call(name: str, *arguments: Any, about: str = "") -> int:
    """Call a function of the C library.

    Raises:
        OSError: it failed.
    """
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"{name} {about}".strip())
    return result


# Namespaces


def _in_namespaces(plan: Plan, control: socket.socket) -> None:
    user, group = os.getuid(), os.getgid()
    _call("unshare", _NEW_NAMESPACES)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{plan['user']} {user} 1")
    _write("/proc/self/gid_map", f"{plan['user']} {group} 1")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", b"lo", _UP))
    socket.sethostname(plan["host"])
    _stay_behind(control)
    _call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None, about="/")
    _make_root(plan)
    os.chroot(plan["root"])
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(descriptor)


def _make_root(plan: Plan) -> None:
    root = plan["root"]
    _mount_memory(root, "mode=755")
    for place in plan["folders"]:
        os.makedirs(root + place, exist_ok=True)  # noqa: PTH103
    for place, target in plan["links"]:
        _make_parent(root + place)
        os.symlink(target, root + place)  # noqa: PTH211
    for place, text in plan["texts"].items():
        _make_parent(root + place)
        with open(root + place, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
    for place, source, writable in sorted(plan["shown"]):
        _show(source, root + place, writable=writable)
    os.makedirs(f"{root}/dev/shm", exist_ok=True)  # noqa: PTH103, S108 - of the new root
    _mount_memory(f"{root}/dev/shm", f"size={plan['shared_memory']},mode=1777")  # noqa: S108
    _list_libraries(plan["loader_list"], root)
    _protect(root)


def _make_parent(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120


def _mount_memory(place: str, options: str) -> None:
    _call("mount", b"tmpfs", place.encode(), b"tmpfs", 0, options.encode(), about=place)


def _show(source: str, place: str, *, writable: bool) -> None:
    """Let a file or folder of this machine be seen at a place of the new root; skip what does not exist."""
    try:
        is_folder = os.path.isdir(source)  # noqa: PTH112
        if is_folder:
            os.makedirs(place, exist_ok=True)  # noqa: PTH103
        elif os.path.exists(source):  # noqa: PTH110
            _make_parent(place)
            if not os.path.lexists(place):
                os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755))
        else:
            return
    except OSError as error:
        raise OSError(error.errno, error.strerror, place) from None
    _call("mount", source.encode(), place.encode(), None, _BIND | _RECURSIVE, None, about=source)
    if not writable:
        _protect(place, recursive=is_folder)


def _protect(place: str, *, recursive: bool = False) -> None:
    """Make a mount read-only."""
    attributes = struct.pack("QQQQ", _READ_ONLY, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    _call("syscall", _MOUNT_SETATTR, -100, place.encode(), flags, attributes, len(attributes), about=place)


def _list_libraries(program: str, root: str) -> None:
    """Make the loader's list of libraries; without one it looks into its usual folders."""
    if program:
        child = os.fork()
        if child == 0:
            with contextlib.suppress(OSError):
                os.chroot(root)
                os.execve(program, [program, "-X"], {})  # noqa: S606
            os._exit(1)
        os.waitpid(child, 0)


def _stay_behind(control: socket.socket) -> None:
    """Start a process that opens connections in this network for whoever holds the other end of the socket.

    It is nobody's child and in a session of its own, so that it is not taken for a part of the program.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    with contextlib.suppress(OSError):
        while port := control.recv(_MOST_WAITING):
            with socket.socket() as connection:
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", int(port)))
                held = array.array("i", [connection.fileno()])
                control.sendmsg([b"c"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, held)])
    os._exit(0)


# Landlock


def _by_landlock(plan: Plan, _control: socket.socket) -> None:
    version = _landlock(_CREATE, None, 0, 1)
    files = _ALL_FILES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    network = _CONNECT if version >= 4 else 0
    attributes = struct.pack("QQ", files, network)[: 16 if version >= 4 else 8]
    rules = _landlock(_CREATE, attributes, len(attributes), 0)
    try:
        for _, source, writable in plan["shown"]:
            _allow(rules, source, files if writable else _EXECUTE | _READ | _LIST)
        for place in plan["landlock_readable"]:
            _allow(rules, place, _READ)
        for place in plan["landlock_writable"]:
            _allow(rules, place, files)
        for port in range(_UNPRIVILEGED, 65536) if network else ():
            _landlock(_ADD, rules, 2, struct.pack("QQ", _CONNECT, port), 0)
        _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _landlock(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _landlock(*arguments: Any) -> int:
    number, *rest = arguments
    return _call("syscall", number, *rest, about="of Landlock")


def _allow(rules: int, path: str, rights: int) -> None:
    """Allow a file or folder and what is below it; skip what does not exist."""
    try:
        descriptor = os.open(path, getattr(os, "O_PATH", 0))
    except OSError:
        return
    try:
        rights = rights if os.path.isdir(path) else rights & _OF_FILES  # noqa: PTH112
        _landlock(_ADD, rules, 1, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
