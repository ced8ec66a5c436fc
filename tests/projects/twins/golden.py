"""Family 4, golden answers: the pairs of projects."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.projects.base import BASE, PINS, Files, Twin

GOLDEN = "artifacts/golden/golden.json"
CONFIGURATION = str(BASE["pyproject.toml"])

BAD_GOLDEN = tuple(
    Twin("ST404", name, {GOLDEN: broken}, {GOLDEN: mended, "artifacts/golden/a.png": b"x"})
    for name, (broken, mended) in {
        "no list": ('{"image": "a.png"}', '[{"image": "a.png", "label": "7"}]'),
        "no JSON": ("[{'image': 'a.png', 'label': '7'}]", '[{"image": "a.png", "label": "7"}]'),
        "a lost image": ('[{"image": "b.png", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "an image outside": ('[{"image": "../weights.pt", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "no answer": ('[{"image": "a.png"}]', '[{"image": "a.png", "response": 7}]'),
        "nothing to send": ('[{"label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "a label as a list": (
            '[{"image": "a.png", "label": ["7"]}]',
            '[{"image": "a.png", "label": 7}, {"image": "a.png", "label": "7", "truth": "1"}]',
        ),
        "only the truth": ('[{"image": "a.png", "truth": "7"}]', '[{"image": "a.png", "truth": "7", "label": "1"}]'),
        "scores as text": ('[{"image": "a.png", "scores": "0.5"}]', '[{"image": "a.png", "scores": [0.5]}]'),
    }.items()
)


def recorded(*examples: dict[str, Any]) -> Files:
    """Return the golden file of these examples, each about an instance of its own."""
    return {GOLDEN: json.dumps([{"instance": n, **example} for n, example in enumerate(examples)])}


def tolerance(settings: str) -> Files:
    return {"pyproject.toml": CONFIGURATION + settings}


SMOKE = "[tool.seatrial.smoke]\n"
CLEAR, CLOSE = {"scores": [0.1, 0.8, 0.1]}, {"scores": [0.50, 0.49, 0.01]}
WIDE_TOLERANCE = tuple(
    Twin("ST405", name, {**broken[0], **tolerance(broken[1])}, {**mended[0], **tolerance(mended[1])})
    for name, (broken, mended) in {
        "a thousand": ((recorded(CLEAR), f"{SMOKE}tolerance-cpu = 1000.0"), (recorded(CLEAR), "")),
        "half of the examples": (
            (recorded(CLEAR, CLOSE), f"{SMOKE}tolerance-cpu = 0.01"),
            (recorded(CLEAR, CLEAR, CLOSE), f"{SMOKE}tolerance-cpu = 0.01"),
        ),
        "scores by label": (
            (recorded({"scores": {"a": 0.6, "b": 0.4}}), f"{SMOKE}tolerance-cpu = 0.1"),
            (recorded({"scores": {"a": 0.6, "b": 0.4}}), f"{SMOKE}tolerance-cpu = 0.09"),
        ),
        "a whole response": (
            (recorded({"response": {"label": "a", **CLOSE}}), f"{SMOKE}tolerance-cpu = 0.01"),
            (recorded({"response": {"label": "a", **CLEAR}}), f"{SMOKE}tolerance-cpu = 0.01"),
        ),
        "numbers of a response": (
            (recorded({"response": {"box": [1.5, 2, 3.5, 3]}}), f"{SMOKE}tolerance-cpu = 1.0"),
            (recorded({"response": {"box": [1.5, 2, 9.5, 3]}}), f"{SMOKE}tolerance-cpu = 1.0"),
        ),
        "one score each": (
            (recorded({"scores": [0.2]}, {"scores": [0.9]}), f"{SMOKE}tolerance-cpu = 0.5"),
            (recorded({"scores": [0.2]}, {"scores": [0.9]}), f"{SMOKE}tolerance-cpu = 0.01"),
        ),
        "cuda, if it is set": (
            (recorded(CLOSE), f"{SMOKE}tolerance-cuda = 0.01"),
            (recorded(CLOSE), f"{SMOKE}tolerance-cuda = 0.001"),
        ),
        "equal scores": (
            (recorded(CLOSE), f"{SMOKE}tolerance-cpu = 1.0"),
            (recorded({"scores": [0.5, 0.5]}), f"{SMOKE}tolerance-cpu = 1.0"),
        ),
    }.items()
)


def reported(accuracy: float, *examples: dict[str, Any]) -> Files:
    """Return golden examples, and a manifest with the accuracy that training reported."""
    golden = recorded(*examples)
    parts = {path: content for path, content in {**BASE, **golden}.items() if path.startswith("artifacts/")}
    files = {
        path.removeprefix("artifacts/"): hashlib.sha256(
            content.encode() if isinstance(content, str) else content or b""
        ).hexdigest()
        for path, content in parts.items()
    }
    manifest = {
        "format": 1,
        "files": files,
        "trained_with": {**PINS, "python": "3.11.7"},
        "recorded": {"how": "training", "code": {}, "model": {}, "accuracy": accuracy},
    }
    return {**golden, "artifacts/manifest.json": json.dumps(manifest)}


RIGHT, WRONG = {"label": "7", "truth": "7"}, {"label": "1", "truth": "7"}
IN_RESPONSE = {"response": {"label": "1"}, "truth": "7"}
LESS_ACCURATE = tuple(
    Twin("ST406", name, reported(accuracy, *broken), reported(accuracy, *mended))
    for name, accuracy, broken, mended in (
        ("one of four", 0.98, [RIGHT, WRONG, WRONG, WRONG], [RIGHT, RIGHT, RIGHT, WRONG]),
        ("none of three", 1.0, [WRONG] * 3, [WRONG, RIGHT, RIGHT]),
        ("labels in responses", 0.95, [IN_RESPONSE] * 3, [IN_RESPONSE] * 2),
        ("half of twenty", 0.9, [RIGHT, WRONG] * 10, [RIGHT, RIGHT, RIGHT, WRONG] * 5),
        ("numbers", 0.98, [{"label": 1, "truth": "7"}] * 4, [{"label": 7, "truth": "7"}] * 4),
    )
)

TWINS = (*BAD_GOLDEN, *WIDE_TOLERANCE, *LESS_ACCURATE)
