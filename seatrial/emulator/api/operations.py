"""Long-running operations: begun in a transaction, worked on in a thread, kept after their end.

An operation goes through stages, which faults may slow down, break or hold up for ever. The caller defines what it
changes. An operation that ran when the emulator was killed ends as failed on the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, timestamp_pb2
from google.rpc import status_pb2

from seatrial.emulator.api import refusals
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import HostingError
from seatrial.emulator.api.resource_names import Names, new_id
from seatrial.emulator.api.state import Message, State, Transaction

Stage = v1.DeploymentStage
_Operation = operations_pb2.Operation
_PARTIAL_FAILURES = 20  # at most: google/cloud/aiplatform/v1/operation.proto
_END = {True: Stage.SUCCESSFULLY_DEPLOYED, False: Stage.FAILED_TO_DEPLOY}


class Work:
    """A running operation, as its worker sees it."""

    def __init__(self, operations: Operations, name: str, method: str) -> None:
        self.name = name
        self.method = method
        self.cancelled = threading.Event()
        self.on_cancel: Callable[[], None] | None = None  # ends what the worker waits for
        self.undo: Callable[[], None] | None = None  # takes back what the worker did, before the operation ends
        self._operations = operations

    @property
    def stopped(self) -> bool:
        """Whether it must not go on: it was cancelled, or the emulator is closing."""
        return self.cancelled.is_set() or self._operations.closing.is_set()

    def stage(self, stage: Any = None) -> None:
        """Enter a stage and apply the faults that are due; None for the only stage of the method.

        Raises:
            RefusedError: it was cancelled, or a fault ends it here.
        """
        self._raise_if_stopped()
        name = self.method if stage is None else Stage(stage).name
        if stage is not None:
            self._operations.change_metadata(self.name, lambda metadata: _set_stage(metadata, stage))
        for fault in self._operations.faults.of_stage(name, self.method):
            if fault.partial:
                failure = status_pb2.Status(code=fault.partial[0], message=fault.partial[1])
                self._operations.change_metadata(self.name, partial(_add_failure, failure))
            if fault.seconds:
                self._operations.faults.wait(fault, lambda: self.stopped, fault.seconds)
            if fault.never:
                self._operations.faults.wait(fault, lambda: self.stopped)
            self._raise_if_stopped()
            if fault.error:
                raise refusals.RefusedError(*fault.error)

    def _raise_if_stopped(self) -> None:
        if self.stopped:
            raise refusals.RefusedError(refusals.CANCELLED, refusals.CANCELLED_TEXT)


class Operations:
    """All operations of a control plane.

    A worker is a function that takes its `Work` and returns another function, which makes the change and returns the
    response in the transaction that ends the operation.
    """

    def __init__(self, state: State, names: Names, faults: Faults) -> None:
        self.faults = faults
        self.closing = threading.Event()
        self._state = state
        self._names = names
        self._running: dict[str, tuple[Work, threading.Thread]] = {}
        self._ended = threading.Condition()
        self._unwritten: dict[str, Message] = {}  # operations whose end the disk did not take
        self._recover()

    def begin(self, tx: Transaction, resource: str, metadata: Message) -> str:
        """Record a new operation on a resource in the caller's transaction; return its name."""
        name = f"{resource}/operations/{new_id()}"
        metadata.generic_metadata.create_time.CopyFrom(now())
        metadata.generic_metadata.update_time.CopyFrom(metadata.generic_metadata.create_time)
        operation = _Operation(name=name)
        operation.metadata.Pack(metadata)
        tx.put(name, operation)
        return name

    def run(self, name: str, method: str, worker: Callable[[Work], Callable[[Transaction], Message]]) -> Message:
        """Start the worker of an operation; return the operation as the call answers it."""
        work = Work(self, name, method)
        thread = threading.Thread(target=self._work, args=(work, worker), name=f"operation {name}", daemon=True)
        with self._ended:
            self._running[name] = (work, thread)
        with self._state.transaction() as tx:
            answer = tx.get(_Operation, name)
        thread.start()
        return answer

    def get(self, name: str) -> Message:
        """Answer GetOperation.

        Raises:
            RefusedError: NOT_FOUND.
        """
        name = self._names.any(name, "name")
        operation = self._unwritten.get(name)
        if operation is None:
            with self._state.transaction() as tx:
                operation = tx.get(_Operation, name)
        if operation is None:
            raise refusals.not_found("operation", name)
        return operation

    def list(self, request: Message) -> Message:
        """Answer ListOperations for a location or a resource; `filter` may be `done=true` or `done=false`."""
        prefix = self._names.any(request.name, "name")
        wanted = _done(request.filter)
        with self._state.transaction() as tx:
            found = [o for _, o in tx.below(_Operation, f"{prefix}/") if wanted is None or o.done == wanted]
        found.sort(key=lambda operation: -_generic(operation).create_time.ToNanoseconds())
        if request.page_size < 0 or not (request.page_token or "0").isdecimal():
            raise refusals.RefusedError(refusals.INVALID_ARGUMENT, "Invalid page_size or page_token")
        start = int(request.page_token or 0)
        end = start + (request.page_size or 100)
        more = str(end) if end < len(found) else ""
        return operations_pb2.ListOperationsResponse(operations=found[start:end], next_page_token=more)

    def cancel(self, name: str) -> Message:
        """Answer CancelOperation: a running operation ends soon with code 1."""
        operation = self.get(name)
        with self._ended:
            work, _ = self._running.get(operation.name, (None, None))
        if work is not None:
            work.cancelled.set()
            if work.on_cancel is not None:
                threading.Thread(target=work.on_cancel, daemon=True).start()
        return empty_pb2.Empty()

    def delete(self, name: str) -> Message:
        """Answer DeleteOperation: delete an operation that has ended.

        Raises:
            RefusedError: NOT_FOUND, or FAILED_PRECONDITION while it runs.
        """
        operation = self.get(name)
        if not operation.done:
            raise refusals.precondition(f"The operation still runs: {operation.name}")
        with self._state.transaction() as tx:
            tx.remove(_Operation, operation.name)
        return empty_pb2.Empty()

    def wait(self, name: str, seconds: float) -> Message:
        """Answer WaitOperation: return the operation when it has ended, or after `seconds`."""
        operation = self.get(name)
        with self._ended:
            self._ended.wait_for(lambda: operation.name not in self._running or self.closing.is_set(), timeout=seconds)
        return self.get(name)

    def change_metadata(self, name: str, change: Callable[[Message], None]) -> None:
        """Change the metadata of a running operation."""
        with self._state.transaction() as tx:
            operation = tx.get(_Operation, name)
            if operation is not None and not operation.done:
                _change(operation, change)
                tx.put(name, operation)

    def close(self) -> None:
        """Stop all workers; their operations end as failed on the next start."""
        self.closing.set()
        with self._ended:
            self._ended.notify_all()
            running = [thread for _, thread in self._running.values()]
        for thread in running:
            if thread.is_alive():
                thread.join(timeout=10)

    def _work(self, work: Work, worker: Callable[[Work], Callable[[Transaction], Message]]) -> None:
        try:
            try:
                commit = worker(work)
                self._end(work, commit, None)
            except (refusals.RefusedError, HostingError) as error:
                if work.undo is not None:
                    work.undo()
                cancelled = refusals.RefusedError(refusals.CANCELLED, refusals.CANCELLED_TEXT)
                self._end(work, None, cancelled if work.cancelled.is_set() else error)
        except refusals.RefusedError as error:  # the end cannot be written
            self._fail_unwritten(work, error)
        except Exception as error:
            if isinstance(error, OSError) and (refused := refusals.of_this_machine(error)):
                self._fail_unwritten(work, refused)
                return
            if not self.closing.is_set():
                with suppress(Exception):
                    if work.undo is not None:
                        work.undo()
                    self._end(work, None, refusals.RefusedError(refusals.INTERNAL, refusals.INTERNAL_TEXT))
                raise
        finally:
            with self._ended:
                self._running.pop(work.name, None)
                self._ended.notify_all()

    def _fail_unwritten(self, work: Work, error: refusals.RefusedError) -> None:
        """End an operation as failed, in memory if it cannot be written: nobody waits for it until the deadline."""
        if self.closing.is_set():
            return
        with suppress(Exception):
            if work.undo is not None:
                work.undo()
        try:
            self._end(work, None, error)
        except (refusals.RefusedError, OSError):
            operation = _Operation(name=work.name, done=True)
            operation.error.CopyFrom(status_pb2.Status(code=error.code, message=error.message))
            self._unwritten[work.name] = operation

    def _end(
        self,
        work: Work,
        commit: Callable[[Transaction], Message] | None,
        error: refusals.RefusedError | HostingError | None,
    ) -> None:
        if self.closing.is_set():
            return
        with self._state.transaction() as tx:
            operation: Message = tx.get(_Operation, work.name)
            if commit is not None and work.cancelled.is_set():
                raise refusals.RefusedError(refusals.CANCELLED, refusals.CANCELLED_TEXT)
            if commit is not None:
                operation.response.Pack(commit(tx))
            elif error is not None:
                operation.error.CopyFrom(status_pb2.Status(code=error.code, message=error.message))
            operation.done = True
            _change(operation, lambda metadata: _set_end(metadata, error))
            tx.put(work.name, operation)
            tx.release(work.name)

    def _recover(self) -> None:
        broken = refusals.RefusedError(refusals.INTERNAL, refusals.INTERNAL_TEXT)
        with self._state.transaction() as tx:
            for name, operation in tx.below(_Operation, ""):
                if not operation.done:
                    operation.done = True
                    operation.error.CopyFrom(status_pb2.Status(code=broken.code, message=broken.message))
                    _change(operation, lambda metadata: _set_end(metadata, broken))
                    tx.put(name, operation)
                tx.release(name)


def now() -> Message:
    """Return the current time as the API writes it."""
    stamp = timestamp_pb2.Timestamp()
    stamp.GetCurrentTime()
    stamp.nanos -= stamp.nanos % 1000  # the API answers microseconds
    return stamp


def metadata_of(operation: Message) -> Message:
    """Unpack an operation's metadata."""
    kind = getattr(v1, operation.metadata.type_url.rpartition(".")[2]).pb()
    metadata = kind()
    operation.metadata.Unpack(metadata)
    return metadata


def _generic(operation: Message) -> Message:
    return metadata_of(operation).generic_metadata


def _change(operation: Message, change: Callable[[Message], None]) -> None:
    metadata = metadata_of(operation)
    change(metadata)
    metadata.generic_metadata.update_time.CopyFrom(now())
    operation.metadata.Pack(metadata)


def _set_stage(metadata: Message, stage: Any) -> None:
    if "deployment_stage" in metadata.DESCRIPTOR.fields_by_name:
        metadata.deployment_stage = int(stage)


def _set_end(metadata: Message, error: refusals.RefusedError | HostingError | None) -> None:
    if not getattr(metadata, "deployment_stage", 0):
        return  # it deploys nothing
    cancelled = error is not None and error.code == refusals.CANCELLED
    _set_stage(metadata, Stage.DEPLOYMENT_TERMINATED if cancelled else _END[error is None])


def _add_failure(failure: Message, metadata: Message) -> None:
    if len(metadata.generic_metadata.partial_failures) < _PARTIAL_FAILURES:
        metadata.generic_metadata.partial_failures.append(failure)


def _done(text: str) -> bool | None:
    if not text.strip():
        return None
    key, _, value = text.replace(":", "=").replace('"', "").replace(" ", "").partition("=")
    if key != "done" or value not in ("true", "false"):
        raise refusals.RefusedError(refusals.INVALID_ARGUMENT, f"Invalid filter: {text}")
    return value == "true"
