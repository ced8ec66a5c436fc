"""Files of the artifacts that no code names: decided only where every read is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.python.sources import read_sources
from seatrial.facts.unread import unread
from tests.small_project import small_project

HEAD = (
    "import json\nimport os\nimport torch\nfrom pathlib import Path\n\n\nclass P:\n    def load(self, uri):\n"
    '        folder = Path(uri)\n        torch.load(folder / "weights.pt")\n'
)
PATHS = ("artifacts/weights.pt", "artifacts/best.ckpt")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("pass", {"artifacts/best.ckpt"}),
        ('json.loads((folder / "labels.json").read_text())', {"artifacts/best.ckpt"}),
        ('with open(os.path.join(uri, "labels.json")) as f:\n            json.load(f)', {"artifacts/best.ckpt"}),
        ('self.net.load_state_dict(torch.load(f"{uri}/weights.pt"))', {"artifacts/best.ckpt"}),
        ('NAMES = ["best.ckpt"]\n        print(NAMES)', set()),
        ('Model(folder / "best.ckpt")', set()),
        ("torch.load(folder / self.name)", set()),
        ('torch.load(next(folder.glob("*.ckpt")))', set()),
        ("for name in os.listdir(uri): pass", set()),
        ('json.load(open(json.load(uri)["weights"]))', set()),
        ("AutoModel.from_pretrained(uri)", set()),
    ],
)
def test_a_file_is_unread_if_every_read_is_of_another(tmp_path: Path, line: str, left: set[str]) -> None:
    project = small_project(tmp_path, {"predictor.py": f"{HEAD}        {line}\n"})
    assert unread(read_sources(project), PATHS) == left


def test_where_no_file_is_named_none_is_unread(tmp_path: Path) -> None:
    assert unread(read_sources(small_project(tmp_path, {})), PATHS) == frozenset()
