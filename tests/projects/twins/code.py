"""Family 5, the predictor's own code: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import TRANSFORMS, Files, Twin
from tests.projects.code import predictor, served

INIT = "    def __init__(self, gamma=2.2):\n"
CALLED = f"{INIT}        super().__init__()\n"
REST = "        self.gamma = gamma\n\n    def forward(self, image):\n        return image**self.gamma\n"
UNCHANGED = predictor("import json", "import json")


def transforms(base: str, init: str, *, imports: str = "from torch import nn", before: str = "") -> Files:
    """Return transforms that end with one of the project's own class `Gamma`."""
    text = f"{imports}\n{TRANSFORMS}".replace("transforms.ToTensor()]", "transforms.ToTensor(), Gamma()]")
    return served(UNCHANGED, transforms=f"{text}\n\n{before}class Gamma({base}):\n{init}{REST}")


TWINS = (
    Twin("ST580", "a module", transforms("nn.Module", INIT), transforms("nn.Module", CALLED)),
    Twin(
        "ST580",
        "a transform of torchvision",
        transforms("v2.Transform", INIT, imports="from torchvision.transforms import v2"),
        transforms("v2.Transform", CALLED, imports="from torchvision.transforms import v2"),
    ),
    Twin(
        "ST580",
        "through a class of the project",
        transforms("Base", INIT, before="class Base(nn.Module):\n    pass\n\n\n"),
        transforms("Base", f"{INIT}        Base.__init__(self)\n", before="class Base(nn.Module):\n    pass\n\n\n"),
    ),
)
