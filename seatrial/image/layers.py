"""Layers: folders as tar files whose bytes depend on nothing but their content.

Sorted names, one fixed time, no owner, modes 0644 and 0755. Also the two things that make a folder of installed
distributions such content: no trace of the installer, and bytecode that two machines compile alike. Nothing of an
engine is known here.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seatrial.bundle import SOURCE_DATE_EPOCH
from seatrial.environment.interpreter import Interpreter
from seatrial.environment.record import rows, written
from seatrial.errors import EnvironmentFaultError
from seatrial.system import process
from seatrial.system.files import write

COMPILE_TIMEOUT = 600.0  # seconds for one chunk
_CHUNK = 400  # files; a fixed number, so that the cores of a machine change nothing
# What a module raises that is no valid Python, in Python's versions from 3.10 on.
_INVALID = frozenset(
    {"SyntaxError", "IndentationError", "TabError", "UnicodeDecodeError", "ValueError", "RecursionError"}
)
_TRACES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")  # written by whoever installs


def write_tar(root: Path, target: Path) -> int:
    """Write everything below `root` as a tar; give its size in bytes.

    Raises:
        EnvironmentFaultError: there is something that is neither file, folder nor symbolic link.
    """
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in _walk(root):
            info = _entry(path, path[len(str(root)) + 1 :])
            if info.isreg():
                with open(path, "rb") as file:  # noqa: PTH123 - of 26,000 files
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return target.stat().st_size


def _walk(root: Path) -> Iterator[str]:
    """Yield what lies below a folder, each folder before its content, sorted as text."""
    folders = [str(root)]
    while folders:
        here = folders.pop()
        if here != str(root):
            yield here
        with os.scandir(here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path
        folders += [entry.path for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]


def _entry(path: str, name: str) -> tarfile.TarInfo:
    status = os.lstat(path)
    info = tarfile.TarInfo(name)
    info.mtime = int(SOURCE_DATE_EPOCH)
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777  # noqa: PTH115
    elif stat.S_ISDIR(status.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISREG(status.st_mode):
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
    else:
        raise EnvironmentFaultError(
            f"{path} is no file and cannot become part of an image",
            fix="leave pipes, sockets and devices out of the artifacts and of the distributions",
        )
    return info


def strip(prefix: Path) -> None:
    """Remove what an installer leaves: its traces and lock, console scripts that name this machine's Python.

    Nothing starts a console script in the image, and their first line could not be the same everywhere.
    """
    (prefix / ".lock").unlink(missing_ok=True)
    scripts = prefix / "bin"
    for record in sorted(prefix.glob("lib/python*/site-packages/*.dist-info/RECORD")):
        site = record.parent.parent
        kept = []
        for row in rows(record.read_text(encoding="utf-8")):
            place = Path(os.path.normpath(site / row[0]))
            own = place.parent == record.parent and place.name in _TRACES
            if own or place.is_relative_to(scripts):
                place.unlink(missing_ok=True)
            else:
                kept.append(row)
        for name in _TRACES:
            (record.parent / name).unlink(missing_ok=True)
        write(record, written(kept))  # a new file: the installed one shares its content with the installer's cache
    if scripts.is_dir() and not any(scripts.iterdir()):
        scripts.rmdir()


def compile_bytecode(site: Path, inside: str, python: Interpreter, workplace: Path) -> None:
    """Compile every module below `site` to bytecode that names its place `inside` the image and is never rechecked.

    The bytes depend on the order in which one process compiles and on its hash seed; so both are fixed, and each
    process gets a fixed share of the sorted files. A module that is no valid Python stays without bytecode.

    Raises:
        EnvironmentFaultError: the interpreter fails, or a module is not compiled for another reason, as a full disk.
    """
    files = [path for path in _walk(site) if path.endswith(".py")]
    shares = [files[at : at + _CHUNK] for at in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda share: _compile(share, site, inside, python, workplace), shares):
            pass


def _compile(files: list[str], site: Path, inside: str, python: Interpreter, workplace: Path) -> None:
    listed = workplace / f"{secrets.token_hex(8)}.txt"
    listed.write_text("".join(f"{path}\n" for path in files), encoding="utf-8", errors="surrogateescape")
    command = [
        str(python.executable), "-s", "-S", "-W", "ignore", "-m", "compileall", "-q", "-f", "--invalidation-mode",
        "unchecked-hash", "-s", str(site), "-p", inside, "-i", str(listed),
    ]  # fmt: skip
    env = {"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}
    code, printed = process.output(command, env=env, timeout=COMPILE_TIMEOUT, cwd=workplace)
    listed.unlink()
    if code != 0 and not (code == 1 and _only_invalid_modules(printed)):
        raise EnvironmentFaultError(
            f"{python.executable} could not compile the distributions:\n{printed[-2000:]}",
            fix=f"its last words say why; `df {site}` shows whether the disk is full",
        )


def _only_invalid_modules(printed: str) -> bool:
    """Tell whether all that compileall complains of are modules that are no valid Python, such as templates.

    `-q` prints a line that begins with three stars for each module that failed, then the error.
    """
    before, *failures = re.split(r"^\*\*\* Error compiling .*\.\.\.$", printed, flags=re.MULTILINE)
    if before.strip() or not failures:
        return False
    errors = [re.search(r"^(?:Sorry: )?(\w+)", failure, re.MULTILINE) for failure in failures]
    return all(error and error[1] in _INVALID for error in errors) and "\nTraceback " not in printed
