"""Images of one or two small files, for tests that do not depend on the content of an image."""

from __future__ import annotations

import hashlib
from pathlib import Path

from seatrial.containers.engine import Engine
from seatrial.containers.inspection import inspect
from seatrial.image.push import Proven


def make(engine: Engine, folder: Path, *contents: str) -> Proven:
    """Make an image with one layer for each content and a unique name, and treat it as proven."""
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        (folder / f"content{number}").write_text(content)
    copies = [f"COPY content{number} /" for number in range(len(contents))]
    (folder / "Dockerfile").write_text("\n".join(["FROM scratch", *copies]) + "\n")
    name = f"localhost/tiny-{hashlib.sha256(str((folder, contents)).encode()).hexdigest()[:16]}:1"
    engine.ask(["build", "--tag", name, str(folder)])
    return believed(name, engine)


def believed(reference: str, engine: Engine) -> Proven:
    """Treat an image as proven, for tests of what follows the proof."""
    image = inspect(engine, reference)
    version, bundle = (image.labels.get(f"dev.seatrial.{of}-digest", "0" * 64) for of in ("version", "bundle"))
    return Proven(image.id, image.id, engine.name, version, bundle, "cpu")
