"""How a process ended: signals and exit codes, and what around them tells who sent the signal.

A shell, docker, Kubernetes, Python's subprocess, gunicorn and systemd write the same end differently; what counts is
the number. 128 + n, -n and the name are the same signal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import after, before, words_of
from seatrial.diagnosis.raised import Owner
from seatrial.rules.deployment import containers
from seatrial.rules.devices import machines
from seatrial.rules.rule import Telling
from seatrial.rules.serving import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

_NUMBERS = {"SIGILL": 4, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGSEGV": 11, "SIGTERM": 15}
_WORDS = {
    "illegal instruction": 4,
    "aborted": 6,
    "bus error": 7,
    "floating point exception": 8,
    "killed": 9,
    "segmentation fault": 11,
    "terminated": 15,
}
_CODE = re.compile(
    r"(?i)(?:exit(?:ed)?(?: with)?(?: a)?(?: non-?zero)?[ -]?(?:code|status|value)?:?[ =]*|returned a non-zero code: |"
    r"ExitCode\W{1,3})\(?(?P<code>-\d{1,2}|1[2-4]\d)\b"
)
_SIGNAL = re.compile(
    r"(?i)(?:signal(?:ed)?(?: by)?(?: number)?|died with <Signals\.\w+:|killed by signal|terminated (?:on|by|"
    r"with) signal)"
    r"[ :=(]*(?:(?P<number>\d{1,2})\b|(?P<name>SIG[A-Z]{2,4}|killed|aborted|segmentation fault|illegal instruction|"
    r"bus error))|\b(?:was sent|received|got|caught|by) (?P<sent>SIG[A-Z]{2,4})\b"
)
# What a shell prints: `Killed`, `line 3:  17 Segmentation fault      (core dumped) python serve.py`.
_SHELL = re.compile(
    r"^(?:[\w./-]{1,60}: (?:line \d+: +)?)?(?:\d+\.\d+ |\[\d+\] ? ?)?\s*(?:\d+ )?"
    r"(?P<word>Killed|Aborted|Segmentation fault|Illegal instruction|Bus error|Floating point exception)"
    r"(?P<core>\s+\(core dumped\))?(?:\s+\S.*)?$"
)
# What the kernel logs: `python[17]: segfault at 0 ip …`, `traps: python[17] trap invalid opcode ip:…`.
_KERNEL = re.compile(r"\w\[\d+\]:? (?:(?P<segment>segfault at [0-9a-f]+ ip)|trap invalid opcode ip)")
_STEP = re.compile(r"^#\d+ (?:\d+\.\d+ )?")  # BuildKit's number of the step, and its seconds
_OOM = re.compile(
    r"OOMKilled|oom[-_]kill|[Oo]ut of memory|Memory cgroup|memory limit of [^\n]{1,40}exceeded|Memory limit of|"
    r"low on resource: memory|exceeded (?:its|the) memory",
)
_OOM_SURE = re.compile(
    r"(?P<limit>[Mm]emory limit of [\d.]+ ?\w+ exceeded[^\n]{0,60})|low on resource: (?P<what>memory|"
    r"ephemeral-storage)|"
    r"\boom-kill:|Memory cgroup out of memory|Out of memory: Kill|\"?OOMKilled\"?: ?true|[Rr]eason\W{1,4}OOMKilled|"
    r"was OOM[ -]?killed|OutOfMemoryKilled"
)
_TIMEOUT = re.compile(r"WORKER TIMEOUT|timed out|[Dd]eadline|time limit|exceeded the maximum execution time")
_PROBE = re.compile(
    r"(?i)(?:liveness|startup|readiness) probe failed|failed (?:liveness|startup) probe|will be restarted"
)
_INSTALL = re.compile(
    r"(?i)\b(?:pip|uv)\d? (?:pip )?(?:install|sync)|Downloading |Collecting |Building wheel|docker build|RUN "
)
_ABORTED = re.compile(
    r"terminate called after throwing an instance of '(?P<type>[^']+)'(?:\s+what\(\):\s+(?P<what>[^\n]+))?"
)
_FINISHED = re.compile(
    r"Finished server process|Shutting down: Master|Handling signal: term|Shutting down$|Worker exiting"
)
_STARTED = re.compile(
    r"Started server process|Starting gunicorn|Booting worker|Uvicorn running|Listening at|Waiting for app"
)
_TROUBLE = re.compile(
    r"(?i)\berror\b(?!s?[=: ]+0)|exception|traceback|\bfatal\b|\bkilled\b|failed|critical|timeout|KeyboardInterrupt|"
    r"ctrl"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a crash that faulthandler reports, or an exception about a child process that ended."""
    if raised.type in ("Fatal Python error", "Windows fatal exception"):
        yield from _crashed(raised, case)
        return
    words = words_of(raised)
    number = _number(words)
    if number is not None and re.search(r"(?i)command|process|worker|subprocess|child|exited", words):
        yield from _ended(number, words, raised.position, case)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line that tells how a process ended."""
    text = _STEP.sub("", statement.text).strip()
    if sure := _OOM_SURE.search(text):
        yield _no_memory(text, sure, statement.position, case)
        return
    if abort := _ABORTED.search(after(case, statement.position, 600)):
        if statement.text.lstrip().startswith("terminate called"):
            yield _aborted(abort, statement.position)
        return
    number = _number(text)
    if number is not None:
        yield from _ended(number, text, statement.position, case)
    elif _FINISHED.search(text):
        yield from _stopped(statement, case)


def _number(text: str) -> int | None:
    """Return the signal that a text says ended a process; None if it says none."""
    if kernel := _KERNEL.search(text):
        return 11 if kernel["segment"] else 4
    if shell := _SHELL.match(text):
        return _WORDS[shell["word"].lower()]
    if found := _SIGNAL.search(text):
        if found["number"]:
            return int(found["number"])
        name = found["name"] or found["sent"]
        return _NUMBERS.get(name.upper(), _WORDS.get(name.lower()))
    if code := _CODE.search(text):
        number = int(code["code"])
        return -number if number < 0 else number - 128 if number > 128 else None
    return None


def _ended(number: int, text: str, position: int, case: Case) -> Iterator[Diagnosis]:
    why = f"the text says `{' '.join(text.split())[:90]}`, which is signal {number}"
    if number == 9:
        yield from _killed(text, position, case, why)
    elif number == 4:
        finding = machines.OTHER_INSTRUCTIONS.finding(
            "the process ended with SIGILL: a library uses instructions that this processor (CPU) does not have",
            cause=(
                "Mostly it is AVX, AVX2 or AVX-512: an old CPU, a virtual machine that hides them, or an emulated "
                "image."
            ),
            fix=(
                "compare `grep -o -m1 'avx[^ ]*' /proc/cpuinfo` there and where it works; take a machine with these "
                "instructions, or a build of the library for older CPUs. On an ARM machine build the image for ARM, "
                "or run it on x86-64"
            ),
        )
        yield Diagnosis(finding, why, position)
    elif number == 7:
        finding = processes.SHARED_MEMORY.finding(
            "the process ended with SIGBUS: memory that is mapped from a file could not be had",
            cause=(
                "Either /dev/shm is full, or a mapped file (weights) was cut while it was in use, or the disk is full."
            ),
        )
        yield Diagnosis(finding, why, position)
    elif number in (6, 8, 11) and not _is_told(position, case):
        name = {6: "SIGABRT", 8: "SIGFPE", 11: "SIGSEGV (segmentation fault)"}[number]
        finding = machines.CRASHED.finding(f"a process ended with {name}: native code crashed")
        yield Diagnosis(finding, why, position, Telling.WIDE)
    elif number == 15 and _TIMEOUT.search(text):
        yield Diagnosis(
            containers.ENDED_OUTSIDE.finding("the process was ended with SIGTERM: its time was over"), why, position
        )


def _is_told(position: int, case: Case) -> bool:
    """Return whether the log says more about a crash than its signal."""
    if any(raised.type == "Fatal Python error" for raised in case.raised):
        return True
    return "terminate called" in before(case, position, 2_000)


def _killed(text: str, position: int, case: Case, why: str) -> Iterator[Diagnosis]:
    """Judge SIGKILL: the kernel sends it if memory runs out, and so does anything that loses patience."""
    around = before(case, position, 3_000) + after(case, position, 600)
    if "WORKER TIMEOUT" in around and not _OOM_SURE.search(around):
        finding = processes.WORKER_KILLED.finding(
            "gunicorn killed a worker that took longer than its timeout",
            cause="gunicorn adds `Perhaps out of memory?` to every SIGKILL, also to its own after WORKER TIMEOUT.",
        )
        yield Diagnosis(finding, "WORKER TIMEOUT stands before it", position)
        return
    if _PROBE.search(around):
        finding = containers.ENDED_OUTSIDE.finding("the container was killed after its probe had failed")
        yield Diagnosis(finding, "a failed probe stands before it", position)
        return
    if _OOM.search(around) or "Perhaps out of memory" in text:
        yield _no_memory(text, None, position, case)
        return
    installing = _INSTALL.search(around) is not None
    finding = processes.NO_MEMORY.finding(
        "the process was killed (SIGKILL, exit code 137): most likely memory ran out",
        cause=(
            "The kernel kills the process that uses most when memory runs out. A deadline or a person can send the "
            "same signal; `dmesg` or the platform's events tell which it was."
        ),
        fix=_IN_A_BUILD if installing else processes.NO_MEMORY.fix,
    )
    yield Diagnosis(finding, why, position)


_IN_A_BUILD = (
    "give the build more memory (a larger runner or machine, Docker Desktop's setting), install the CPU wheels if no "
    "GPU is used, and pass `--no-cache-dir` to pip; wheels need far less than compiling from source"
)


def _no_memory(text: str, sure: re.Match[str] | None, position: int, case: Case) -> Diagnosis:
    around = before(case, position, 3_000)
    limit = (sure["limit"] if sure else None) or ""
    if sure and sure["what"] == "ephemeral-storage":
        from seatrial.rules.lock import installing as packages

        finding = packages.DISK_FULL.finding("the node's disk is full, and the pod was evicted")
        return Diagnosis(finding, "the text names ephemeral-storage", position)
    what = f": {limit}" if limit else ""
    fix = _IN_A_BUILD if _INSTALL.search(around) else processes.NO_MEMORY.fix
    finding = processes.NO_MEMORY.finding(
        f"memory ran out, and the process was killed{what}", cause=processes.NO_MEMORY.summary, fix=fix
    )
    return Diagnosis(finding, f"the text says `{' '.join(text.split())[:90]}`", position)


def _aborted(abort: re.Match[str], position: int) -> Diagnosis:
    said = f": {abort['what'].strip()[:200]}" if abort["what"] else ""
    kind = abort["type"]
    if "bad_alloc" in f"{kind}{said}":
        finding = processes.NO_MEMORY.finding(f"native code got no memory ({kind})")
    else:
        finding = machines.CRASHED.finding(
            f"native code ended the process with an exception that nothing caught: {kind}{said}",
            fix="correct what the exception says; PYTHONFAULTHANDLER=1 prints the Python line on which it happened",
        )
    return Diagnosis(finding, f"C++ says that {kind} was not caught", position)


_KINDS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Illegal instruction": "SIGILL",
    "Bus error": "SIGBUS",
    "Floating point exception": "SIGFPE",
}


def _crashed(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge faulthandler's report: whose code was running, and from which line of the project."""
    if raised.message not in _KINDS:  # what Python itself says, such as `_enter_buffered_busy`
        return
    if raised.message == "Illegal instruction":
        yield from _ended(4, raised.message, raised.position, case)
        return
    inner = next((frame for frame in reversed(raised.frames) if frame.distribution), None)
    user = raised.users
    whose = inner.distribution + (f"=={inner.version}" if inner.version else "") if inner else ""
    inside = f" in native code of {whose}" if whose else " in native code"
    call = f", in {inner.module}.{inner.function}" if inner and inner.function else ""
    place = (user.place or f"{user.file}:{user.line}") if user else ""
    called = f", called from {place}" if user else ""
    loading = inner is not None and re.search(
        r"load|_serialization|from_pretrained|open|read", inner.function + inner.module
    )
    importing = inner is not None and inner.function == "<module>"
    if loading and not importing:
        cause = "It crashed while it read a file: the file is damaged, or of another version than the library reads."
        fix = (
            f"write the file again with the locked version{f' ({whose})' if whose else ''}, and compare its size and "
            "hash"
        )
    elif importing:
        cause = "It crashed while it was imported: it was built for other versions of what is beside it."
        fix = "install all from one lock into a new environment, and import the libraries one by one to find the pair"
    else:
        cause = machines.CRASHED.explanation.partition(". ")[2]
        fix = "run that line alone with the same input; try the release of the library before or after the locked one"
    finding = machines.CRASHED.finding(
        f"the process crashed ({raised.message}){inside}{call}{called}", cause=cause, fix=fix
    )
    running = "the project's" if inner is None and user and user.owner is Owner.PROJECT else f"{whose or 'unknown'}'s"
    yield Diagnosis(
        finding, f"faulthandler reports {_KINDS[raised.message]} while {running} code was running", raised.position
    )


def _stopped(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a server's shutdown: nothing before it explains it, and it never served a request."""
    last = next((s for s in reversed(case.statements) if _FINISHED.search(s.text)), None)
    if case.raised or last is None or last.position != statement.position:
        return
    texts = [s.text for s in case.statements]
    if not any(_STARTED.search(text) for text in texts) or any(_TROUBLE.search(text) for text in texts):
        return
    if any(re.search(r'" 200\b|\b200 OK', text) for text in texts):  # it served, and then was stopped as servers are
        return
    unready = any("Waiting for app" in text for text in texts) and not any("startup complete" in text for text in texts)
    finding = containers.ENDED_OUTSIDE.finding(
        f"the server was stopped from outside{' before it was ready' if unready else ''}: the log has no error and no "
        "traceback",
        cause=(
            "SIGTERM ends a server like this: a probe of the health route that failed or came too early, a deadline "
            "of the deployment, or a new version. If lines are missing at the end, it was killed, mostly for memory."
        ),
    )
    yield Diagnosis(finding, "the log holds a start and a shutdown, and no line says why", statement.position)
