"""Find the configured Python: on PATH, then where uv and pyenv keep theirs, and only then by download.

Each candidate is run to ask for its version, because a name proves nothing: pyenv has shims for versions that are not
active, which end with 127.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step
from seatrial.system import process

_ASK = (
    "import json, platform, sys, sysconfig; print(json.dumps([platform.python_implementation(), "
    "platform.python_version(), getattr(sys, '_base_executable', None) or sys.executable, sys.base_prefix, "
    "sorted({sysconfig.get_path(n, vars={'platbase': sys.base_exec_prefix}) for n in ('stdlib', 'platstdlib')})]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that answered.

    Attributes:
        executable: never one inside a virtual environment.
        version: the full version.
        prefix: the folder that it is installed in.
        libraries: the folders of its standard library.
    """

    executable: Path
    version: str
    prefix: Path = Path("/")
    libraries: tuple[Path, ...] = ()


def find(version: str) -> Stage[Interpreter]:
    """Find CPython `version` (such as "3.11"); download it with uv if it is not on this machine.

    Raises:
        EnvironmentFaultError: it is not on this machine and cannot be downloaded.
    """
    if found := _installed(version):
        return found
    yield Step(f"Python {version} is not on this machine: downloading it with uv")
    code, printed = process.output(
        [uv(), "python", "install", "--no-bin", version], env=process.install_environment(), timeout=600
    )
    if code == 0:
        _installed.cache_clear()
        if found := _installed(version):
            return found
    raise EnvironmentFaultError(
        f"Python {version} was not found on PATH, nor in uv's and pyenv's versions, and uv could not install it:\n"
        + printed,
        fix=f"install Python {version}, or set `python` in [tool.seatrial] to a version that you have",
    )


def uv() -> str:
    """Return the path of the uv that the tool was installed with."""
    from uv import find_uv_bin

    return find_uv_bin()


@functools.cache
def _installed(version: str) -> Interpreter | None:
    for candidate in _candidates(version):
        found = _ask(str(candidate))
        if found and found.version.startswith(f"{version}."):
            return found
    return None


def _candidates(version: str) -> Iterator[Path]:
    """Yield executables that may be the wanted Python, the likeliest first."""
    folders = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
    exact = [folder / f"python{version}" for folder in folders]
    if sys.version_info[:2] == tuple(int(n) for n in version.split(".")):
        exact.insert(0, Path(sys.executable))
    plain = [folder / name for folder in folders for name in ("python3", "python")]
    for path in [*exact, *_versions_of_uv(version), *_versions_of_pyenv(version), *plain]:
        if os.access(path, os.X_OK):
            yield path


def _versions_of_uv(version: str) -> list[Path]:
    data = Path(os.environ.get("XDG_DATA_HOME") or _at_home(".local/share"))
    root = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    return sorted(root.glob(f"cpython-{version}.*/bin/python{version}"), reverse=True)


def _versions_of_pyenv(version: str) -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or _at_home(".pyenv"))
    return sorted(root.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


def _at_home(path: str) -> str:
    return os.path.expanduser(f"~/{path}")  # noqa: PTH111 - pathlib raises where there is no home directory


@functools.cache
def _ask(executable: str) -> Interpreter | None:
    """Run a candidate; None if it does not answer as CPython does."""
    try:
        code, printed = process.output([executable, "-I", "-c", _ASK], env={}, timeout=20)
        implementation, version, base, prefix, libraries = json.loads(printed) if code == 0 else ("", "", "", "", ())
    except (EnvironmentFaultError, ValueError):
        return None
    if implementation != "CPython":
        return None
    return Interpreter(Path(base), version, Path(prefix), tuple(map(Path, libraries)))
