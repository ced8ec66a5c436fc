"""Family 3, how the predictor loads: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Files, Twin
from tests.projects.checkpoints import LOADER, LOOKS, WEIGHTS, predictor, real
from tests.projects.code import locked


def _weights_only() -> Iterator[Twin]:
    whole: Files = {WEIGHTS: real("numpy_scalar.pt")}
    yield Twin("ST304", "said by the call", whole)
    for name, source in {
        "by default": predictor('torch.load(Path(artifacts_uri) / "weights.pt", map_location="cpu")'),
        "under another name": predictor('t.load(Path(artifacts_uri) / "weights.pt", None)', "import torch as t\n"),
        "imported by name": predictor(
            'load(Path(artifacts_uri) / "weights.pt", map_location="cpu")', "from torch import load\n"
        ),
    }.items():
        yield Twin("ST304", name, {**whole, "predictor/predictor.py": source})
    pinned = {**locked(lightning="2.6.0"), "requirements.in": "torch\ntorchvision\npillow\nlightning\n"}
    by_lightning = {
        **whole, **pinned, "predictor/predictor.py": predictor('build().load_from_checkpoint(Path(artifacts_uri) / "weights.pt")')
    }  # fmt: skip
    yield Twin("ST304", "Lightning", by_lightning, {**by_lightning, **locked(lightning="2.5.5")})
    away = {**whole, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST304", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)
    yield Twin(
        "ST304",
        "a whole block, and an older torch",
        {
            WEIGHTS: real("block.pt"),
            "predictor/predictor.py": predictor('torch.load(Path(artifacts_uri) / "weights.pt", "cpu")'),
        },
        {
            WEIGHTS: real("block.pt"),
            "predictor/predictor.py": predictor(
                'torch.load(Path(artifacts_uri) / "weights.pt", "cpu", weights_only=False)'
            ),
        },
    )


def _formats() -> Iterator[Twin]:
    script, weights = {WEIGHTS: real("script.pt")}, {WEIGHTS: real("state_dict.pt")}
    by_script = {
        "predictor/predictor.py": predictor(
            'torch.jit.load(Path(artifacts_uri) / "weights.pt", map_location="cpu").state_dict()'
        )
    }
    yield Twin("ST314", "a script by torch.load", script, {**script, **by_script})
    yield Twin("ST314", "weights by torch.jit.load", {**weights, **by_script}, {**script, **by_script})
    named = {
        "predictor/predictor.py": predictor(
            'load(Path(artifacts_uri) / "weights.pt").state_dict()', "from torch.jit import load\n"
        )
    }
    yield Twin("ST314", "imported by name", {**weights, **named}, {**script, **named})
    yield Twin("ST314", "an export by torch.load", {WEIGHTS: real("exported.pt2")})
    away = {**LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST314", "a helper away", {**away, **script}, {**away, **weights}, warns=True)


TWINS = (
    *_weights_only(),
    *_formats(),
)
