"""A lock that is installed in a second: the runtime's own."""

from __future__ import annotations

import sys

from seatrial.environment import install
from seatrial.environment.install import Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import Kept
from seatrial.facts.packages import requirements
from tests.conftest import ROOT
from tests.stages import ended

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNTIME = ROOT / "seatrial/serving"


def small_lock(comment: str = "") -> Lock:
    """Return the runtime's own lock, three small distributions; another comment makes it another lock."""
    text = (RUNTIME / "requirements.txt").read_text() + f"# {comment}\n"
    names = frozenset(e.name for e in requirements.read(RUNTIME / "requirements.txt", RUNTIME).entries)
    return Lock(text, names, "requirements.txt")


def kept(python: Interpreter, comment: str = "") -> Kept:
    """Return the kept environment of `small_lock`."""
    made = ended(install.keep(small_lock(comment), python)).value
    assert made is not None
    return made
