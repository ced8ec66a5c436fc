"""All facts of a project, gathered once: what the rules judge. It reads, and never judges.

What is absent is None or empty; rules decide whether that is a fault.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from seatrial import golden
from seatrial.errors import SeatrialError, UsageError
from seatrial.facts import entry_points, other_data
from seatrial.facts.builds.files import Builds
from seatrial.facts.builds.reading import read_builds
from seatrial.facts.checkpoints.checkpoint import Checkpoint, read_checkpoints
from seatrial.facts.file_uses import ArtifactUse, FileUse, uses_of_artifacts, uses_of_files, with_added_folders
from seatrial.facts.libraries.taken import Taken
from seatrial.facts.object_names import ObjectName, object_names
from seatrial.facts.packages import installed, requirements, wheels
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.packages.wheels import Wheels
from seatrial.facts.predictor import Kind, Predictor, read_predictor
from seatrial.facts.python.sources import Sources, read_scripts, read_sources
from seatrial.facts.python.tree import Tree
from seatrial.facts.secrets import files as secrets
from seatrial.facts.unread import unread
from seatrial.system.cache import cache_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.facts.entry_points import EntryPoint
    from seatrial.facts.packages.requirements import RequirementFile
    from seatrial.facts.python.module import Module
    from seatrial.findings import Location
    from seatrial.project import Project

_ASK_AGAIN = 3600.0  # seconds after which an index that said nothing at all is asked once more


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
        scripts: what does not ship and imports OpenCV or Google's libraries, or has a transform of a lambda.
        checkpoints: the files of the artifacts that may hold a model.
        predictor: what the setting `predictor` names.
        file_uses: the paths in the calls that serving may make, and what the project has there.
        other_data: where the project names data files that what ships is not built from, if a file does not ship.
        entry_points: those of its pyproject.toml.
        artifact_uses: the files that the predictor's loader reads below the folder that it is given.
        ignored: the files of the artifacts that git ignores, by their paths from the project; empty until git is asked.
        object_names: the objects that text names, in calls and in configuration files that ship.
        unread: the paths of checkpoints that no code names.
        main_definitions: name → where the project defines it, for what a pickle imports from `__main__`.
        left_out: module → path, for every module that a pickle imports, and that the project has but does
            not ship.
        has_artifacts: whether there is an artifacts folder.
        unseen_artifacts: whether it is in Cloud Storage only, so that of its files no more than their names are known.
        manifest: artifacts/manifest.json.
        differences: how the artifacts differ from the manifest.
        manifest_fault: why the manifest cannot be read.
        golden_examples: what training answered.
        golden_requests: golden example → bytes of a request with it alone.
        golden_fault: why they cannot be read.
        wheels: path of a lock → what is known of its wheels.
        taken: what the locked libraries lack of what the project takes from them; empty until they are asked.
        builds: the files that build or deploy the project.
        secrets: the files with credentials among what ships and what lies beside it.
        context_secrets: what looks like one, by name, in a build context that a Dockerfile copies whole.
        offline: whether the user forbade asking an index.
        today: the day.
    """

    project: Project
    requirements: RequirementFile | None = None
    lock: RequirementFile | None = None
    cpu_lock: RequirementFile | None = None
    runtime_in: RequirementFile | None = None
    runtime_lock: RequirementFile | None = None
    sources: Sources = field(default_factory=Sources)
    scripts: tuple[Module, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    predictor: Predictor = field(default_factory=lambda: Predictor(Kind.UNKNOWN))
    file_uses: tuple[FileUse, ...] = ()
    other_data: tuple[str, ...] = ()
    entry_points: tuple[EntryPoint, ...] = ()
    artifact_uses: tuple[ArtifactUse, ...] = ()
    ignored: tuple[str, ...] = ()
    object_names: tuple[ObjectName, ...] = ()
    unread: frozenset[str] = frozenset()
    main_definitions: Mapping[str, Location] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    has_artifacts: bool = False
    unseen_artifacts: bool = False
    manifest: golden.Manifest | None = None
    differences: golden.Differences = field(default_factory=golden.Differences)
    manifest_fault: str = ""
    golden_examples: tuple[golden.GoldenExample, ...] = ()
    golden_requests: Mapping[str, int] = field(default_factory=dict)
    golden_fault: str = ""
    wheels: Mapping[str, Wheels] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)
    builds: Builds = field(default_factory=Builds)
    secrets: tuple[secrets.SecretFile, ...] = ()
    context_secrets: tuple[str, ...] = ()
    offline: bool = False
    today: datetime.date = field(default_factory=lambda: datetime.datetime.now(tz=datetime.UTC).date())

    @property
    def tree(self) -> Tree:
        """The Python files of the project, for what only the text of a failure asks."""
        return Tree(self.project.root, self.project.source_folders)


class Gathered:
    """The facts of a project, gathered once: when a stage of a run first needs them."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @cached_property
    def facts(self) -> Facts:
        """The facts, as they were when they were first needed."""
        return gather(self.project)

    @property
    def if_readable(self) -> Facts | None:
        """The facts; None if the project cannot be read, which must not hide the failure that is diagnosed."""
        try:
            return self.facts
        except (OSError, SeatrialError):
            return None


def gather(project: Project) -> Facts:
    """Read everything that can be known of a project before anything of it is installed."""
    tree = Tree(project.root, project.source_folders)
    sources = with_added_folders(project, read_sources(project))
    checkpoints = read_checkpoints(project)
    pickled = {g for checkpoint in checkpoints for g in checkpoint.globals}
    of_main = {name for module, name in pickled if module == "__main__"}
    manifest, differences, manifest_fault = _manifest(project.artifacts_dir)
    examples, golden_fault = _golden(project.artifacts_dir)
    unseen = project.has_unseen_artifacts
    locks = [_requirements(file, project.root) for file in (project.lock_file, project.cpu_lock_file)]
    uses = uses_of_files(project, sources)
    builds = read_builds(project.root, (checkpoint.path for checkpoint in checkpoints))
    if project.locked_artifacts:
        ships = [*project.locked_artifacts.digests]
    else:
        ships = [*manifest.files, golden.MANIFEST_FILE] if manifest else list(secrets.listed(project.artifacts_dir))
    return Facts(
        project=project,
        requirements=_requirements(project.requirements_in, project.root),
        lock=locks[0],
        cpu_lock=locks[1],
        runtime_in=requirements.read_runtime("requirements.in"),
        runtime_lock=requirements.read_runtime("requirements.txt"),
        sources=sources,
        scripts=read_scripts(project, sources),
        checkpoints=checkpoints,
        predictor=read_predictor(project, sources),
        file_uses=uses,
        other_data=other_data.named(project.root) if any(use.kind and not use.ships for use in uses) else (),
        entry_points=entry_points.read(project.root),
        artifact_uses=uses_of_artifacts(project, sources),
        object_names=object_names(project, sources, tree),
        unread=unread(sources, [checkpoint.path for checkpoint in checkpoints]),
        main_definitions=tree.definitions(of_main),
        left_out={module: path for module, _ in pickled if not sources.ships(module) and (path := tree.locate(module))},
        has_artifacts=unseen or project.artifacts_dir.is_dir(),
        unseen_artifacts=unseen,
        manifest=manifest,
        differences=differences,
        manifest_fault=manifest_fault,
        golden_examples=examples,
        golden_requests=golden.request_sizes(project.artifacts_dir, examples),
        golden_fault=golden_fault,
        wheels={lock.path: known for lock in locks if lock and (known := _known_wheels(project, lock))},
        builds=builds,
        secrets=secrets.in_package(project, ships),
        context_secrets=secrets.in_context(builds.context),
    )


def unasked(facts: Facts) -> tuple[RequirementFile, ...]:
    """Return the locks whose wheels are still unknown, so that an index should be asked."""
    pinned = [lock for lock in (facts.lock, facts.cpu_lock) if lock and any(e.hashes for e in lock.entries)]
    recently = datetime.datetime.now(tz=datetime.UTC).timestamp() - _ASK_AGAIN
    return tuple(
        lock
        for lock in pinned
        if (known := facts.wheels.get(lock.path)) is None
        or (known.source != "installed" and known.late)
        or (known.fault and (known.known or known.asked < recently))
    )


def ask(facts: Facts, locks: tuple[RequirementFile, ...]) -> Facts:
    """Ask the configured indexes for the pins of locks, remember the answers, and return facts that have them.

    All locks share one deadline: an index that does not answer for the first lock is not waited for again.
    """
    from seatrial.facts.packages import (
        index,  # the network is asked once for a lock; every other check is faster without
    )

    project, learnt, end = facts.project, dict(facts.wheels), time.monotonic() + index.DEADLINE
    for lock in locks:
        pins = {name: e for name, e in lock.pins(marker_environment(project.python)).items() if e.hashes}
        learnt[lock.path] = index.ask(lock, pins, project.python, end - time.monotonic(), learnt.get(lock.path))
        with contextlib.suppress(OSError, UsageError):
            key = wheels.key_of((project.root / lock.path).read_text("utf-8", "replace"), project.python)
            wheels.remember(cache_dir(), key, learnt[lock.path])
    return replace(facts, wheels=learnt)


def _known_wheels(project: Project, lock: RequirementFile) -> Wheels | None:
    """Return what is known of a lock without any network: from its kept environment, or remembered."""
    try:
        cache, text = cache_dir(), (project.root / lock.path).read_text("utf-8", "replace")
    except (OSError, UsageError):
        return None
    key = wheels.key_of(text, project.python)
    remembered = wheels.recall(cache, key)
    if remembered and remembered.source == "installed":
        return remembered
    merged = installed.merged(lock, text, requirements.read_runtime("requirements.txt"))
    site = installed.find(cache, merged, project.python)
    if site is None:
        return remembered
    names = frozenset(lock.pins(marker_environment(project.python)))
    known = installed.read(site, names)
    found = Wheels(known, tuple(sorted(names - known.keys())), "installed")
    wheels.remember(cache, key, found)
    return found


def _requirements(file: Path, root: Path) -> RequirementFile | None:
    return requirements.read(file, root) if file.is_file() else None


def _manifest(artifacts: Path) -> tuple[golden.Manifest | None, golden.Differences, str]:
    try:
        manifest = golden.read_manifest(artifacts)
    except UsageError as error:
        return None, golden.Differences(), error.message
    return manifest, golden.differences(artifacts, manifest) if manifest else golden.Differences(), ""


def _golden(artifacts: Path) -> tuple[tuple[golden.GoldenExample, ...], str]:
    try:
        return golden.read(artifacts), ""
    except UsageError as error:
        return (), error.message
