"""Family 3, the manifest: are the artifacts those that training wrote?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

OTHER_ARTIFACTS = Rule(
    code="ST306",
    title="the artifacts are not those that training wrote",
    explanation=(
        "artifacts/manifest.json lists the SHA-256 of every file that training wrote. A file that was "
        "changed, lost or added since would be deployed without ever having been measured."
    ),
    fix="restore the files, or run training's last step again, which rewrites the manifest",
    detected="The SHA-256 of every file of the artifacts is compared with the manifest, if there is one.",
    bad="artifacts/weights.pt, copied over after the training",
    good="artifacts/weights.pt, as manifest.json lists it",
    sources=("https://docs.python.org/3/library/hashlib.html#hashlib.file_digest",),
)


@OTHER_ARTIFACTS.decided_by
def _other_artifacts(facts: Facts) -> Iterator[Finding]:
    folder = facts.project.artifacts
    if facts.manifest_fault:
        yield OTHER_ARTIFACTS.finding(facts.manifest_fault, location=Location(f"{folder}/manifest.json"))
    words = (
        (facts.differences.changed, "was changed after training wrote it"),
        (facts.differences.missing, "is listed in the manifest, but is not there"),
        (facts.differences.unlisted, "is not listed in the manifest"),
    )
    for paths, what in words:
        for path in paths:
            yield OTHER_ARTIFACTS.finding(f"{folder}/{path} {what}", location=Location(f"{folder}/{path}"))
