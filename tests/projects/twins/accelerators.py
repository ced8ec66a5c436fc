"""Family 6, accelerators: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.locks import NO_MANIFEST, SETTINGS, of
from tests.projects.wheels import labelled

MACHINES = {"NVIDIA_L4": "g2-standard-4", "NVIDIA_TESLA_A100": "a2-highgpu-1g", "NVIDIA_H100_80GB": "a3-highgpu-1g"}


def accelerated(kind: str) -> Files:
    machine = MACHINES.get(kind, "n1-standard-4")
    settings = f'[tool.seatrial.vertex]\nmachine-type = "{machine}"\naccelerator-type = "{kind}"\n'
    return {"pyproject.toml": f"{SETTINGS}\n{settings}"}


DEPLOY = (
    "from google.cloud import aiplatform\n\naiplatform.Model('m').deploy(\n"
    "    machine_type={!r}, accelerator_type={!r}, accelerator_count=1,\n)\n"
)

TWINS = (
    *(
        Twin("ST611", name, {**accelerated(old), **files, **NO_MANIFEST}, {**accelerated(new), **files, **NO_MANIFEST})
        for name, old, new, files in (
            ("Volta with CUDA 13", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_T4", of(torch="2.13.0", torchvision="0.28.0")),
            ("Pascal with 2.8", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", {}),
            ("a P4 with the newest", "NVIDIA_TESLA_P4", "NVIDIA_L4", of(torch="2.15.0", torchvision="0.29.2")),
            (
                "Hopper with an old torch",
                "NVIDIA_H100_80GB",
                "NVIDIA_TESLA_A100",
                of(torch="2.0.1", torchvision="0.15.2", numpy="1.26.4"),
            ),
        )
    ),
    *(
        Twin(
            "ST612",
            kind,
            {**accelerated(kind), **labelled("cpu", "cpu")},
            {**accelerated(kind), **labelled("cu128", "cu128")},
            warns=True,
        )
        for kind in ("NVIDIA_L4", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_A100")
    ),
    Twin(
        "ST611",
        "in a script",
        {"deploy.py": DEPLOY.format("n1-standard-4", "NVIDIA_TESLA_P100")},
        {"deploy.py": DEPLOY.format("g2-standard-4", "NVIDIA_L4")},
        warns=True,
    ),
)
