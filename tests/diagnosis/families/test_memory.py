"""Memory that the system refuses: a process, a mapped file, or anything else."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import SITE, Said, hold, raised

FORKED = (
    'Traceback (most recent call last):\n  File "/app/serving/predictor.py", line 8, in predict\n'
    "    for batch in self.loader:\n"
    f'  File "{SITE}/torch/utils/data/dataloader.py", line 1038, in __init__\n    w.start()\n'
    '  File "/usr/local/lib/python3.11/multiprocessing/popen_fork.py", line 66, in _launch\n'
    "    self.pid = os.fork()\nOSError: [Errno 12] Cannot allocate memory\n"
)
LOGS = {
    "a worker": Said(FORKED, "ST543", (r"DataLoader's worker", r"num_workers=0"), (r"correct the line",)),
    "a program": Said(
        'Traceback (most recent call last):\n  File "/app/a.py", line 8, in load\n    subprocess.run(["nvidia-smi"])\n'
        '  File "/usr/lib/python3.11/subprocess.py", line 1885, in _execute_child\n    self.pid = _fork_exec(\n'
        "OSError: [Errno 12] Cannot allocate memory\n",
        "ST543",
        (r"another process could not be started", r"larger|more memory"),
        (r"DataLoader's worker",),
    ),
    "a mapped file": Said(
        raised(
            "RuntimeError: unable to mmap 6442450944 bytes from file </models/model.pt>: Cannot allocate memory (12)",
            "/app/serving/predictor.py|torch.load(path, mmap=True)",
        ),
        "ST543",
        (r"6\.0 GiB to map the file /models/model\.pt",),
    ),
    "torch tells it itself": Said(
        "RuntimeError: [enforce fail at alloc_cpu.cpp:83] err == 0. DefaultCPUAllocator: can't allocate memory: you "
        "tried to allocate 6442450944 bytes. Error code 12 (Cannot allocate memory)",
        "ST543",
        (r"6442450944 bytes",),
        (r"could not be started",),
    ),
    "a shell": Said("bash: fork: Cannot allocate memory", "ST543", (r"could not be started",)),
    "another number": Said(
        raised("OSError: [Errno 28] No space left on device", "/app/a.py|x()"), "ST143", (), (r"ENOMEM",)
    ),
    "a full limit of processes is no memory": Said(
        "bash: fork: retry: Resource temporarily unavailable", "", (), (r"ENOMEM",)
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
