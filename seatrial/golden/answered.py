"""From what a predictor answered to the golden examples. The tool does this too, and has no NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.golden import GoldenExample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.golden import Label


def examples_of(
    answers: Sequence[tuple[str | None, Any, Any]], truths: Sequence[Label | None] | None
) -> list[GoldenExample]:
    """Return the golden examples of answers: a label and scores where the answer is nothing else."""
    if truths is not None and len(truths) != len(answers):
        raise ValueError(f"there are {len(truths)} truths for {len(answers)} inputs")
    found = []
    for number, (image, instance, answer) in enumerate(answers):
        truth = None if truths is None else truths[number]
        known: dict[str, Any] = {"image": image, "instance": instance, "truth": truth}
        if isinstance(answer, dict) and answer.keys() == {"label", "scores"} and _are_scores(answer["scores"]):
            known |= {"label": answer["label"], "scores": answer["scores"]}
        else:
            known["response"] = answer
        found.append(GoldenExample(**known))
    return found


def _are_scores(scores: Any) -> bool:
    numbers = scores.values() if isinstance(scores, dict) else scores if isinstance(scores, list) else [None]
    return all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers)
