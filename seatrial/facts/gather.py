"""All facts of a project, gathered once: what the rules judge. It reads and never judges.

Whatever is absent is None or empty here; that something is absent is for a rule to mind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial import golden
from seatrial.errors import UsageError
from seatrial.facts import requirements
from seatrial.facts.checkpoint import Checkpoint, read_checkpoints
from seatrial.facts.sources import Sources, find_definitions, locate, read_sources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.facts.requirements import RequirementFile
    from seatrial.findings import Location
    from seatrial.project import Project


@dataclass(frozen=True, slots=True)
class Facts:
    """What a project's files say.

    Attributes:
        project: its configuration.
        requirements: requirements.in.
        lock: requirements.txt.
        cpu_lock: requirements-cpu.txt.
        runtime_in: what the serving runtime asks for.
        runtime_lock: the serving runtime's own lock.
        sources: the source tree.
        checkpoints: the files of the artifacts that may hold a model.
        main_definitions: name → where the project defines it, for what a pickle imports from `__main__`.
        left_out: module → path, for every module that a pickle imports, and that the project has but does
            not ship.
        has_artifacts: whether there is an artifacts folder.
        manifest: artifacts/manifest.json.
        differences: how the artifacts differ from the manifest.
        manifest_fault: why the manifest cannot be read.
        golden_examples: how many golden examples there are.
        golden_fault: why they cannot be read.
    """

    project: Project
    requirements: RequirementFile | None = None
    lock: RequirementFile | None = None
    cpu_lock: RequirementFile | None = None
    runtime_in: RequirementFile | None = None
    runtime_lock: RequirementFile | None = None
    sources: Sources = field(default_factory=Sources)
    checkpoints: tuple[Checkpoint, ...] = ()
    main_definitions: Mapping[str, Location] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    has_artifacts: bool = False
    manifest: golden.Manifest | None = None
    differences: golden.Differences = field(default_factory=golden.Differences)
    manifest_fault: str = ""
    golden_examples: int = 0
    golden_fault: str = ""


def gather(project: Project) -> Facts:
    """Read everything that can be known of a project before anything of it is installed."""
    sources = read_sources(project)
    checkpoints = read_checkpoints(project)
    pickled = {g for checkpoint in checkpoints for g in checkpoint.globals}
    of_main = {name for module, name in pickled if module == "__main__"}
    manifest, differences, manifest_fault = _manifest(project.artifacts_dir)
    examples, golden_fault = _golden(project.artifacts_dir)
    return Facts(
        project=project,
        requirements=_requirements(project.requirements_in, project.root),
        lock=_requirements(project.lock_file, project.root),
        cpu_lock=_requirements(project.cpu_lock_file, project.root),
        runtime_in=requirements.read_runtime("requirements.in"),
        runtime_lock=requirements.read_runtime("requirements.txt"),
        sources=sources,
        checkpoints=checkpoints,
        main_definitions=find_definitions(project.root, of_main),
        left_out={
            module: path
            for module, _ in pickled
            if not sources.ships(module) and (path := locate(project.root, module))
        },
        has_artifacts=project.artifacts_dir.is_dir(),
        manifest=manifest,
        differences=differences,
        manifest_fault=manifest_fault,
        golden_examples=examples,
        golden_fault=golden_fault,
    )


def _requirements(file: Path, root: Path) -> RequirementFile | None:
    return requirements.read(file, root) if file.is_file() else None


def _manifest(artifacts: Path) -> tuple[golden.Manifest | None, golden.Differences, str]:
    try:
        manifest = golden.read_manifest(artifacts)
    except UsageError as error:
        return None, golden.Differences(), error.message
    return manifest, golden.differences(artifacts, manifest) if manifest else golden.Differences(), ""


def _golden(artifacts: Path) -> tuple[int, str]:
    try:
        return len(golden.read(artifacts)), ""
    except UsageError as error:
        return 0, error.message
