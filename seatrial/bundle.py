"""`seatrial build`: the bundle, which is everything that ships beside the locked distributions.

Two wheels (predictor and runtime), the predictor's sdist, the two locks, the artifacts, and bundle.json with every
setting and digest. The same input gives the same bytes. Only what is listed enters; a file
that holds a credential is refused, also beside what would enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from seatrial import golden
from seatrial.check import waivers
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts import data_files
from seatrial.facts.packages import requirements
from seatrial.facts.python.sources import module_files
from seatrial.facts.secrets import files as secrets
from seatrial.findings import Finding, Location, Stage, Step
from seatrial.project import Project
from seatrial.rules.artifacts.manifest import OTHER_ARTIFACTS
from seatrial.rules.supply import shipped_files

FORMAT = 1
SOURCE_DATE_EPOCH = "1580601600"  # 2020-02-02, hatchling's own default: the time of every file in the archives

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # the first line of every pointer file


@dataclass(frozen=True, slots=True)
class Listing:
    """What enters the bundle, as relative paths: the predictor's files from the root, artifacts from their folder."""

    package: tuple[str, ...]
    artifacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built bundle: its folder, its digest and the parts that the next stages install."""

    path: Path
    digest: str
    device: str
    predictor_wheel: Path
    runtime_wheel: Path

    @property
    def settings(self) -> Path:
        """bundle.json, the one file that the server reads."""
        return self.path / "bundle.json"


def build(project: Project, device: str) -> Stage[Bundle | None]:
    """Build the bundle for a device into build/bundle; None after a finding that refuses it.

    Raises:
        UsageError: the lock or the predictor's package does not exist, or a glob of `package-data` matches nothing.
    """
    lock_file = _lock_file(project, device)
    listing = list_files(project)
    refused = waivers.not_accepted(project, _refused(project, listing))
    yield from refused
    if refused:
        return None
    described = _describe(project, listing, lock_file)
    digest = _digest(described)
    yield Step(f"building wheels of {len(listing.package)} files, with {len(listing.artifacts)} artifacts")
    final = project.build_dir / "bundle"
    with _replacing(final) as draft:
        runtime = _runtime_wheel(draft)
        predictor = _predictor_wheel(project, listing, digest, draft)
        shutil.copyfile(lock_file, draft / "requirements.txt")
        (draft / "runtime-requirements.txt").write_text(runtime_text("requirements.txt"), encoding="utf-8")
        _refuse_others(project, described["artifacts"])
        for path in listing.artifacts:
            target = draft / "artifacts" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project.artifacts_dir / path, target)
        (draft / "artifacts").mkdir(exist_ok=True)
        settings = {**described, "digest": digest, "device": device}
        (draft / "bundle.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return Bundle(final, digest, device, final / "wheels" / predictor, final / "wheels" / runtime)


def digest_of(project: Project, device: str) -> str:
    """Return the digest that a bundle of the project as it is now would have; nothing is built.

    Raises:
        UsageError: as `build`.
    """
    return _digest(_describe(project, list_files(project), _lock_file(project, device)))


def _lock_file(project: Project, device: str) -> Path:
    lock_file = project.lock_for(device)
    if not lock_file.is_file():
        raise UsageError(f"there is no {lock_file.name}", fix="run `seatrial lock`")
    return lock_file


def list_files(project: Project) -> Listing:
    """List what ships: the modules of `packages`, the files of `package-data`, and the artifacts.

    With a manifest the artifacts are what it lists, and the manifest; without one, every file of the folder.
    """
    package: set[Path] = set()
    for name in project.packages:
        found = list(module_files(project.home_of(name), name))
        if not found:
            raise UsageError(
                f"`packages` names {name}, but there is neither {name}/ with modules nor {name}.py in {project.root}",
                fix="set `predictor` or `packages` in [tool.seatrial] to what the project has",
            )
        package.update(found)
    for pattern in project.package_data:
        data = data_files.matched(project, pattern)
        if not data:
            raise UsageError(f"`package-data` has {pattern}, which matches no file that the project keeps")
        package.update(data)
    return Listing(tuple(sorted(p.relative_to(project.root).as_posix() for p in package)), _artifacts(project))


def _artifacts(project: Project) -> tuple[str, ...]:
    if project.locked_artifacts:
        return tuple(sorted(project.locked_artifacts.digests))
    folder = project.artifacts_dir
    manifest = golden.read_manifest(folder)
    if manifest is not None:
        listed = {*manifest.files, golden.MANIFEST_FILE}
        for path in listed:
            if Path(path).is_absolute() or ".." in Path(path).parts:
                raise UsageError(f"{folder / golden.MANIFEST_FILE} lists {path}, which is not below {folder.name}/")
        return tuple(sorted(listed))
    return tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()))


def runtime_text(name: str) -> str:
    """Return the text of a file of the runtime: `requirements.txt`, its lock, or `requirements.in`, its range."""
    return resources.files("seatrial").joinpath("serving", name).read_text(encoding="utf-8")


def _describe(project: Project, listing: Listing, lock_file: Path) -> dict[str, Any]:
    """Return everything that decides how the server behaves; its canonical JSON is what the bundle digest covers."""
    return {
        "format": FORMAT,
        "name": project.name,
        "predictor": project.predictor,
        "interface": project.interface,
        "python": project.python,
        "serving": project.serving.model_dump(mode="json", by_alias=True),
        "lock": golden.file_digest(lock_file),
        "runtime": {**_runtime_files(), "requirements.txt": _text_sha256(runtime_text("requirements.txt"))},
        "package": {project.shipped_path(path): golden.file_digest(project.root / path) for path in listing.package},
        "artifacts": _artifact_digests(project, listing),
    }


def _artifact_digests(project: Project, listing: Listing) -> dict[str, str]:
    """Return the digest of every artifact; those of Cloud Storage need not be here for it."""
    if project.locked_artifacts:
        return dict(project.locked_artifacts.digests)
    return {path: golden.file_digest(project.artifacts_dir / path) for path in listing.artifacts}


def _refuse_others(project: Project, digests: dict[str, str]) -> None:
    """Refuse artifacts from the cache that are not what artifacts.lock lists any more."""
    for path, digest in digests.items() if project.is_remote else ():
        if golden.file_digest(project.artifacts_dir / path) != digest:
            raise EnvironmentFaultError(
                f"{project.artifacts}/{path} was changed in the cache, {project.artifacts_dir}",
                fix="`seatrial cache --prune` removes it; then run this again, which fetches it",
            )


def _digest(described: dict[str, Any]) -> str:
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refused(project: Project, listing: Listing) -> Iterator[Finding]:
    """Yield what must not ship: secrets, links out of the project, what is not the file that training wrote."""
    package = {project.root / path for path in listing.package}
    artifacts = {project.artifacts_dir / path for path in listing.artifacts}
    manifest = golden.read_manifest(project.artifacts_dir)
    if manifest is not None:
        differences = golden.differences(project.artifacts_dir, manifest)
        pointers = {path for path in differences.changed if _is_pointer(project.artifacts_dir / path)}
        for path in (*(p for p in differences.changed if p not in pointers), *differences.missing):
            yield OTHER_ARTIFACTS.finding(f"{project.artifacts}/{path} is not what the manifest lists", subject=path)
    homes = (project.root, project.artifacts_dir.resolve())
    vouched = artifacts if manifest is not None else set()
    yield from map(shipped_files.secret_finding, secrets.in_package(project, listing.artifacts))
    for file in sorted(package | artifacts):
        if not file.is_file():
            continue
        shown = _shown(project, file)
        if file not in vouched and not any(file.resolve().is_relative_to(home) for home in homes):
            message = f"{shown} is a link to a file outside of the project"
            yield shipped_files.SECRET.finding(message, location=Location(shown))
        if _is_pointer(file):
            message = f"{shown} is a Git LFS pointer, not the file itself"
            yield shipped_files.LFS_POINTER.finding(message, location=Location(shown))


def _shown(project: Project, file: Path) -> str:
    return project.shown(file) if file.is_relative_to(project.root) or project.is_remote else str(file)


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_LFS_POINTER)) == _LFS_POINTER


@contextlib.contextmanager
def _replacing(final: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `final` if the block ends without an error."""
    draft, old = final.with_name(f".{final.name}-draft"), final.with_name(f".{final.name}-old")
    for left in (draft, old):  # by a killed run
        shutil.rmtree(left, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        yield draft
        if final.exists():
            final.rename(old)
        draft.rename(final)
    finally:
        if old.exists() and not final.exists():
            old.rename(final)  # interrupted between the two
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _runtime_files() -> dict[str, str]:
    with resources.as_file(resources.files("seatrial").joinpath("serving")) as folder:
        names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.py"))
    return {name: _text_sha256(runtime_text(name)) for name in names}


def _runtime_wheel(draft: Path) -> str:
    """Build the runtime's wheel: `seatrial.serving` alone, so that nothing else of the tool ships."""
    files = _runtime_files()
    digest = _digest(files)
    with _staging(draft) as root:
        home = root / "seatrial/serving"
        for name in files:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(runtime_text(name), encoding="utf-8")
        wanted = [entry.text for entry in requirements.read_runtime("requirements.in").entries]
        _write_pyproject(root, "seatrial-serving", f"0+r{digest[:12]}", ">=3.10", wanted, ["seatrial"])
        return _wheel(root, draft / "wheels")


def _predictor_wheel(project: Project, listing: Listing, digest: str, draft: Path) -> str:
    """Build the predictor's wheel and sdist; the version is the bundle digest, without the commit.

    The wheel requires no distribution: the lock beside it has exactly what it needs.
    """
    with _staging(draft) as root:
        shipped = {project.shipped_path(path): path for path in listing.package}
        for inside, path in shipped.items():
            target = root / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project.root / path, target)
        tops = sorted({inside.split("/")[0] for inside in shipped})
        name = f"{project.name}-predictor"
        _write_pyproject(root, name, f"0+d{digest[:12]}", f"=={project.python}.*", [], tops)
        _sdist(root, draft / "sdist")
        return _wheel(root, draft / "wheels")


@contextlib.contextmanager
def _staging(draft: Path) -> Iterator[Path]:
    root = draft / "staging"
    try:
        root.mkdir()
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _write_pyproject(
    root: Path, name: str, version: str, python: str, dependencies: list[str], tops: list[str]
) -> None:
    quoted = partial(json.dumps, ensure_ascii=False)  # such a string, or list of strings, is valid TOML too
    (root / "pyproject.toml").write_text(
        f"[build-system]\nrequires = []\nbuild-backend = 'hatchling.build'\n\n"
        f"[project]\nname = {quoted(name)}\nversion = {quoted(version)}\nrequires-python = {quoted(python)}\n"
        f"dependencies = {quoted(dependencies)}\n\n"
        f"[tool.hatch.build]\nignore-vcs = true\n\n"
        f"[tool.hatch.build.targets.wheel]\nonly-include = {quoted(tops)}\n",
        encoding="utf-8",
    )


def _wheel(root: Path, folder: Path) -> str:
    """Build the wheel of a staged project in this process and return its file name."""
    from hatchling.builders.wheel import WheelBuilder

    with _fixed_time():
        return Path(next(WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"]))).name


def _sdist(root: Path, folder: Path) -> str:
    from hatchling.builders.sdist import SdistBuilder

    with _fixed_time():
        return Path(next(SdistBuilder(str(root)).build(directory=str(folder), versions=["standard"]))).name


@contextlib.contextmanager
def _fixed_time() -> Iterator[None]:
    """Make hatchling write one fixed time, regardless of the caller's environment."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = SOURCE_DATE_EPOCH
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before
