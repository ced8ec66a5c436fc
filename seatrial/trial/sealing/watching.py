"""What the guard in a process on trial is told, and what it has noted.

The guard is `inside/guard.py`. It stands in the copy's site-packages with a .pth file, so that every Python that starts
there has it, children of the predictor too.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from seatrial.environment.store import Copy, site_packages
from seatrial.trial import inside
from seatrial.trial.sealing import view

_NAME, _WEIGHTS = "_seatrial_guard", "_seatrial_weights"
# The Dockerfiles of python:3.x-slim remove the tests, and keep no library only because _tkinter needs it:
# https://github.com/docker-library/python/blob/master/Dockerfile-linux.template
_ABSENT = {
    "_tkinter": "libtk8.6.so: cannot open shared object file: No such file or directory",
    "test": "No module named 'test'",
}
# Parts of the standard library that a build of Python or a distribution may leave out: "optional modules" of the Python
# docs, and what Debian keeps in packages of its own. https://docs.python.org/3/glossary.html#term-optional-module
_UNSURE = (
    "crypt", "curses", "dbm.gnu", "dbm.ndbm", "distutils", "ensurepip", "idlelib", "lib2to3", "nis", "readline",
    "sqlite3", "turtle", "venv",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that the project's code tried.

    Attributes:
        kind: what it did: `read`, `list`, `write`, `kept` for a write into the working directory, `child`,
            `library`, `module`, `machine`, `port`, `host`, `own`, `metadata` or `untrained`.
        what: with what: a path, program, module or address; of `untrained` a JSON object.
        traceback: the stack of the call.
    """

    kind: str
    what: str
    traceback: str


def install(copy: Copy, predictor_wheel: Path, *, backwards: bool = False) -> Path:
    """Install the guard into a trial's copy; return the file in which it notes.

    With `backwards` it also lets Python list the files of folders in the reverse of their order.
    """
    site = site_packages(copy.path)
    record = copy.folder("noted") / "noted.jsonl"
    record.touch()
    interpreter = copy.kept.interpreter
    own = [f"{copy.path}/environment/", f"{copy.path}/served/"]
    python = [f"{folder}/" for folder in interpreter.libraries]
    writable = [f"{copy.folder(name)}/" for name in view.WRITABLE]
    settings = {
        "record": str(record),
        "packages": [f"{site}/{name}" for name in _tops(predictor_wheel)],
        "python": ["<", *python, f"{site}/{_NAME}.py", f"{site}/{_WEIGHTS}.py"],
        "readable": [*own, *python, *writable, "/dev/", "/proc/", "/sys/"],
        "writable": [*writable, "/dev/", "/proc/"],
        "protected": own,
        "work": f"{copy.folder('work')}/",
        "temporary": f"{view.TEMPORARY}/",
        "began": time.time(),
        "absent": _ABSENT,
        "unsure": _UNSURE,
        "backwards": backwards,
    }
    shutil.copy(inside.FOLDER / "guard.py", site / f"{_NAME}.py")
    shutil.copy(inside.FOLDER / "weights.py", site / f"{_WEIGHTS}.py")
    (site / f"{_NAME}.json").write_text(json.dumps(settings), encoding="utf-8")
    (site / f"{_NAME}.pth").write_text(f"import {_NAME}\n", encoding="utf-8")
    return record


def read(record: Path) -> list[Noted]:
    """Return what the guard has noted so far; a line that is still being written is left out.

    The workers of a server do the same, which is told once.
    """
    noted = []
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, StopIteration):
            entry = json.loads(line)
            traceback = str(entry.pop("traceback"))
            noted.append(Noted(*next((str(kind), str(what)) for kind, what in entry.items()), traceback))
    return list(dict.fromkeys(noted))


def _tops(wheel: Path) -> list[str]:
    """Return the packages, as `predictor/`, and modules at the top of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        parts = [name.partition("/") for name in archive.namelist()]
    return sorted({first + slash for first, slash, _ in parts if not first.endswith((".dist-info", ".data"))})
