"""Family 1, installed: what the trial sees in the environment that it made from the lock.

Nothing here is decided from facts.
"""

from __future__ import annotations

from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.rule import Rule

INCONSISTENT = Rule(
    code="ST111",
    title="the locked distributions contradict each other",
    explanation=(
        "A pinned distribution requires another that the lock does not pin, or pins in a version that it "
        "refuses. That happens to a lock that was edited by hand or resolved in parts; an installer that "
        "takes the lock literally, as the trial and the image do, does not notice."
    ),
    fix="run `seatrial lock`, which resolves everything at once",
    cloud=SERVER_EXITED,
    sources=("https://pip.pypa.io/en/stable/cli/pip_check/",),
)

CHANGED_INSTALL = Rule(
    code="ST113",
    title="the trial changed an installed file",
    explanation=(
        "A file of an installed distribution is not what its RECORD says after the predictor ran. A "
        "predictor that patches its environment serves something that no lock describes, and fails on a "
        "read-only file system."
    ),
    fix="write to a temporary folder, and fix the dependency in requirements.in instead of patching it",
    sources=("https://packaging.python.org/en/latest/specifications/recording-installed-packages/",),
)
