"""A failure that nothing recognises: what the traceback and the project's files say of it for sure."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.diagnosis.translate import diagnose, examine
from seatrial.diagnosis.unrecognised import unrecognised
from seatrial.facts.gather import Facts, gather
from seatrial.findings import Finding, Location
from tests.small_project import locked, small_project

OWN = '  File "/app/predictor.py", line 3, in load\n    self.index = Index(path)\n'
LIBRARY = '  File "/usr/lib/python3.11/site-packages/fishes/index.py", line 8, in __init__\n    raise DriftError(7)\n'
FAILED = f"Traceback (most recent call last):\n{OWN}{LIBRARY}fishes.errors.DriftError: 7 of 9\n"


def told(text: str, facts: Facts | None = None) -> Finding:
    assert diagnose(text, facts) == []
    found = unrecognised(examine(text, facts)[0])
    assert found is not None
    return found


def facts_of(folder: Path, **files: str) -> Facts:
    versions = {"python": "3.11.9"}
    manifest = json.dumps({"format": 1, "files": {}, "trained_with": versions})
    project = small_project(
        folder,
        {"predictor.py": "\n\nclass P: ...\n", **locked("fishes==2.0"), "artifacts/manifest.json": manifest, **files},
    )
    return gather(project)


def test_it_names_whose_code_raised_it_at_which_version_and_the_users_line(tmp_path: Path) -> None:
    found = told(FAILED, facts_of(tmp_path))
    assert (found.code, found.location) == ("ST590", Location("predictor.py", 3))
    assert found.message == "not recognised: fishes.errors.DriftError: 7 of 9"
    assert "raised by fishes 2.0 at fishes.index:8" in found.cause
    assert "called from predictor.py:3 in load" in found.cause
    assert found.evidence == (
        "predictor.py:3, in load",
        "    self.index = Index(path)",
        "fishes.errors.DriftError: 7 of 9",
    )


def test_a_version_of_training_that_is_another_one_is_told_with_what_to_do(tmp_path: Path) -> None:
    found = told(FAILED, facts_of(tmp_path, **{"training/requirements.txt": "fishes==1.2\n"}))
    assert "training had fishes 1.2" in found.cause
    assert "between 1.2 and 2.0" in found.fix
    assert "`fishes==1.2`" in found.fix
    same = told(FAILED, facts_of(tmp_path / "same", **{"training/requirements.txt": "fishes==2.0\n"}))
    assert "training" not in same.cause + same.fix


def test_the_projects_own_exception_is_told_as_its_own(tmp_path: Path) -> None:
    found = told(f"Traceback (most recent call last):\n{OWN}DriftError: 7\n", facts_of(tmp_path))
    assert found.cause == "raised by the project's own code at predictor.py:3"
    assert "fishes" not in found.fix


def test_without_a_project_the_users_line_is_the_logs() -> None:
    found = told(FAILED)
    assert found.location is None
    assert "called from /app/predictor.py:3 in load" in found.cause
    assert "its version is not known" in found.cause


def test_the_first_cause_is_named_and_the_last_failure_of_the_log_is_told() -> None:
    chained = f"{FAILED}\nDuring handling of the above exception, another exception occurred:\n\n{FAILED}"
    text = f"{FAILED}started again\n{chained.replace('DriftError: 7 of 9', 'RetryError: gave up')}"
    found = told(text.replace("RetryError", "DriftError", 1))
    assert found.message.endswith("fishes.errors.RetryError: gave up")
    assert "it follows from fishes.errors.DriftError: gave up" in found.cause


def test_an_exception_without_a_traceback_asks_for_one() -> None:
    found = told("fishes.errors.DriftError: 7 of 9")
    assert "no traceback" in found.cause
    assert "lines before" in found.fix


def test_warnings_and_what_was_caught_are_no_failures() -> None:
    for text in (
        f"WARNING:root:the index is read again\n{FAILED}INFO:     Application startup complete.\n",
        f"Exception ignored in: <function Index.__del__ at 0x7f>\n{FAILED}",
        "/usr/lib/python3.11/site-packages/fishes/index.py:8: FutureWarning: DriftError will be raised\n  warn(text)\n",
        f"Traceback (most recent call last):\n{LIBRARY}BrokenPipeError: [Errno 32] Broken pipe\n",
        f"Traceback (most recent call last):\n{LIBRARY}asyncio.exceptions.CancelledError\n",
        "INFO:     Application startup complete.\n",
    ):
        assert diagnose(text) == []
        assert unrecognised(examine(text)[0]) is None, text
