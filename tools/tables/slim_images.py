"""slim_images.json: what the slim images of Python hold besides Python: programs, libraries, files.

Images cannot be read without a registry, so the table is made as they are: Debian's minimal system by mmdebstrap, and
the packages that the Dockerfiles of python:3.x-slim leave installed. Nothing of it is run. It needs mmdebstrap and
Debian's archive.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.tables.releases import Table

DOCKERFILES = "https://github.com/docker-library/python/blob/master/Dockerfile-linux.template"
_FEW = '--aptopt=APT::Install-Recommends "false"'
_TIMEOUT = 900.0  # seconds; 80 MB are downloaded
# Installed by the Dockerfiles, or needed by what they compile. _tkinter is left out when they look for what is needed.
_RUNTIME = ("ca-certificates", "netbase", "tzdata", "libbz2-1.0", "libffi8", "libncursesw6", "libsqlite3-0", "libuuid1")
SUITES = {
    "bookworm": (*_RUNTIME, "libgdbm6", "libreadline8", "libnsl2"),
    "trixie": (*_RUNTIME, "libgdbm6t64", "libreadline8t64"),
}
_PROGRAM = re.compile(r"(?:usr/)?s?bin/([^/]+)")
_LIBRARY = re.compile(r"(?:usr/)?lib(?:64|/[a-z0-9_]+-linux-gnu)?/([^/]+\.so(?:\.[^/]*)?)")
_FILE = re.compile(r"etc/[^/]+")
# Folders that an image has as a whole; other ones hold more on an ordinary machine.
_FOLDER = re.compile(
    r"(usr/lib/[a-z0-9_]+-linux-gnu/(?:gconv|perl-base)|usr/lib/locale/C\.utf8|(?:usr/)?lib/terminfo|etc/ssl|usr/lib/ssl|"
    r"usr/share/(?:zoneinfo|ca-certificates|terminfo|tabset))/"
)
_TEXTS = ("etc/passwd", "etc/group")  # of the image's own users
_OF_A_MACHINE = re.compile(  # a machine's own, whatever the image has
    r"etc/(?:.*-|\..*|g?shadow|passwd|group|fstab|host(?:s|name)|resolv\.conf|localtime|timezone|ld\.so\..*|"
    r"environment|sub[ug]id|mtab)"
)


def made(_: Table) -> Table:
    """Return the table as it is now.

    Raises:
        OSError, ValueError: mmdebstrap is missing or failed.
    """
    kinds: dict[str, dict[str, set[str]]] = {kind: {} for kind in ("programs", "libraries", "files")}
    folders: set[str] = set()
    texts: dict[str, str] = {}
    for suite, packages in SUITES.items():
        with tempfile.TemporaryDirectory() as folder, tarfile.open(_system(suite, packages, Path(folder))) as system:
            owners = dict(_owners(system))
            for member in system.getmembers():
                path = member.name.removeprefix("./")
                if member.isdir():
                    continue
                if found := _FOLDER.match(path):
                    folders.add(f"/{_any_processor(found[1])}")
                elif (kind := _kind(path)) and not _OF_A_MACHINE.fullmatch(path):
                    name = f"/{path}" if kind == "files" else Path(path).name
                    kinds[kind].setdefault(owners.get(path, "made by scripts"), set()).add(name)
                if path in _TEXTS and (file := system.extractfile(member)):
                    texts[f"/{path}"] = file.read().decode()
    source = f"mmdebstrap --variant=minbase of {', '.join(SUITES)}, with what {DOCKERFILES} leaves installed"
    listed: dict[str, Any] = {
        kind: {package: sorted(names) for package, names in sorted(by_package.items())}
        for kind, by_package in kinds.items()
    }
    return {"source": source, **listed, "folders": sorted(folders), "texts": texts}


def _system(suite: str, packages: tuple[str, ...], folder: Path) -> Path:
    """Make a minimal system as an archive, from Debian's archive, which mmdebstrap knows."""
    program = shutil.which("mmdebstrap")
    if program is None:
        raise ValueError("mmdebstrap is not installed")
    archive = folder / f"{suite}.tar"
    command = [program, "--quiet", "--variant=minbase", _FEW, f"--include={','.join(packages)}", suite, str(archive)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if result.returncode != 0:
        raise ValueError(f"mmdebstrap failed: {result.stderr.strip()[-500:]}")
    return archive


def _owners(system: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    """Yield the path of every file that a package installed, and the package."""
    for member in system.getmembers():
        if (found := re.search(r"/dpkg/info/([^/:]+)(?::\w+)?\.list$", member.name)) and (
            file := system.extractfile(member)
        ):
            for path in file.read().decode().splitlines():
                # Packages of before the merge of /bin and /usr/bin list the old places.
                yield re.sub(r"^(?=s?bin/|lib(?:64)?/)", "usr/", path.lstrip("/")), found[1]


def _kind(path: str) -> str:
    if _PROGRAM.fullmatch(path):
        return "programs"
    if _LIBRARY.fullmatch(path):
        return "libraries"
    return "files" if _FILE.fullmatch(path) else ""


def _any_processor(folder: str) -> str:
    return re.sub(r"[a-z0-9_]+-linux-gnu", "{multiarch}", folder)
