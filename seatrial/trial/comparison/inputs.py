"""What both sides of a comparison are asked: the golden inputs, or small images where there are none."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial import golden, samples
from seatrial.errors import UsageError
from seatrial.golden import GoldenExample
from seatrial.project import Project
from seatrial.serving import interfaces


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        example: what it is called; it has no answer.
        instance: the element of a request.
        image: the bytes of an image file; None for another instance.
    """

    example: GoldenExample
    instance: Any
    image: bytes | None


def inputs_of(project: Project, interface: str) -> list[Input]:
    """Return the golden inputs, images first; without any, the samples that the interface takes.

    Raises:
        UsageError: there are none, and only golden answers show what the predictor accepts.
    """
    examples = golden.read(project.artifacts_dir)
    found = [_golden(project.artifacts_dir, example) for example in examples]
    if not examples:
        if not interfaces.takes_samples(interface):
            raise UsageError(
                f"there are no golden answers in {project.artifacts}/{golden.FOLDER}, and only they show what a "
                f"predictor of interface {interface} accepts",
                fix="write them in training with seatrial.golden, see docs/golden.md",
            )
        found = [_sample(name, instance) for name, instance in samples.instances()]
    return sorted(found, key=lambda each: each.image is None)


def written(inputs: Sequence[Input], folder: Path) -> list[Path]:
    """Write the images into a folder, and return their files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for each in inputs:
        if each.image is not None and each.example.image is not None:
            file = folder / each.example.image
            file.write_bytes(each.image)
            found.append(file)
    return found


def _golden(artifacts: Path, example: GoldenExample) -> Input:
    instance = example.vertex_instance(artifacts)
    if example.image is None:
        return Input(GoldenExample(instance=example.instance), instance, None)
    data = (artifacts / golden.FOLDER / example.image).read_bytes()
    return Input(GoldenExample(image=example.image.replace("/", "-")), instance, data)


def _sample(name: str, instance: dict[str, str]) -> Input:
    return Input(GoldenExample(image=name.replace(" ", "-")), instance, base64.b64decode(instance["b64"]))
