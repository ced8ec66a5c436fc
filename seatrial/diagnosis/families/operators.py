"""Operators of compiled extensions that torch does not know: the library of the extension did not load."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import provider
from seatrial.rules.lock.fitting import BROKEN_INSTALL
from seatrial.rules.lock.pairs import DOES_NOT_IMPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised

_OPERATOR = re.compile(
    r"operator (?P<library>\w+)::(?P<name>\w+) does not exist|No such operator (?P<library_>\w+)::(?P<name_>\w+)|"
    r"'_OpNamespace' '(?P<library__>\w+)' object has no attribute '(?P<name__>\w+)'"
)
_LIBRARIES = re.compile(r"Couldn't load custom C\+\+ ops")
# Why a library did not load, where the log says it: that is told of the line that does.
_REASON = re.compile(r"undefined symbol|cannot open shared object file|compiled with different CUDA")
_OWN = ("aten", "prim", "prims", "quantized", "c10d", "profiler")  # namespaces of torch itself


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an operator that no loaded library registered."""
    found = _OPERATOR.search(raised.message)
    groups = [group for group in found.groups() if group] if found else []
    if (groups and groups[0] in _OWN) or _REASON.search(case.text):
        return
    library = groups[0] if groups else "torchvision" if _LIBRARIES.search(raised.message) else ""
    if library == "torchvision":
        torch, vision = case.locked("torch"), case.locked("torchvision")
        finding = DOES_NOT_IMPORT.finding(
            "torchvision's compiled part did not load" + (f": it has no operator `{groups[1]}`" if groups else ""),
            subject="torchvision",
            cause="torch and torchvision do not belong together, or one is a CPU build and the other a CUDA build; "
            "torchvision swallows the error of loading its library"
            + (f"; torch {torch} and torchvision {vision} are locked" if torch and vision else ""),
        )
        yield Diagnosis(finding, "an operator of torchvision is not registered", raised.position)
    elif library:
        has = provider(library, case)
        finding = BROKEN_INSTALL.finding(
            f"the compiled operators of {has.known} are not loaded: there is no `{library}::{groups[1]}`",
            subject=has.name,
            cause=f"{has.name} was built for another torch, without its operators, or is not imported before the call",
            fix=f"lock a wheel of {has.name} that was built for the locked torch, and import `{library}` before the "
            "model is loaded",
        )
        yield Diagnosis(finding, f"an operator of {library} is not registered", raised.position)
