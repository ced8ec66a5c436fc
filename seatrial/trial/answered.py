"""Inputs that a server on trial answered alone, as reports tell them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.golden import FOLDER, GoldenExample
from seatrial.trial.parity import example_name, fields_of

_BEST = 3  # scores
_LENGTH = 160  # characters of an answer


@dataclass(frozen=True, slots=True)
class Answered:
    """An input, what was sent for it, and what came back.

    Attributes:
        example: with what training recorded.
        instance: the element of `instances` that was sent.
        prediction: the element of `predictions` that answered it.
        seconds: from the request to its answer.
        differs: whether it is another answer than training's.
    """

    example: GoldenExample
    instance: Any
    prediction: Any
    seconds: float = 0.0
    differs: bool = False

    def as_dict(self, artifacts: str) -> dict[str, Any]:
        """Return it as JSON data; `artifacts` is the folder, relative to the project's root."""
        example = self.example
        golden = example.answered is not None or example.scores is not None or example.response is not None
        recorded = example.response if example.response is not None else {"label": example.label} if golden else None
        if isinstance(recorded, dict) and example.scores is not None:
            recorded = recorded | {"scores": example.scores}
        return {
            "input": example_name(example),
            "image": f"{artifacts}/{FOLDER}/{example.image}" if golden and example.image else None,
            "recorded": in_words(recorded, example.order) if golden else "",
            "served": in_words(fields_of(example, self.prediction), example.order),
            "seconds": round(self.seconds, 4),
            "differs": self.differs,
        }


def in_words(answer: Any, order: Sequence[str]) -> str:
    """Return an answer in a line: its label and best scores, or the start of its JSON. `order` names the scores."""
    if not isinstance(answer, Mapping) or not answer.keys() & {"label", "scores"}:
        return _short(answer)
    label, scores = answer.get("label"), answer.get("scores")
    parts = [] if label is None else [str(label)]
    if named := _named(scores, order):
        best = sorted(named, key=lambda each: each[1], reverse=True)[:_BEST]
        parts.append(f"({', '.join(f'{name} {score:.3g}' for name, score in best)})")
    elif scores is not None:
        parts.append(_short(scores))
    return _short(" ".join(parts)) if parts else _short(answer)


def _named(scores: Any, order: Sequence[str]) -> list[tuple[str, float]]:
    if isinstance(scores, Mapping):
        pairs = list(scores.items())
    elif isinstance(scores, Sequence) and not isinstance(scores, str):
        names = order if len(order) == len(scores) else [f"#{number}" for number in range(len(scores))]
        pairs = list(zip(names, scores, strict=True))
    else:
        return []
    numbers = all(isinstance(score, int | float) and not isinstance(score, bool) for _, score in pairs)
    return [(str(name), score) for name, score in pairs] if numbers else []


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
