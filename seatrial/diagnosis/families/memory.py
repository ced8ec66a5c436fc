"""Memory that the system refuses: the call that asked for it tells whether a process, a file or a tensor was to get it.

A process that was killed for memory is told by `endings.py`; what torch and numpy say of their own arrays, by ST543.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import words_of
from seatrial.rules.serving.processes import NO_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

_REFUSED = re.compile(r"\[Errno 12\]|\bCannot allocate memory\b|\bENOMEM\b|\(errno: ?12\)|not enough memory resources")
_FORKING = re.compile(r"\b(?:os\.)?fork\b|_fork_exec|fork_exec|popen_fork|_execute_child|posix_spawn")
_MAPPING = re.compile(r"\bmmap\b|unable to mmap|mmap_length")
_SIZE = re.compile(
    r"(?:mmap|allocate|tried to allocate) (?P<size>\d{4,}) bytes|Unable to allocate (?P<known>[\d.]+ \w?iB)"
)
_FILE = re.compile(r"from file <(?P<file>[^>\n]{1,200})>")
_SHELL = re.compile(r"^(?:[\w./-]{1,60}: )?(?:line \d+: )?fork: (?:retry: )?Cannot allocate memory")
_DOCKER = re.compile(r"(?:fork/exec|runc|containerd|dockerd|executor)[^\n]{0,200}: cannot allocate memory")
_IN_TORCH = re.compile(r"DefaultCPUAllocator")  # ST543 has its own symptom for it
_BY_COPY = (
    "start no processes once the model is loaded: num_workers=0 in a DataLoader, no subprocess in load() or predict(); "
    "or take a machine type with more memory"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of ENOMEM by the call that met it."""
    words = words_of(raised)
    if not _REFUSED.search(words) or _IN_TORCH.search(words) or "CUDA" in words:
        return
    calls = " ".join(f"{frame.file} {frame.function} {frame.source}" for frame in raised.frames[-4:])
    size = _size(words)
    if _FORKING.search(calls) or _FORKING.search(words):
        loader = any("torch.utils.data" in frame.module for frame in raised.frames)
        what = "a DataLoader's worker" if loader else "another process"
        finding = NO_MEMORY.finding(
            f"{what} could not be started: the system had no memory for it (ENOMEM)",
            cause="fork needs as much memory as the process may write to, and the process holds the model",
            fix=_BY_COPY,
        )
        yield Diagnosis(finding, "ENOMEM was met while a process was forked", raised.position)
    elif _MAPPING.search(words) or _MAPPING.search(calls):
        file = f"the file {found['file']}" if (found := _FILE.search(words)) else "a file"
        finding = NO_MEMORY.finding(
            f"{size or 'memory'} to map {file} could not be had (ENOMEM)",
            cause="the machine is too small, or a limit of its addresses (`ulimit -v`) or maps (`vm.max_map_count`)",
            fix=f"take a machine type with more memory than the file has, and set no `ulimit -v`; {NO_MEMORY.fix}",
        )
        yield Diagnosis(finding, "ENOMEM was met while a file was mapped", raised.position)
    else:
        finding = NO_MEMORY.finding(f"{size or 'memory'} could not be had (ENOMEM)")
        yield Diagnosis(finding, f"the exception says `{' '.join(words.split())[:80]}`", raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a shell, or the runtime of containers, that cannot start a process."""
    text = statement.text.strip()
    if _SHELL.match(text) or _DOCKER.search(text):
        finding = NO_MEMORY.finding(
            "a process could not be started: the system had no memory for it (ENOMEM)",
            cause=NO_MEMORY.summary,
            fix=_BY_COPY,
        )
        yield Diagnosis(finding, f"the line says `{text[:80]}`", statement.position)


def _size(words: str) -> str:
    found = _SIZE.search(words)
    if found is None:
        return ""
    return found["known"] or f"{int(found['size']) / 2**30:.1f} GiB"
