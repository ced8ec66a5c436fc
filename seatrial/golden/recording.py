"""Record golden answers with all stages between the input and the answer, in the process that trains the model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seatrial.golden.stages import fingerprint
from seatrial.golden.stages.pipeline import Pipeline
from seatrial.golden.stages.store import Recording
from seatrial.golden.stages.watch import Watch
from seatrial.serving.interfaces import AI_PLATFORM, AUTO, BATCHED, CPR, NAMES, Interface, find
from seatrial.serving.interfaces.signatures import first_parameter
from seatrial.serving.settings import ImageSettings

# An input: an image file, the bytes of one with the name that they get, or an instance of a request.
Input = Any
FULL = 2  # inputs of which every number is kept


def stages_of(
    predictor: Any,
    inputs: Iterable[Input],
    folder: Path,
    *,
    code: Mapping[str, str],
    interface: str = AUTO,
    image: ImageSettings | None = None,
    opening: Callable[[bytes], Any] | None = None,
    full: int = FULL,
) -> list[tuple[str | None, Any, Any]]:
    """Ask a predictor for each input and write the stages into `folder`; return image, instance and answer of each.

    Raises:
        TypeError: the predictor has the shape of no interface.
        ValueError: an input is none, or two images have the same name.
    """
    asked = Pipeline(predictor, _followed(predictor, interface), image or ImageSettings(), opening)
    recording = Recording(full)
    found: list[tuple[str | None, Any, Any]] = []
    folder.mkdir(parents=True, exist_ok=True)
    for given in inputs:
        name, content = _taken(given, folder)
        if name is not None and name in (each[0] for each in found):
            raise ValueError(f"two images have the name {name}")
        if not found:
            asked.ask(content, Watch(lambda _, value: value))  # imports what it imports when it is first called
        recording.begin(digest_of(content))
        with Watch(recording.see) as watch:
            answer = asked.ask(content, watch)
        recording.answered(answer)
        found.append((name, None if name is not None else content, answer))
    recording.write(folder, fingerprint.take(code), asked.interface.name)
    return found


def digest_of(content: Any) -> str:
    """Return the SHA-256 of an input: of the bytes of an image file, or of an instance as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def _followed(predictor: Any, name: str) -> Interface:
    """Return the interface that a loaded predictor follows.

    Raises:
        TypeError: it is a class, or has not the methods.
        ValueError: there is no interface of this name.
    """
    if isinstance(predictor, type):
        raise TypeError(f"{predictor.__name__} is a class; give a predictor that is loaded")
    interface = find(_shape(predictor) if name == AUTO else name)
    if interface is None:
        raise ValueError(f"there is no interface {name!r}; there are {', '.join(NAMES)}")
    missing = [m for m in interface.needed if m != interface.loader and not callable(getattr(predictor, m, None))]
    if missing:
        who = type(predictor).__name__
        raise TypeError(f"{who} has no {missing[0]}(), which the {interface.name} interface needs")
    return interface


def _shape(predictor: Any) -> str:
    """Return the name of the interface that a predictor's methods look like."""
    kind = type(predictor)
    if callable(getattr(kind, "from_path", None)):
        return AI_PLATFORM.name
    first = first_parameter(kind, "preprocess")
    if hasattr(kind, "decode") or (first is not None and first.name not in CPR.preprocesses):
        return BATCHED.name
    return CPR.name


def _taken(given: Input, folder: Path) -> tuple[str | None, Any]:
    """Return the name of an image in the golden folder and its bytes; for an instance, None and the instance."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], bytes):
        name, data = str(given[0]), given[1]
        (folder / name).write_bytes(data)
        return name, data
    if isinstance(given, (str, Path)):
        file = Path(given)
        if not file.is_file():
            raise ValueError(f"{file} is not a file; an instance that is a text is given as {{'b64': ...}}")
        target = folder / file.name
        if not target.exists() or not target.samefile(file):
            shutil.copyfile(file, target)
        return file.name, file.read_bytes()
    if isinstance(given, (dict, list)):
        return None, given
    raise ValueError(f"an input is an image file, (name, bytes) or an instance, not {type(given).__name__}")
