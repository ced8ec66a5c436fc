"""The records of the control plane: what a damaged file and a full disk are to those who ask."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api.faults import Fault
from seatrial.emulator.api.refusals import RESOURCE_EXHAUSTED, RefusedError
from seatrial.emulator.api.state import State
from seatrial.errors import EnvironmentFaultError
from tests.emulator.small_plane import ENDPOINT, MODEL, Small

KIND = v1.Model.pb().DESCRIPTOR.full_name


def made(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Make a state and change it by hand."""
    State(path).close()
    with sqlite3.connect(path) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


RECORD = "INSERT INTO record VALUES (?, ?, ?)"
DAMAGED = {
    "a record of a kind that nobody knows": ((RECORD, ("google.Unknown", "a", b"")),),
    "a record that is no message": ((RECORD, (KIND, "a", b"\xff\xff\xff")),),
    "a record that is text": ((RECORD, (KIND, "a", "text")),),
    "a record that is a number": ((RECORD, (KIND, "a", 7)),),
    "a record without a value": ((RECORD, (KIND, "a", None)),),
    "tables of another form": (("DROP TABLE record", ()), ("CREATE TABLE record (other TEXT)", ())),
}


@pytest.mark.parametrize("changes", DAMAGED.values(), ids=DAMAGED)
def test_a_file_with_records_that_cannot_be_read_is_refused_at_once(
    tmp_path: Path, changes: tuple[tuple[str, tuple[Any, ...]], ...]
) -> None:
    made(tmp_path / "state.db", *changes)
    with pytest.raises(EnvironmentFaultError, match=r"state\.db cannot be used") as raised:
        State(tmp_path / "state.db")
    assert str(tmp_path) in raised.value.fix


def filled(state: State) -> None:
    """Let a file not grow any more, which is what a full disk is to it."""
    (pages,) = state._connection.execute("PRAGMA page_count").fetchone()
    state._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_refuses_a_change_with_the_path_and_the_records_stay_readable(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    filled(state)
    full = pytest.raises(RefusedError, match=rf"{tmp_path}/state\.db: No space left on device")
    with full as raised, state.transaction() as tx:
        tx.put("large", v1.Model.pb()(description="x" * 1_000_000))
    assert raised.value.code == RESOURCE_EXHAUSTED
    with state.transaction() as tx:
        assert tx.get(v1.Model.pb(), "large") is None
    state.close()


def test_an_operation_whose_end_cannot_be_written_ends_as_failed_and_nobody_waits_for_it(ready: Small) -> None:
    fault = ready.faults.add(Fault(stage="FINISHING_UP", never=True))
    operation = ready.deploy(ENDPOINT, MODEL, "1")
    assert fault.hit.wait(20)
    ready.plane._state._connection.execute("PRAGMA query_only = ON")
    ready.faults.clear()
    ended = ready.done(operation)
    assert ended.done
    assert (ended.error.code, "state.sqlite: attempt to write" in ended.error.message) == (RESOURCE_EXHAUSTED, True)
    with pytest.raises(exceptions.ResourceExhausted, match=r"state\.sqlite"):
        ready.endpoint("another")
    ready.plane._state._connection.execute("PRAGMA query_only = OFF")
