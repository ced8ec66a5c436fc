"""The directory of an archive as torch reads it, beside the one that Python's zipfile reads."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from seatrial.facts.checkpoints.directory import TooLargeError, read_directory
from tests.facts.checkpoints.dangerous import corpus, two_directories
from tests.facts.checkpoints.hostile import archive, many_entries

FILES = Path(__file__).parent
CORPUS = corpus()


def fault_of(content: bytes) -> str:
    directory = read_directory(io.BytesIO(content), len(content))
    assert directory is not None
    return directory.fault


@pytest.mark.parametrize("name", ["state_dict.pt", "script.pt", "exported.pt2", "block.pt"])
def test_what_torch_wrote_is_read_with_all_its_records(name: str) -> None:
    content = (FILES / name).read_bytes()
    directory = read_directory(io.BytesIO(content), len(content))
    assert directory is not None
    with zipfile.ZipFile(io.BytesIO(content)) as expected:
        assert [r.name for r in directory.records] == expected.namelist()
        assert [r.offset for r in directory.records] == [r.header_offset for r in expected.infolist()]
        assert [(r.packed, r.size) for r in directory.records] == [
            (r.compress_size, r.file_size) for r in expected.infolist()
        ]
    assert directory.fault == ""


def test_two_directories_that_differ_are_a_fault_and_the_records_of_both_are_read() -> None:
    content = two_directories(b"\x80\x02}.", b"\x80\x02].")
    directory = read_directory(io.BytesIO(content), len(content))
    assert directory is not None
    assert directory.fault == "it has two directories that differ"
    assert len({record.offset for record in directory.records}) == 2
    with zipfile.ZipFile(io.BytesIO(content)) as seen:
        assert seen.read("w/data.pkl") == b"\x80\x02]."


def test_bytes_before_the_first_record_are_a_fault() -> None:
    assert (
        fault_of(CORPUS["archive/bytes-before-the-first-record"].content)
        == "it has other bytes before its first record"
    )


def test_bytes_before_an_archive_whose_offsets_do_not_count_them_are_a_fault() -> None:
    content = b"before" + archive(("w/data.pkl", b"."))
    assert fault_of(content) == "its directory does not lie where its end record says"


def test_names_are_compared_without_regard_to_the_case_of_ascii_letters() -> None:
    content = archive(("w/DATA.PKL", b"."), ("w/\u0130", b"."))
    directory = read_directory(io.BytesIO(content), len(content))
    assert directory is not None
    assert [record.folded for record in directory.records] == ["w/data.pkl", "w/\u0130"]


def test_a_directory_of_a_hundred_thousand_records_is_not_read() -> None:
    content = many_entries(100_000)
    with pytest.raises(TooLargeError):
        read_directory(io.BytesIO(content), len(content))


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06", bytes(100), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_has_no_directory(content: bytes) -> None:
    assert read_directory(io.BytesIO(content), len(content)) is None
