"""Family 8, shipped files: secrets and Git LFS pointers among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.secrets.files import SecretFile
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
        "what the first megabyte of each text holds: private keys, credential files, and the forms of tokens that "
        "gitleaks lists. A certificate is public, whatever its name. A password that has no form, such as "
        '`password = "word"`, is not seen, nor is anything in an archive.'
    ),
    bad="predictor/service-account.json",
    good="a service account that the container runs as: vertex.service-account",
    sources=("https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys",),
)


@SECRET.decided_by
def _secret(facts: Facts) -> Iterator[Finding]:
    for secret in facts.secrets:
        yield secret_finding(secret)


def secret_finding(secret: SecretFile) -> Finding:
    """Return the finding of a file that holds a credential; no line of it may be shown."""
    what = f"holds {secret.what}, in line {secret.line}" if secret.what else "looks like a secret, by its name"
    return SECRET.finding(f"{secret.path} {what}", location=Location(secret.path, secret.line))


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
