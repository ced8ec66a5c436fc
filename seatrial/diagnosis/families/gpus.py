"""GPUs: what CUDA, the driver and the kernel report, by the names of CUDA's errors.

An error of the driver or the machine is no fault of the project; one of a kernel is, though its traceback may show a
later line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import text_of, words_of
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.facts.tables import torch_builds
from seatrial.rules.devices import cuda, machines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_FORKED = re.compile(r"re-?initialize CUDA in forked subprocess|CUDA error: initialization error|poison_fork")
_ARCHITECTURE = re.compile(r"\bsm_(?P<number>\d{2,3})\b")
_SUPPORTED = re.compile(r"supports CUDA capabilities (?P<list>(?:sm_\d+a?[ ,]*)+)")
_NAME = re.compile(r"(?P<name>[A-Z][\w -]{2,60}?) with CUDA capability sm_(?P<has>\d{2,3})")
_MEMORY = re.compile(
    r"Tried to allocate (?P<wanted>[\d.]+ \w+)[^\n]*?total capacity of (?P<total>[\d.]+ \w+) of which "
    r"(?P<free>[\d.]+ \w+)"
)
_OTHER_PROCESS = re.compile(r"Process \d+ has (?P<size>[\d.]+ [GM]iB) memory in use")

_WORDINGS = (
    Wording(
        machines.GPU_HARDWARE,
        # The codes that NVIDIA lists as faults of memory, bus, link and firmware; https://docs.nvidia.com/deploy/xid-errors/
        re.compile(
            r"(?i)uncorrectable ECC|\bXid\b[^\n]{0,30}?: ?(?:48|62|63|64|74|79|92|94|95|119|120|140)\b[^\n]*|"
            r"fallen off the bus|GPU is lost|NVLink error"
        ),
        "the GPU reports a fault of its hardware",
        "move to another machine (delete the replica or the VM), and report it; restarting the server does not help",
    ),
    Wording(
        machines.GPU_HARDWARE,
        re.compile(r"Driver/library version mismatch"),
        "the NVIDIA driver was upgraded while the machine ran: its kernel module and its libraries differ",
        "restart the machine, or load the new kernel module",
    ),
    Wording(
        machines.GPU_HARDWARE,
        re.compile(r"(?i)system not yet initialized|cudaErrorSystemNotReady"),
        "the GPUs of this machine are not ready: its fabric manager does not run, or has another version than the "
        "driver",
        "start nvidia-fabricmanager of exactly the driver's version, or take an image of the cloud that has both",
    ),
    Wording(
        cuda.NO_CUDA,
        re.compile(
            r"could not select device driver \W*(?:nvidia)?\W* with capabilities|"
            r"unknown or invalid runtime name: nvidia"
        ),
        "docker cannot give GPUs to a container: the NVIDIA Container Toolkit is not installed or not set up",
        "install nvidia-container-toolkit, run `nvidia-ctk runtime configure --runtime=docker` and restart docker",
    ),
    Wording(
        cuda.NO_CUDA,
        re.compile(
            r"CUDA driver version is insufficient for CUDA runtime version|"
            r"system has unsupported display driver|unsupported toolchain|"
            r"forward compatibility was attempted on non supported HW"
        ),
        "the NVIDIA driver is too old for the CUDA that torch or another library was built for",
        "use a machine with a newer driver, or lock builds for an older CUDA; remove the cuda-compat package, and "
        "LD_LIBRARY_PATH that names it, if forward compatibility is refused",
    ),
    Wording(
        cuda.NO_CUDA,
        re.compile(
            r"(?i)no CUDA-capable device is detected|No CUDA GPUs are available|no NVIDIA GPU|cudaErrorNoDevice"
        ),
        "CUDA was asked for, and this machine or container has no GPU",
        "attach a GPU (accelerator-type, `--gpus all`), or choose the device by torch.cuda.is_available(); "
        'CUDA_VISIBLE_DEVICES="" hides all GPUs',
    ),
    Wording(
        machines.GPU_FAULT,
        re.compile(r"device-side assert triggered|cudaErrorAssert"),
        "an operation on the GPU found its input invalid (device-side assert)",
        cause="Mostly an index is out of range: a class number not below the number of classes, or a token not in the "
        "embedding. CUDA reports it late, so the line of the traceback may be another one. All later operations fail "
        "too.",
    ),
    Wording(
        machines.GPU_FAULT,
        re.compile(
            r"(?i)\bXid\b[^\n]{0,30}?: ?(?:13|31)\b|illegal memory access was encountered|misaligned address|"
            r"unspecified launch failure|"
            r"cudaErrorIllegalAddress|invalid configuration argument"
        ),
        "an operation on the GPU accessed memory that it must not",
        cause="A fault of a kernel: of an extension that does not fit the locked torch, or an index out of range. CUDA "
        "reports it late, so the line of the traceback may be another one.",
    ),
    Wording(
        cuda.GPU_MEMORY,
        re.compile(
            r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|hipErrorOutOfMemory"
        ),
        "a library of CUDA got no memory on the GPU",
    ),
    Wording(
        machines.GPU_FAULT,
        re.compile(
            r"CUBLAS_STATUS_(?P<cublas>\w+)|CUDNN_STATUS_(?P<cudnn>\w+)|unable to find an engine to execute|"
            r"CUSOLVER_STATUS_(?P<cusolver>\w+)"
        ),
        "a library of CUDA failed: {cublas}{cudnn}{cusolver}",
        "free GPU memory first (smaller batch, one worker); if it stays, see that LD_LIBRARY_PATH brings no other "
        "CUDA or cuDNN, that the locked torch has kernels for this GPU, and run it on the CPU, where errors are exact",
        cause=(
            "Either the GPU's memory is full, or the library is not the one that torch was built with, or an "
            "operation before it failed."
        ),
    ),
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception that repeats an error of CUDA."""
    words = words_of(raised)
    if _FORKED.search(words):
        yield _forked(raised)
    elif "no kernel image" in words or _NAME.search(words):
        yield _no_kernels(words, raised.position, case)
    elif "CUDA out of memory" in words:
        yield from _no_memory(words, raised.position)
    elif re.search(r"CUDA|CUBLAS|CUDNN|cuDNN|CUSOLVER|GPU|NVIDIA|HIP|unable to find an engine|device driver", words):
        yield from told(_WORDINGS, words, raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of the kernel, docker or a tool about the GPU."""
    text = text_of(statement)
    if "CUDA initialization:" in text or "Warning" in text:  # is_available() on a machine without a GPU warns
        return
    if re.search(r"(?i)cuda|gpu|nvidia|nvrm|\bxid\b|nvml|driver", text):
        yield from told(_WORDINGS, text, statement.position)


def _forked(raised: Raised) -> Diagnosis:
    if "initialization error" in raised.message:
        maybe = "CUDA could not be initialized: most likely it was used before the process was forked"
    else:
        maybe = "CUDA was used in the parent (master) process before it forked this worker"
    finding = machines.CUDA_BEFORE_FORK.finding(
        maybe,
        cause="gunicorn's --preload, or a model that is loaded when the module is imported, uses CUDA in the master; a "
        "forked child cannot use it again.",
        fix=(
            "drop `--preload` and load the model in each worker (in `post_fork`, or at the first start-up event); in "
            "a DataLoader of serving set num_workers=0, and let multiprocessing use 'spawn'"
        ),
    )
    return Diagnosis(finding, "CUDA says that this process is a forked child of one that had used it", raised.position)


def _no_kernels(words: str, position: int, case: Case) -> Diagnosis:
    torch = case.locked("torch")
    label = f"torch=={torch}" if torch else "the installed torch"
    of_gpu = _NAME.search(words)
    gpu = f"{of_gpu['name'].strip()} (sm_{of_gpu['has']})" if of_gpu else "this GPU"
    known = _SUPPORTED.search(words)
    has = f"It has kernels for {known['list'].strip(' ,')}." if known else ""
    if not has and torch:
        from packaging.version import Version

        build = torch_builds().of(Version(torch))
        shown = ", ".join(str(each) for each in build.architectures) if build and build.architectures else ""
        has = f"Its wheel has kernels for compute capability {shown}." if shown else ""
    finding = cuda.NO_CUDA.finding(
        f"{label} has no kernels for {gpu}",
        cause=f"{has} A newer GPU needs a newer torch, and an older GPU an older one.".strip(),
        fix="lock a build of torch that has kernels for this GPU, or take a GPU that the locked one supports",
    )
    return Diagnosis(finding, "CUDA finds no code for the device's architecture", position)


def _no_memory(words: str, position: int) -> Iterator[Diagnosis]:
    found = _MEMORY.search(words)
    if found is None:
        return
    other = _OTHER_PROCESS.findall(words)
    shared = f"; other processes hold {' and '.join(other[:3])}" if other else ""
    finding = cuda.GPU_MEMORY.finding(
        f"the GPU has {found['free']} of {found['total']} free, and {found['wanted']} were asked for{shared}",
        cause="Several workers hold the model at once." if other else "The model and the batch do not fit together.",
        fix="serve with one worker, predict under torch.inference_mode(), limit the batch, or take a larger GPU",
    )
    yield Diagnosis(finding, "torch says how much memory is free, in use and asked for", position)
