"""Run a program as another user, without some folders, on another machine by what the system says of it.

`elsewhere.py PLAN PROGRAM [...]` reads the JSON file PLAN: `user`, the number of the user; `hidden`, folders; `texts`,
file of the system → the file that is seen in its place; `processors`, how many may be used.

It is done in a user and mount namespace of its own, which needs no privileges where the kernel permits it: files
belong to whom they belonged, but the process and the names of users know another one. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000  # CLONE_NEWUSER and CLONE_NEWNS of linux/sched.h
_BIND = 4096  # MS_BIND of linux/mount.h


def main() -> None:
    """Move into the namespaces and become the program; end with its name for what is not permitted."""
    file, *command = sys.argv[1:]
    with open(file, encoding="utf-8") as plan_file:  # noqa: PTH123 - no more modules than needed
        plan = json.load(plan_file)
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    _succeed("unshare", libc.unshare(_NEW_USER | _NEW_MOUNTS))
    _write("setgroups", "deny")
    _write("uid_map", f"{plan['user']} {uid} 1")
    _write("gid_map", f"{plan['user']} {gid} 1")
    for folder in plan["hidden"]:
        if os.path.isdir(folder):  # noqa: PTH112
            _succeed("mount", libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, None))
    for place, source in plan["texts"].items():
        if os.path.exists(place):  # noqa: PTH110
            _succeed("mount", libc.mount(os.fsencode(source), os.fsencode(place), None, _BIND, None))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: plan["processors"]])
    os.execv(command[0], command)  # noqa: S606 - a list, without a shell


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def _succeed(what: str, result: int) -> None:
    if result != 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
