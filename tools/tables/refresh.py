"""`python -m tools.tables.refresh`: makes the tables of published wheels anew from the default index.

It is for whoever keeps the tool; the tool itself never imports it. A further table is one more entry of `TABLES`: a
function from the table as it stands to the table as it is now. Without --write the difference is shown and no more.
Of the wheels themselves some 100 MB travel, in a minute; only a new minor version of torch is installed as a whole.
What a table says of a documentation's page (machines, images, names of modules) a person reads, and no script.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import http.client
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from seatrial.errors import SeatrialError
from seatrial.facts.packages.file_names import tags_of
from seatrial.system.files import write
from tools.tables import refresh_checkpoints
from tools.tables.releases import metadata, pythons, releases

Table = dict[str, Any]
HERE = Path(__file__).parents[2] / "seatrial/facts/tables"
OLDEST = {"torch": Version("1.11.0"), "torchvision": Version("0.12.0")}  # what the tables of pairs begin with
_FAULTS = (OSError, http.client.HTTPException, ValueError, SeatrialError)
_LINE = 120  # characters of a row that is not broken up
_LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}  # PEP 600


def pairs(_: Table) -> Table:
    """Make torch_pairs.json: which torch a torchvision asks for, and the Pythons that each has a wheel for."""
    torch = {str(version): pythons(files) for version, files in releases("torch", OLDEST["torch"]).items()}
    every = sorted({python for pythons in torch.values() for python in pythons}, key=Version)
    rows: Table = {}
    for version, files in releases("torchvision", OLDEST["torchvision"]).items():
        needs = [Requirement(line) for line in metadata(files[0]).get("requires-dist", ())]
        of_torch = next((str(need.specifier) for need in needs if need.name == "torch"), "")
        rows[str(version)] = {"torch": of_torch, "pythons": [p for p in pythons(files) if p in every]}
    return {
        "source": "Requires-Dist and file names of the published wheels for CPython on Linux x86-64",
        "torchvision": rows,
        "torch": torch,
    }


def builds(former: Table) -> Table:
    """Make torch_builds.json anew: CUDA and C library of each minor release; architectures stay as they were read.

    Those stand in libtorch_python.so alone, as `sm_75 sm_80 …`: a new minor release has none until somebody reads it.
    """
    rows: Table = {}
    for version, files in releases("torch", OLDEST["torch"]).items():
        minor = f"{version.major}.{version.minor}"
        if version < Version("1.13"):
            continue  # their wheels name no CUDA
        cuda = _cuda(metadata(files[0]).get("requires-dist", ()))
        known = former["torch"].get(minor, {})
        rows[minor] = {
            "cuda": cuda, "glibc": _glibc(files[0].name), "architectures": known.get("architectures", []),
        }  # fmt: skip
    return {**former, "torch": rows}


TABLES: dict[str, Callable[[Table], Table]] = {
    "torch_pairs.json": pairs,
    "torch_builds.json": builds,
    "weights_only.json": refresh_checkpoints.weights_only,
    "class_changes.json": refresh_checkpoints.class_changes,
}


def main() -> int:
    """Show how the tables differ from what is published now; with --write, write them.

    Gives 1 where a table differs and was not written, 2 where one could not be made.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.tables.refresh", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables, with today's date")
    parser.add_argument("--only", action="append", choices=TABLES, metavar="NAME", help=f"of {', '.join(TABLES)}")
    arguments = parser.parse_args()
    differs = failed = False
    for name in arguments.only or TABLES:
        sys.stderr.write(f"{name}\n")
        file = HERE / name
        former = json.loads(file.read_text(encoding="utf-8"))
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        try:
            made = {**TABLES[name](former), "read_on": today}
        except _FAULTS as error:
            sys.stderr.write(f"{name} stays as it is: {error}\n")
            failed = True
            continue
        before, after = (spelled({**table, "read_on": ""}).splitlines(keepends=True) for table in (former, made))
        names = (f"{name} of {former['read_on']}", f"{name} of {today}")
        difference = list(difflib.unified_diff(before, after, *names, n=0))
        differs = differs or bool(difference)
        sys.stdout.writelines(difference)
        sys.stdout.flush()
        if arguments.write:
            write(file, spelled(made))
    return 2 if failed else int(differs and not arguments.write)


def spelled(table: Table) -> str:
    """Spell a table as its file: source and date first, and one row a line where a line holds it."""
    ordered = {name: table[name] for name in ("source", "read_on")} | table
    return f"{_spelled(ordered, 0)}\n"


def _spelled(value: Any, depth: int) -> str:
    """Break up a table, the tables in it, and what is too long for a line."""
    line = json.dumps(value)
    if not isinstance(value, dict) or not value or (depth > 1 and len(line) <= _LINE):
        return line
    indent = "  " * depth
    rows = ",\n".join(f"{indent}  {json.dumps(key)}: {_spelled(row, depth + 1)}" for key, row in value.items())
    return f"{{\n{rows}\n{indent}}}"


def _cuda(requires: tuple[str, ...]) -> str:
    """Read the CUDA of a torch in what it asks for: nvidia-cuda-runtime-cu12, or cuda-toolkit since CUDA 13."""
    for line in requires:
        need = Requirement(line)
        if re.fullmatch(r"nvidia-cuda-runtime(-cu\d+)?|cuda-toolkit", need.name):
            version = next((Version(s.version.removesuffix(".*")) for s in need.specifier if s.operator == "=="), None)
            if version:
                return f"{version.major}.{version.minor}"
    return ""


def _glibc(wheel: str) -> str:
    platforms = {tag.platform for tag in tags_of(wheel)}
    newer = [f"{m[1]}.{m[2]}" for platform in platforms if (m := re.match(r"manylinux_(\d+)_(\d+)_", platform))]
    older = [glibc for name, glibc in _LEGACY.items() if f"{name}_x86_64" in platforms]
    return min([*newer, *older], key=Version, default="")


if __name__ == "__main__":
    raise SystemExit(main())
