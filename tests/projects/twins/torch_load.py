"""Family 2, torch.load: the pairs of projects."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator

from tests.projects.base import PREDICTOR, Files, Twin
from tests.projects.checkpoints import CALL, LOADER, LOOKS, WEIGHTS, real
from tests.projects.code import LOAD, OLD, SAFE, predictor, served


def _dict_as_model() -> Iterator[Twin]:
    old = "        self._network = build()\n        self._network.load_state_dict(weights)\n"
    assert old in PREDICTOR
    direct = PREDICTOR.replace(old, "        self._network = weights\n")
    named = direct.replace(CALL, "load('w', 'cpu', weights_only=True)")
    yield Twin("ST206", "eval", {"predictor/predictor.py": direct}, count=2)
    yield Twin("ST206", "imported by name", {"predictor/predictor.py": f"from torch import load\n{named}"}, count=2)
    away = {**LOOKS, "predictor/predictor.py": LOADER + direct.replace(CALL, 'read("weights.pt")')}
    yield Twin("ST206", "a helper away", away, count=2)
    yield Twin("ST206", "a legacy file", {"predictor/predictor.py": direct, WEIGHTS: real("legacy.pt")}, count=2)


HELPED = PREDICTOR.replace("import torch\n", "import torch\nfrom predictor.helper import helped\n", 1)

WITH_OBJECTS: Files = {**OLD, "artifacts/weights.pt": pickle.dumps(argparse.Namespace(rate=0.1), protocol=2)}

LEFT_OPEN: dict[str, Files] = {
    "by module": served(predictor(SAFE, "")),
    "under another name": served(
        predictor(
            SAFE, "", ("import torch\n", "import torch\nimport torch as th\n"), (LOAD, LOAD.replace("torch", "th"))
        )
    ),
    "by name": served(
        predictor(
            SAFE,
            "",
            ("import torch\n", "import torch\nfrom torch import load as read\n"),
            (LOAD, LOAD.replace("torch.load", "read")),
        )
    ),
    "a helper away": served(
        HELPED.replace(LOAD, "helped(Path(artifacts_uri)").replace(SAFE, ""),
        helper="from torch import load\n\n\ndef helped(path, map_location):\n    return load(path, map_location)\n",
    ),
}

UNSAFE = [Twin("ST205", name, {**WITH_OBJECTS, **files}, OLD, warns=True) for name, files in LEFT_OPEN.items()]

OPEN = [Twin("ST207", name, {**OLD, **files}, OLD, warns=True) for name, files in LEFT_OPEN.items()]

BUILD = "        self._network = build()\n        self._network.load_state_dict(weights)\n"

AS_MODEL = [
    Twin("ST206", name, served(broken), count=2 if name == "through self" else 1)
    for name, broken in {
        "through self": predictor(
            BUILD,
            "        self._network = weights\n",
            ("        self._network.eval()\n", "        self._network.eval()\n"),
        ),
        "at once": predictor("weights_only=True)", "weights_only=True).eval()"),
        "called": predictor(
            "self._network(batch)", "torch.load(self._file, map_location='cpu', weights_only=True)(batch)"
        ),
        "under another name": predictor(
            "        weights = torch.load",
            "        from torch import load as read\n        weights = read",
            (BUILD, "        weights.to('cpu')\n" + BUILD),
        ),
    }.items()
]

TWINS = (
    *_dict_as_model(),
    *UNSAFE,
    *OPEN,
    *AS_MODEL,
)
