"""What a run of pip-compile has done and what remains."""

from __future__ import annotations

from seatrial.lock.progress import Progress


def words(*lines: str) -> str:
    progress = Progress()
    for line in lines:
        progress.read(line)
    return progress.words()


RESOLVED = "progress: resolved 12 of 29"
LARGE = "  Downloading torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl (539.1 MB)"


def test_a_large_file_is_told_with_how_much_of_it_is_there() -> None:
    said = "resolved 12 of 29 distributions known so far; downloading torch 2.15.0"
    assert words(RESOLVED, "Collecting torch", LARGE) == said
    assert words(RESOLVED, LARGE, "Progress 120000000 of 539100000") == f"{said}, 120 of 539 MB"
    assert words(RESOLVED, LARGE, "Progress 2000 of 90000") == said


def test_what_was_done_before_is_told_no_more() -> None:
    assert words(LARGE, "Progress 1 of 539100000", "Collecting sympy>=1.13") == "collecting sympy>=1.13"
    assert words(RESOLVED, LARGE, "progress: hashed 3 of 40") == "hashes of 3 of 40 distributions"


def test_only_lines_that_nobody_wrote_for_a_person_are_kept_from_one() -> None:
    assert [Progress.is_for_us(line) for line in (RESOLVED, "Progress 1 of 2", LARGE, "Progress is slow")] == [
        True, True, False, False,
    ]  # fmt: skip
