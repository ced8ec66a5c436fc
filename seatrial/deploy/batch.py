"""`seatrial batch`: a proven version answers the rows of files in a bucket, in a job of the platform.

A job is known by what it is made from: the version, the content of its inputs, where its output goes, and the settings.
So the same command finds its job again, whether it still runs or has ended. No state is kept in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seatrial.deploy.platform import PlatformError
from seatrial.errors import SeatrialError, UsageError
from seatrial.findings import Phase, Stage, Step, watched
from seatrial.rules.deployment import live
from seatrial.rules.deployment.preflight import UNPROVEN

if TYPE_CHECKING:
    from seatrial.deploy.platform import Platform, Version
    from seatrial.deploy.resources import Resources

_SHOWN = 12  # kinds of failures that are named


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        inputs: URIs of files, which may have wildcards.
        output: the URI of the folder that the job makes its own in.
        form: of the inputs: `jsonl`, or `file-list` for the URIs of images, one a line.
        version: the id or an alias of a version; "" for the default one.
        again: whether to make another job although one of the same has succeeded.
    """

    inputs: tuple[str, ...]
    output: str
    form: str = "jsonl"
    version: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a bucket: its URI, its size in bytes, and a checksum of its content."""

    uri: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job to be made: `key` tells it from all others."""

    key: str
    version: Version
    inputs: tuple[str, ...]
    output: str
    form: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended.

    Attributes:
        name: its resource name.
        output: the URI of the folder with its results.
        answered, failed, left: rows that have predictions, that have failed, and that were not tried.
        origin: whether this run made it, found it running, or found it ended.
    """

    name: str
    output: str = ""
    answered: int = 0
    failed: int = 0
    left: int = 0
    origin: Literal["made", "adopted", "found"] = "made"


@dataclass(slots=True)
class Progress:
    """What a run has reached.

    Attributes:
        status: `succeeded`, `unchanged` if a former job had done the same, `refused` or `failed`; of a command that
            ended early `still-running`, `interrupted` or `error`.
        version: the resource name of the version.
        job: how its job ended.
        failures: why rows failed → how many.
    """

    status: str = "failed"
    version: str = ""
    job: Ended = field(default_factory=lambda: Ended(""))
    failures: Counter[str] = field(default_factory=Counter)


def batch(resources: Resources, wanted: Wanted, progress: Progress) -> Stage[None]:
    """Find or make the job, wait for it, and say what became of the rows.

    Raises:
        UsageError: there is no such input or version.
        StillRunningError: the job had not ended in time; it goes on.
        EnvironmentFaultError: the service does not answer.
    """
    platform = resources.platform
    try:
        yield Phase("state")
        version = yield from _proven(resources, wanted.version)
        if version is None:
            progress.status = "refused"
            return
        progress.version = version.name
        files = [file for uri in wanted.inputs for file in _files(resources, uri)]
        count = "1 file" if len(files) == 1 else f"{len(files):,} files"
        yield Step(f"{version.name} answers {count}, {sum(file.size for file in files):,} bytes", lasting=True)
        yield Phase("preflight")
        able, broken = yield from watched(platform.preflight(resources.project, "", batch=True))
        if broken or not able:
            progress.status = "refused"
            return
        yield Phase("job")
        job = Job(_key(resources, version, wanted, files), version, wanted.inputs, wanted.output, wanted.form)
        progress.job = yield from platform.find_or_run_job(job, resources.project, again=wanted.again)
        progress.status = "unchanged" if progress.job.origin == "found" else "succeeded"
        yield Phase("results")
        yield from _results(resources, progress)
    except PlatformError as error:
        yield Phase("diagnosis")
        yield from platform.explained(error, resources.gathered, what="a request of the batch prediction")


def cancel(platform: Platform, timeout: float) -> Stage[None]:
    """Cancel the jobs that this run waits for, and wait until they have ended; say so if that fails."""
    for name, what in list(platform.awaited.items()):
        try:
            yield from platform.cancel_job(name, timeout)
        except (PlatformError, SeatrialError) as error:
            yield Step(f"{what}, {name}, may still run: {error}", lasting=True)


def stored(platform: Platform, file: Path, form: str) -> str:
    """Put a file of this machine into the bucket of a rehearsal, with the images that it lists, and return its URI.

    Raises:
        UsageError: it, or an image that it lists, cannot be read.
        EnvironmentFaultError: the storage does not answer.
    """
    try:
        content = file.read_bytes()
        if form == "file-list":
            lines = [line.strip() for line in content.decode("utf-8").splitlines() if line.strip()]
            uris = [
                line if line.startswith("gs://") else platform.put(Path(line).name, (file.parent / line).read_bytes())
                for line in lines
            ]
            content = "".join(f"{uri}\n" for uri in uris).encode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be used: {error}") from None
    return platform.put(file.name, content)


def _proven(resources: Resources, wanted: str) -> Stage[Version | None]:
    """Return the version that is asked for; None after a finding if no deploy has proven it."""
    known = resources.versions()
    found = next((each for each in known if wanted in (each.id, *each.aliases)), None) if wanted else None
    if not wanted:
        found = next((each for each in known if "default" in each.aliases), None)
    if found is None:
        there = ", ".join(each.id for each in known)
        raise UsageError(
            f"model {resources.model_id} has no version {wanted or 'that is the default'}"
            + (f"; there are {there}" if there else ""),
            fix="run `seatrial deploy` first" if not known else "name one of them with --version",
        )
    if f"p-{found.digest[:16]}" not in found.aliases:
        message = f"{found.name} was never proven on an endpoint"
        yield UNPROVEN.finding(
            message, fix="run `seatrial deploy`, which proves it, or name a proven one with --version"
        )
        return None
    return found


def _files(resources: Resources, uri: str) -> Iterator[StoredFile]:
    files = resources.platform.files(uri)
    if not files:
        raise UsageError(f"there is no file {uri}", fix="`gcloud storage ls` shows what is in a bucket")
    yield from files


# What of the settings a job is made with.
_OF_JOB = {"accelerator_type", "accelerator_count", "service_account", "kms_key", "container_logging", "batch"}


def _key(resources: Resources, version: Version, wanted: Wanted, files: Sequence[StoredFile]) -> str:
    """Return what tells the job from all others: 32 hex digits."""
    contents = [(file.uri, file.checksum) for file in files]
    settings = resources.project.vertex.model_dump(mode="json", include=_OF_JOB)
    settings["machine_type"] = resources.project.vertex.machine  # a job has one
    settings["batch"].pop("timeout")
    output = wanted.output.rstrip("/")  # to which the API adds a slash itself
    text = json.dumps([version.digest, version.id, contents, output, wanted.form, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _results(resources: Resources, progress: Progress) -> Stage[None]:
    job = progress.job
    yield Step(f"{job.answered:,} rows answered, {job.failed:,} failed, in {job.output}", lasting=True)
    if job.left:
        yield Step(f"{job.left:,} rows were not tried", lasting=True)
    if not job.failed and not job.left:
        return
    progress.failures = resources.platform.failed_rows(job.output)
    most = progress.failures.most_common(_SHOWN)
    yield live.ROWS_FAILED.finding(
        f"{job.failed:,} of {job.answered + job.failed + job.left:,} rows failed, and {job.left:,} were not tried",
        subject=job.output,
        evidence=tuple(f"{count:,} x {text}" for text, count in most),
    )
