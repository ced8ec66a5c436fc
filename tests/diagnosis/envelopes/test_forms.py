"""Every form gives back the lines of the process, whatever tool wrote around them."""

from __future__ import annotations

import json

import pytest

from seatrial.diagnosis.envelopes import plain
from seatrial.diagnosis.exceptions import read

TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/app/own.py", line 3, in load\n'
    "    import fishes\n"
    '  File "/usr/lib/python3.11/site-packages/fishes/hub.py", line 16, in <module>\n'
    "    raise DriftError(7)\n"
    "fishes.errors.DriftError: 7 of 9"
)
LINES = TRACEBACK.splitlines()


def each(before: str) -> str:
    """Return the traceback with something before each line; `#` is a number that grows."""
    return "\n".join(before.replace("#", str(10 + number)) + line for number, line in enumerate(LINES))


@pytest.mark.parametrize(
    "before",
    [
        "2024-11-20T17:40:02,5# [INFO ] W-9000-fish_1.0-stdout MODEL_LOG - ",
        "Nov 22 20:48:# host python[123]: ",
        "2026-11-22T20:48:24.1#Z stdout F ",
        "[2024-08-01, 09:12:# UTC] {subprocess.py:9#} INFO - ",
        "ERROR\t2024-08-01 09:12:# +0000\tworkerpool0-0\t",
        "[rank0]: ",
        "(RayActor pid=77) ",
        "#1 84.# ",
        "build\tInstall\t2025-11-03T09:14:21.12#Z ",
        "[pod/fish-7d/server] ",
        "server-1  | ",
        "<14>1 2024-08-01T10:00:#Z host app 12 - - ",
    ],
)
def test_what_stands_before_each_line_of_a_traceback_is_taken_off(before: str) -> None:
    assert plain(each(before)) == TRACEBACK


def test_a_header_after_the_words_of_a_logger_is_a_line_of_its_own() -> None:
    text = f"2024-08-01 10:00:00 | ERROR | own:load:3 - {TRACEBACK}"
    assert plain(text) == f"2024-08-01 10:00:00 | ERROR | own:load:3 -\n{TRACEBACK}"


def test_the_lines_of_two_processes_that_write_at_once_are_told_apart() -> None:
    other = TRACEBACK.replace("own.py", "other.py").splitlines()
    mixed = [f"[rank{rank}]: {line}" for pair in zip(LINES, other, strict=True) for rank, line in enumerate(pair)]
    found = read(plain("\n".join(mixed)))
    assert [raised.frames[0].file for raised in found.raised] == ["/app/own.py", "/app/other.py"]
    assert [len(raised.frames) for raised in found.raised] == [2, 2]


def test_lines_and_entries_with_the_newest_first_are_turned_round() -> None:
    stamped = each("2025-10-02T07:08:31.1#Z ").splitlines()
    assert plain("\n".join(reversed(stamped))) == TRACEBACK
    entries = [{"textPayload": line, "timestamp": "2025-10-02T07:08:31Z"} for line in LINES]
    assert plain(json.dumps(entries[::-1], indent=1)) == TRACEBACK
    assert plain("\n".join(json.dumps(entry) for entry in entries[::-1])) == TRACEBACK


YAML = """\
---
insertId: 1x
jsonPayload:
  levelname: ERROR
  message: |-
    Traceback (most recent call last):
      File "/app/own.py", line 3, in load
        import fishes
      File "/usr/lib/python3.11/site-packages/fishes/hub.py", line 16, in <module>
        raise DriftError(7)
    fishes.errors.DriftError: 7 of 9
resource:
  type: aiplatform.googleapis.com/Endpoint
timestamp: '2025-10-02T07:08:32Z'
---
insertId: 1y
textPayload: "it said \\"loading\\",\\n  and\\
  \\ went on"
timestamp: '2025-10-02T07:08:31Z'
"""


def test_what_gcloud_prints_as_yaml_is_read_in_the_order_of_its_times() -> None:
    assert plain(YAML) == f'it said "loading",\n  and went on\n{TRACEBACK}'


def test_a_document_in_the_middle_of_a_terminals_text_is_read_and_a_servers_answer_stays() -> None:
    document = json.dumps([{"jsonPayload": {"message": TRACEBACK}}], indent=1)
    assert plain(f"$ gcloud logging read x\n{document}\n$\n") == f"$ gcloud logging read x\n{TRACEBACK}\n$"
    answer = '"GET /ping" 400\n{\n  "code": 400,\n  "message": "no token"\n}'
    assert plain(answer) == answer


def test_a_traceback_in_one_quoted_text_gets_its_lines() -> None:
    quoted = json.dumps(TRACEBACK)
    assert plain(f"time=2024-08-01 level=error msg={quoted}") == f'time=2024-08-01 level=error msg="\n{TRACEBACK}'


BOX = """\
╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /app/own.py:3 in load                                                        │
│                                                                              │
│    2 def load():                                                             │
│ ❱  3 │   import fishes                                                       │
│                                                                              │
│ /usr/lib/python3.11/site-packages/fishes/hub.py:16 in                        │
│ <module>                                                                     │
│                                                                              │
│ ❱ 16 │   │   raise DriftError(7)                                             │
╰──────────────────────────────────────────────────────────────────────────────╯
fishes.errors.DriftError: 7 of 9"""


def test_a_box_of_rich_reads_like_what_python_prints() -> None:
    assert plain(BOX) == TRACEBACK
    assert plain("\n".join(f"server-1  | {line}" for line in BOX.splitlines())) == TRACEBACK


def test_what_a_process_logged_as_a_warning_is_marked_as_one() -> None:
    record = {"severity": "WARNING", "message": "tried again", "traceback": TRACEBACK}
    assert plain(json.dumps(record)) == f"WARNING:  tried again\n{TRACEBACK}"
    stream = {"severity": "WARNING", "textPayload": TRACEBACK}  # of a line of stderr
    assert plain(json.dumps(stream)) == TRACEBACK


def test_commands_of_a_workflow_are_taken_off() -> None:
    assert plain("##[error]KeyError: 1\n::error file=a.py::no\n##[group]Run pip") == "KeyError: 1\nno\nRun pip"


def test_a_line_that_was_written_over_is_what_is_seen_at_its_end() -> None:
    assert plain("10 %\r100 %\r\ndone\n") == "100 %\ndone"
