"""Reading logs: only the end of a large one, without what tools wrap around the lines of a process."""

from __future__ import annotations

import io
import json

import pytest

from seatrial.diagnosis.envelopes import LINE, plain
from seatrial.diagnosis.envelopes.reading import LARGEST, read

TRACEBACK = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x\nKeyError: 'x'"


class Pipe(io.BytesIO):
    """A stream that cannot seek and returns little at a time."""

    def seekable(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 65_536, 65_536) if size != -1 else -1)


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_the_end_of_a_large_log_is_read_in_whole_lines(stream: type[io.BytesIO]) -> None:
    lines = b"".join(b"line %09d\n" % number for number in range(LARGEST // 14))
    log = read(stream(b"first\n" + lines + lines + b"last\n"))
    assert log.size == 2 * len(lines) + 11
    assert log.read == LARGEST
    assert log.text.startswith("line ")
    assert log.text.endswith("\nlast")
    assert log.lines == log.text.count("line ") + 1


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_a_small_log_is_read_whole(stream: type[io.BytesIO]) -> None:
    log = read(stream(b"one\ntwo"))
    assert (log.text, log.size, log.read, log.lines) == ("one\ntwo", 7, 7, 2)


def test_an_empty_log_has_no_lines() -> None:
    assert read(io.BytesIO(b"")).lines == 0


def test_what_powershell_writes_is_read() -> None:
    assert read(io.BytesIO("KeyError: 'ä'\r\n".encode("utf-16"))).text == "KeyError: 'ä'"


def test_bytes_that_are_not_text_do_no_harm() -> None:
    assert read(io.BytesIO(bytes(range(256)) * 4)).size == 1024


def test_a_line_of_data_is_shortened_and_keeps_both_ends() -> None:
    text = plain(f"begin {'A' * 1_000_000} end\nnext")
    first, second = text.split("\n")
    assert len(first) <= LINE + 3
    assert first.startswith("begin A")
    assert first.endswith("A end")
    assert second == "next"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"severity": "ERROR", "message": "failed", "traceback": TRACEBACK}),
        json.dumps({"traceback": TRACEBACK, "message": "failed", "time": "2026-11-22T20:00:00Z"}),
        "\n".join(json.dumps({"textPayload": line}) for line in ("failed", *TRACEBACK.splitlines())),
        "\n".join(json.dumps({"log": f"{line}\n", "stream": "stderr"}) for line in ("failed", *TRACEBACK.splitlines())),
        json.dumps([{"jsonPayload": {"message": "failed", "traceback": TRACEBACK}}], indent=1),
        json.dumps({"entries": [{"textPayload": "failed"}, {"textPayload": TRACEBACK}]}, indent=1),
        "\n".join(f"2026-11-22T20:48:24.1234567Z {line}" for line in ("failed", *TRACEBACK.splitlines())),
        "\n".join(f"server-1  | \x1b[31m{line}\x1b[0m" for line in ("failed", *TRACEBACK.splitlines())),
        "\n".join(("failed", *(f"      {line}" for line in TRACEBACK.splitlines()))),
        f"failed\r\n{TRACEBACK}".replace("\n", "\r\n").replace("\r\r", "\r"),
    ],
)
def test_the_traceback_of_every_form_reads_like_that_of_a_terminal(text: str) -> None:
    assert plain(text) == f"failed\n{TRACEBACK}"


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "[1, 2]\n", "null", '{"other": 1}', "[" * 5_000 + "\n"])
def test_json_that_is_not_a_log_stays_as_it_is(text: str) -> None:
    assert plain(text) == text.rstrip("\n")
