"""Run a program as another user and without some folders: `elsewhere.py USER FOLDER[:FOLDER ...] PROGRAM [...]`.

Both are done in a user and mount namespace of its own, which needs no privileges where the kernel permits it: files
belong to whom they belonged, but the process and the names of users know another one. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000  # CLONE_NEWUSER and CLONE_NEWNS of linux/sched.h


def main() -> None:
    """Move into the namespaces and become the program; end with its name for what is not permitted."""
    user, folders, *command = sys.argv[1:]
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    _succeed("unshare", libc.unshare(_NEW_USER | _NEW_MOUNTS))
    _write("setgroups", "deny")
    _write("uid_map", f"{user} {uid} 1")
    _write("gid_map", f"{user} {gid} 1")
    for folder in folders.split(":"):
        if os.path.isdir(folder):  # noqa: PTH112 - no more modules than needed
            _succeed("mount", libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, None))
    os.execv(command[0], command)  # noqa: S606 - a list, without a shell


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def _succeed(what: str, result: int) -> None:
    if result != 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
