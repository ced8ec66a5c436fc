"""Family 4, golden answers: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin

GOLDEN = "artifacts/golden/golden.json"

BAD_GOLDEN = tuple(
    Twin("ST404", name, {GOLDEN: broken}, {GOLDEN: mended, "artifacts/golden/a.png": b"x"})
    for name, (broken, mended) in {
        "no list": ('{"image": "a.png"}', '[{"image": "a.png", "label": "7"}]'),
        "no JSON": ("[{'image': 'a.png', 'label': '7'}]", '[{"image": "a.png", "label": "7"}]'),
        "a lost image": ('[{"image": "b.png", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "an image outside": ('[{"image": "../weights.pt", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "no answer": ('[{"image": "a.png"}]', '[{"image": "a.png", "response": 7}]'),
        "nothing to send": ('[{"label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "scores as text": ('[{"image": "a.png", "scores": "0.5"}]', '[{"image": "a.png", "scores": [0.5]}]'),
    }.items()
)

TWINS = (*BAD_GOLDEN,)
