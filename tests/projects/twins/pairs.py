"""Family 1, the pair: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, PINS, Files, Twin, lock
from tests.projects.locks import NO_MANIFEST, of

SETTINGS = str(BASE["pyproject.toml"])


def on(python: str) -> Files:
    return {"pyproject.toml": SETTINGS.replace("3.11", python), **NO_MANIFEST}


TWINS = (
    Twin("ST120", "of the article", {**of(torch="1.13.1", torchvision="0.15.1", numpy="1.26.4")}),
    Twin("ST120", "a patch apart", of(torch="2.7.0", torchvision="0.22.1")),
    Twin(
        "ST120",
        "in the CPU lock alone",
        {
            "requirements-cpu.txt": "--extra-index-url https://download.pytorch.org/whl/cpu\n"
            + lock({**PINS, "torch": "2.8.0+cpu", "torchvision": "0.22.1+cpu"}),
            **of(torch="2.8.0", torchvision="0.22.1"),
        },
    ),
    Twin("ST121", "of torch", {**of(torch="2.15.0", torchvision="0.29.2"), **on("3.10")}, on("3.12")),
    Twin("ST121", "of torchvision", of(torch="1.13.1", torchvision="0.14.1", numpy="1.26.4")),
    Twin("ST121", "of both", {**of(torch="2.1.2", torchvision="0.16.2", numpy="1.26.4"), **on("3.12")}, count=2),
)
