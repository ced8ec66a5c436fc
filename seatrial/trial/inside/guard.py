"""Run a module as `python -m` would, and catch every attempt to open a connection to the outside.

This file runs in the predictor's environment, by its path, with nothing of the tool beside it: standard library
only. An attempt fails as it would on a machine without a network, and is recorded with the call that made it. What a
C library or a child process opens is not seen; the start of a child is recorded too.
"""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import runpy
import signal
import sys
import traceback
from typing import Any

# Google's client libraries ask it everywhere; it exists in the cloud, so asking is not a fault.
METADATA_SERVER = ("metadata.google.internal", "metadata.google.internal.", "169.254.169.254", "fd20:ce::254")
CHILDREN = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty")  # audit events
LOOKUPS = ("ldconfig", "gcc", "cc", "ld", "objdump", "uname")  # started by ctypes.util and platform on torch's import


def is_local(host: str | None) -> bool:
    """Return whether a host name or address is this machine's."""
    if not host or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def note(record: str, what: dict[str, str]) -> None:
    """Append a JSON line to the file `record`."""
    with open(record, "a", encoding="utf-8") as file:  # noqa: PTH123 - no more modules than the runtime needs
        file.write(json.dumps(what) + "\n")


def watch(record: str) -> None:
    """Refuse outside connections from now on; record each in `record`, with host and stack."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHILDREN:
            program = str(arguments[0]) if arguments else event
            if os.path.basename(program) not in LOOKUPS:  # noqa: PTH119
                note(record, {"child": program})
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else None  # a unix socket has no host
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        else:
            return
        host = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if is_local(host):
            return
        if host not in METADATA_SERVER:
            stack = "Traceback (most recent call last):\n" + "".join(traceback.format_stack()[:-1])
            note(record, {"host": str(host), "traceback": stack})
        raise OSError(101, f"Network is unreachable: the trial has no way out, and {host} was asked for")

    sys.addaudithook(refuse)


def main() -> None:
    """Run `guard.py RECORD PARENT MODULE [ARGUMENT ...]`, where PARENT is the process that started this one."""
    record, parent, module, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no server outlives a killed trial
        if os.getppid() != int(parent):
            sys.exit("the process that started this one has ended")
    watch(record)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
