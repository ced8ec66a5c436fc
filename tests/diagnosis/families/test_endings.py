"""How processes end: signals and exit codes, and who sent them."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "killed build": Said(
        "#12 [5/7] RUN pip install -r requirements.txt\n#12 131.4 Killed\n"
        '#12 ERROR: process "/bin/sh -c pip install -r requirements.txt" did not complete successfully: exit code: 137',
        "ST543",
        (r"137", r"larger runner", r"most likely memory"),
    ),
    "Kubernetes": Said(
        "    Last State:  Terminated\n      Reason:    OOMKilled\n      Exit Code: 137", "ST543", (r"memory ran out",)
    ),
    "probe": Said(
        "Warning  Unhealthy  kubelet  Liveness probe failed: HTTP probe failed with statuscode: 404\n      Exit "
        "Code:    137",
        "ST767",
        (r"killed after its probe", r"got 404"),
        (r"ST543",),
    ),
    "gunicorn's own kill": Said(
        "[2025-01-01 10:00:00 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:8)\n"
        "[2025-01-01 10:00:01 +0000] [1] [ERROR] Worker (pid:8) was sent SIGKILL! Perhaps out of memory?",
        "ST542",
        (r"timeout",),
        (r"ST543", r"memory ran out"),
    ),
    "gunicorn without a time-out": Said(
        "[2025-01-01 10:00:01 +0000] [1] [ERROR] Worker (pid:8) was sent SIGKILL! Perhaps out of memory?", "ST543"
    ),
    "illegal instruction": Said(
        "/bin/bash: line 1:    17 Illegal instruction     (core dumped) python -m server", "ST631", (r"AVX",)
    ),
    "illegal instruction by its code": Said("The container exited with code 132", "ST631", (r"CPU",)),
    "segmentation fault of a child": Said(
        raised(
            "subprocess.CalledProcessError: Command '['python']' died with <Signals.SIGSEGV: 11>.",
            "/app/start.py|subprocess.run(['python'], check=True)",
        ),
        "ST632",
        (r"SIGSEGV", r"PYTHONFAULTHANDLER"),
    ),
    "faulthandler": Said(
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f1 (most recent call first):\n"
        '  File "/usr/local/lib/python3.11/site-packages/torch/jit/_serialization.py", line 168 in load\n'
        '  File "/app/serving/predictor.py", line 9 in load\n',
        "ST632",
        (r"native code of torch", r"predictor\.py:9", r"damaged, or of another version"),
    ),
    "C++": Said(
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core "
        "dumped)",
        "ST543",
        (),
        (r"ST632",),
    ),
    "Cloud Run": Said("Memory limit of 512 MiB exceeded with 535 MiB used.", "ST543", (r"535 MiB",)),
    "stopped from outside": Said(
        "INFO:     Started server process [1]\nINFO:     Waiting for application startup.\nINFO:     Shutting down\n"
        "INFO:     Finished server process [1]",
        "ST768",
        (r"no error and no traceback", r"before it was ready", r"probe"),
    ),
    "stopped after it served": Said(
        "INFO:     Started server process [1]\nINFO:     Waiting for application startup.\n"
        "INFO:     Application startup complete.\n"
        'INFO:     10.1.2.3:40 - "POST /predict HTTP/1.1" 200 OK\nINFO:     Shutting down\n'
        "INFO:     Finished server process [1]",
        "",
    ),
    "the kernel's log": Said(
        "[  123.45] python[17]: segfault at 0 ip 00007f sp 00007f error 4 in libtorch_cpu.so", "ST632"
    ),
    "the kernel's log of an instruction": Said(
        "traps: python[17] trap invalid opcode ip:7f sp:7f error:0 in libx.so", "ST631"
    ),
    "numbers that are no exit codes": Said("INFO: worker 137 started with status 134; 139 images", ""),
    "an ordinary exit code": Said("Error: Process completed with exit code 1.", ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
