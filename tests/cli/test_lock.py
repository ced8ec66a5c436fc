"""`seatrial lock`: what it does not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import seatrial


@pytest.mark.parametrize("option", ["--cpu", "--upgrade"])
def test_a_check_that_is_asked_to_write_is_wrong_usage(healthy: Path, option: str) -> None:
    ran = seatrial("lock", "--check", option, "--project", healthy)
    assert ran.returncode == 2
    assert "--check writes nothing" in ran.stderr
