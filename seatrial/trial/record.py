"""`seatrial golden record`: ask the predictor, in the environment of the lock, and keep its answers and their stages.

Answers that are recorded so show later what a change of the lock, the code or the model does. They do not show that
serving does as training did: only training can record that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial import golden
from seatrial.artifacts.kept import link
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.gather import Gathered
from seatrial.findings import Phase, Stage, Step
from seatrial.golden.answered import examples_of
from seatrial.project import Project
from seatrial.trial import aside, smoke
from seatrial.trial.failures import LOG_TAIL


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded: how many inputs, and the size of the golden folder in bytes."""

    inputs: int
    size: int


def record(gathered: Gathered, device: str, images: Sequence[Path]) -> Stage[Recorded | None]:
    """Replace the golden answers by those to `images`; None after a finding that ends it.

    Raises:
        UsageError: an image is no file, two have the same name, or the predictor cannot answer one.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    project = gathered.project
    _refuse(images)
    ready = yield from smoke.made_ready(gathered, device)
    if ready is None:
        return None
    bundle, kept = ready
    yield Phase("record")
    yield Step(f"asking the predictor for {len(images)} images, stage by stage")
    target = smoke.target_of(project)[0]
    with aside.running(kept, bundle, device, target, "record.py", {}, list(images)) as script:
        code, printed = script.wait()
        made = script.copy.folder("work") / "recorded"
        if code != 0 or not (made / "answers.json").is_file():
            raise UsageError(
                "the predictor could not be recorded:\n" + "\n".join(printed.splitlines()[-LOG_TAIL:]),
                fix="`seatrial smoke` says more about a predictor that does not load or answer",
            )
        package = json.loads(bundle.settings.read_text(encoding="utf-8"))["package"]
        return _adopt(_of_its_own(project) if project.is_remote else project.artifacts_dir, made, package)


def _refuse(images: Sequence[Path]) -> None:
    names = [image.name for image in images]
    for image in images:
        if not image.is_file():
            raise UsageError(f"{image} is not a file")
        if names.count(image.name) > 1:
            raise UsageError(f"two images have the name {image.name}", fix="give one of them another name")


def _of_its_own(project: Project) -> Path:
    """Return a folder with the artifacts of Cloud Storage, of which nobody writes into the cache: build/artifacts."""
    folder = project.build_dir / "artifacts"
    shutil.rmtree(folder, ignore_errors=True)
    for file in (each for each in project.artifacts_dir.rglob("*") if each.is_file()):
        target = folder / file.relative_to(project.artifacts_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        link(file, target)
    return folder


def _adopt(artifacts: Path, made: Path, package: dict[str, str]) -> Recorded:
    """Put what was recorded in the place of the former golden answers; an input keeps its truth."""
    folder = artifacts / golden.FOLDER
    known = {each.image: each.truth for each in golden.read(artifacts) if each.image}
    answers = [tuple(each) for each in json.loads((made / "answers.json").read_text(encoding="utf-8"))]
    same = {name for name, _, _ in answers if (folder / name).is_file()}
    truths = [
        known.get(name) if name in same and (folder / name).read_bytes() == (made / name).read_bytes() else None
        for name, _, _ in answers
    ]
    draft = artifacts / f".{golden.FOLDER}-draft"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(made, draft / golden.FOLDER, ignore=shutil.ignore_patterns("answers.json"))
    golden.write(draft, examples_of(answers, truths))
    try:
        shutil.rmtree(folder, ignore_errors=True)
        (draft / golden.FOLDER).rename(folder)
        golden.record_later(artifacts, package)
    except OSError as error:
        raise EnvironmentFaultError(f"{folder} cannot be written: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Recorded(len(answers), sum(file.stat().st_size for file in folder.iterdir()))
