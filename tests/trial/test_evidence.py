"""What golden answers do not prove: who recorded them, which answers and labels nothing was compared with."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial import golden
from seatrial.golden import GoldenExample
from seatrial.project import Project
from seatrial.trial.evidence import weigh
from seatrial.trial.parity import Drift
from tests.small_project import small_project

LABELS = ("left", "right", "top")
EXAMPLES = tuple(
    GoldenExample(instance=n, label=label, scores=tuple(float(n == place) for place in range(3)))
    for n, label in enumerate(LABELS)
)
COMPARED = Drift(compared=9)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project whose golden answers were recorded in training."""
    made = small_project(tmp_path, {"predictor/__init__.py": "class P:\n    pass\n", "artifacts/weights": "w" * 9})
    golden.write(made.artifacts_dir, EXAMPLES)
    golden.write_manifest(made.artifacts_dir, how="training", accuracy=0.9)
    return made


def recorded(project: Project, **changes: Any) -> None:
    """Change what the manifest says of the recording; None takes it away."""
    file = project.artifacts_dir / golden.MANIFEST_FILE
    content = json.loads(file.read_text())
    values = {**content["recorded"], **changes}
    content["recorded"] = {key: value for key, value in values.items() if value is not None}
    file.write_text(json.dumps(content))


def unproven(project: Project, *examples: GoldenExample, drift: Drift = COMPARED) -> list[str]:
    lines: list[str] = []
    assert list(weigh(project, examples or EXAMPLES, drift, lines)) == []
    return lines


class TestHowTheyWereRecorded:
    def test_in_training_leaves_nothing_to_say(self, project: Project) -> None:
        assert unproven(project) == []

    @pytest.mark.parametrize("kept", [True, False], ids=["manifest", "no manifest"])
    def test_is_said_to_be_unknown_where_nothing_says_it(self, project: Project, *, kept: bool) -> None:
        recorded(project, how="unknown")
        if not kept:
            (project.artifacts_dir / golden.MANIFEST_FILE).unlink()
        (line,) = unproven(project)
        assert line.startswith("parity with training: it is not known how")

    def test_later_by_the_code_on_trial_is_repetition(self, project: Project) -> None:
        module = "predictor/__init__.py"
        os.utime(project.artifacts_dir / "weights", (0, 0))
        golden.write_manifest(project.artifacts_dir, how="later")
        recorded(project, code={module: golden.file_digest(project.root / module)})
        (line,) = unproven(project)
        assert "after training, by this very code from its files" in line

    def test_later_by_former_code_names_what_changed(self, project: Project) -> None:
        recorded(project, how="later", code={"predictor/__init__.py": "0" * 64})
        (line,) = unproven(project)
        assert "by the predictor from its files, and predictor/__init__.py was changed since" in line

    def test_later_by_code_of_others_says_so(self, project: Project) -> None:
        recorded(project, how="later", code={"evaluate.py": "0" * 64})
        (line,) = unproven(project)
        assert "by other code than the predictor's" in line

    def test_with_another_model_names_its_files(self, project: Project) -> None:
        (project.artifacts_dir / "weights").write_text("v")
        golden.write_manifest(project.artifacts_dir)
        assert unproven(project) == [
            "that the golden answers are those of this model: weights changed after they were recorded"
        ]


class TestWhatTheyCover:
    @pytest.mark.parametrize("times", [1, 3])
    def test_a_single_input_is_little_proof_however_often_it_is_there(self, project: Project, times: int) -> None:
        assert unproven(project, *EXAMPLES[:1] * times) == [
            "other answers than one: there is a single golden input, which is little proof"
        ]

    def test_scores_with_one_largest_place_are_little_proof(self, project: Project) -> None:
        scores = [GoldenExample(instance=n, scores=(0.5, 0.3, 0.2 + n / 100)) for n in range(3)]
        (line,) = unproven(project, *scores)
        assert line == "other answers: all 3 golden examples have the same largest score, which is little proof"

    @pytest.mark.parametrize("whole", [True, False], ids=["response", "label"])
    def test_a_single_label_is_little_proof(self, project: Project, *, whole: bool) -> None:
        answer = GoldenExample(instance=0, response={"label": "top"}) if whole else EXAMPLES[2]
        (line,) = unproven(project, *[replace(answer, instance=n) for n in range(3)])
        assert line == "other labels than top: all 3 golden examples have it, which is little proof"

    def test_scores_that_are_no_numbers_count_nothing(self, project: Project) -> None:
        ranked = [GoldenExample(instance=n, response={"scores": [{"label": "top", "score": 0.5}]}) for n in range(2)]
        assert unproven(project, *ranked) == []

    def test_labels_that_were_never_answered_are_counted(self, project: Project) -> None:
        assert unproven(project, *EXAMPLES[:2]) == ["1 of 3 labels: no golden example was answered with them"]

    def test_scores_by_label_need_no_answer_of_each(self, project: Project) -> None:
        by_label = [
            replace(each, scores={label: float(label == each.label) for label in LABELS}) for each in EXAMPLES[:2]
        ]
        assert unproven(project, *by_label) == []

    def test_fields_without_a_record_are_named(self, project: Project) -> None:
        drift = Drift(compared=9, unrecorded={"label", "debug", "version"})
        assert unproven(project, drift=drift) == [
            "that labels are right: the golden answers record scores without labels",
            "what the answers hold in debug, version: training recorded no such field",
        ]

    def test_labels_alone_do_not_prove_scores(self, project: Project) -> None:
        (line,) = unproven(project, drift=Drift())
        assert line == "that scores equal training's: the golden answers record no scores"


class TestTruth:
    MISREAD = tuple(replace(each, truth="left") for each in EXAMPLES)

    def test_without_a_reported_accuracy_is_told_in_numbers(self, project: Project) -> None:
        recorded(project, accuracy=None)
        (line,) = unproven(project, *self.MISREAD)
        assert "1 of 3 golden answers are right, and training reported no accuracy" in line

    def test_of_answers_that_are_all_right_needs_no_word(self, project: Project) -> None:
        recorded(project, accuracy=None)
        assert unproven(project, *[replace(each, truth=each.label) for each in EXAMPLES]) == []

    def test_that_live_answers_miss_more_often_than_training_did_is_found(self, project: Project) -> None:
        examples = [GoldenExample(instance=n, truth="left", scores=(1.0, 0.0, 0.0)) for n in range(4)]
        drift = Drift(compared=9, guessed={str(n): ("left", "top") for n in range(4)})
        (finding,) = weigh(project, examples, drift, [])
        assert finding.code == "ST406"
        assert "0 of 4 golden examples" in finding.message


def test_no_examples_have_nothing_to_weigh(project: Project) -> None:
    lines: list[str] = []
    assert list(weigh(project, (), Drift(), lines)) == []
    assert lines == []
