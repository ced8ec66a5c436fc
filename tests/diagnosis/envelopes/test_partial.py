"""Long lines that a runtime of containers splits are put together before anything else is read of them."""

from __future__ import annotations

import json

from seatrial.diagnosis.envelopes import plain
from seatrial.diagnosis.envelopes.partial import joined
from seatrial.diagnosis.translate import diagnose

TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/app/own.py", line 3, in load\n'
    "    import fishes\n"
    "ModuleNotFoundError: No module named 'fishes'"
)


def containerd(stream: str, line: str, size: int) -> list[str]:
    """Return what containerd writes of a line of which it takes so many characters at once."""
    parts = [line[at : at + size] for at in range(0, len(line), size)] or [""]
    tags = [*("P" for _ in parts[1:]), "F"]
    return [
        f"2026-11-22T20:48:24.12345678{n % 10}Z {stream} {t} {p}"
        for n, (t, p) in enumerate(zip(tags, parts, strict=True))
    ]


def test_parts_of_a_line_are_one_line() -> None:
    lines = [part for line in TRACEBACK.splitlines() for part in containerd("stderr", line, 20)]
    assert any(" stderr P " in line for line in lines)
    assert plain("\n".join(lines)) == TRACEBACK
    assert diagnose("\n".join(lines))[0].code == "ST110"


def test_parts_of_two_streams_do_not_mix() -> None:
    ours = containerd("stderr", "ModuleNotFoundError: No module named 'fishes'", 30)
    others = containerd("stdout", "INFO: 10.0.0.1 GET /health 200 and much more of it", 30)
    mixed = [line for pair in zip(ours, others, strict=True) for line in pair]
    assert plain("\n".join(mixed)).splitlines() == [
        "ModuleNotFoundError: No module named 'fishes'",
        "INFO: 10.0.0.1 GET /health 200 and much more of it",
    ]


def test_an_object_in_parts_is_read() -> None:
    entry = json.dumps({"severity": "ERROR", "message": "failed", "traceback": TRACEBACK})
    assert plain("\n".join(containerd("stdout", entry, 50))) == f"failed\n{TRACEBACK}"


def test_dockers_parts_end_in_a_line_break_only_where_the_line_ends() -> None:
    parts = ["ModuleNotFoundError: No module", " named 'fishes'\n", "next\n"]
    lines = [json.dumps({"log": part, "stream": "stderr", "time": "2026-11-22T20:48:24Z"}) for part in parts]
    assert plain("\n".join(lines)) == "ModuleNotFoundError: No module named 'fishes'\nnext"


def test_an_object_that_only_resembles_dockers_stays_as_it_is() -> None:
    text = '{"log": 3, "stream": "stderr"}\n{"log":"x", "stream": "other"}'
    assert joined(text.split("\n")) == text.split("\n")
