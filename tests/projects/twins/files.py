"""Family 2, files: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.code import configured, predictor

LABELS = '["pike", "carp"]\n'
SHIPS = configured('package-data = ["predictor/data/*"]')
GLOBS = "predictor/data/labels.json"


def reading(head: str, line: str, **others: str) -> Files:
    """The base with a predictor that reads its labels when it loads, by `line`; `others` are modules of the package."""
    text = predictor(
        "import torch\n",
        f"{head}\nimport torch\n",
        ("        self._network.eval()\n", f"        {line}\n        self._network.eval()\n"),
    )
    return {"predictor/predictor.py": text, **{f"predictor/{name}.py": content for name, content in others.items()}}


def beside(name: str, head: str, line: str, *, warns: bool = False, **others: str) -> Twin:
    """A file of the package that `package-data` does not name, and the same that it names."""
    files = {**reading(head, line, **others), GLOBS: LABELS}
    return Twin("ST210", name, files, {**files, **SHIPS}, warns=warns)


PLACES = 'from pathlib import Path\n\nROOT = Path(__file__).resolve().parent\nLABELS = ROOT / "data" / "labels.json"\n'

BESIDE = (
    beside("pathlib", "", 'self._names = json.loads((Path(__file__).parent / "data/labels.json").read_text())'),
    beside("another module's path", "from .places import LABELS", "LABELS.read_bytes()", places=PLACES),
    beside(
        "importlib.resources",
        "from importlib import resources",
        'resources.files("predictor").joinpath("data/labels.json").read_text()',
    ),
    beside("a folder", "import os", 'os.listdir(Path(__file__).parent / "data")', warns=True),
    Twin(
        "ST210",
        "the artifacts beside the package",
        reading("ROOT = Path(__file__).parent.parent", '(ROOT / "artifacts" / "weights.pt").read_bytes()'),
        reading("", '(Path(artifacts_uri) / "weights.pt").read_bytes()'),
    ),
)


def elsewhere(code: str, name: str, broken: str, head: str = "", *, warns: bool = False) -> Twin:
    """A file that is read by a path of this machine, and from the folder that load() gets."""
    given = 'torch.load(Path(artifacts_uri) / "weights.pt", weights_only=True)'
    return Twin(code, name, reading(head, broken), reading(head, given), warns=warns)


RELATIVE = (
    elsewhere("ST211", "a path", '(Path("artifacts") / "weights.pt").read_bytes()'),
    elsewhere("ST211", "a constant", 'open(WEIGHTS, "rb")', 'WEIGHTS = "./artifacts/weights.pt"'),
    elsewhere("ST211", "from the artifacts themselves", 'open("weights.pt", "rb")'),
)

ABSOLUTE = (
    elsewhere("ST212", "a home folder", 'torch.load("/home/anna/weights.pt", weights_only=True)'),
    elsewhere("ST212", "a notebook", 'open(BASE + "/weights.pt", "rb")', 'BASE = "/content/drive/MyDrive"'),
    elsewhere("ST212", "where a mount may be", 'open("/mnt/models/weights.pt", "rb")', warns=True),
)

TWINS = (*BESIDE, *RELATIVE, *ABSOLUTE)
