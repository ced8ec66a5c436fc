"""The table of architectures: made of what the libraries build, it is the table that ships."""

from __future__ import annotations

import json
from pathlib import Path

from tests.weights import BUILT
from tools.tables.architectures import of_lines

SHIPPED = Path(__file__).parents[3] / "seatrial/facts/tables/architectures.json"


def test_what_is_built_gives_the_digests_that_ship() -> None:
    made = of_lines(BUILT.read_text(encoding="utf-8").splitlines())
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert made["source"] == shipped["source"]
    assert made["presets"].items() <= shipped["presets"].items()
    rows = {json.dumps({**row, "models": {}}): row["models"] for row in shipped["rows"]}
    for row in made["rows"]:
        assert row["models"].items() <= rows[json.dumps({**row, "models": {}})].items()
