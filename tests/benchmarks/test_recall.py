"""The measure of recall, on a small corpus of the project's own: all is told rightly, and what is false is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import recall

CASES = Path(__file__).parents[1] / "projects/recall-cases"


def test_every_failure_of_the_corpus_is_told_rightly(capsys: pytest.CaptureFixture[str]) -> None:
    assert recall.main([str(CASES)]) == 0
    printed = capsys.readouterr().out
    number = len(recall.read(CASES))
    assert number >= 11
    assert f"| all | {number} | 0 | 0 | 0 |" in printed


def changed(folder: Path, name: str, **changes: object) -> recall.Case:
    shutil.copytree(CASES / name, folder / name)
    file = folder / name / "case.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    (case,) = recall.read(folder)
    return case


def test_what_must_not_be_said_is_wrong_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(tmp_path, "unknown-library", must_not=["crabby"], kind="own")
    assert recall.main([str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "| own | 0 | 0 | 0 | 1 |" in printed
    assert "wrong: unknown-library\n    said: crabby" in printed


def test_what_is_not_said_is_partly_told_or_silent(tmp_path: Path) -> None:
    unknown = recall.judge(changed(tmp_path / "a", "unknown-library", must=["ST590", "no such word"]), smoke=False)
    assert (unknown.verdict, unknown.missing) == ("partly", ("no such word",))
    healthy = changed(tmp_path / "b", "healthy-server", must=["ST110"], must_not=[], verdict="finding")
    assert recall.judge(healthy, smoke=False).verdict == "silent"


def test_a_folder_without_cases_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        recall.main([str(tmp_path)])
    assert ended.value.code == 2
