"""What is to become a model version, and the trials that allow it: reports name digests, and only those count.

Nothing here asks the cloud; an image's manifest is asked at its registry, because only it can say what was pushed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.bundle import digest_of
from seatrial.containers.registry import read_manifest
from seatrial.errors import UsageError
from seatrial.findings import Severity, Stage
from seatrial.image import push
from seatrial.project import Project
from seatrial.project.vertex import variables_of, version_of
from seatrial.rules.deployment import preflight
from seatrial.system.identity import ambient


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle, or an image of one.

    Attributes:
        bundle_digest: of the project as it is now, 64 hex digits.
        version_digest: names the version on the server; for an image it covers the base too.
        device: `cpu` or `cuda`, by the target's machine.
        interface: of the predictor, as its trial saw it.
        image: the image as REPOSITORY@DIGEST; "" if the bundle itself is rehearsed.
    """

    bundle_digest: str
    version_digest: str
    device: str
    interface: str
    image: str = ""

    @property
    def alias(self) -> str:
        """The alias by which its version is found on the server."""
        return f"b-{self.version_digest[:16]}"

    @property
    def labels(self) -> dict[str, str]:
        """What a console shows beside the version; its identity is alias and description."""
        return {
            "seatrial-version": self.version_digest[:16],
            "seatrial-bundle": self.bundle_digest[:16],
            "seatrial-device": self.device,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A trial that passed: what it was of, where it ran, and the digest of the variables that it ran with."""

    bundle_digest: str
    version_digest: str
    image_id: str | None
    device: str
    interface: str
    variables: str = ""


def report_files(project: Project) -> tuple[Path, ...]:
    """Return the files in which the trials of this folder write what they proved."""
    return project.build_dir / "smoke/report.json", push.report_file(project)


def read_reports(files: Sequence[Path], *, needed: bool) -> tuple[Report, ...]:
    """Read the reports of trials that passed; others prove nothing and are left out.

    Raises:
        UsageError: a file is not a report, or with `needed` does not exist.
    """
    return tuple(report for file in files if (report := _read(file, needed=needed)) is not None)


def _read(file: Path, *, needed: bool) -> Report | None:
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        image_id = data.get("image_id")
        report = Report(
            bundle_digest=str(data["bundle_digest"]),
            version_digest=str(data["version_digest"]),
            image_id=None if image_id is None else str(image_id),
            device=str(data["device"]),
            interface=str(data["interface"]),
            variables=str(data.get("variables", "")),
        )
    except FileNotFoundError:
        if needed:
            raise UsageError(f"there is no report {file}", fix="name a file that `seatrial smoke` wrote") from None
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} is not a report of a trial: {error!r}", fix="run `seatrial smoke` again") from None
    return report if data.get("verdict") == "passed" else None


def proven(project: Project, device: str, reports: Sequence[Report]) -> bool:
    """Return whether a trial of the project's own bundle as it is now has passed."""
    digest, mine = digest_of(project, device), _as_set(project, reports)
    return any(report.bundle_digest == digest and report.image_id is None for report in mine)


def of_bundle(project: Project, device: str, reports: Sequence[Report]) -> Stage[Candidate | None]:
    """Return the project's own bundle as a candidate; None after the finding that no trial of it passed.

    Raises:
        UsageError: the project cannot be read.
    """
    digest = digest_of(project, device)
    tried, reports = reports, _as_set(project, reports)
    of_it = [report for report in reports if report.bundle_digest == digest and report.image_id is None]
    if not of_it:
        message = f"no trial of bundle {digest[:12]} has passed; {_others(project, tried)}"
        yield preflight.UNPROVEN.finding(message, fix=f"run `seatrial smoke --device {device}`, or give its --report")
        return None
    if not (yield from _proven_on(project, device, digest, reports)):
        return None
    return Candidate(digest, version_of(digest, project.vertex), device, of_it[0].interface)


def of_image(project: Project, device: str, pushed: push.Pushed, reports: Sequence[Report]) -> Stage[Candidate | None]:
    """Return a pushed image as a candidate; None after a finding that says what was not proven.

    Raises:
        UsageError: the image was made from another state of the project.
        EnvironmentFaultError: the registry does not answer.
    """
    digest = digest_of(project, device)
    if pushed.bundle_digest != digest:
        raise UsageError(
            f"{pushed.reference} holds bundle {pushed.bundle_digest[:12]}, the project for {device} is now bundle "
            f"{digest[:12]}",
            fix=f"run `seatrial image build --device {device}`, `smoke --image` and `image push` again",
        )
    of_it = yield from _of_image(project, pushed.image_id, reports)
    if of_it is None:
        return None
    there = _configuration(pushed.reference)
    if there != pushed.image_id:
        message = f"{pushed.reference} names configuration {there or 'nothing'}, but {pushed.image_id} was proven"
        yield preflight.UNPROVEN.finding(message, fix="push the proven image again with `seatrial image push`")
        return None
    if not (yield from _proven_on(project, device, digest, reports)):
        return None
    version = version_of(pushed.version_digest, project.vertex)
    return Candidate(digest, version, device, of_it.interface, pushed.reference)


def of_local_image(
    project: Project, device: str, reference: str, image_id: str, reports: Sequence[Report]
) -> Stage[Candidate | None]:
    """Return an image of this machine's engine as a candidate for a rehearsal; None after a finding.

    Raises:
        UsageError: it was made from another state of the project.
    """
    of_it = yield from _of_image(project, image_id, reports)
    if of_it is None:
        return None
    if of_it.bundle_digest != digest_of(project, device):
        raise UsageError(f"{reference} holds bundle {of_it.bundle_digest[:12]}, and the project has changed since")
    version = version_of(of_it.version_digest, project.vertex)
    return Candidate(of_it.bundle_digest, version, device, of_it.interface, reference)


def _of_image(project: Project, image_id: str, reports: Sequence[Report]) -> Stage[Report | None]:
    of_it = next((report for report in _as_set(project, reports) if report.image_id == image_id), None)
    if of_it is None:
        message = f"no trial of image {image_id[:19]} has passed; {_others(project, reports)}"
        yield preflight.UNPROVEN.finding(message, fix="run `seatrial smoke --image REF` on that very image")
    return of_it


def pushed_image(project: Project, file: Path | None = None) -> push.Pushed:
    """Read what `seatrial image push` wrote.

    Raises:
        UsageError: the file does not exist, or is not a record of a push.
    """
    given, file = file, file or project.build_dir / "image/pushed.json"
    fix = "run `seatrial image build`, `seatrial smoke --image REF` and `seatrial image push` first"
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return push.Pushed(**{name: data[name] for name in push.Pushed.__slots__})
    except FileNotFoundError:
        if given is not None:
            raise UsageError(f"there is no {given}", fix="name a file that `seatrial image push` wrote") from None
        raise UsageError("Vertex AI serves container images, and none was pushed yet", fix=fix) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is not a record of a push: {error!r}", fix=fix) from None


def pushed_reference(project: Project) -> str:
    """Return the image that `seatrial image push` sent last; "" if none was."""
    try:
        return pushed_image(project).reference
    except UsageError:
        return ""


def _proven_on(project: Project, device: str, digest: str, reports: Sequence[Report]) -> Stage[bool]:
    """Return whether a trial ran on the device of the target, or the project allows a deploy without one."""
    if device == "cpu" or any(report.device == device and report.bundle_digest == digest for report in reports):
        return True
    allowed = project.vertex.allow_unproven_device
    severity = Severity.WARNING if allowed else Severity.ERROR
    message = f"{project.vertex.accelerator_type} serves, but no trial of bundle {digest[:12]} ran on a GPU"
    yield preflight.UNPROVEN_DEVICE.finding(message, severity=severity)
    return allowed


def _configuration(reference: str) -> str:
    """Return the configuration that a pushed manifest names; "" if the registry has no such manifest."""
    name, _, digest = reference.partition("@")
    repository = push.repository_of(name, None)
    token = None if repository.region is None else ambient().token()
    manifest = read_manifest(repository.host, repository.name, digest, token)
    return "" if manifest is None else manifest.config


def _as_set(project: Project, reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return the reports of trials that ran with the variables that the container will have."""
    return tuple(report for report in reports if report.variables == variables_of(project.vertex))


def _others(project: Project, reports: Sequence[Report]) -> str:
    with_others = set(reports) - set(_as_set(project, reports))
    known = ", ".join(
        f"{(report.image_id or report.bundle_digest)[:19]} on {report.device}"
        + (" with other variables than vertex.env" if report in with_others else "")
        for report in reports
    )
    return f"there are reports of {known}" if known else "there is no report at all"
