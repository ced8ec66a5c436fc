"""What the code of a repository puts before the names of the weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.repository.reading import read_scripts
from seatrial.facts.repository.weights import wrappers


@pytest.mark.parametrize(
    ("text", "prefixes"),
    [
        ("model = nn.DataParallel(\n    torch.compile(model)\n)", ["module.", "_orig_mod."]),
        ("model = torch.compile(nn.DataParallel(model))", ["_orig_mod.", "module."]),
        ("model = torch.compile(model)\nmodel = nn.DataParallel(model)", ["module.", "_orig_mod."]),
        ("model = nn.Sequential(model)", []),
    ],
)
def test_what_wraps_the_model_last_is_taken_off_first(tmp_path: Path, text: str, prefixes: list[str]) -> None:
    (tmp_path / "train.py").write_text(f"import torch\nfrom torch import nn\n{text}\n")
    assert [prefix for prefix, _ in wrappers(read_scripts(tmp_path))] == prefixes
