"""The libraries that a shared object needs: real ones, and ones made to break the reader."""

from __future__ import annotations

import struct
import sys
import sysconfig
from pathlib import Path

import pytest

from seatrial.facts.packages.elf import needed

STRINGS = b"\0libc10_cuda.so\0libcudart.so.13\0"


def shared_object(
    entries: list[tuple[int, int]], strings: bytes = STRINGS, *, offset: int = 64, segments: int = 2, size: int = 0
) -> bytes:
    """Make an ELF64 file of a program header, a dynamic section and strings, all of it loaded at address 0."""
    dynamic = b"".join(struct.pack("<qQ", tag, value) for tag, value in entries)
    at = 64 + 2 * 56
    header = (
        b"\x7fELF\x02\x01\x01"
        + b"\0" * 9
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, offset, 0, 0, 64, 56, segments, 0, 0, 0)
    )
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, at + len(dynamic) + len(strings), at, 4096)
    section = struct.pack("<IIQQQQQQ", 2, 4, at, at, at, size or len(dynamic), len(dynamic), 8)
    return header + load + section + dynamic + strings


def good() -> list[tuple[int, int]]:
    strings_at = 64 + 2 * 56 + 5 * 16
    return [(1, 1), (1, 16), (5, strings_at), (10, len(STRINGS)), (0, 0)]


def read(folder: Path, content: bytes) -> tuple[str, ...]:
    file = folder / "_C.so"
    file.write_bytes(content)
    return needed(file)


def test_are_read_in_their_order(tmp_path: Path) -> None:
    assert read(tmp_path, shared_object(good())) == ("libc10_cuda.so", "libcudart.so.13")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has ELF files")
def test_of_a_module_of_python_itself_have_the_c_library() -> None:
    modules = Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so")
    assert any(library.startswith("libc.so") for library in needed(next(modules)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF",
        b"MZ" + b"\0" * 200,
        shared_object(good())[:100],
        shared_object(good(), offset=2**63),
        shared_object(good(), segments=65535),
        shared_object([(1, 1), (0, 0)]),
        shared_object([(1, 1), (5, 2**64 - 1), (10, 2**64 - 1), (0, 0)]),
        shared_object([(1, 2**63), (5, 10), (10, 4), (0, 0)]),
        b"\x7fELF\x02\x01" + b"\xff" * 500,
    ],
    ids=range(10),
)
def test_of_a_file_that_is_none_or_broken_are_none(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == ()


def test_a_name_without_end_is_bounded(tmp_path: Path) -> None:
    endless = [*good()[:-2], (10, 5_000_000), (0, 0)]
    names = read(tmp_path, shared_object([(1, 1)] * 1000 + endless, b"a" * 5_000_000))
    assert all(len(name) <= 255 for name in names)


def test_of_a_file_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert needed(tmp_path / "none.so") == ()
