"""What golden answers do not prove, in words: who recorded them, and which answers nothing was compared with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seatrial import bundle, golden
from seatrial.rules.transforms.golden import less_accurate

if TYPE_CHECKING:
    from seatrial.findings import Finding
    from seatrial.golden import GoldenExample, Recording
    from seatrial.project import Project
    from seatrial.trial.parity import Drift

_NAMED = 3  # files that a verdict names


def weigh(project: Project, examples: Sequence[GoldenExample], drift: Drift, lines: list[str]) -> Iterator[Finding]:
    """Add to `lines` what equal answers do not prove; yield a finding if the answers are less often right."""
    lines += unproven(project, examples, drift)
    reported = recorded.accuracy if (recorded := _recorded(project)) else None
    if drift.guessed and reported is not None:
        right = _right(examples, drift)
        yield from less_accurate(sum(right), len(right), reported)


def unproven(project: Project, examples: Sequence[GoldenExample], drift: Drift) -> list[str]:
    """Return what equal answers do not prove, each to be read after "NOT proven:"; nothing without examples."""
    if not examples:
        return []
    return [*_how(project), *_compared(drift), *_coverage(project, examples), *_accuracy(project, examples, drift)]


def _recorded(project: Project) -> Recording | None:
    manifest = golden.read_manifest(project.artifacts_dir)
    return manifest.recorded if manifest else None


def _right(examples: Sequence[GoldenExample], drift: Drift) -> list[bool]:
    """Return of each input whose truth is known whether it was answered with it, by training or else in the trial."""
    known = [str(each.truth) == str(each.answered) for each in examples if None not in (each.truth, each.answered)]
    return known + [truth == answered for truth, answered in drift.guessed.values()]


def _accuracy(project: Project, examples: Sequence[GoldenExample], drift: Drift) -> Iterator[str]:
    """Yield that wrong answers cannot be held against an accuracy that nobody reported."""
    recorded, right = _recorded(project), _right(examples, drift)
    if not all(right) and (recorded is None or recorded.accuracy is None):
        told = f"{sum(right)} of {len(right)} golden answers are right"
        yield f"that the model is as accurate as in training: {told}, and training reported no accuracy"


def _compared(drift: Drift) -> Iterator[str]:
    """Yield which parts of the answers nothing was compared with."""
    if not drift.compared:
        yield "that scores equal training's: the golden answers record no scores"
    if "label" in drift.unrecorded:
        yield "that labels are right: the golden answers record scores without labels"
    if more := sorted(drift.unrecorded - {"label", "scores"}):
        yield f"what the answers hold in {_names(more)}: training recorded no such field"


def _how(project: Project) -> Iterator[str]:
    """Yield why equal answers are not parity with training, from how they were recorded."""
    manifest = golden.read_manifest(project.artifacts_dir)
    recorded = manifest.recorded if manifest else None
    if recorded is None or recorded.how == "unknown":
        yield "parity with training: it is not known how the golden answers were recorded, no manifest says it"
    elif recorded.how == "later":
        package = bundle.list_files(project).package
        shared = {path: golden.file_digest(project.root / path) for path in package if path in recorded.code}
        if not shared:
            who = "by other code than the predictor's"
        elif changed := [path for path, digest in shared.items() if recorded.code[path] != digest]:
            who = f"by the predictor from its files, and {_names(changed)} was changed since"
        else:
            who = "by this very code from its files; they show that it repeats its answers, and no more"
        yield f"parity with training: the golden answers were recorded after training, {who}"
    former, present = (recorded.model, manifest.model) if manifest and recorded else ({}, {})
    if other := sorted({path for path, _ in former.items() ^ present.items()}):
        yield f"that the golden answers are those of this model: {_names(other)} changed after they were recorded"


def _coverage(project: Project, examples: Sequence[GoldenExample]) -> Iterator[str]:
    """Yield that the golden answers are few: one input, one answer, or not all labels."""
    inputs = {json.dumps(each.vertex_instance(project.artifacts_dir), sort_keys=True) for each in examples}
    labels = {str(each.answered) for each in examples if each.answered is not None}
    scores = [e.response.get("scores") if isinstance(e.response, dict) else e.scores for e in examples]
    listed = [each for each in scores if each and isinstance(each, list | tuple) and _is_numbers(each)]
    most = max(map(len, listed), default=0)
    if len(inputs) == 1:
        yield "other answers than one: there is a single golden input, which is little proof"
    elif len(labels) == 1:
        yield f"other labels than {min(labels)}: all {len(examples)} golden examples have it, which is little proof"
    elif labels and len(labels) < most:
        yield f"{most - len(labels)} of {most} labels: no golden example was answered with them"
    elif not labels and most > 1 and len({each.index(max(each)) for each in listed}) == 1:
        yield f"other answers: all {len(examples)} golden examples have the same largest score, which is little proof"


def _is_numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
