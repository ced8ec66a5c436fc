"""How a deploy ended, for machines: build/deploy/deploy.json, and the outputs of a step in GitHub Actions.

The status is a word of a closed list. A rehearsal says in words that nothing was created on Google Cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.report import github
from seatrial.system import files

if TYPE_CHECKING:
    from seatrial.findings import Finding
    from seatrial.project import Project

FORMAT = 1
FILE = "deploy/deploy.json"  # in the project's build folder
REHEARSAL = "local rehearsal, nothing created on Google Cloud"
STATUSES = (
    "deployed",  # the version serves all traffic and is the default
    "unchanged",  # it did already
    "planned",  # --dry-run
    "rolled-back",  # --rollback: the version before serves again
    "undeployed",  # --undeploy: nothing runs any more
    "refused",  # a proof or the preflight failed; the traffic is as it was
    "failed",  # the cloud could not do it; the traffic is as it was
    "inconclusive",  # too few answers to judge; the traffic is as it was
    "superseded",  # another deploy took over
    "still-running",  # a deadline passed while an operation runs; a re-run resumes it
    "interrupted",  # by a signal
    "error",  # wrong usage, or surroundings in which nothing could be tried
)
# What of it a later step of a workflow can read; the rest is in the file.
_OUTPUTS = (
    "status", "target", "model", "version", "alias", "endpoint", "console", "deployed_model", "traffic", "digest",
    "bundle_digest", "image", "device", "seconds", "findings", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deploy ended.

    Attributes:
        status: one of `STATUSES`.
        target: what `--target` calls it.
        model: its resource name; `version` is that name with @ID.
        alias: the one that finds the version by its digest.
        endpoint: its resource name; `deployed_model` is the id on it.
        traffic: the split as it is now: id of a deployed model → percent.
        digest: the version digest; `bundle_digest` that of the bundle in it.
        image: the image as REPOSITORY@DIGEST, or "".
        device: `cpu` or `cuda`.
        seconds: stage → how long it took.
        gates: the numbers of every gate, passed or not.
        unproven: what a green end does not prove.
        message: why it ended, if no finding says so.
        rehearsal: whether it ran on this machine.
    """

    status: str
    target: str
    model: str = ""
    version: str = ""
    alias: str = ""
    endpoint: str = ""
    deployed_model: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    bundle_digest: str = ""
    image: str = ""
    device: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[Mapping[str, Any]] = ()
    unproven: Sequence[str] = ()
    message: str = ""
    rehearsal: bool = False

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.status!r} is not a status of a deploy")

    @property
    def note(self) -> str:
        """The sentence that a rehearsal always says; "" of a real deploy."""
        return REHEARSAL if self.rehearsal else ""

    @property
    def console(self) -> str:
        """The endpoint's page in Google Cloud's console; "" of a rehearsal, or without an endpoint."""
        parts = self.endpoint.split("/")
        if self.rehearsal or len(parts) != 6:  # projects/ID/locations/REGION/endpoints/ID
            return ""
        place = f"locations/{parts[3]}/endpoints/{parts[5]}?project={parts[1]}"
        return f"https://console.cloud.google.com/vertex-ai/online-prediction/{place}"


def document(outcome: Outcome, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return deploy.json as data."""
    return {
        "format": FORMAT,
        **asdict(outcome),
        "seconds": {name: round(value, 3) for name, value in outcome.seconds.items()},
        "note": outcome.note,
        "console": outcome.console,
        "findings": [finding.as_dict() for finding in findings],
    }


def write(project: Project, outcome: Outcome, findings: Iterable[Finding]) -> Path:
    """Write deploy.json, whole or not at all, and the outputs of the step if GitHub wants them; return the file."""
    data = document(outcome, findings)
    file = project.build_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, json.dumps(data, indent=2) + "\n")
    told = {**data, "findings": [{key: f[key] for key in ("code", "severity", "message")} for f in data["findings"]]}
    github.set_outputs(**{name: told[name] for name in _OUTPUTS})
    return file
