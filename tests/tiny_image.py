"""Images of one or two small files, for tests to which it does not matter what an image holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from seatrial.containers.engine import Engine
from seatrial.containers.inspection import inspect
from seatrial.image.push import Proven


def make(engine: Engine, folder: Path, *contents: str) -> Proven:
    """Make an image with a layer for each content, under a name of its own, and take it as proven."""
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        (folder / f"content{number}").write_text(content)
    copies = [f"COPY content{number} /" for number in range(len(contents))]
    (folder / "Dockerfile").write_text("\n".join(["FROM scratch", *copies]) + "\n")
    name = f"localhost/tiny-{hashlib.sha256(str((folder, contents)).encode()).hexdigest()[:16]}:1"
    engine.ask(["build", "--tag", name, str(folder)])
    return believed(name, engine)


def believed(reference: str, engine: Engine) -> Proven:
    """Take an image as proven, for a test of what comes after the proof."""
    image = inspect(engine, reference)
    version, bundle = (image.labels.get(f"dev.seatrial.{of}-digest", "0" * 64) for of in ("version", "bundle"))
    return Proven(image.id, image.id, engine.name, version, bundle, "cpu")
