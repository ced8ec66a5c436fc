"""Family 8, credentials: those in addresses, in the build context and in images.

Requirement files, Dockerfiles, workflows and pip's configuration of the project are judged. A finding never repeats a
credential, and never points at a line that holds one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Edit, Location, Severity
from seatrial.rules.rule import Rule
from seatrial.system.redaction import holds_login, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import RequirementFile
    from seatrial.findings import Finding

CREDENTIAL_IN_ADDRESS = Rule(
    code="ST805",
    title="a password or token in an address",
    explanation=(
        "An index or repository address with a login in it is visible to everyone who can read the file, and pip "
        "writes it into logs and into what it installs. In an image it stays in the history of its layers."
    ),
    fix="revoke it; pass the login by a variable such as PIP_INDEX_URL in the job, by keyring or .netrc, or as a "
    "build secret",
    detected=(
        "By addresses with a user or password before the host in requirement files, locks, Dockerfiles, workflows, "
        "scripts and configuration of pip and uv. Variables such as ${TOKEN} do not count. The finding names file "
        "and line, but does not show the address's login."
    ),
    bad="--index-url https://build:hunter2@packages.example/simple",
    good="--index-url https://packages.example/simple",
    sources=("https://pip.pypa.io/en/stable/topics/authentication/",),
)


@CREDENTIAL_IN_ADDRESS.decided_by
def _credential_in_address(facts: Facts) -> Iterator[Finding]:
    said: set[tuple[str, int | None]] = set()
    for text, place in _addresses(facts):
        if holds_login(text) and (place.path, place.line) not in said:
            said.add((place.path, place.line))
            yield CREDENTIAL_IN_ADDRESS.finding(
                f"line {place.line} of {place.path} has an address with a password or token: {_host(text)}",
                location=Location(place.path),  # the line itself would be shown
                cause="everyone who can read the file can log in with it",
            )


def _addresses(facts: Facts) -> Iterator[tuple[str, Location]]:
    for file in _requirement_files(facts):
        yield from ((option.value, option.location) for option in (*file.options, *file.missing))
        yield from ((entry.text, entry.location) for entry in (*file.entries, *file.constraints))
    for build in facts.builds.files:
        yield from ((named.text, named.location) for named in (*build.addresses, *build.settings))


def _host(text: str) -> str:
    found = re.search(r"[a-z+]+://[^\s\"']+", redacted(text))
    return redacted(found[0]).split("/", 3)[2].rpartition("@")[2] if found else "its host"


def _requirement_files(facts: Facts) -> list[RequirementFile]:
    return [file for file in (facts.requirements, facts.lock, facts.cpu_lock) if file is not None]


SECRET_IN_CONTEXT = Rule(
    code="ST806",
    title="a build context with a credential is copied whole",
    explanation=(
        "`COPY . .` copies every file that .dockerignore does not name into a layer of the image. Everyone who can "
        "pull the image can read it there, even if a later layer removes it."
    ),
    fix="copy what is needed by name, or write the file into .dockerignore; revoke what was pushed",
    severity=Severity.WARNING,
    detected=(
        "A Dockerfile copies `.`, and a file in the project has the name of a key or credential and is not in "
        ".dockerignore. Only the build command says which folder is the context: the project's is assumed, so this "
        "only warns."
    ),
    bad="COPY . /app  # with .env beside it",
    good="COPY predictor/ /app/predictor/",
    sources=("https://docs.docker.com/build/building/context/#dockerignore-files",),
)


@SECRET_IN_CONTEXT.decided_by
def _secret_in_context(facts: Facts) -> Iterator[Finding]:
    where = next((file.copies_all for file in facts.builds.files if file.copies_all), None)
    for path in facts.context_secrets if where else ():
        yield SECRET_IN_CONTEXT.finding(
            f"{where.path if where else ''} copies the whole context, and with it {path}",
            location=where,
            cause=f"{path} has the name of a file with credentials, and no .dockerignore leaves it out; the context "
            "is assumed to be the project's folder",
            fix=f"write {path} into .dockerignore, or copy what is needed by name",
            edits=(Edit(".dockerignore", path),),
        )


SECRET_IN_LAYER = Rule(
    code="ST810",
    title="a layer of the image holds a credential",
    explanation=(
        "Everyone who can pull the image can read every layer, even a file that a later layer removes. The file has "
        "the name or the content of a key or a credential."
    ),
    fix="build without the file, and revoke the key if the image was ever pushed",
    sources=("https://docs.docker.com/build/building/secrets/",),
)

SECRET_IN_CONFIG = Rule(
    code="ST811",
    title="the image's configuration holds a credential or a variable of Vertex AI",
    explanation=(
        "Everyone who can pull the image can read its environment, labels and history, so they must not hold "
        "credentials. Vertex AI sets the `AIP_*` variables when a container starts; when the image is built, their "
        "values are not known."
    ),
    fix="remove the variable from the image, and revoke any secret that it held",
    sources=("https://docs.docker.com/build/building/secrets/",),
)


def credential_lines(facts: Facts) -> frozenset[tuple[str, int | None]]:
    """Return the places, as path and line, of all credentials that were found."""
    addresses = frozenset((place.path, place.line) for text, place in _addresses(facts) if holds_login(text))
    return addresses | {(secret.path, secret.line) for secret in facts.secrets if secret.line}
