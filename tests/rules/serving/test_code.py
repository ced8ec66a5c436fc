"""The predictor's own code: every rule is told of a text, and the pairs of what the check decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.serving import code
from tests.diagnosis.families.told import codes
from tests.projects.base import Twin
from tests.rules.judging import Judge, rules_of, twins_of
from tests.small_project import findings, small_project


@pytest.mark.parametrize("twin", twins_of(code), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    "text",
    [
        (
            "from torchvision import transforms as t\n"
            "class T(t.Compose):\n    def __init__(self):\n        self.transforms = []\n"
        ),
        "from torch import nn\nclass T(nn.Module):\n    def forward(self, x): ...\n",
        "from torch import nn\nclass T(nn.Module):\n    def __init__(self):\n        nn.Module.__init__(self)\n",
        "class T:\n    def __init__(self):\n        self.gamma = 2.2\n",
        "from somewhere import Base\nclass T(Base):\n    def __init__(self):\n        self.gamma = 2.2\n",
    ],
)
def test_a_class_that_needs_no_call_or_makes_it_is_no_fault(tmp_path: Path, text: str) -> None:
    made = "class P:\n    def load(self, uri):\n        self.t = T()\n"
    assert findings(small_project(tmp_path, {"predictor.py": f"{text}\n{made}"}), "ST580") == []


def test_every_rule_is_told_of_a_text_and_says_how_it_is_recognised() -> None:
    rules = rules_of(code)
    assert {code for code, rule in rules.items() if rule.recognised} == rules.keys()
    assert rules.keys() <= codes()
