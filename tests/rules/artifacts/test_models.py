"""The parts of a model: what the source shows, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.rules.artifacts.models import parts_of
from tests.projects.base import made
from tests.projects.code import network

CLASS = "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        self.a = nn.Linear(1, 1)\n"
LAYERS = "nn.Linear(1, 1), nn.ReLU()"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{CLASS}\nbuild = Net\n", {"a"}),
        (f"{CLASS}        self.b, self.c = nn.ReLU(), 1\n\ndef build():\n    return Net()\n", {"a", "b", "c"}),
        (f"{CLASS}        for n in 'xy':\n            setattr(self, n, 1)\n\nbuild = Net\n", None),
        (f"{CLASS}        self.add_module('b', 1)\n\nbuild = Net\n", None),
        (f"{CLASS}    def load_state_dict(self, weights):\n        pass\n\nbuild = Net\n", None),
        (f"{CLASS}\nclass Sub(Net):\n    pass\n\nbuild = Sub\n", {"a"}),
        (f"import timm\n{CLASS}\nclass Sub(Net, timm.Mixin):\n    pass\n\nbuild = Sub\n", None),
        (f"{CLASS}\ndef build():\n    n = Net()\n    n.head = 1\n    return n\n", {"a", "head"}),
        (f"from torch import nn\n\ndef build():\n    return nn.Sequential({LAYERS})\n", {"0", "1"}),
        (f"from torch import nn\n\nL = [{LAYERS}]\n\ndef build():\n    return nn.Sequential(*L)\n", None),
        (f"from torch import nn\n\nn = nn.Sequential({LAYERS})\nn.append(1)\n\ndef build():\n    return n\n", None),
        ("import timm\n\ndef build():\n    return timm.create_model('a')\n", None),
        ("import torchvision\n\ndef build():\n    return torchvision.models.vgg16()\n", {"features", "classifier"}),
    ],
)
def test_the_parts_of_a_model_are_those_that_the_source_shows(
    tmp_path: Path, text: str, parts: set[str] | None
) -> None:
    facts = gather(made(tmp_path, network(text)))
    found = parts_of("predictor.network.build()", facts.sources.modules["predictor.predictor"], facts)
    assert found == parts
