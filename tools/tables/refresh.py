"""Makes the tables of published wheels, forms of secrets and slim images anew, and shows or writes the difference.

A further table is a module with a function `made`, from the table as it is to the table as it should be, and a row of
`TABLES`. What the other tables say (machines, images, names of modules) is read from documentation by a person.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.system.files import write
from tools.tables import (
    architectures,
    class_changes,
    known_powers,
    saved,
    secret_forms,
    slim_images,
    torch_builds,
    torch_pairs,
    weights_only,
)
from tools.tables.releases import Table

HERE = Path(__file__).parents[2] / "seatrial/facts/tables"
_FAULTS = (OSError, ValueError, SeatrialError)
_LINE = 120  # characters of a row on one line


TABLES: dict[str, Callable[[Table], Table]] = {
    "torch_pairs.json": torch_pairs.made,
    "torch_builds.json": torch_builds.made,
    "weights_only.json": weights_only.made,
    "class_changes.json": class_changes.made,
    "secret_forms.json": secret_forms.made,
    "slim_images.json": slim_images.made,
    "saved.json": saved.made,
    "powers.json": known_powers.made,
    "architectures.json": architectures.made,
}


def main() -> int:
    """Show how the tables differ from what is published now; with --write, write them. Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.tables",
        description="Show how the tables in seatrial/facts/tables differ from what is published now.",
        epilog="About 350 MB are downloaded, in minutes; a new minor version of torch is installed as a whole, and "
        "so is a new release of torchvision or timm. Exit codes: 0 no difference, or written; "
        "1 a table differs; 2 a table could not be made. "
        "Example: python -m tools.tables --only torch_pairs.json --write",
    )
    parser.add_argument("--write", action="store_true", help="write the tables, with today's date")
    parser.add_argument("--folder", type=Path, default=HERE, metavar="DIR", help="of the tables (default: this tool's)")
    parser.add_argument(
        "--only", action="append", choices=TABLES, metavar="NAME",
        help=f"only this table, of {', '.join(TABLES)}; may be repeated",
    )  # fmt: skip
    arguments = parser.parse_args()
    differs = failed = False
    for name in arguments.only or TABLES:
        sys.stderr.write(f"{name}\n")
        file = arguments.folder / name
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
    """Return a table as the text of its file: source and date first, one row a line if it fits."""
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
