"""The steps of serving.optimize, in the demo's environment: this one has no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.serving.with_torch import failures_of

CASES = re.findall(r"^@case\ndef (\w+)", (Path(__file__).parent / "optimize_cases.py").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Run all cases in one process with torch, which takes seconds to import."""
    found = failures_of("tests.serving.optimize_cases", tmp_path_factory.mktemp("optimize") / "failures.json")
    assert list(found) == CASES
    return found


@pytest.mark.parametrize("case", CASES)
def test_case(failures: Mapping[str, str], case: str) -> None:
    assert failures[case] == ""
