"""One process at a time where two would spoil each other's work: a lock file, waited for aloud.

The lock belongs to the process: when that ends, however it ends, the next one gets it.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from seatrial.findings import Stage, Step


def acquire(file: Path, holder: str) -> Stage[FileLock]:
    """Give the lock of a file, whose folder is made where it is missing; release it when the work is done.

    Where another process has it, a step says so, by `holder`: what that is doing, such as "another image build".
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield Step(f"waiting for {holder}")
        lock.acquire()
    return lock
