"""The surroundings of a second start."""

from __future__ import annotations

from seatrial.trial.full.surroundings import _of_memory


def test_the_memory_of_another_machine_keeps_the_form_of_the_file() -> None:
    text = "MemTotal:       16341044 kB\nMemFree:         1000 kB\nMemAvailable:    2000 kB\nHugePages_Total:       0\n"
    lines = _of_memory(text, 15 * 2**20).splitlines()
    assert lines[0] == "MemTotal:       15728640 kB"
    assert [int(line.split()[1]) for line in lines[1:3]] == [15 * 2**20 * 9 // 10] * 2
    assert lines[3] == "HugePages_Total:       0"
