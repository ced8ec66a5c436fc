"""Several distributions of one package: the lock has two that install the same module, and what is found is a mixture.

`opencv-python`, its headless and its contrib builds are such; so are builds of a library for another machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import top
from seatrial.facts.tables import distributions_of
from seatrial.rules.lock.companions import OPENCV, TWO_OPENCV
from seatrial.rules.lock.fitting import BROKEN_INSTALL
from seatrial.rules.lock.names import MISSING_NAME
from seatrial.rules.serving.code import OWN_BUG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

ALONE = True
_LACKS = re.compile(
    r"(?:partially initialized )?module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'|"
    r"cannot import name '(?P<imported>\w+)' from (?:partially initialized module )?'(?P<of>[\w.]+)'|"
    r"No module named '(?P<missing>\w+\.[\w.]+)'"
)
_WINDOW_LIBRARY = re.compile(r"lib(?:GL|gthread-2\.0|SM|Xext|Xrender|Xcb|xcb)\S*\.so[\d.]*: cannot open shared object")
_NO_WINDOWS = re.compile(r"The function is not implemented\. Rebuild the library with Windows, GTK")
_WINDOW_CALL = re.compile(r"in function '(?:cv)?(?P<call>\w+)'")
# Modules that only the contrib builds have: https://github.com/opencv/opencv_contrib/tree/4.x/modules
_CONTRIB = frozenset(
    (
        "aruco", "bgsegm", "bioinspired", "ccalib", "dnn_superres", "face", "freetype", "fuzzy", "hfs", "img_hash",
        "legacy", "line_descriptor", "mcc", "optflow", "phase_unwrapping", "plot", "rapid", "reg", "rgbd", "saliency",
        "stereo", "structured_light", "text", "wechat_qrcode", "xfeatures2d", "ximgproc", "xphoto",
    )
)  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what a package lacks of which several distributions are locked, or of which a build has less."""
    if found := _LACKS.search(raised.message):
        module = found["module"] or found["of"] or top(found["missing"])
        name = found["name"] or found["imported"] or found["missing"].rpartition(".")[2]
        if told := _mixed(module, name, case) or _lesser(module, name, case):
            yield Diagnosis(*told, raised.position)
    elif found := _WINDOW_LIBRARY.search(raised.message):
        if len(both := _locked("cv2", case)) > 1:
            yield Diagnosis(
                _opencv(both, f"the one with windows won: it needs {found[0].partition(':')[0]}"), *_why(both, raised)
            )
    elif raised.type == "cv2.error" and _NO_WINDOWS.search(raised.message):
        call = found["call"] if (found := _WINDOW_CALL.search(raised.message)) else "imshow"
        finding = OWN_BUG.finding(
            f"the code opens a window ({call}), and a server has none",
            subject="cv2",
            cause="the headless build of OpenCV has no windows, and is the right one for a server",
            fix="take the calls of imshow, namedWindow, waitKey and destroyAllWindows out of what serves",
        )
        yield Diagnosis(finding, "OpenCV says that this build has no windows", raised.position)


def knows(raised: Raised, case: Case) -> bool:
    """Return whether a library is missing because the wrong one of two builds of OpenCV won."""
    return bool(_WINDOW_LIBRARY.search(raised.message)) and len(_locked("cv2", case)) > 1


def _why(both: list[str], raised: Raised) -> tuple[str, int]:
    return f"the lock has {' and '.join(both)}, which install the same package", raised.position


def _locked(module: str, case: Case) -> list[str]:
    """Return the locked distributions that install a module, with their versions."""
    names = dict.fromkeys((*distributions_of(module), *(OPENCV if top(module) == "cv2" else ())))
    return [f"{name} {version}" for name in names if (version := case.locked(name))]


def _mixed(module: str, name: str, case: Case) -> tuple[Finding, str] | None:
    both = _locked(module, case)
    if len(both) < 2:
        return None
    lacks = f"what is installed has no `{module}.{name}`"
    why = f"the lock has {' and '.join(both)}, which install the same package"
    if top(module) == "cv2":
        return _opencv(both, lacks), why
    finding = BROKEN_INSTALL.finding(
        f"{' and '.join(both)} both install `{top(module)}`, and {lacks}",
        subject=both[0].partition(" ")[0],
        cause="each overwrites files of the other; which one is last, no lock says",
        fix="keep one of them in requirements.in and run `seatrial lock`; if another requirement asks for the second "
        "one, take the build that it asks for",
    )
    return finding, why


def _opencv(both: list[str], what: str) -> Finding:
    contrib = any("contrib" in name for name in both)
    keep = "opencv-contrib-python-headless" if contrib else "opencv-python-headless"
    return TWO_OPENCV.finding(
        f"{' and '.join(both)} both install `cv2`, and {what}",
        subject="cv2",
        cause="each overwrites files of the other; which one is last, no lock says",
        fix=f"keep {keep} alone in requirements.in and run `seatrial lock`; if another requirement asks for a second "
        "build, take a release of it that does not, or install it without its dependencies",
    )


def _lesser(module: str, name: str, case: Case) -> tuple[Finding, str] | None:
    """Judge a module of OpenCV's contrib builds that another build was asked for."""
    wanted = module.partition(".")[2].partition(".")[0] or name
    if top(module) != "cv2" or wanted not in _CONTRIB:
        return None
    has = next(iter(_locked("cv2", case)), "the installed OpenCV")
    if "contrib" in has:
        return None
    finding = MISSING_NAME.finding(
        f"`cv2.{wanted}` is in the contrib builds of OpenCV only, and {has} is none",
        subject="cv2",
        cause="opencv-contrib-python-headless has all of opencv-python-headless, and the extra modules",
        fix="write opencv-contrib-python-headless in place of it in requirements.in (not beside it: both install "
        "`cv2`), then run `seatrial lock`",
    )
    return finding, f"`{wanted}` is a module of opencv_contrib"
