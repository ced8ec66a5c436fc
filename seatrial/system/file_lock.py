"""One process at a time where two would disturb each other: a lock on a file, with a step that says it is waited for.

The lock belongs to the process: however that ends, the next one gets it.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from seatrial.findings import Stage, Step


def acquire(file: Path, holder: str) -> Stage[FileLock]:
    """Acquire the lock of a file, whose folder is made if needed; the caller releases it when the work is done.

    If another process has it, a step says so; `holder` names that one's work, such as "another image build".
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield Step(f"waiting for {holder}")
        lock.acquire()
    return lock
