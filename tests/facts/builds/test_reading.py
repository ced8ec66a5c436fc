"""The files that build or deploy a project, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.builds.reading import read_builds


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"FROM\nRUN\nCOPY\nARG\n", b"FROM a\n" + b"RUN x \\\n" * 5000, b"\0" * 100_000]
)
def test_a_file_that_is_not_what_its_name_says_breaks_nothing(tmp_path: Path, content: bytes) -> None:
    for name in ("Dockerfile", "pip.conf", "uv.toml", "ci.yml"):
        (tmp_path / name).write_bytes(content)
    assert len(read_builds(tmp_path).files) == 4
