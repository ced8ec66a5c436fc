"""Places whose lines may be shown."""

from __future__ import annotations

import pytest

from seatrial.findings import Location
from seatrial.rules.places import shown_at


@pytest.mark.parametrize(
    ("text", "line"),
    [("https://packages.example/simple", 3), ("https://build:hunter2@packages.example/simple", None)],
)
def test_of_a_line_with_a_password_only_the_file_is_named(text: str, line: int | None) -> None:
    assert shown_at(Location("requirements.in", 3), text) == Location("requirements.in", line)
