"""The files of a recording: golden/stages.json, the index, and golden/stages.safetensors, the numbers.

Nothing is pickled. The index has the digest of every array, so that equality is seen without its numbers: only the
first inputs keep all of them, the others `values.SAMPLES` elements of each.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.golden.stages import FILES, tensors
from seatrial.golden.stages.values import Part, parts, samples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.golden.stages.tensors import Array
    from seatrial.golden.stages.watch import Call

INDEX_FILE, TENSORS_FILE = FILES
FORMAT = 1
ROOM = 2_400_000  # bytes of all that is kept in full; a dozen inputs are then below 3 MB


class Recording:
    """The stages of inputs, as they are seen."""

    def __init__(self, full: int) -> None:
        """Keep all numbers of the first `full` inputs, as far as there is room."""
        self._full = full
        self._room = ROOM
        self._tensors: dict[str, Array] = {}
        self._inputs: list[dict[str, Any]] = []

    def begin(self, digest: str) -> None:
        """Begin the next input, which has this digest."""
        self._inputs.append({"sha256": digest, "stages": []})

    def see(self, call: Call, value: Any) -> Any:
        """Keep the value of a stage, and return it."""
        described: dict[str, Any] = {"name": call.name, "phase": call.phase}
        described |= {"detail": call.detail} if call.detail else {}
        described |= {"training": call.training} if call.training is not None else {}
        described["parts"] = [self._part(part) for part in parts(value)]
        self._inputs[-1]["stages"].append(described)
        return value

    def answered(self, response: Any) -> None:
        """Keep what the predictor answered to the input."""
        self._inputs[-1]["response"] = response

    def write(self, folder: Path, fingerprint: Mapping[str, Any], interface: str) -> None:
        """Write both files into the golden folder."""
        data = tensors.write(self._tensors)
        index = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "interface": interface,
            "tensors": {"file": TENSORS_FILE, "sha256": hashlib.sha256(data).hexdigest()},
            "inputs": self._inputs,
        }
        (folder / TENSORS_FILE).write_bytes(data)
        text = json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (folder / INDEX_FILE).write_text(text + "\n", encoding="utf-8")

    def _part(self, part: Part) -> dict[str, Any]:
        digest = part.digest
        described = {
            "path": part.path,
            "kind": part.kind,
            "mode": part.mode,
            "dtype": part.dtype,
            "shape": list(part.array.shape),
            "numbers": part.array.dtype.name,
            "sha256": digest,
            **_spread(part.array),
        }
        return {**described, "kept": self._keep(digest[:16], part.array)}

    def _keep(self, name: str, array: Array) -> str:
        """Keep the numbers of an array, or some of them, under the beginning of its digest; say how."""
        if len(self._inputs) <= self._full:
            how, kept = ("full", array) if array.nbytes <= tensors.PLAIN else ("packed", tensors.pack(array))
            if name in self._tensors and self._tensors[name].nbytes == kept.nbytes:
                return how
            if kept.nbytes <= self._room:
                self._room -= kept.nbytes
                self._tensors[name] = np.array(kept)  # its own memory: a later stage may change it in place
                return how
        self._tensors.setdefault(f"{name}.samples", np.array(samples(array)))
        return "samples"


class Recorded:
    """A recording that was read."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            ValueError: the files are damaged, or do not belong together.
            OSError: they cannot be read.
        """
        self.index = read_index(folder)
        data = (folder / TENSORS_FILE).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.index["tensors"]["sha256"]:
            raise ValueError(f"{TENSORS_FILE} is not the file that {INDEX_FILE} was written with")
        self._tensors = tensors.read(data)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What the index says of each input."""
        return self.index["inputs"]  # type: ignore[no-any-return]

    def array(self, part: Mapping[str, Any]) -> Array | None:
        """Return all numbers of a part; None if only samples were kept."""
        name, kept = part["sha256"][:16], part["kept"]
        if kept == "samples":
            return None
        found = self._tensors[name]
        return found if kept == "full" else tensors.unpack(found, part["numbers"], tuple(part["shape"]))

    def samples(self, part: Mapping[str, Any]) -> Array:
        """Return the samples of a part."""
        array = self.array(part)
        return self._tensors[f"{part['sha256'][:16]}.samples"] if array is None else samples(array)


def read_index(folder: Path) -> dict[str, Any]:
    """Return the index of a recording.

    Raises:
        ValueError: it is damaged, or of another format.
        OSError: it cannot be read.
    """
    index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    known = isinstance(index, dict) and index.get("format") == FORMAT
    if not known or not isinstance(index.get("inputs"), list) or not isinstance(index.get("fingerprint"), dict):
        raise ValueError(f'{INDEX_FILE} is not a recording of "format": {FORMAT}')
    return index  # type: ignore[no-any-return]


def _spread(array: Array) -> dict[str, float]:
    """Return the least, largest and mean number of an array, if they are finite."""
    if array.size == 0:
        return {}
    found = {"least": float(array.min()), "most": float(array.max()), "mean": float(array.mean(dtype=np.float64))}
    return found if all(map(math.isfinite, found.values())) else {}
