"""`python -m seatrial.facts.refresh`: makes the tables of published wheels anew from the default index.

It is for whoever keeps the tool; the tool itself never imports it. A further table is one more entry of `TABLES`: a
function from the table as it stands to the table as it is now. Without --write the difference is shown and no more.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from seatrial.facts import index, remote
from seatrial.facts.index import Published

Table = dict[str, Any]
HERE = Path(__file__).parent / "tables"
OLDEST = {"torch": Version("1.11.0"), "torchvision": Version("0.12.0")}  # what the tables begin with
_PYTHONS = tuple(f"3.{minor}" for minor in range(7, 21))
_PATIENCE = 60.0  # seconds for one file
_LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}  # PEP 600


def pairs(_: Table) -> Table:
    """Make torch_pairs.json: which torch a torchvision asks for, and the Pythons that each has a wheel for."""
    torch = {str(version): _pythons(files) for version, files in _releases("torch").items()}
    every = sorted({python for pythons in torch.values() for python in pythons}, key=Version)
    rows: Table = {}
    for version, files in _releases("torchvision").items():
        needs = [Requirement(line) for line in _metadata(files[0]).get("requires-dist", ())]
        of_torch = next((str(need.specifier) for need in needs if need.name == "torch"), "")
        rows[str(version)] = {"torch": of_torch, "pythons": [p for p in _pythons(files) if p in every]}
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
    for version, files in _releases("torch").items():
        minor = f"{version.major}.{version.minor}"
        if version < Version("1.13"):
            continue  # their wheels name no CUDA
        cuda = _cuda(_metadata(files[0]).get("requires-dist", ()))
        known = former["torch"].get(minor, {})
        rows[minor] = {
            "cuda": cuda, "glibc": _glibc(files[0].name), "architectures": known.get("architectures", []),
        }  # fmt: skip
    return {**former, "torch": rows}


TABLES: dict[str, Callable[[Table], Table]] = {"torch_pairs.json": pairs, "torch_builds.json": builds}


def main() -> int:
    """Show how the tables differ from what is published now; with --write, write them."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.facts.refresh", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write what differs, with today's date")
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; default: all")
    arguments = parser.parse_args()
    differs = False
    for name in arguments.tables or TABLES:
        file = HERE / name
        former = json.loads(file.read_text(encoding="utf-8"))
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        made = {**TABLES[name](former), "read_on": today}
        before, after = (spelled({**table, "read_on": ""}).splitlines(keepends=True) for table in (former, made))
        names = (f"{name} of {former['read_on']}", f"{name} of {today}")
        difference = list(difflib.unified_diff(before, after, *names, n=0))
        differs = differs or bool(difference)
        sys.stdout.writelines(difference)
        if arguments.write:
            file.write_text(spelled(made), encoding="utf-8")
    return 1 if differs and not arguments.write else 0


def spelled(table: Table) -> str:
    """Spell a table as its file: one row a line, source and date first."""
    ordered = {name: table[name] for name in ("source", "read_on")} | table
    parts = []
    for name, value in ordered.items():
        if isinstance(value, dict):
            rows = ",\n".join(f"    {json.dumps(key)}: {json.dumps(row)}" for key, row in value.items())
            parts.append(f"  {json.dumps(name)}: {{\n{rows}\n  }}")
        else:
            parts.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _releases(name: str) -> dict[Version, list[Published]]:
    """Give the wheels for Linux x86-64 of every release, oldest first; prereleases and withdrawn files are none."""
    address = index.default_index()
    found: dict[Version, list[Published]] = {}
    for file in index.files_of(name, address, time.monotonic() + _PATIENCE):
        version = index.version_of(file.name)
        if version is None or version.is_prerelease or file.yanked or version < OLDEST[name]:
            continue
        if any("linux" in tag.platform and tag.platform.endswith("x86_64") for tag in index.tags_of(file.name)):
            found.setdefault(version, []).append(file)
    return {version: sorted(found[version], key=lambda file: file.name) for version in sorted(found)}


def _pythons(files: list[Published]) -> list[str]:
    """Give the Pythons that one of the wheels fits, by its tags and its Requires-Python."""
    return [
        python
        for python in _PYTHONS
        if any(
            index.fits(index.tags_of(file.name), python) and SpecifierSet(file.python).contains(f"{python}.0")
            for file in files
        )
    ]


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
    platforms = {tag.platform for tag in index.tags_of(wheel)}
    newer = [f"{m[1]}.{m[2]}" for platform in platforms if (m := re.match(r"manylinux_(\d+)_(\d+)_", platform))]
    older = [glibc for name, glibc in _LEGACY.items() if f"{name}_x86_64" in platforms]
    return min([*newer, *older], key=Version, default="")


def _metadata(file: Published) -> dict[str, tuple[str, ...]]:
    """Read the METADATA of a wheel: alone where the index has it so, else out of the end of the wheel."""
    end = time.monotonic() + _PATIENCE
    return index.metadata_of(file, index.default_index(), end) or remote.read(file.url, "", end).fields


if __name__ == "__main__":
    raise SystemExit(main())
