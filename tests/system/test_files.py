"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from seatrial.system import files


@pytest.mark.parametrize(("content", "written"), [("grün\n", "grün\n".encode()), (b"\xff\r\n", b"\xff\r\n")])
def test_writes_text_as_utf_8_and_bytes_as_they_are(content: str | bytes, written: bytes, tmp_path: Path) -> None:
    files.write(tmp_path / "report", content)
    assert (tmp_path / "report").read_bytes() == written
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_the_former_content_remains_until_the_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("former")
    with files.replacing(file) as draft:
        draft.write_text("new")
        assert file.read_text() == "former"
    assert file.read_text() == "new"


def test_a_block_that_raises_leaves_the_former_content_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text("former")
    with contextlib.suppress(KeyboardInterrupt), files.replacing(file) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert file.read_text() == "former"
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_a_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path / "report", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_a_new_file_is_another_inode_so_that_hard_links_keep_the_former_content(tmp_path: Path) -> None:
    file = tmp_path / "RECORD"
    file.write_text("former")
    (tmp_path / "link").hardlink_to(file)
    files.write(file, "new")
    assert (tmp_path / "link").read_text() == "former"
