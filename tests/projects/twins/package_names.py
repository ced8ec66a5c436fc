"""Family 2, names of packages: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import NETWORK, Twin
from tests.projects.code import configured, moved

TAKEN = (
    *tuple(
        Twin(
            "ST204",
            name,
            moved(package, f"{package}:Predictor"),
            moved(f"{package}_predictor", f"{package}_predictor:Predictor"),
        )
        for name, package in {
            "of the standard library": "queue",
            "of what the runtime brings": "click",
            "of the runtime itself": "seatrial",
        }.items()
    ),
    Twin(
        "ST204",
        "a second package",
        {**configured('packages = ["predictor", "statistics"]'), "statistics/__init__.py": NETWORK},
        {**configured('packages = ["predictor", "figures"]'), "figures/__init__.py": NETWORK},
    ),
    Twin(
        "ST204",
        "a single module",
        {**configured('packages = ["predictor", "types"]'), "types.py": NETWORK},
        {**configured('packages = ["predictor", "kinds"]'), "kinds.py": NETWORK},
    ),
)

TWINS = (*TAKEN,)
