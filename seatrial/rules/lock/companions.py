"""Family 1, companions: do Pillow, numpy and OpenCV fit the torch and torchvision beside them, and a server?

Their metadata does not say so, and no resolver refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment, rewritten
from seatrial.findings import Severity
from seatrial.rules.lock.pins import TORCH, TORCHVISION, both, locks_of, place_of, public_version
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry
    from seatrial.findings import Edit, Finding

OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless")

OLD_TORCHVISION = Rule(
    code="ST131",
    title="a torchvision that does not import with this Pillow",
    explanation=(
        "torchvision up to 0.4 imports PILLOW_VERSION, which Pillow 7 removed. Its metadata has no upper bound, so "
        "a resolver silently takes a newer Pillow."
    ),
    fix="write `pillow<7` in requirements.in, or better use a current torchvision; then run `seatrial lock`",
    detected="By the versions of both in a lock, or in requirements.in if the lock has none.",
    bad="torchvision==0.4.1\npillow==11.3.0",
    good="torchvision==0.4.1\npillow==6.2.2",
    cloud="ImportError: cannot import name 'PILLOW_VERSION' from 'PIL'",
    sources=(
        "https://github.com/pytorch/vision/issues/1712",
        "https://pillow.readthedocs.io/en/stable/deprecations.html",
    ),
    symptoms=(
        Symptom(
            r"cannot import name '?PILLOW_VERSION'? from '?PIL",
            "torchvision asks for PILLOW_VERSION, which Pillow no longer has",
        ),
    ),
)


@OLD_TORCHVISION.decided_by
def _old_torchvision(facts: Facts) -> Iterator[Finding]:
    for torchvision, pillow in both(facts, TORCHVISION, "pillow"):
        if public_version(torchvision) < Version("0.5") and public_version(pillow) >= Version("7"):
            yield OLD_TORCHVISION.finding(
                f"torchvision=={torchvision.version} does not import with pillow=={pillow.version}",
                location=place_of(facts, pillow),
                cause="it imports PILLOW_VERSION, which Pillow 7 removed",
                evidence=(f"{torchvision.location}: {torchvision.text}", f"{pillow.location}: {pillow.text}"),
            )


OLD_TORCH = Rule(
    code="ST132",
    title="torch was built for numpy 1, and numpy 2 is locked",
    explanation=(
        "torch before 2.3 was compiled against numpy 1. With numpy 2 it still imports, with a warning, and a health "
        "check passes; the first `.numpy()`, `from_numpy` or ToTensor says that numpy is not available."
    ),
    fix="write `numpy<2` in requirements.in, or take torch 2.3 or later; then run `seatrial lock`",
    detected="By the versions of both in a lock, or in requirements.in if the lock has none.",
    bad="torch==2.2.2\nnumpy==2.0.0",
    good="torch==2.2.2\nnumpy==1.26.4",
    cloud="RuntimeError: Numpy is not available",
    sources=(
        "https://github.com/securefederatedai/openfederatedlearning/issues/999",
        "https://github.com/XingangPan/DragGAN/issues/469",
    ),
    symptoms=(Symptom(r"RuntimeError: Numpy is not available", "torch cannot use the numpy that is installed"),),
)


@OLD_TORCH.decided_by
def _old_torch(facts: Facts) -> Iterator[Finding]:
    for torch, numpy in both(facts, TORCH, "numpy"):
        if public_version(torch) < Version("2.3") and public_version(numpy) >= Version("2"):
            yield OLD_TORCH.finding(
                f"torch=={torch.version} was built for numpy 1, and numpy=={numpy.version} is locked",
                location=place_of(facts, numpy),
                cause="torch before 2.3 cannot exchange arrays with numpy 2",
                evidence=(f"{torch.location}: {torch.text}", f"{numpy.location}: {numpy.text}"),
            )


TWO_OPENCV = Rule(
    code="ST133",
    title="two builds of OpenCV in one lock",
    explanation=(
        "opencv-python, its headless build and the contrib builds all install the one package `cv2`. The one that "
        "is installed last overwrites files of the other, and no lock says which that is."
    ),
    fix="keep opencv-python-headless alone in requirements.in, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected="By the names in a lock. Which of them wins depends on the installer, so this only warns.",
    bad="opencv-python==4.11.0.86\nopencv-python-headless==4.11.0.86",
    good="opencv-python-headless==4.11.0.86",
    cloud="ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    sources=("https://github.com/opencv/opencv-python#installation-and-usage",),
    recognised="`cv2` lacks a name or a library, and the lock has two distributions that install it.",
)


@TWO_OPENCV.decided_by
def _two_opencv(facts: Facts) -> Iterator[Finding]:
    for found in _opencv(facts):
        if len(found) > 1:
            yield TWO_OPENCV.finding(
                f"{' and '.join(entry.name for entry in found)} both install `cv2`",
                location=place_of(facts, found[-1]),
                cause="which of them wins depends on the order of the install, which cannot be seen here",
                evidence=tuple(f"{entry.location}: {entry.text}" for entry in found),
            )


WINDOWED_OPENCV = Rule(
    code="ST134",
    title="the build of OpenCV that needs a graphical system",
    explanation=(
        "opencv-python is linked with libGL for its windows. Slim base images do not have it, and no wheel contains "
        "it: `import cv2` fails before the predictor is even loaded. A server opens no window."
    ),
    fix="write opencv-python-headless in place of it in requirements.in, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected="By the names in a lock. Whether the base image has libGL cannot be seen, so this only warns.",
    bad="opencv-python==4.11.0.86",
    good="opencv-python-headless==4.11.0.86",
    cloud="ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    sources=(
        "https://github.com/opencv/opencv-python/issues/370",
        "https://github.com/roboflow/inference/issues/315",
    ),
    symptoms=(
        Symptom(
            r"ImportError: (?P<library>lib(?:GL|gthread-2\.0|SM|Xext|Xrender)\.so[\d.]*): cannot open",
            "OpenCV needs {library}, which the image does not have",
        ),
    ),
)


@WINDOWED_OPENCV.decided_by
def _windowed_opencv(facts: Facts) -> Iterator[Finding]:
    for found in _opencv(facts):
        if len(found) == 1 and not found[0].name.endswith("-headless"):
            yield WINDOWED_OPENCV.finding(
                f"{found[0].name} needs libGL.so.1, which slim images do not have",
                location=place_of(facts, found[0]),
                cause="it is built for windows on a screen; whether the base image has the libraries for them cannot "
                "be seen here",
                fix=f"write {found[0].name}-headless in place of it in requirements.in, then run `seatrial lock`",
                edits=_headless(facts, found[0].name),
            )


def _headless(facts: Facts, name: str) -> tuple[Edit, ...]:
    """Return the change of the line of requirements.in that asks for a build with windows."""
    asked = [e for e in facts.requirements.entries if e.name == name] if facts.requirements else []
    if len(asked) != 1 or asked[0].requirement is None:
        return ()
    written = asked[0].requirement.name
    return rewritten(asked[0], asked[0].text.replace(written, f"{name}-headless", 1))


def _opencv(facts: Facts) -> Iterator[list[Entry]]:
    """Yield the builds of OpenCV in a lock, for the first lock that has any."""
    for lock in locks_of(facts):
        pins = lock.pins(marker_environment(facts.project.python)) if lock else {}
        found = [pins[name] for name in OPENCV if name in pins]
        if found:
            yield found
            return
