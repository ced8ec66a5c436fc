"""The first prediction, which a worker makes before it says that it is ready.

It goes through all that a request goes through, so that what is made or loaded only then delays nobody. Where the
artifacts hold golden examples it is one that training answered: a predictor that cannot is not ready. Elsewhere, where
the runtime opens images, it is a grey one, and what becomes of that says nothing: it need not suit the predictor.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.frames import Item, Job
from seatrial.serving.origin import NOBODY

if TYPE_CHECKING:
    from seatrial.serving.frames import Result
    from seatrial.serving.interfaces.adapter import Served

_GOLDEN = "golden"  # as in seatrial.golden, of which the runtime knows nothing
_EXAMPLES = "golden.json"
_SIDE = 256  # pixels of the grey image


class WarmUpError(Exception):
    """A golden example, `name`, was not answered."""

    def __init__(self, name: str, result: Result) -> None:
        super().__init__(f"the first prediction, with {name}: {result.message}")
        self.name = name
        self.result = result


@dataclass(frozen=True)
class _Example:
    name: str
    instance: Any


def warm(served: Served, artifacts: str) -> None:
    """Make the first prediction.

    Raises:
        WarmUpError: a golden example was not answered.
    """
    example = _golden(Path(artifacts))
    if example is not None:
        whole = {"instances": [example.instance]}
        result = _answer(served, json.dumps(example.instance if served.splits else whole).encode())
        if result.status != 200:
            raise WarmUpError(example.name, result)
    elif served.splits and not served.no_image:
        _answer(served, _grey(), is_image=True)


def _answer(served: Served, data: bytes, *, is_image: bool = False) -> Result:
    return served.answer(Job(0, b"", [Item(0, 0, data, is_image)], {0: NOBODY})).results[0]


def _golden(artifacts: Path) -> _Example | None:
    """Return the first golden example, if there is one."""
    folder = artifacts / _GOLDEN
    file = folder / _EXAMPLES
    if not file.is_file():  # artifacts may also be the URI of what the predictor downloads itself
        return None
    try:
        for first in json.loads(file.read_bytes()):
            if "image" not in first:
                return _Example("the first example", first["instance"])
            data = (folder / first["image"]).read_bytes()
            return _Example(f"{_GOLDEN}/{first['image']}", {"b64": base64.b64encode(data).decode()})
    except (OSError, ValueError, TypeError, LookupError) as error:
        log.write("WARNING", f"{file} cannot be used for a first prediction: {log.text_of(error)}", phase="load")
    return None


def _grey() -> bytes:
    from PIL import Image  # it is there where the runtime opens images

    written = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), (128, 128, 128)).save(written, "PNG")
    return written.getvalue()
