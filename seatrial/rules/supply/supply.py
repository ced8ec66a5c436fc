"""Families 1 and 8, supply: where what is installed comes from, and which credentials go along.

Requirement files, Dockerfiles, workflows and pip's configuration of the project are judged. A finding never repeats a
credential, and points at no line that holds one.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from seatrial.facts.tables import prebuilt_images
from seatrial.findings import Edit, Location, Severity
from seatrial.rules.lock.locks import shown_at
from seatrial.rules.rule import Rule
from seatrial.system.redaction import holds_login, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds import BuildFile, Install
    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import RequirementFile
    from seatrial.findings import Finding

_TOOLS = {"pip", "setuptools", "wheel", "uv", "pip-tools", "build", "hatchling", "ninja", "cython"}
_LOOPBACK = {"localhost", "127.0.0.1", "::1", "host.docker.internal"}
_PIP_DOCS = "https://pip.pypa.io/en/stable/topics/secure-installs/"

SEVERAL_INSTALLS = Rule(
    code="ST108",
    title="several installs, of which a later one can move what an earlier one installed",
    explanation=(
        "Each `pip install` resolves for itself. A later one that is neither from a hashed lock nor without "
        "dependencies may replace what an earlier one chose, torch included, and leave a torchvision behind that was "
        "built for another. The containers that the SDK of Vertex AI generates install in this way."
    ),
    fix="install everything with one `pip install --require-hashes -r requirements.txt`, and the project's own package "
    "with --no-deps",
    severity=Severity.WARNING,
    detected=(
        "By the `pip install` commands of a stage of a Dockerfile, without those of pip and build tools alone: a "
        "second one that has neither --no-deps nor --require-hashes and is not of a file of hashed pins. What it "
        "really installs only the build shows, so this only warns."
    ),
    bad="RUN pip install torch==2.8.0 torchvision==0.23.0\nRUN pip install timm",
    good="RUN pip install --require-hashes -r requirements.txt",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=(
        "https://github.com/pytorch/vision/issues/9174",
        "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/docker_utils/build.py",
    ),
)
PREBUILT_GONE = Rule(
    code="ST114",
    title="a prebuilt prediction image at its end",
    explanation=(
        "Google's prebuilt PyTorch prediction images end with torch 2.4 on Python 3.9. Their patches ended on "
        "2026-07-14, the last of them cannot be had after 2027-01-14, and 2.1 and older are gone: a deployment that "
        "names one fails, and one that runs is not patched."
    ),
    fix="serve from a custom container: `seatrial image build` makes one from the lock",
    detected=(
        "By names of the form prediction/pytorch-cpu.2-4 in pyproject.toml, Dockerfiles, workflows, scripts and "
        "requirement files, against a table of end dates and today's date: an error once the image cannot be had, a "
        "warning before. A name that is put together at run time is not seen."
    ),
    bad="FROM us-docker.pkg.dev/vertex-ai/prediction/pytorch-gpu.2-1:latest",
    good="seatrial image build",
    sources=(
        "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/pre-built-containers",
        "https://github.com/pytorch/serve/issues/3396",
    ),
)
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
        "the first 64 kB of those that are no Python source. A secret in the middle of a program is not seen."
    ),
    bad="predictor/service-account.json",
    good="a service account that the container runs as: vertex.service-account",
    sources=("https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys",),
)
UNVERIFIED_INSTALL = Rule(
    code="ST804",
    title="a Dockerfile installs from an address or a repository",
    explanation=(
        "A distribution from a URL, a repository or a folder has no hash that pip would check. Whoever can change what "
        "lies there decides what the next build installs."
    ),
    fix="ask for published distributions in requirements.in, and install the hashed lock",
    severity=Severity.WARNING,
    detected=(
        "By the arguments of `pip install` in Dockerfiles: git+ and other repositories, addresses without a hash, "
        "editable installs of those. Folders of the project itself do not count. That the Dockerfile builds what "
        "serves cannot be seen, so this only warns."
    ),
    bad="RUN pip install git+https://github.com/example/layers.git",
    good="RUN pip install --require-hashes -r requirements.txt",
    sources=(_PIP_DOCS,),
)
CREDENTIAL_IN_ADDRESS = Rule(
    code="ST805",
    title="a password or token in an address",
    explanation=(
        "An index or repository address with a login in it is read by everyone who can read the file, and pip writes "
        "it into logs and into what it installs. In an image it stays in the history of its layers."
    ),
    fix="revoke it; give the login by a variable such as PIP_INDEX_URL in the job, by keyring or .netrc, or as a "
    "build secret",
    detected=(
        "By addresses with a user or password before the host in requirement files, locks, Dockerfiles, workflows, "
        "scripts and configuration of pip and uv. Variables such as ${TOKEN} are none. The finding names file and "
        "line, and shows neither."
    ),
    bad="--index-url https://build:hunter2@packages.example/simple",
    good="--index-url https://packages.example/simple",
    sources=("https://pip.pypa.io/en/stable/topics/authentication/",),
)
SECRET_IN_CONTEXT = Rule(
    code="ST806",
    title="a build context with a credential is copied whole",
    explanation=(
        "`COPY . .` takes every file that .dockerignore does not name into a layer of the image, where everyone who "
        "may pull it reads it, also after a later layer removed it."
    ),
    fix="copy what is needed by name, or write the file into .dockerignore; revoke what was pushed",
    severity=Severity.WARNING,
    detected=(
        "A Dockerfile copies `.`, and a file whose name is that of a key or credential lies in the project and is not "
        "in .dockerignore. Which folder is the context only the build command says: the project's is assumed, so this "
        "only warns."
    ),
    bad="COPY . /app  # with .env beside it",
    good="COPY predictor/ /app/predictor/",
    sources=("https://docs.docker.com/build/building/context/#dockerignore-files",),
)
EXTRA_INDEX = Rule(
    code="ST807",
    title="a second package index beside the first",
    explanation=(
        "pip treats all indexes alike and takes the highest version from any of them: a lock of CPU builds becomes one "
        "of CUDA builds, and a stranger's upload under a name of yours wins. In December 2022 torch's own nightly "
        "builds were attacked in this way, by the name torchtriton."
    ),
    fix="name one index with --index-url that has everything, or lock with hashes and leave the second index out of "
    "what is installed at run time",
    severity=Severity.WARNING,
    detected=(
        "By --extra-index-url and find-links addresses in requirements.in, in Dockerfiles, and in configuration of pip "
        "and uv in the project; an index that uv calls explicit is none. The line that `seatrial lock --cpu` writes "
        "into requirements-cpu.txt is none either, for every pin there has a hash. Whether the indexes share names "
        "cannot be seen, so this only warns."
    ),
    bad="--extra-index-url https://packages.example/simple",
    good="--index-url https://packages.example/simple",
    sources=(
        "https://pytorch.org/blog/compromised-nightly-dependency/",
        "https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-extra-index-url",
    ),
)
PRERELEASES = Rule(
    code="ST808",
    title="prereleases or nightly builds are let in",
    explanation=(
        "`--pre` lets every distribution be an unfinished version, and an index of nightly builds drops its files "
        "after weeks: what was installed yesterday cannot be installed again."
    ),
    fix="take the option or index out, and pin a release",
    severity=Severity.WARNING,
    detected=(
        "By --pre, --prerelease=allow and addresses with /nightly/ in requirement files, Dockerfiles and configuration "
        "of pip and uv in the project. A pinned prerelease with a hash is no finding."
    ),
    bad="--pre\n--index-url https://download.pytorch.org/whl/nightly/cpu",
    good="torch==2.8.0",
    sources=("https://pytorch.org/blog/compromised-nightly-dependency/",),
)
UNENCRYPTED_INDEX = Rule(
    code="ST809",
    title="a package index without TLS, or whose certificate is not checked",
    explanation=(
        "What comes over plain HTTP, or from a host that pip is told to trust, can be replaced on its way by anyone on "
        "the network. Hashes find that out at install; while a lock is made there are none yet."
    ),
    fix="use an https address with a certificate that the machine knows, and give pip its authority by `cert`",
    severity=Severity.WARNING,
    detected=(
        "By --trusted-host and http:// indexes in requirement files, Dockerfiles and configuration of pip and uv in "
        "the project; this machine itself is none. A network that nobody else is on cannot be seen, so this only warns."
    ),
    bad="--trusted-host packages.example",
    good="--index-url https://packages.example/simple",
    sources=("https://pip.pypa.io/en/stable/cli/pip/#cmdoption-trusted-host",),
)


def _several_installs(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        first: dict[int, Install] = {}
        for install in file.installs:
            if _is_of_tools(install):
                continue
            before = first.setdefault(install.stage, install)
            if before is not install and not _moves_nothing(install, facts):
                yield SEVERAL_INSTALLS.finding(
                    f"this `pip install` can move what the one in line {before.location.line} installed",
                    location=install.location,
                    cause="it resolves for itself, without hashes and with dependencies; what it takes only the build "
                    "shows",
                )


def _is_of_tools(install: Install) -> bool:
    names = {str(canonicalize_name(requirement.name)) for requirement in install.requirements}
    return not install.others and bool(names) and names <= _TOOLS and not install.has("-r", "--requirement", "-e")


def _moves_nothing(install: Install, facts: Facts) -> bool:
    if install.has("--no-deps", "--require-hashes"):
        return True
    files = install.values("-r", "--requirement")
    only_files = bool(files) and not install.requirements and not install.others
    return only_files and all(_is_hashed(name, facts) for name in files)


def _is_hashed(name: str, facts: Facts) -> bool:
    """Tell whether a requirement file is one of the project's locks with a hash in it: then pip asks for all."""
    locks = [lock for lock in (facts.lock, facts.cpu_lock) if lock is not None]
    return any(lock.path == name.rsplit("/", 1)[-1] and any(e.hashes for e in lock.entries) for lock in locks)


def _prebuilt_gone(facts: Facts) -> Iterator[Finding]:
    table = prebuilt_images()
    for file in facts.builds.files:
        for named in file.prebuilt:
            end = table.end_of(named.text)
            if end is None:
                continue
            gone = facts.today >= end
            if gone:
                since = f" since {end}" if end.year > 1 else ""
                message = f"the prebuilt image {named.setting} cannot be had any more{since}"
            else:
                message = f"the prebuilt image {named.setting} gets no patches, and cannot be had from {end} on"
            left = "" if gone else f"; {(end - facts.today) // timedelta(days=1)} days are left"
            yield PREBUILT_GONE.finding(
                message,
                location=named.location,
                severity=Severity.ERROR if gone else Severity.WARNING,
                cause=f"it holds Python {table.python} and torch {named.text}; no newer one was made{left}",
            )


def _secret(facts: Facts) -> Iterator[Finding]:
    for path, by_name in facts.secrets:
        what = "looks like a secret, by its name" if by_name else "holds a private key or credentials"
        yield SECRET.finding(f"{path} {what}", location=Location(path))


def _unverified_install(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        for install in file.installs:
            wanted = [r.url for r in install.requirements if r.url]
            for text in (*wanted, *install.others, *install.values("-e", "--editable")):
                if _is_elsewhere(text):
                    yield UNVERIFIED_INSTALL.finding(
                        f"`pip install {redacted(text)}` checks no hash",
                        location=shown_at(install.location, text),
                        cause="what lies there can change without a change of this project; whether this file builds "
                        "what serves cannot be seen",
                    )


def _is_elsewhere(text: str) -> bool:
    if re.match(r"(?:git|hg|svn|bzr)\+", text):
        return True
    return re.match(r"https?://", text) is not None and re.search(r"#.*\bsha(?:256|384|512)=[0-9a-f]{64}", text) is None


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


def credential_lines(facts: Facts) -> frozenset[tuple[str, int | None]]:
    """Give the places, as path and line, of all addresses with a credential."""
    return frozenset((place.path, place.line) for text, place in _addresses(facts) if holds_login(text))


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


def _secret_in_context(facts: Facts) -> Iterator[Finding]:
    where = next((file.copies_all for file in facts.builds.files if file.copies_all), None)
    for path in facts.context_secrets if where else ():
        yield SECRET_IN_CONTEXT.finding(
            f"{where.path if where else ''} copies the whole context, and with it {path}",
            location=where,
            cause=f"{path} has the name of a file with credentials, and no .dockerignore leaves it out; that the "
            "context is the project's folder is assumed",
            fix=f"write {path} into .dockerignore, or copy what is needed by name",
            edits=(Edit(".dockerignore", path),),
        )


def _settings(facts: Facts) -> Iterator[tuple[str, str, Location]]:
    """Yield every setting of an index that the project makes: option of pip, value, place. The CPU lock makes none.

    What the lock has from requirements.in is said there, and what it has from elsewhere by ST103.
    """
    for option in facts.requirements.options if facts.requirements else ():
        yield _LONG.get(option.name, option.name), option.value, option.location
    for build in facts.builds.files:
        if build.is_dockerfile or not build.path.startswith(".github/"):
            for named in build.settings:
                yield named.setting, named.text, named.location
        yield from _of_installs(build)


def _of_installs(build: BuildFile) -> Iterator[tuple[str, str, Location]]:
    for install in build.installs:
        of_installer = {r.name.lower() for r in install.requirements} <= _INSTALLERS and not install.has(
            "-r", "--requirement"
        )
        for name, value in install.options:
            if name == "--pre" and of_installer and install.requirements and not install.others:
                continue  # it lets only these be prereleases
            yield _LONG.get(name, name), value, install.location


_INSTALLERS = {"pip", "setuptools", "wheel", "uv"}


_LONG = {
    "-i": "--index-url", "-f": "--find-links", "--default-index": "--index-url", "--index": "--extra-index-url",
    "--allow-insecure-host": "--trusted-host",
}  # fmt: skip


def _extra_index(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        is_second = name == "--extra-index-url" or (name == "--find-links" and value.startswith(("http:", "https:")))
        if not is_second:
            continue
        yield EXTRA_INDEX.finding(
            f"{name} {redacted(value)} is asked beside the first index",
            location=shown_at(place, value),
            cause="the highest version of any index is taken; whether the two share names cannot be seen here",
        )


def _prereleases(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        if name == "--pre" or (name == "--prerelease" and value in ("allow", "if-necessary")):
            yield PRERELEASES.finding(
                f"`{name}` lets every distribution be a prerelease",
                location=place,
                cause="a resolver takes the newest version, finished or not; whether one is newer cannot be seen here",
            )
        elif name in ("--index-url", "--extra-index-url", "--find-links") and re.search(r"/nightly(?:/|$)", value):
            yield PRERELEASES.finding(
                f"{redacted(value)} is an index of nightly builds",
                location=shown_at(place, value),
                cause="its files are dropped after weeks, so that a lock of them cannot be installed for long",
            )


def _unencrypted_index(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        if name == "--trusted-host" and value.split(":")[0] not in _LOOPBACK:
            message = f"the certificate of {value.rpartition('@')[2]} is not checked"
            place = Location(place.path) if "@" in value else place  # the line itself would be shown
        elif name in ("--index-url", "--extra-index-url", "--find-links") and value.startswith("http://"):
            if (urlsplit(value).hostname or "") in _LOOPBACK:
                continue
            message = f"{redacted(value)} is asked without TLS"
        else:
            continue
        yield UNENCRYPTED_INDEX.finding(
            message,
            location=shown_at(place, value),
            cause="anyone on the way can replace what it answers; who is on the network cannot be seen here",
        )


RULES = (
    SEVERAL_INSTALLS.decided_by(_several_installs),
    PREBUILT_GONE.decided_by(_prebuilt_gone),
    SECRET.decided_by(_secret),
    UNVERIFIED_INSTALL.decided_by(_unverified_install),
    CREDENTIAL_IN_ADDRESS.decided_by(_credential_in_address),
    SECRET_IN_CONTEXT.decided_by(_secret_in_context),
    EXTRA_INDEX.decided_by(_extra_index),
    PRERELEASES.decided_by(_prereleases),
    UNENCRYPTED_INDEX.decided_by(_unencrypted_index),
)
