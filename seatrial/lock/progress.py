"""What a run of pip-compile has done and what remains, in words, from the lines that it prints.

How many distributions there will be is not known before the end of the resolution: until then it is told how many of
those that are known so far have a version.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

RESOLVED, HASHED = "resolved", "hashed"
_COUNT = re.compile(rf"progress: ({RESOLVED}|{HASHED}) (\d+) of (\d+)")  # as `pip_compile.py` prints it
_BYTES = re.compile(r"Progress (\d+) of (\d+)")  # as pip prints it with --progress-bar=raw
_DOES = re.compile(r"\s*(Collecting|Downloading|Hashing) (\S+)")
_LARGE = 1_000_000  # bytes of a file of which it is told how much is there


class Progress:
    """What a run has printed so far."""

    def __init__(self) -> None:
        self._counted = self._does = self._file = ""

    def read(self, line: str) -> bool:
        """Take a line in; return whether it says anything about the progress."""
        if found := _COUNT.fullmatch(line):
            done, known = found[2], found[3]
            self._counted = (
                f"resolved {done} of {known} distributions known so far"
                if found[1] == RESOLVED
                else f"hashes of {done} of {known} distributions"
            )
            self._does = self._file = ""
        elif found := _BYTES.fullmatch(line):
            there, whole = int(found[1]), int(found[2])
            if whole >= _LARGE:
                self._file = f", {there / 1e6:.0f} of {whole / 1e6:.0f} MB"
        elif found := _DOES.match(line):
            self._does, self._file = f"{found[1].lower()} {_named(found[2])}", ""
        else:
            return False
        return True

    @staticmethod
    def is_for_us(line: str) -> bool:
        """Return whether a line was asked for to be read here, and is no news to a person."""
        return bool(_COUNT.fullmatch(line) or _BYTES.fullmatch(line))

    def words(self) -> str:
        """Return what is done and what remains."""
        return "; ".join(filter(None, (self._counted, self._does + self._file)))


def _named(text: str) -> str:
    """Return a wheel's distribution and version, or what else a line names, without its folder."""
    name = PurePosixPath(text).name
    try:
        distribution, version, _, _ = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return name
    return f"{distribution} {version}"
