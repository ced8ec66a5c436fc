"""Family 5, processes: servers that are killed, or that do not start on the machine.

Nothing here is decided from facts: the messages of torch, gunicorn and the kernel show what happened.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, EXITED_SOURCE, NEVER_READY, SDK, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

WORKER_KILLED = Rule(
    code="ST542",
    title="the server's worker was killed for taking too long",
    explanation=(
        "gunicorn ends a worker that has not reported for its `--timeout`, 30 seconds by default. A worker that "
        "loads the model on its first request, or that takes longer to predict, is killed before it answers."
    ),
    fix="load before the server is healthy and raise `--timeout`, or serve with seatrial's runtime",
    cloud="[CRITICAL] WORKER TIMEOUT (pid:…)",
    sources=("https://docs.gunicorn.org/en/stable/settings.html#timeout",),
    symptoms=(Symptom(r"\bWORKER TIMEOUT\b", "gunicorn killed a worker that took too long"),),
)

NO_MEMORY = Rule(
    code="ST543",
    title="memory ran out",
    explanation=(
        "The process asked for more memory than the machine or the container has: a model that every worker loads "
        "once, a batch without a limit, an image unpacked to its full size. The kernel ends such a process without a "
        "traceback."
    ),
    fix="serve with one worker, limit the batch, or take a machine type with more memory",
    cloud=SERVER_EXITED,
    sources=("https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/", EXITED_SOURCE),
    symptoms=(
        Symptom(
            r"DefaultCPUAllocator: can't allocate memory: you tried to allocate (?P<bytes>\d+) bytes",
            "torch asked for {bytes} bytes of memory and did not get them",
        ),
        Symptom(
            r"Perhaps out of memory\?|(?<!reason: )\bOOMKilled\b|Out of memory: Killed process",
            "memory ran out",
        ),
        Symptom(r"(?m)^(?:numpy[\w.]{0,60}\._ArrayMemoryError|MemoryError)\b", "memory ran out"),
    ),
)

PORT_TAKEN = Rule(
    code="ST544",
    title="the port is taken",
    explanation=(
        "Another process is already listening on the port: a second server in the same container, or one that was left "
        "running. The server cannot start, and the other process answers the health route, or nothing does."
    ),
    fix="start one server in a container, on the port of `AIP_HTTP_PORT`",
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    symptoms=(
        Symptom(
            r"Connection in use: \('(?P<host>[^'\n]{0,80})', (?P<port>\d{1,5})\)",
            "the port {port} is taken",
        ),
        Symptom(
            r"attempt(?:ing)? to bind on address \('(?P<host>[^'\n]{0,80})', (?P<port>\d{1,5})[^\n]{0,60}in use",
            "the port {port} is taken",
        ),
        Symptom(r"\[Errno 98\] Address already in use", "the port is taken"),
    ),
)

SHARED_MEMORY = Rule(
    code="ST545",
    title="the container has too little shared memory",
    explanation=(
        "Workers of a DataLoader pass tensors through /dev/shm, and a container has 64 MB of it by default. "
        "A server does not need such workers: it has one image at a time, not a data set."
    ),
    fix="set `num_workers=0` in serving, or give the container more with `vertex.shared-memory-mb`",
    cloud="RuntimeError: DataLoader worker (pid …) is killed by signal: Bus error.",
    sources=(
        "https://github.com/googleapis/python-aiplatform/issues/3434",
        "https://docs.pytorch.org/docs/stable/multiprocessing.html",
    ),
    symptoms=(
        Symptom(
            (
                r"insufficient shared memory \(shm\)|killed by signal: Bus error|"
                r"unable to allocate shared memory\(shm\)|unable to write to file </torch_"
            ),
            "the container's shared memory is too small for a DataLoader's workers",
        ),
    ),
)

OTHER_PROCESSOR = Rule(
    code="ST546",
    title="the image is for another kind of processor",
    explanation=(
        "Programs in the image are built for a different processor than the machine's. An image that was built on an "
        "ARM machine, such as a Mac or an ARM runner, does not start on Vertex AI, whose machines are x86-64."
    ),
    fix="build with `--platform linux/amd64`, on an x86-64 machine where packages are compiled",
    cloud="exec /usr/local/bin/python: exec format error",
    sources=("https://docs.docker.com/build/building/multi-platform/", f"{SDK}/prediction/local_model.py"),
    symptoms=(Symptom(r"[Ee]xec format error", "a program in the image is for another processor"),),
)
