"""torch that cannot exchange arrays with numpy: numpy is missing, too new for this torch, or older than it wants.

torch goes on when numpy does not load, and only warns. What fails later says nothing of the reason; the warning and the
lock do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import before
from seatrial.rules.lock import companions, native
from seatrial.rules.lock.fitting import OPTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

ALONE = True
_REFUSED = re.compile(
    r"^(?:Numpy is not available|PyTorch was compiled without NumPy support|"
    r"expected np\.ndarray \(got numpy\.ndarray\)|Could not infer dtype of numpy\.(?:u?int|float|complex|bool)\w*)"
)
_WARNED = re.compile(r"Failed to initialize NumPy: (?P<why>[^\n(]{3,200})")
_INTERFACE = re.compile(r"(?:ABI|API) version (?P<built>0x[0-9a-f]+) but this version of numpy is (?P<has>0x[0-9a-f]+)")
_WARNED_BEFORE = 50_000  # characters
_TORCH = Version("2.3")  # the first that was built for numpy 2: https://github.com/pytorch/pytorch/issues/107302


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what torch raises where it does without numpy."""
    if raised.name not in ("RuntimeError", "TypeError") or not _REFUSED.match(raised.message):
        return
    warned = _WARNED.findall(before(case, raised.position, _WARNED_BEFORE))
    yield Diagnosis(*_judged(warned[-1].strip() if warned else "", case), raised.position)


def _judged(why: str, case: Case) -> tuple[Finding, str]:
    torch, numpy = case.locked("torch"), case.locked("numpy")
    interface = _INTERFACE.search(why)
    if "No module named 'numpy'" in why or (torch and not numpy):
        finding = OPTIONAL.finding(
            f"torch {torch} exchanges arrays with numpy, and no requirement provides numpy".replace("  ", " "),
            subject="numpy",
            cause="torch works without numpy, until an array is made from a tensor or a tensor from an array",
            fix="add `numpy` to requirements.in, then run `seatrial lock`",
        )
        return finding, "torch's warning names numpy as missing" if why else "the lock has torch and no numpy"
    if interface and int(interface["built"], 16) > int(interface["has"], 16):
        finding = native.OTHER_NUMPY.finding(
            f"torch was built for a newer numpy than the installed one{f' ({numpy})' if numpy else ''}",
            subject="numpy",
            cause="numpy refuses compiled code that wants a newer interface; torch then goes on without numpy",
            fix="raise numpy in requirements.in, and run `seatrial lock`",
        )
        return finding, "torch's warning has both versions of numpy's interface"
    if torch and numpy and (Version(torch) >= _TORCH or Version(numpy) < Version("2")):
        finding = native.OTHER_NUMPY.finding(
            f"numpy {numpy} did not load when torch {torch} asked for it" + (f": {why}" if why else ""),
            subject="numpy",
            cause="the two fit by their versions; what is installed is another numpy than the locked one, or not whole",
            fix="build the environment afresh from the lock; `python -c 'import numpy, torch; torch.zeros(1).numpy()'` "
            "in it shows numpy's own error",
        )
        return finding, "torch does without numpy, although the locked versions fit"
    known = "" if torch else "; if numpy 1 is installed, raise it to what torch was built with"
    finding = companions.OLD_TORCH.finding(
        f"torch {torch} cannot use the installed numpy {numpy}".replace("  ", " ").rstrip(),
        subject="numpy",
        cause="torch before 2.3 was compiled for numpy 1, and goes on without numpy when numpy 2 is installed",
        fix=f"{companions.OLD_TORCH.fix}{known}",
    )
    return finding, f"torch does without numpy{f', and its warning says: {why}' if why else ''}"
