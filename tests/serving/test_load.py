# ruff: noqa: T201 - a proof prints what it measured
"""Proofs: under many clients, and one that asks too much, memory stays bounded and everybody is answered.

LOAD_SECONDS makes the load longer or shorter.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from .server import Server, b64, file_of, served
from .test_fuzz import Health, memory, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = int(os.environ.get("LOAD_SECONDS", "60"))
CLIENTS = 256
FLAT = 30_000_000  # bytes that the second half of the load may add to what the first half needed

pytestmark = [pytest.mark.proof, pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc")]

# As large as what usual models take: 602 kB an instance. predict() takes 10 ms a batch.
LARGE = """
class P:
    def load(self, artifacts_uri): ...

    def preprocess(self, image):
        return np.asarray(image.resize((224, 224)), dtype=np.float32).transpose(2, 0, 1).copy()

    def predict(self, batch):
        time.sleep(0.01)
        return batch.mean(axis=(1, 2, 3))
"""


class Memory(threading.Thread):
    """Looks at the memory of processes all the time.

    Attributes:
        seen: when it was how much.
    """

    def __init__(self, pids: set[int]) -> None:
        super().__init__()
        self.seen: list[tuple[float, int]] = []
        self._pids, self._end = pids, threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.2):
            self.seen.append((time.monotonic(), memory(self._pids)))

    def most(self, since: float = 0.0, until: float = float("inf")) -> int:
        return max(size for when, size in self.seen if since <= when <= until)

    def end(self) -> None:
        self._end.set()
        self.join()


@contextmanager
def watched(server: Server) -> Iterator[tuple[Memory, Health]]:
    """Look at a server's memory and health until the end of the block."""
    watchers = Memory(tree(server.process.pid)), Health(server)
    for watcher in watchers:
        watcher.start()
    try:
        yield watchers
    finally:
        for watcher in watchers:
            watcher.end()


def posted(server: Server, body: bytes) -> tuple[int, Any]:
    """Ask for a prediction that takes as long as it may."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    with closing(connection):
        return response.status, json.loads(response.read())


def test_256_clients_for_a_minute_are_all_answered_and_memory_is_flat(tmp_path: Path) -> None:
    photo = file_of(Image.effect_noise((500, 375), 64).convert("RGB"), "JPEG", quality=60)
    body = json.dumps({"instances": [b64(photo)]}).encode()
    seen: Counter[str] = Counter()
    slowest: list[float] = []

    def ask(server: Server, until: float) -> None:
        while (began := time.monotonic()) < until:
            try:
                seen[str(server.post(body).status)] += 1
            except OSError as error:
                seen[repr(error)] += 1
            slowest.append(time.monotonic() - began)

    with served(tmp_path, LARGE, serving={"max-waiting": 200}) as server, watched(server) as (held, health):
        began = time.monotonic()
        clients = [threading.Thread(target=ask, args=(server, began + SECONDS)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        half, end = began + SECONDS / 2, time.monotonic()
        first, second = held.most(began, half), held.most(half, end)
        assert server.post(body).status == 200
        refusals = len(server.log(severity="WARNING"))
    print(f"\n{CLIENTS} clients, {SECONDS} s: {dict(seen)}, slowest answer {max(slowest):.1f} s")
    print(f"at most {first / 1e6:.0f} MB in the first half, {second / 1e6:.0f} MB in the second; {health}")
    print(f"{refusals} lines for the refusals")
    assert set(seen) <= {"200", "413", "503", "504"}
    assert seen["200"] > 10 * SECONDS
    assert second - first < FLAT
    assert set(health.statuses) == {200}
    assert refusals <= 11 * (SECONDS + 1)


@pytest.mark.parametrize("limit", [1024, 100_000])
def test_thousands_of_instances_in_one_request_end_nothing_and_hold_nobody_up(tmp_path: Path, limit: int) -> None:
    """440 kB of 8,000 images of one pixel took 4 GB, and the server with it, when all were decoded at first."""
    pixel = b64(file_of(Image.new("P", (1, 1)), "GIF"))["b64"]
    many = json.dumps({"instances": [pixel] * 8000}, separators=(",", ":")).encode()
    one = json.dumps({"instances": [pixel]}).encode()
    others: list[float] = []
    over = threading.Event()

    def ask(server: Server) -> None:
        while not over.is_set():
            began = time.monotonic()
            assert server.post(one).status == 200
            others.append(time.monotonic() - began)

    with served(tmp_path, LARGE, serving={"max-instances": limit}) as server:
        server.post(one)
        before = memory(tree(server.process.pid))
        with watched(server) as (held, health):
            other = threading.Thread(target=ask, args=(server,))
            other.start()
            began = time.monotonic()
            status, answer = posted(server, many)
            seconds = time.monotonic() - began
            over.set()
            other.join()
            time.sleep(0.5)
        grown = held.most() - before
    print(f"\n{len(many)} bytes, at most {limit} instances: {status} after {seconds:.1f} s, {grown / 1e6:.0f} MB")
    print(f"{len(others)} answers to another client meanwhile, the slowest after {max(others) * 1000:.0f} ms; {health}")
    if limit < 8000:
        assert status == 413
        assert answer["error"]["message"].endswith("(serving.max-instances)")
    else:
        assert status == 504 or (status, len(answer["predictions"])) == (200, 8000)
    assert grown < 100_000_000
    assert max(others) < 1
    assert set(health.statuses) == {200}
