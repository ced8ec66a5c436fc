"""Family 1, the runtime: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin, lock
from tests.projects.locks import CPU, CPU_PINS, of

RUNTIME = {
    "too old": of(uvicorn="0.20.0"),
    "a prerelease": of(uvicorn="0.30.0rc1"),
    "in the CPU lock": {
        **of(uvicorn="0.29.0.post1"),
        "requirements-cpu.txt": CPU + lock({**CPU_PINS, "uvicorn": "0.29.0.post1"}),
    },
}

TWINS = (*(Twin("ST112", name, files) for name, files in RUNTIME.items()),)
