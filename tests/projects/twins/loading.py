"""Family 3, how the predictor loads: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Files, Twin
from tests.projects.checkpoints import CALL, LOADER, LOOKS, WEIGHTS, predictor, real


def _weights_only() -> Iterator[Twin]:
    whole: Files = {WEIGHTS: real("numpy_scalar.pt")}
    yield Twin("ST304", "said by the call", whole)
    for name, source in {
        "by default": predictor('torch.load("weights.pt", map_location="cpu")'),
        "under another name": predictor('t.load("weights.pt", None)', "import torch as t\n"),
        "imported by name": predictor('load("weights.pt", map_location="cpu")', "from torch import load\n"),
    }.items():
        yield Twin("ST304", name, {**whole, "predictor/predictor.py": source})
    away = {**whole, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST304", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)
    yield Twin(
        "ST304",
        "a whole block, and an older torch",
        {WEIGHTS: real("block.pt"), "predictor/predictor.py": predictor("torch.load('weights.pt', 'cpu')")},
        {
            WEIGHTS: real("block.pt"),
            "predictor/predictor.py": predictor("torch.load('weights.pt', 'cpu', weights_only=False)"),
        },
    )


def _prefixes() -> Iterator[Twin]:
    wrapped: Files = {WEIGHTS: real("parallel.pt")}
    compiled: Files = {WEIGHTS: real("compiled.pt")}
    stripped = predictor(f'{{k.removeprefix("module."): v for k, v in {CALL}.items()}}')
    yield Twin("ST308", "DataParallel", wrapped, {**wrapped, "predictor/predictor.py": stripped}, warns=True)
    yield Twin("ST308", "torch.compile", compiled, warns=True)
    named = predictor("load('weights.pt', 'cpu', weights_only=True)", "from torch import load\n")
    yield Twin("ST308", "imported by name", {**wrapped, "predictor/predictor.py": named}, warns=True)
    away = {**wrapped, **LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST308", "a helper away", away, {**away, WEIGHTS: real("state_dict.pt")}, warns=True)


def _formats() -> Iterator[Twin]:
    script, weights = {WEIGHTS: real("script.pt")}, {WEIGHTS: real("state_dict.pt")}
    by_script = {"predictor/predictor.py": predictor('torch.jit.load("weights.pt", map_location="cpu").state_dict()')}
    yield Twin("ST314", "a script by torch.load", script, {**script, **by_script})
    yield Twin("ST314", "weights by torch.jit.load", {**weights, **by_script}, {**script, **by_script})
    named = {"predictor/predictor.py": predictor('load("weights.pt").state_dict()', "from torch.jit import load\n")}
    yield Twin("ST314", "imported by name", {**weights, **named}, {**script, **named})
    yield Twin("ST314", "an export by torch.load", {WEIGHTS: real("exported.pt2")})
    away = {**LOOKS, "predictor/predictor.py": predictor('read("weights.pt")', LOADER)}
    yield Twin("ST314", "a helper away", {**away, **script}, {**away, **weights}, warns=True)


TWINS = (
    *_weights_only(),
    *_prefixes(),
    *_formats(),
)
