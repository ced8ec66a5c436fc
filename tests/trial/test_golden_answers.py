"""Real trials whose golden answers meet scores by label: compared by key, and what they do not prove is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from seatrial import golden, project
from seatrial.facts.gather import Gathered
from seatrial.trial.observe import Trial
from seatrial.trial.smoke import smoke
from tests.stages import Ended, ended

Copied = Callable[[str], Path]


def answering(root: Path, scores: str) -> Ended[Trial]:
    """Return the trial of a predictor that answers with other scores, whose answers were recorded later."""
    predictor = root / "predictor/half_predictor.py"
    text = predictor.read_text()
    assert text.count("output.tolist()") == 1
    predictor.write_text(text.replace("output.tolist()", f"dict({scores})"))
    artifacts = root / "artifacts"
    os.utime(artifacts / "weights.npy", (0, 0))
    golden.write_manifest(artifacts, how="later")
    return ended(smoke(Gathered(project.load(root)), "cpu"))


def test_scores_by_label_are_compared_by_key_and_the_verdict_says_who_recorded_them(copied: Copied) -> None:
    trial = answering(copied("tests/projects/packaged-transform"), "reversed([*zip(LABELS, output.tolist())])")
    assert trial.findings == []
    assert trial.value.compared == 4 * 4 * 2
    (line,) = trial.value.unproven
    assert line.startswith("parity with training: the golden answers were recorded after training")


def test_scores_of_other_labels_are_found(copied: Copied) -> None:
    trial = answering(copied("tests/projects/packaged-transform"), "zip(LABELS[1:] + LABELS[:1], output.tolist())")
    assert set(trial.codes) == {"ST401"}
    assert "golden/left.png: scores.left is " in trial.errors[0].message
