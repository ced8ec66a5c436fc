"""Measure what a server and the processes that it started use now, as /proc tells it.

For a container this text runs with the container's own Python: `python -c TEXT PID FOLDER ...` prints one JSON line.
Standard library only. What cannot be read is left out.
"""

from __future__ import annotations

import json
import os
import sys

Usage = dict[str, int]

WEIGHTS = "/memfd:seatrial-weights"  # as the runtime names the file of them
_OF_STATUS = {  # field of /proc/PID/status → name and unit in bytes or pieces
    "VmRSS": ("resident", 1024),
    "VmHWM": ("peak", 1024),
    "RssAnon": ("memory", 1024),
    "RssShmem": ("shared", 1024),
    "Threads": ("threads", 1),
}
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def measure(server: int, folders: list[str]) -> Usage:
    """Return the sums over a server's process and its descendants; {} where /proc does not tell.

    Keys: `resident` and `peak` bytes of memory, of them `memory` and `shared` without files; `threads`; `descriptors`;
    `processes`; `milliseconds` of processor time; `files` and `bytes` below `folders`.
    """
    used: Usage = {}
    for pid, milliseconds in tree(server).items():
        _add(used, "processes", 1)
        _add(used, "milliseconds", milliseconds)
        for name, value in _memory(pid).items():
            _add(used, name, value)
        try:
            _add(used, "descriptors", len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208 - no more modules than needed
        except OSError:
            continue
    if used:
        used["files"], used["bytes"] = _files(folders)
    return used


def _add(used: Usage, name: str, value: int) -> None:
    used[name] = used.get(name, 0) + value


def tree(server: int) -> dict[int, int]:
    """Return the processes: a server, its session and all their descendants, each with its processor time."""
    parents, sessions, times = {}, {}, {}
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
    except OSError:
        return {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b")")[2].split()  # a program's name may hold anything
        except OSError:
            continue
        parents[pid], sessions[pid] = int(fields[1]), int(fields[3])
        times[pid] = (int(fields[11]) + int(fields[12])) * 1000 // _TICKS
    found = {pid for pid in parents if pid == server or sessions[pid] == server}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: times[pid] for pid in found - {os.getpid()}}


def _memory(pid: int) -> Usage:
    """Return what a process uses of memory, where what it shares with others of the server counts once."""
    used = _status(pid)
    if used.get("shared"):
        used["shared"] = max(0, used["shared"] - _weights(pid))
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            share = next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration, ValueError):
        return used
    shared = max(0, used.get("resident", 0) - share)
    return {name: value - shared if name in ("resident", "peak") else value for name, value in used.items()}


def _weights(pid: int) -> int:
    """Return the bytes of the weights that the workers share; they take nothing of /dev/shm."""
    found, inside = 0, False
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if not line[0].isupper():  # the addresses of the next mapping
                    inside = WEIGHTS in line
                elif inside and line.startswith("Rss:"):
                    found += int(line.split()[1]) * 1024
    except OSError:
        pass
    return found


def _status(pid: int) -> Usage:
    used: Usage = {}
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                name, _, value = line.partition(":")
                if name in _OF_STATUS:
                    key, unit = _OF_STATUS[name]
                    used[key] = int(value.split()[0]) * unit
    except OSError:
        pass
    return used


def _files(folders: list[str]) -> tuple[int, int]:
    """Return how many files lie below the folders, and their bytes."""
    files, size = 0, 0
    for folder in folders:
        for where, _, names in os.walk(folder):
            files += len(names)
            for name in names:
                try:
                    size += os.lstat(f"{where}/{name}").st_size
                except OSError:
                    continue
    return files, size


def main() -> None:
    """Print what the server with the given process id uses."""
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2:])))  # noqa: T201


if __name__ == "__main__":
    main()
