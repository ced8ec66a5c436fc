"""Family 6, machines: what processors, GPUs and their drivers refuse at run time.

Nothing here is decided from facts: the kernel, CUDA and the driver say what happened.
"""

from __future__ import annotations

from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.rule import Rule

CUDA_BEFORE_FORK = Rule(
    code="ST630",
    title="CUDA was used before the server forked its workers",
    explanation=(
        "A process that has used CUDA cannot hand it on to a forked child. gunicorn's `--preload`, a model that is "
        "loaded when a module is imported, or a DataLoader's workers make children of such a process."
    ),
    fix="load the model in each worker: without `--preload`, in `post_fork`, or with one worker",
    recognised="By what CUDA says in a forked child.",
    cloud="RuntimeError: Cannot re-initialize CUDA in forked subprocess.",
    sources=("https://docs.pytorch.org/docs/stable/notes/multiprocessing.html#cuda-in-multiprocessing",),
)

OTHER_INSTRUCTIONS = Rule(
    code="ST631",
    title="the processor lacks instructions that a library uses",
    explanation=(
        "A library was compiled for processors with AVX, AVX2 or AVX-512, and this one, or the virtual machine on it, "
        "does not have them. The kernel ends the process with SIGILL, exit code 132, and there is no traceback. An "
        "x86 image that is emulated on an ARM machine ends in the same way."
    ),
    fix="run it on a processor with these instructions, such as those of N2 machines, or take a build for older ones",
    recognised="By the signal SIGILL, in any of the forms of shells, Python and containers.",
    cloud=SERVER_EXITED,
    sources=("https://man7.org/linux/man-pages/man7/signal.7.html",),
)

CRASHED = Rule(
    code="ST632",
    title="native code crashed",
    explanation=(
        "The process was ended by a signal in compiled code, so there is no Python exception. Frequent causes are a "
        "library that was built for other versions of its neighbours, two copies of one library in one process, a "
        "damaged or foreign file, and a stack that ran over."
    ),
    fix="set PYTHONFAULTHANDLER=1, which prints the Python line on which the process crashed, and run it again",
    recognised=(
        "By the signal that ended the process, and faulthandler's report, whose frames name the library and the "
        "user's line."
    ),
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/library/faulthandler.html",),
)

GPU_FAULT = Rule(
    code="ST633",
    title="an operation on the GPU failed",
    explanation=(
        "The GPU reported an error, often later than the operation that caused it, so the traceback may show another "
        "line. A failed assertion or an illegal access is a fault of the program, mostly an index out of range."
    ),
    fix="run it again with CUDA_LAUNCH_BLOCKING=1, or on the CPU, where the traceback shows the operation itself",
    recognised="By CUDA's name of the error, or the status of one of its libraries.",
    cloud="RuntimeError: CUDA error: device-side assert triggered",
    sources=("https://docs.pytorch.org/docs/stable/cuda_environment_variables.html",),
)

GPU_HARDWARE = Rule(
    code="ST634",
    title="the GPU or its driver reports a fault of the machine",
    explanation=(
        "Uncorrectable memory errors, a GPU that no longer answers and a driver whose parts are of different versions "
        "are faults of the machine. The project is not the cause."
    ),
    fix="move to another machine; restart this one, or have its driver repaired",
    recognised="By CUDA's name of the error, or the code of the driver (Xid).",
    cloud="RuntimeError: CUDA error: uncorrectable ECC error encountered",
    sources=("https://docs.nvidia.com/deploy/xid-errors/",),
)
