"""Family 8, origins: where what is installed comes from.

Requirement files, Dockerfiles, workflows and pip's configuration of the project are judged. A finding never repeats a
credential, and never points at a line that holds one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seatrial.findings import Location, Severity
from seatrial.rules.places import shown_at
from seatrial.rules.rule import Rule
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds.files import BuildFile
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

_PIP_DOCS = "https://pip.pypa.io/en/stable/topics/secure-installs/"
_INSTALLERS = {"pip", "setuptools", "wheel", "uv"}
_LONG = {
    "-i": "--index-url", "-f": "--find-links", "--default-index": "--index-url", "--index": "--extra-index-url",
    "--allow-insecure-host": "--trusted-host",
}  # fmt: skip

UNVERIFIED_INSTALL = Rule(
    code="ST804",
    title="a Dockerfile installs from an address or a repository",
    explanation=(
        "A distribution from a URL, a repository or a folder has no hash that pip could check. Whoever can change what "
        "is there decides what the next build installs."
    ),
    fix="ask for published distributions in requirements.in, and install the hashed lock",
    severity=Severity.WARNING,
    detected=(
        "By the arguments of `pip install` in Dockerfiles: git+ and other repositories, addresses without a hash, "
        "editable installs of those. Folders of the project itself do not count. The check cannot see whether "
        "the Dockerfile builds what serves, so this only warns."
    ),
    bad="RUN pip install git+https://github.com/example/layers.git",
    good="RUN pip install --require-hashes -r requirements.txt",
    sources=(_PIP_DOCS,),
)


@UNVERIFIED_INSTALL.decided_by
def _unverified_install(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        for install in file.installs:
            wanted = [r.url for r in install.requirements if r.url]
            for text in (*wanted, *install.others, *install.values("-e", "--editable")):
                if _is_elsewhere(text):
                    yield UNVERIFIED_INSTALL.finding(
                        f"`pip install {redacted(text)}` checks no hash",
                        location=shown_at(install.location, text),
                        cause="its contents can change while this project does not; whether this file builds "
                        "what serves cannot be seen",
                    )


def _is_elsewhere(text: str) -> bool:
    if re.match(r"(?:git|hg|svn|bzr)\+", text):
        return True
    return re.match(r"https?://", text) is not None and re.search(r"#.*\bsha(?:256|384|512)=[0-9a-f]{64}", text) is None


EXTRA_INDEX = Rule(
    code="ST807",
    title="a second package index beside the first",
    explanation=(
        "pip treats all indexes alike and takes the highest version from any of them: a lock of CPU builds becomes one "
        "of CUDA builds, and a stranger's upload under the name of your package wins. In December 2022 torch's own "
        "nightly builds were attacked in this way, through the name torchtriton."
    ),
    fix="use one --index-url that has everything, or lock with hashes and leave the second index out of what is "
    "installed at run time",
    severity=Severity.WARNING,
    detected=(
        "By --extra-index-url and find-links addresses in requirements.in, in Dockerfiles, and in configuration of "
        "pip and uv in the project; an index that uv calls explicit does not count. The line that `seatrial lock "
        "--cpu` writes into requirements-cpu.txt does not count either, because every pin there has a hash. Whether "
        "the indexes share names cannot be seen, so this only warns."
    ),
    bad="--extra-index-url https://packages.example/simple",
    good="--index-url https://packages.example/simple",
    sources=(
        "https://pytorch.org/blog/compromised-nightly-dependency/",
        "https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-extra-index-url",
    ),
)


@EXTRA_INDEX.decided_by
def _extra_index(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        is_second = name == "--extra-index-url" or (name == "--find-links" and value.startswith(("http:", "https:")))
        if not is_second:
            continue
        yield EXTRA_INDEX.finding(
            f"{name} {redacted(value)} is used beside the first index",
            location=shown_at(place, value),
            cause="the highest version of any index is taken; whether the two share names cannot be seen here",
        )


PRERELEASES = Rule(
    code="ST808",
    title="prereleases or nightly builds are allowed",
    explanation=(
        "`--pre` allows unfinished versions of every distribution, and an index of nightly builds deletes its files "
        "after weeks: what was installed yesterday cannot be installed again."
    ),
    fix="remove the option or index, and pin a release",
    severity=Severity.WARNING,
    detected=(
        "By --pre, --prerelease=allow and addresses with /nightly/ in requirement files, Dockerfiles and configuration "
        "of pip and uv in the project. A pinned prerelease with a hash is not a finding."
    ),
    bad="--pre\n--index-url https://download.pytorch.org/whl/nightly/cpu",
    good="torch==2.8.0",
    sources=("https://pytorch.org/blog/compromised-nightly-dependency/",),
)


@PRERELEASES.decided_by
def _prereleases(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        if name == "--pre" or (name == "--prerelease" and value in ("allow", "if-necessary")):
            yield PRERELEASES.finding(
                f"`{name}` allows prereleases of every distribution",
                location=place,
                cause="a resolver takes the newest version, finished or not; whether one is newer cannot be seen here",
            )
        elif name in ("--index-url", "--extra-index-url", "--find-links") and re.search(r"/nightly(?:/|$)", value):
            yield PRERELEASES.finding(
                f"{redacted(value)} is an index of nightly builds",
                location=shown_at(place, value),
                cause="its files are deleted after weeks, so a lock of them cannot be installed for long",
            )


UNENCRYPTED_INDEX = Rule(
    code="ST809",
    title="a package index without TLS or without a check of its certificate",
    explanation=(
        "What comes over plain HTTP, or from a host that pip is configured to trust, can be replaced on its way by "
        "anyone on the network. Hashes detect that at install, but there are none yet while a lock is made."
    ),
    fix="use an https address with a certificate that the machine trusts, and set pip's `cert` to its authority",
    severity=Severity.WARNING,
    detected=(
        "By --trusted-host and http:// indexes in requirement files, Dockerfiles and configuration of pip and uv in "
        "the project; this machine itself does not count. A network that nobody else uses cannot be recognised, so "
        "this only warns."
    ),
    bad="--trusted-host packages.example",
    good="--index-url https://packages.example/simple",
    sources=("https://pip.pypa.io/en/stable/cli/pip/#cmdoption-trusted-host",),
)

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "host.docker.internal"}


@UNENCRYPTED_INDEX.decided_by
def _unencrypted_index(facts: Facts) -> Iterator[Finding]:
    for name, value, place in _settings(facts):
        if name == "--trusted-host" and value.split(":")[0] not in _LOOPBACK:
            message = f"the certificate of {value.rpartition('@')[2]} is not checked"
            place = Location(place.path) if "@" in value else place  # the line itself would be shown
        elif name in ("--index-url", "--extra-index-url", "--find-links") and value.startswith("http://"):
            if (urlsplit(value).hostname or "") in _LOOPBACK:
                continue
            message = f"{redacted(value)} is used without TLS"
        else:
            continue
        yield UNENCRYPTED_INDEX.finding(
            message,
            location=shown_at(place, value),
            cause="anyone on the network can replace its answers; who is on the network cannot be seen here",
        )


def _settings(facts: Facts) -> Iterator[tuple[str, str, Location]]:
    """Yield every setting of an index in the project as pip's option, value and place. Locks are not read.

    What the lock has from requirements.in is reported there, and ST103 reports what it has from elsewhere.
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
                continue  # it allows prereleases of only these
            yield _LONG.get(name, name), value, install.location
