"""How two arrays of the same stage differ: by how much, where, and whether one can be made from the other.

The relations are what known faults do to an array. Whether one of them is the reason is judged by the tool, which also
knows the versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.golden.stages.values import samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.golden.stages.store import Recorded
    from seatrial.golden.stages.tensors import Array
    from seatrial.golden.stages.values import Part

_CHANNELS = (1, 2, 3, 4)
_NEAR = 1e-4  # of the largest number: what is left where one array is made from the other
_RANKED = 5  # places of a ranking that are compared
_TIE = 2e-5  # of the largest score; nearer ones may change their order by rounding alone
_LEVELS = 255  # of a pixel


def difference(recorded: Recorded, described: Mapping[str, Any], part: Part | None) -> dict[str, Any] | None:
    """Return how a part differs from the one that was recorded, as JSON; None if it is equal to the bit."""
    if part is None:
        return {"missing": True}
    if part.digest == described["sha256"]:
        return None
    shapes = {"shape": [list(described["shape"]), list(part.array.shape)]}
    kinds = {"dtype": [described["dtype"], part.dtype], "mode": [described.get("mode", ""), part.mode]}
    found: dict[str, Any] = {key: pair for key, pair in {**shapes, **kinds}.items() if pair[0] != pair[1]}
    whole = recorded.array(described)
    if "shape" in found:
        return found | {"relations": [] if whole is None else list(_turned(whole, part.array))}
    before, now = (recorded.samples(described), samples(part.array)) if whole is None else (whole, part.array)
    steps = _distance(before, now)
    if steps.size == 0 or not steps.any():
        return found or None  # -0.0 and 0.0
    found |= {"largest": _number(steps.max()), "mean": _number(steps.mean()), "share": float((steps > 0).mean())}
    found |= {"span": _number(np.abs(np.where(np.isfinite(before), before, 0)).max())}
    if whole is not None:
        found["where"] = where(steps.reshape(whole.shape) > 0)
    found["relations"] = list(_relations(before, now, in_order=whole is not None))
    return found


def ranking(recorded: Array, now: Array) -> str:
    """Return how the order of scores differs, but for scores that are nearly equal; "" if it does not."""
    scores, others = (each.reshape(-1).astype(np.float64) for each in (recorded, now))
    if not 1 < scores.size == others.size:
        return ""
    order, other = (np.argsort(-each, kind="stable")[:_RANKED] for each in (scores, others))
    for place, (first, second) in enumerate(zip(order, other)):  # noqa: B905 - Python 3.10
        if first != second and abs(scores[first] - scores[second]) > _TIE * max(1.0, float(np.abs(scores).max())):
            return f"place {place + 1} of the ranking has output {int(second)} instead of output {int(first)}"
    return ""


def where(differs: Array) -> str:
    """Say where in an image the elements of a mask are; "" if it is no image."""
    mask: Any = differs
    if mask.ndim == 2:
        mask = mask[None]
    elif mask.ndim == 3 and mask.shape[2] in _CHANNELS and mask.shape[0] not in _CHANNELS:
        mask = mask.transpose(2, 0, 1)
    elif mask.ndim == 4 and mask.shape[0] == 1:
        mask = mask[0]
    if mask.ndim != 3 or mask.shape[0] not in _CHANNELS or not mask.any():
        return ""
    channels = np.flatnonzero(mask.any(axis=(1, 2)))
    area = mask.any(axis=0)
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    height, width = area.shape
    inner = area[1:-1, 1:-1]
    if inner.size and not inner.any():
        text = "only in the outermost pixels"
    elif rows[-1] - rows[0] + 1 >= 0.9 * height and columns[-1] - columns[0] + 1 >= 0.9 * width:
        text = "all over the image" if area.mean() > 0.5 else f"in {area.mean():.0%} of the pixels, all over the image"
    else:
        text = f"in rows {rows[0]}-{rows[-1]} of {height} and columns {columns[0]}-{columns[-1]} of {width}"
    missing = mask.shape[0] - len(channels)
    return text + (f", only in channel {', '.join(map(str, channels))}" if missing else "")


def _distance(before: Array, now: Array) -> Array:
    """Return how far each number is from the recorded one; infinite where only one of them is a number."""
    first, second = (np.asarray(each, dtype=np.float64).reshape(-1) for each in (before, now))
    with np.errstate(invalid="ignore"):
        steps = np.abs(first - second)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    return np.where(same, 0.0, np.where(np.isnan(steps), np.inf, steps))


def _number(value: Any) -> float | None:
    """Return a number that JSON has; None for an infinite one."""
    number = float(value)
    return number if np.isfinite(number) else None


def _relations(before: Array, now: Array, *, in_order: bool) -> Iterator[dict[str, Any]]:
    """Yield how one array is made from the other, as far as it is of this kind."""
    first, second = (np.asarray(each, dtype=np.float64) for each in (before, now))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return
    near = _NEAR * max(1e-12, float(np.abs(first).max()))
    for factor in (_LEVELS, 1 / _LEVELS):
        if np.abs(first * factor - second).max() <= _NEAR * max(1e-12, float(np.abs(second).max())):
            yield {"is": "scaled", "factor": factor}
            return
    if not in_order:
        return
    for axis in _channel_axes(first):
        if np.abs(np.flip(second, axis) - first).max() <= near:
            yield {"is": "channels reversed"}
            return
        lines = list(_lines(np.moveaxis(first, axis, 0), np.moveaxis(second, axis, 0)))
        if len(lines) == first.shape[axis]:
            yield {"is": "linear", "factors": [line[0] for line in lines], "offsets": [line[1] for line in lines]}
            return
    yield from _turned(first, second)


def _channel_axes(array: Array) -> Iterator[int]:
    if array.ndim >= 3:
        for axis in (array.ndim - 1, array.ndim - 3):
            if array.shape[axis] in (1, 3):
                yield axis


def _lines(before: Array, now: Array) -> Iterator[tuple[float, float]]:
    """Yield factor and offset by which each channel is made from the recorded one, as long as it is."""
    for x, y in zip(before, now):  # noqa: B905
        x, y = x.reshape(-1), y.reshape(-1)
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            return
        factor, offset = np.polyfit(x, y, 1)
        if np.abs(factor * x + offset - y).max() > 1e-3 * max(1e-12, float(np.ptp(y))):
            return
        yield float(factor), float(offset)


def _turned(before: Array, now: Array) -> Iterator[dict[str, Any]]:
    """Yield that the image is turned or mirrored, as an EXIF orientation does it."""
    if before.ndim not in (2, 3):
        return
    rows = 1 if before.ndim == 3 and before.shape[0] in _CHANNELS and before.shape[2] not in _CHANNELS else 0
    axes = (rows, rows + 1)
    for quarters in range(4):
        turned = np.rot90(now, quarters, axes)
        for mirrored in (False, True):
            candidate = np.flip(turned, axes[1]) if mirrored else turned
            if (quarters or mirrored) and candidate.shape == before.shape and np.array_equal(candidate, before):
                yield {"is": "turned", "quarters": quarters, "mirrored": mirrored}
                return
