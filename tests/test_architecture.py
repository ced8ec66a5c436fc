"""docs/architecture.md: the floors are those of the contract, and every file that it names exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_the_floors_are_those_that_imports_are_held_to() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["seatrial"])
    held = {room: len(layers) - number for number, layer in enumerate(layers) for room in layer.split(" | ")}
    shown = re.findall(r"^\| (\d+) \| `(\w+)/?` \|", PAGE, re.MULTILINE)
    assert {room: int(floor) for floor, room in shown} == held


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`([\w.]+(?:/[\w.]+)*/[\w.]*)`", PAGE)) - {
        f"{room}/" for room in ("golden", "inside", "api")
    }
    homes = [ROOT, ROOT / "seatrial", ROOT / "seatrial/deploy", ROOT / "seatrial/emulator", ROOT / "seatrial/facts"]
    assert len(named) > 40
    made = {name for name in named if name.startswith("build/")}  # what stages write
    assert [name for name in named - made if not any((home / name).exists() for home in homes)] == []
