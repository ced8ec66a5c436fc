"""How much of an image is uploaded, from what docker and podman show on a terminal.

Sizes are the engines' own, of layers as they are unpacked. A layer that waits has none yet.
"""

from __future__ import annotations

import re

_UNITS = {"b": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"([\d.]+) ?(b|B|[kMG]B|[KMG]iB)"
# docker 20.10: `53a815bf1397: Pushing [==>  ]  524.8kB/300MB`, where it is narrow without the bar.
# podman 4.3: `Copying blob 911c17f87cc0 [=>--] 6.0MiB / 38.1MiB`.
_LAYER = re.compile(r"(?:Copying blob )?(?P<layer>[0-9a-f]{12}):? (?P<state>.+)")
_GOING = re.compile(rf"(?:Pushing )?\s*(?:\[.*\])?\s*{_SIZE}(?: ?/ ?{_SIZE})?")
_THERE = re.compile(r"Pushed|done|Layer already exists|Mounted from|skipped: already exists")
_KEPT = re.compile(r"Layer already exists|Mounted from|skipped")


class Sent:
    """What was sent so far in one attempt."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[float, float] | None] = {}  # bytes that are sent, of how many; None if unknown
        self._there: set[str] = set()

    def read(self, line: str) -> bool:
        """Take a line in; return whether it says how far a layer is."""
        found = _LAYER.match(line)
        if not found:
            return False
        layer, state = found["layer"], found["state"]
        if _THERE.match(state):
            self._there.add(layer)
            whole = (self._layers.get(layer) or (0.0, 0.0))[1]
            self._layers[layer] = (0.0, 0.0) if _KEPT.match(state) else (whole, whole)
            return True
        self._layers.setdefault(layer, None)
        if going := _GOING.match(state):
            sent = _bytes(going[1], going[2])
            whole = _bytes(going[3], going[4]) if going[3] else sent
            self._layers[layer] = sent, max(whole, sent)
        return True

    @staticmethod
    def is_counter(line: str) -> bool:
        """Return whether a line only counts what is sent of a layer, or says again that it is there."""
        found = _LAYER.match(line)
        return bool(found and (line.startswith("Copying") or _GOING.match(found["state"])))

    def words(self) -> str:
        """Return what is sent and what remains; "" before any layer is named."""
        if not self._layers:
            return ""
        known = [sizes for sizes in self._layers.values() if sizes]
        sent, whole = sum(each for each, _ in known), sum(each for _, each in known)
        there = f"{len(self._there)} of {len(self._layers)} layers there"
        if not whole:
            return there
        share = f" ({sent / whole:.0%})" if len(known) == len(self._layers) else ""
        waiting = len(self._layers) - len(known)
        return f"{_shown(sent, whole)} sent{share}, {there}" + (f", {waiting} not begun" if waiting else "")


def _bytes(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit]


def _shown(sent: float, whole: float) -> str:
    if whole >= 1e9:
        return f"{sent / 1e9:.2f} of {whole / 1e9:.2f} GB"
    return f"{sent / 1e6:.0f} of {whole / 1e6:.0f} MB" if whole >= 1e6 else f"{sent / 1e3:.1f} of {whole / 1e3:.1f} kB"
