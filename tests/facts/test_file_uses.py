"""The files that serving code names: what begins the path, and what the project has there."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.file_uses import uses_of_files
from seatrial.facts.python.sources import read_sources
from tests.small_project import small_project

HEAD = (
    "import importlib.resources as r\nimport os\nimport pkgutil\nimport hydra\nimport torch\nfrom pathlib import Path\n"
    "import predictor.sub\nfrom predictor.places import ROOT, data\n\n\nclass P:\n    def load(self, uri):\n"
)
PLACES = 'from pathlib import Path\nROOT = Path(__file__).parent\n\ndef data():\n    return ROOT / "data"\n'


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ('open(ROOT / "a.txt")', "module predictor/a.txt file reads"),
        ('(data() / "b.txt").read_text()', "module predictor/data/b.txt file reads ships"),
        ("os.listdir(data())", "module predictor/data folder ships"),
        ('os.listdir(ROOT / "sub")', "module predictor/sub folder"),
        ('pkgutil.get_data("predictor.sub", "c.txt")', "module predictor/sub/c.txt file reads"),
        ('r.read_text(__package__, "a.txt")', "module predictor/a.txt file reads"),
        ('(r.files(predictor.sub) / "c.txt").open()', "module predictor/sub/c.txt file reads"),
        ('hydra.initialize(config_path="data")', "module predictor/data folder reads ships"),
        ('hydra.initialize_config_module("predictor.sub")', "module predictor/sub folder reads"),
        ('torch.load("top.pt")', "working directory top.pt file reads"),
        ('torch.load(ROOT.parent / "top.pt")', "module top.pt file reads"),
        ('torch.load(ROOT.parent.parent / "top.pt")', "module ../top.pt  reads"),
        ('torch.load("~/x.pt")', "home folder ~/x.pt  reads"),
        ('torch.load(r"D:\\x.pt")', "root of a file system D:\\x.pt  reads"),
    ],
)
def test_what_a_call_names_and_what_is_there(tmp_path: Path, line: str, use: str) -> None:
    files = {
        "predictor/__init__.py": f"{HEAD}        {line}\n",
        "predictor/places.py": PLACES,
        "predictor/sub/__init__.py": "",
        **dict.fromkeys(("predictor/a.txt", "predictor/data/b.txt", "predictor/sub/c.txt", "top.pt"), ""),
    }
    project = small_project(tmp_path, files, **{"package-data": ["predictor/data/*"]})
    (found,) = uses_of_files(project, read_sources(project))
    said = f"{found.origin} {found.path} {found.kind}{' reads' * found.reads}{' ships' * found.ships}"
    assert said == use


@pytest.mark.parametrize(
    "line",
    [
        "open(uri)",
        'open("a.txt", "w")',
        'print(ROOT / "a.txt")',
        'torch.save(1, ROOT / "a.txt")',
        'os.environ.get("A", ROOT)',
    ],
)
def test_what_is_not_read_or_not_known_is_left_out(tmp_path: Path, line: str) -> None:
    files = {"predictor/__init__.py": f"{HEAD}        {line}\n", "predictor/places.py": PLACES, "predictor/sub.py": ""}
    project = small_project(tmp_path, files)
    assert uses_of_files(project, read_sources(project)) == ()
