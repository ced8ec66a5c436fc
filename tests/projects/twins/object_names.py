"""Family 2, objects that text names: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.code import predictor

NET = "from torch import nn\n\n\nclass Net(nn.Linear):\n    pass\n"
MAKE = """\
import importlib

import torch


def make(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)(2, 1)
"""


def made(text: str) -> Files:
    """The base with a factory that gets a name as text, and a module that does not ship."""
    source = predictor("import torch\n", MAKE, ("= build()", f"= make({text!r})"))
    return {"predictor/predictor.py": source, "training/nets.py": NET, "predictor/nets.py": NET}


def configured(text: str) -> Files:
    """The base with a factory that reads the name from a file of the artifacts."""
    return {**made("predictor.nets.Net"), "artifacts/model.yaml": text}


HYDRA, LIGHTNING, LATENT = (
    "net:\n  _target_: {}\n  in_features: 2\n",
    "model:\n  class_path: {}\n  init_args: {{}}\n",
    "model:\n  - target: {}\n    params: {{}}\n",
)
TWINS = (
    Twin("ST223", "a call", made("training.nets.Net"), made("predictor.nets.Net"), warns=True),
    *(
        Twin("ST223", name, configured(text.format(broken)), configured(text.format("predictor.nets.Net")), warns=True)
        for name, text, broken in (
            ("Hydra", HYDRA, "training.nets.Net"),
            ("jsonargparse", LIGHTNING, "training.nets.Net"),
            ("instantiate_from_config", LATENT, "training.nets.Net"),
            ("a misspelt class", HYDRA, "predictor.nets.Nett"),
            ("a library that is not locked", HYDRA, "timm.create_model"),
        )
    ),
)
