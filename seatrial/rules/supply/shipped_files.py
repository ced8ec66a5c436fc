"""Family 8, shipped files: secrets and Git LFS pointers among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

SECRET = Rule(
    code="ST801",
    title="a credential or private file would ship",
    explanation=(
        "The package folder or the artifacts hold a file that looks like a key or a credential. Everything "
        "there is copied into the image and into storage, where everyone who can read the model can read it."
    ),
    fix="move the file out of the package and the artifacts, and revoke the key if it was ever pushed",
    detected=(
        "By the names of all files in the package folders, of `package-data` and of the artifacts that ship, and by "
        "the first 64 kB of those that are not Python source. A secret in the middle of a program is not seen."
    ),
    bad="predictor/service-account.json",
    good="a service account that the container runs as: vertex.service-account",
    sources=("https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys",),
)


@SECRET.decided_by
def _secret(facts: Facts) -> Iterator[Finding]:
    for path, by_name in facts.secrets:
        what = "looks like a secret, by its name" if by_name else "holds a private key or credentials"
        yield SECRET.finding(f"{path} {what}", location=Location(path))


LFS_POINTER = Rule(
    code="ST802",
    title="a Git LFS pointer would ship instead of its file",
    explanation=(
        "A checkout without Git LFS leaves a text of three lines where the file should be. It ships as it "
        "is, and fails when it is opened."
    ),
    fix="run `git lfs pull`; in a workflow, set `lfs: true` for actions/checkout",
    sources=("https://github.com/actions/checkout#usage", "https://git-lfs.com/"),
)
