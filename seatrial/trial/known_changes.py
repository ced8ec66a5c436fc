"""Known reasons for which a stage differs: what each does to the numbers, between which versions, and its source.

A reason is named only if what was measured has its shape. Several may fit; the first is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

Difference = Mapping[str, Any]  # as `seatrial.golden.stages.replay` returns it
Fingerprint = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """What the two sides of a comparison are called in sentences.

    Attributes:
        before: when or where it was recorded, such as "in training".
        now: when or where it is replayed.
        origin: what recorded it.
        fix: what to do about a difference; "" leaves it to the rule.
    """

    before: str = "in training"
    now: str = "now"
    origin: str = "training"
    fix: str = ""


TRAINING = Sides()


@dataclass(frozen=True, slots=True)
class Case:
    """A stage that differs.

    Attributes:
        stage: how it differs, of one input.
        was: the fingerprint of the environment in which it was recorded.
        now: the fingerprint of the one on trial.
        found: what else the replay has seen.
        file: the beginning of the input's file.
        sides: what they are called.
    """

    stage: Difference
    was: Fingerprint
    now: Fingerprint
    found: Mapping[str, Any]
    file: bytes = b""
    sides: Sides = TRAINING

    @property
    def details(self) -> tuple[str, str]:
        """How the stage was made in training, and how it is now."""
        was, now = self.stage["detail"]
        return was, now

    def is_called(self, *names: str) -> bool:
        """Return whether the stage has one of these names on either side, or replaced one of them."""
        return bool({*self.stage["name"], *self.stage["replaced"][0], *self.stage["replaced"][1]} & set(names))

    def relation(self, name: str) -> Mapping[str, Any] | None:
        """Return the relation of this name between what was recorded and what is now."""
        return next((each for each in self.stage.get("relations", ()) if each["is"] == name), None)

    def crosses(self, name: str, border: str) -> bool:
        """Return whether a distribution was older than a version in training and is not now, or the other way round."""
        try:
            sides = [Version(str(each[name])) < Version(border) for each in (self.was, self.now)]
        except (KeyError, InvalidVersion):
            return False
        return sides[0] != sides[1]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stage differs, and where that is written."""

    text: str
    source: str


def reason(case: Case) -> Reason | None:
    """Return the known reason that fits a stage that differs; None if none does."""
    return next((found for rule in _RULES for found in rule(case)), None)


def _bgr(case: Case) -> Iterator[Reason]:
    if case.relation("channels reversed"):
        yield Reason(
            "the colours are in the reverse order: one side has RGB, the other BGR, as OpenCV reads images",
            "https://docs.opencv.org/4.x/d4/da8/group__imgcodecs.html",
        )


def _exif(case: Case) -> Iterator[Reason]:
    if case.stage["phase"] == "decode" and case.relation("turned"):
        yield Reason(
            "the image is turned: one side applies its EXIF orientation and the other does not "
            "(`serving.image.exif` decides for serving)",
            "https://pillow.readthedocs.io/en/stable/reference/ImageOps.html#PIL.ImageOps.exif_transpose",
        )


def _jpeg(case: Case) -> Iterator[Reason]:
    if case.stage["phase"] != "decode" or not case.file.startswith(b"\xff\xd8") or "shape" in case.stage:
        return
    if case.crosses("pillow", "9.0"):
        yield Reason(
            "Pillow 9.0 brought a newer libjpeg-turbo, which makes other pixels of JPEG files with their colours at "
            "half the size (4:2:0)",
            "https://pillow.readthedocs.io/en/stable/releasenotes/9.0.0.html",
        )
    elif case.was.get("libjpeg") != case.now.get("libjpeg"):
        names = (case.was.get("libjpeg", "unknown"), case.now.get("libjpeg", "unknown"))
        yield Reason(
            f"the JPEG decoder is another one: libjpeg {names[0]} {case.sides.before}, {names[1]} {case.sides.now}",
            "https://libjpeg-turbo.org/About/Documentation",
        )


def _scale(case: Case) -> Iterator[Reason]:
    scaled = case.relation("scaled")
    if scaled is None:
        return
    missing = case.sides.now if scaled["factor"] > 1 else case.sides.before
    tail = ""
    if case.is_called("ToDtype", "to_dtype"):
        tail = ": v2.ToDtype only changes the type unless it gets scale=True"
    yield Reason(
        f"values of 0 to 255 are not divided by 255 {missing}, and are on the other side{tail}",
        "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.v2.ToDtype.html",
    )


def _resize(case: Case) -> Iterator[Reason]:
    if not case.is_called("Resize", "resize"):
        return
    if "shape" in case.stage:
        what = "the image gets another size"
        if _is_number_and_pair(case):
            what = (
                "a number as size keeps the proportions of the image and sets its shorter side; a pair sets both sides"
            )
        yield Reason(what, "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html")
    elif case.crosses("torchvision", "0.17") or _antialias(case.details[0]) != _antialias(case.details[1]):
        yield Reason(
            "the size of tensors is changed with antialiasing on one side only: it is the default since torchvision "
            "0.17, and was off for tensors before, unless `antialias` is written out",
            "https://docs.pytorch.org/vision/0.16/generated/torchvision.transforms.Resize.html",
        )


def _is_number_and_pair(case: Case) -> bool:
    """Return whether one side gives a number as size and the other a pair, by how they are made or by proportions."""
    given = [re.search(r"size=[\[(]?\d+(, \d+)?", detail) for detail in case.details]
    if all(given):
        return len({match[1] is None for match in given if match}) == 2
    (height, width), (other_height, other_width) = map(_sides_of, case.stage["shape"])
    return abs(height * other_width - width * other_height) > max(height * other_width, width * other_height) / 50


def _sides_of(shape: Sequence[int]) -> tuple[int, int]:
    """Return rows and columns of an image or a batch of one, wherever its channels are; zeros if it has none."""
    sides = shape[-3:-1] if len(shape) > 2 and shape[-1] in (1, 3, 4) else shape[-2:]
    return (sides[0], sides[1]) if len(sides) == 2 else (0, 0)


def _antialias(detail: str) -> str:
    return detail.partition("antialias=")[2].partition(")")[0].partition(",")[0]


def _normalise(case: Case) -> Iterator[Reason]:
    if not case.is_called("Normalize", "normalize") or case.relation("linear") is None:
        return
    what = f"mean or standard deviation are others than {case.sides.before}"
    was, now = (_numbers(detail) for detail in case.details)
    if was and now and (was["mean"], was["std"]) == (now["std"], now["mean"]):
        what = "mean and standard deviation are swapped"
    elif was and now and (max(map(abs, now["mean"])) > 1) != (max(map(abs, was["mean"])) > 1):
        large = case.sides.now if max(map(abs, now["mean"])) > 1 else case.sides.before
        what = f"mean and standard deviation are in units of 0 to 255 {large}, and of 0 to 1 on the other side"
    yield Reason(what, "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html")


def _numbers(detail: str) -> dict[str, list[float]] | None:
    """Return mean and std of a description such as "Normalize(mean=[0.5], std=[0.5])"."""
    found = {}
    for name in ("mean", "std"):
        text = detail.partition(f"{name}=")[2].strip("[(").partition("]")[0].partition(")")[0]
        try:
            found[name] = [float(each) for each in text.split(",") if each.strip()]
        except ValueError:
            return None
    return found if all(found.values()) else None


def _eval(case: Case) -> Iterator[Reason]:
    was, now = case.stage["training"]
    if was is not None and now is not None and was != now:
        side = case.sides.now if now else case.sides.before
        yield Reason(
            f"the model is in training mode {side}: eval() was not called, so dropout and the statistics of batch "
            "normalization depend on the batch",
            "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval",
        )


def _chance(case: Case) -> Iterator[Reason]:
    unstable = case.found.get("unstable", "")
    if unstable and unstable in case.stage["name"]:
        yield Reason(
            f"{unstable} depends on chance: two runs of the same input differ here",
            "https://docs.pytorch.org/docs/stable/notes/randomness.html",
        )


def _batch(case: Case) -> Iterator[Reason]:
    depends = case.found.get("depends_on_batch")
    span = case.stage.get("span") or 1.0
    if case.stage["phase"] == "output" and depends is not None and depends > 1e-3 * max(1.0, span):
        yield Reason(
            f"the output depends on what else is in the batch: it differs by {depends:.2g} alone and together",
            "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html#batched-computations-or-slice-computations",
        )


def _steps(case: Case) -> Iterator[Reason]:
    was, now = case.stage["replaced"]
    if was or now:
        done = [", ".join(steps) or "nothing" for steps in (was, now)]
        words = f"there is {done[1]} {case.sides.now} where there was {done[0]} {case.sides.before}"
        yield Reason(words, "https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew")


_RULES: tuple[Callable[[Case], Iterator[Reason]], ...] = (
    _eval, _chance, _bgr, _exif, _scale, _resize, _normalise, _jpeg, _batch, _steps,
)  # fmt: skip
