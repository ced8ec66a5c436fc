"""The control plane's records: protobuf messages by kind and name, in one SQLite file.

Each change is one transaction: it happens completely or not at all, even if the process is killed. What the messages
mean is not known here.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from seatrial.emulator.api.refusals import INTERNAL, RESOURCE_EXHAUSTED, RefusedError
from seatrial.errors import EnvironmentFaultError

Message = Any  # a protobuf message; google's packages have no types


class Transaction:
    """Reads and changes records; valid inside `State.transaction` only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, kind: type[Message], name: str) -> Message | None:
        """Return a copy of the record, or None."""
        sought = (kind.DESCRIPTOR.full_name, name)
        row = self._connection.execute("SELECT value FROM record WHERE kind = ? AND name = ?", sought).fetchone()
        return kind.FromString(row[0]) if row else None

    def put(self, name: str, message: Message) -> None:
        """Write the record, replacing an older one."""
        row = (message.DESCRIPTOR.full_name, name, message.SerializeToString())
        self._connection.execute("INSERT OR REPLACE INTO record (kind, name, value) VALUES (?, ?, ?)", row)

    def remove(self, kind: type[Message], name: str) -> None:
        """Delete the record, if it exists."""
        self._connection.execute("DELETE FROM record WHERE kind = ? AND name = ?", (kind.DESCRIPTOR.full_name, name))

    def below(self, kind: type[Message], prefix: str) -> list[tuple[str, Message]]:
        """Return all records of a kind whose names begin with `prefix`, sorted by name."""
        rows = self._connection.execute(
            "SELECT name, value FROM record WHERE kind = ? AND substr(name, 1, ?) = ? ORDER BY name",
            (kind.DESCRIPTOR.full_name, len(prefix), prefix),
        )
        return [(name, kind.FromString(value)) for name, value in rows.fetchall()]

    def reserve(self, name: str, holder: str) -> bool:
        """Reserve a name for a running operation; return False if another one has it."""
        row = (name, holder)
        return self._connection.execute("INSERT OR IGNORE INTO reserved VALUES (?, ?)", row).rowcount == 1

    def reserved(self, name: str) -> bool:
        """Return whether a running operation has the name."""
        return self._connection.execute("SELECT 1 FROM reserved WHERE name = ?", (name,)).fetchone() is not None

    def any_reserved(self, prefix: str) -> bool:
        """Return whether a running operation has a name that begins with `prefix`."""
        sought = (len(prefix), prefix)
        row = self._connection.execute("SELECT 1 FROM reserved WHERE substr(name, 1, ?) = ?", sought).fetchone()
        return row is not None

    def release(self, holder: str) -> None:
        """Release every name that an operation has."""
        self._connection.execute("DELETE FROM reserved WHERE holder = ?", (holder,))

    def count(self, name: str) -> int:
        """Return the next number of a series, from 1 on."""
        self._connection.execute("INSERT OR IGNORE INTO series VALUES (?, 0)", (name,))
        self._connection.execute("UPDATE series SET last = last + 1 WHERE name = ?", (name,))
        return int(self._connection.execute("SELECT last FROM series WHERE name = ?", (name,)).fetchone()[0])

    def end_series(self, name: str) -> None:
        """Reset a series."""
        self._connection.execute("DELETE FROM series WHERE name = ?", (name,))


class State:
    """The records of one control plane, kept in `path`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            EnvironmentFaultError: it is damaged, of another kind or form, or cannot be read or written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
            "CREATE TABLE IF NOT EXISTS record (kind TEXT, name TEXT, value BLOB, PRIMARY KEY (kind, name))",
            "CREATE TABLE IF NOT EXISTS reserved (name TEXT PRIMARY KEY, holder TEXT)",
            "CREATE TABLE IF NOT EXISTS series (name TEXT PRIMARY KEY, last INTEGER)",
            "SELECT kind, name, value FROM record LIMIT 1",  # tables of another form
            "SELECT name, holder FROM reserved LIMIT 1",
            "SELECT name, last FROM series LIMIT 1",
        ):
            try:
                self._connection.execute(statement).fetchone()
            except sqlite3.Error as error:
                self._connection.close()
                raise self._unusable(error) from None
        self._check()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction, one at a time; it is committed at the end of the block or rolled back on an error.

        Raises:
            RefusedError: the file cannot be written: the disk is full, for example.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN")  # one process has the file, so that a later write never waits
                yield Transaction(self._connection)
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # a full disk ends it
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError):
                    raise self._refused(error) from error
                raise

    def _check(self) -> None:
        """Read every record once, so that a damaged one is named now and not in the middle of a deploy."""
        try:
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            for kind, name, value in self._connection.execute("SELECT kind, name, value FROM record"):
                try:
                    GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind)).FromString(value)
                except (KeyError, TypeError, DecodeError) as error:
                    found = f"the record {name} is not a {kind}: {error}"
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            self._connection.close()
            raise self._unusable(ValueError(found))

    def _refused(self, error: sqlite3.DatabaseError) -> RefusedError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the lower byte: https://www.sqlite.org/rescode.html
        if code == sqlite3.SQLITE_FULL:
            return RefusedError(RESOURCE_EXHAUSTED, f"{self._path}: {os.strerror(errno.ENOSPC)}")
        of_the_disk = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        return RefusedError(RESOURCE_EXHAUSTED if of_the_disk else INTERNAL, f"{self._path}: {error}")

    def _unusable(self, error: Exception) -> EnvironmentFaultError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            return EnvironmentFaultError(f"{self._path}: {os.strerror(errno.ENOSPC)}", fix="free disk space")
        fix = f"remove {self._path.parent}; the versions of earlier rehearsals are lost with it"
        return EnvironmentFaultError(f"{self._path} cannot be used: {error}", fix=fix)

    def close(self) -> None:
        """Close the file; nothing can be read or changed afterwards."""
        with self._lock:
            self._connection.close()
