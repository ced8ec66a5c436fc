"""Layers: folders as tar files whose bytes depend on nothing but their content.

Names are sorted, times fixed, owners dropped, modes 0644 or 0755. To make installed distributions repeatable too,
the installer's traces are removed and bytecode is compiled so that every machine gets the same.
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
# What an invalid module raises, in Python 3.10 and later.
_INVALID = frozenset(
    {"SyntaxError", "IndentationError", "TabError", "UnicodeDecodeError", "ValueError", "RecursionError"}
)
_TRACES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")  # written by the installer


def write_tar(root: Path, target: Path) -> int:
    """Write everything below `root` as a tar; return its size in bytes.

    Raises:
        EnvironmentFaultError: something is neither a file, a folder nor a symbolic link.
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
    """Yield everything below a folder, each folder before its content, sorted as text."""
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
            f"{path} is not a regular file and cannot be part of an image",
            fix="remove pipes, sockets and devices from the artifacts and the distributions",
        )
    return info


def strip(prefix: Path) -> None:
    """Remove the installer's traces and lock, and the console scripts.

    The scripts' first line names this machine's Python, and nothing starts them in the image.
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

    The bytes depend on the order in which a process compiles and on its hash seed, so both are fixed, and each process
    gets a fixed share of the sorted files. A module that is not valid Python gets no bytecode.

    Raises:
        EnvironmentFaultError: the interpreter fails, or a module cannot be compiled for another reason, such as a full
            disk.
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
            fix=f"if this output does not say why, check with `df {site}` whether the disk is full",
        )


def _only_invalid_modules(printed: str) -> bool:
    """Return whether compileall complains only of modules that are not valid Python, such as templates.

    For each module that failed, `-q` prints a line that begins with three stars, then the error.
    """
    before, *failures = re.split(r"^\*\*\* Error compiling .*\.\.\.$", printed, flags=re.MULTILINE)
    if before.strip() or not failures:
        return False
    errors = [re.search(r"^(?:Sorry: )?(\w+)", failure, re.MULTILINE) for failure in failures]
    return all(error and error[1] in _INVALID for error in errors) and "\nTraceback " not in printed
