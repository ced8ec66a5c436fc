"""What is known of wheels, for the pairs."""

from __future__ import annotations

from seatrial.facts.packages.wheels import Wheel, Wheels
from tests.projects.base import PINS, Files, lock


def known(*wheels: Wheel, fault: str = "", unknown: tuple[str, ...] = ()) -> Wheels:
    return Wheels({wheel.name: wheel for wheel in wheels}, unknown, "index", fault)


def labelled(torch: str, torchvision: str) -> Files:
    """Return a project that asks an index of its own for labelled builds."""
    return {
        "requirements.in": "--index-url https://packages.example/cuda\n"
        f"torch==2.8.0+{torch}\ntorchvision==0.23.0+{torchvision}\npillow\n",
        "requirements.txt": "--index-url https://packages.example/cuda\n"
        + lock({**PINS, "torch": f"2.8.0+{torch}", "torchvision": f"0.23.0+{torchvision}"}),
    }
