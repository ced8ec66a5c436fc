# ruff: noqa: T201 - a proof prints what it measured
"""Proofs: whatever clients send, the server answers as documented, keeps nothing of it, and answers the next one.

FUZZ_REQUESTS, FUZZ_SEED and FUZZ_SECONDS make them longer or shorter, and other.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .fuzzing import BODY_LIMIT, Client, Sent, posted
from .server import Server, gray, served
from .test_contract import MEAN

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "20000"))
SEED = int(os.environ.get("FUZZ_SEED", "20261129"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))
AT_A_TIME = 4
PATIENCE = 30.0  # seconds for an answer; the machine has other work
PAUSE = 0.01  # seconds between two pieces of a slow request
GROWTH = 40_000_000  # bytes that the server may hold more at the end than after the first fifth

pytestmark = [pytest.mark.proof, pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc")]


def tree(pid: int) -> set[int]:
    """Return a process and all that descend from it."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= tree(int(child))
    return found


def memory(pids: set[int]) -> int:
    """Return the bytes that processes have, shared ones counted once."""
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(line.split()[1]) * 1024 for text in texts for line in text.splitlines() if line.startswith("Pss:"))


def descriptors(pids: set[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def settled(pids: set[int], at_most: int) -> int:
    """Return the number of open descriptors once it is no more than that, or after a while."""
    end = time.monotonic() + PATIENCE
    while (count := descriptors(pids)) > at_most and time.monotonic() < end:
        time.sleep(0.1)
    return count


def sent(port: int, what: Sent) -> bytes:
    """Do what a client does, and return all that came back."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        try:
            for index, piece in enumerate(what.pieces):
                time.sleep(PAUSE if index else 0)
                client.sendall(piece)
            if what.end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if what.end in ("reset", "close"):
                return b""
            if what.end == "half":
                with suppress(OSError):  # it has closed already
                    client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                received += data
        except (ConnectionResetError, BrokenPipeError):
            pass  # it refused and closed before it had read everything
    return received


def statuses(received: bytes) -> list[int]:
    """Return the statuses of the answers; each must be whole, and an error of one form."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(fields.get("content-length", len(rest)))
        body, received = rest[:length], rest[length:]
        assert len(body) == length, head
        if status == 100:
            continue
        found.append(status)
        if fields["content-type"] == "application/json" and body:  # not what is no HTTP
            answer = json.loads(body)
            assert status == 200 or answer["error"]["code"] == status, body
    return found


def fault(port: int, what: Sent, seen: Counter[str]) -> str:
    """Do what a client does; return what is wrong with the answers, or nothing."""
    try:
        received = sent(port, what)
    except OSError as error:
        return f"{error!r}"
    got = statuses(received)
    seen.update([str(status) for status in got] or ["none"])
    if len(got) < what.answers:
        return f"{len(got)} answers: {received[:300]!r}"
    return "" if set(got) <= what.allowed else f"{got}: {received[-300:]!r}"


class Health(threading.Thread):
    """Asks for health all the time, and notes how long that took and what it was."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server, self._end = server, threading.Event()
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        while not self._end.wait(0.05):
            began = time.monotonic()
            self.statuses[self._server.health().status] += 1
            self.seconds.append(time.monotonic() - began)

    def end(self) -> None:
        self._end.set()
        self.join()

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        p99 = ordered[len(ordered) * 99 // 100]
        return f"health asked {len(ordered)} times, p99 {p99:.3f} s, at most {ordered[-1]:.3f} s"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    serving = {"max-body-bytes": BODY_LIMIT, "max-pixels": 1_000_000}
    with served(tmp_path_factory.mktemp("fuzz"), MEAN, serving=serving) as running:
        yield running


@pytest.mark.timeout(1800)
def test_no_request_ends_the_server_or_stays_with_it(server: Server) -> None:
    client, faults, kinds, seen = Client(SEED), list[str](), Counter[str](), Counter[str]()
    assert server.predictions(gray(7)) == [7.0]
    processes = tree(server.process.pid)
    open_before, held = descriptors(processes), 0
    health = Health(server)
    health.start()
    with ThreadPoolExecutor(AT_A_TIME) as clients:
        for done in range(0, REQUESTS, 500):
            batch = [client.next() for _ in range(500)]
            kinds.update(one.kind.split()[0] for one in batch)
            for one, wrong in zip(batch, clients.map(lambda one: fault(server.port, one, seen), batch), strict=True):
                if wrong:
                    faults.append(f"{one.kind}: {wrong}; sent {b'|'.join(one.pieces)[:600]!r}")
            assert server.predictions(gray(9), gray(200)) == [9.0, 200.0]
            if done <= REQUESTS // 5:
                held = memory(processes)
    health.end()
    grown = memory(processes) - held
    print(f"\nseed {SEED}, {REQUESTS} requests: {dict(kinds)}; answers {dict(seen)}; {health}; ")
    print({pid: f"{memory({pid}) / 1e6:.0f} MB" for pid in processes})
    print(f"memory {held / 1e6:.0f} MB {grown / 1e6:+.1f} MB; {open_before} descriptors")
    assert not faults, "\n".join(faults[:20])
    assert set(health.statuses) == {200}
    assert tree(server.process.pid) == processes
    assert settled(processes, open_before) <= open_before
    assert grown < GROWTH
    assert not server.log(severity="ERROR")
    assert "Traceback" not in (server.folder / "stderr").read_text()


@pytest.mark.timeout(300)
def test_five_hundred_connections_that_say_nothing_or_half_a_header_delay_nobody(server: Server) -> None:
    processes = tree(server.process.pid)
    before = descriptors(processes)
    idle = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(500)]
    for number, connection in enumerate(idle):
        connection.sendall((b"", b"POST /predict HT", posted(b"{}")[:60])[number % 3])
    began = time.monotonic()
    assert server.health().status == 200
    assert server.predictions(gray(5)) == [5.0]
    assert time.monotonic() - began < 5
    closed = [connection for number, connection in enumerate(idle) if number % 3]
    for connection in closed:  # 15 s for the headers
        assert connection.recv(1) == b""
    for connection in idle:
        connection.close()
    assert settled(processes, before) <= before


@pytest.mark.timeout(300)
def test_bodies_in_crumbs_do_not_hold_up_health(server: Server) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    crumbs = Sent("crumbs", (head + b"1\r\n[\r\n" * 500_000,), frozenset({400}), answers=0)
    health = Health(server)
    health.start()
    with ThreadPoolExecutor(4) as clients:
        assert not any(clients.map(lambda one: fault(server.port, one, Counter()), [crumbs] * 16))
    health.end()
    print(f"\n{health}")
    assert max(health.seconds) < 1  # the platform waits 10 s


SLOWLY = MEAN.replace("return batch.mean", "time.sleep(0.02)\n        return batch.mean")


class Restarted:
    """A server that is started again whenever it ends, as the platform does with its container."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.server: Server | None = None
        self.killed: dict[int, float] = {}  # when a worker of a server was killed, by the server's port
        self.faults: list[str] = []

    def __enter__(self) -> Restarted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        dice = random.Random(SEED)  # noqa: S311 - the same moments again, not secrets
        while not self._over.is_set():
            folder = self._folder / str(len(self.killed))
            folder.mkdir()
            with served(folder, SLOWLY) as server:
                processes = tree(server.process.pid)
                self.server = server
                self._over.wait(dice.uniform(0.5, 5))
                worker = dice.choice(sorted(processes - {server.process.pid}))
                self.killed[server.port] = time.monotonic()
                os.kill(worker, signal.SIGKILL)
                code = server.process.wait(PATIENCE)
                reasons = [entry["message"] for entry in server.log(severity="CRITICAL")]
                left = [pid for pid in processes if Path(f"/proc/{pid}").exists()]
                if code != 1 or len(reasons) != 1 or "SIGKILL" not in reasons[0] or left:
                    self.faults.append(f"exit {code}, {reasons}, left {left}")


def asked(restarted: Restarted, end: float) -> Counter[str]:
    """Ask for predictions until then, and count what came of them."""
    seen = Counter[str]()
    while time.monotonic() < end:
        server = restarted.server
        if server is None:
            time.sleep(0.01)
            continue
        began = time.monotonic()
        try:
            reply = server.predict(gray(9), gray(200))
        except ConnectionRefusedError:
            seen["refused"] += 1
            time.sleep(0.05)
            continue
        except OSError as error:  # it came while the server ended
            late = began > restarted.killed.get(server.port, began)
            seen["cut off while it ended" if late else f"lost: {error!r}"] += 1
            continue
        right = reply.json() == {"predictions": [9.0, 200.0]} if reply.status == 200 else reply.status == 503
        seen[str(reply.status) if right else f"wrong: {reply}"] += 1
    return seen


@pytest.mark.timeout(SECONDS + 300)
def test_every_request_is_answered_or_refused_while_workers_are_killed(tmp_path: Path) -> None:
    end = time.monotonic() + SECONDS
    with Restarted(tmp_path) as restarted, ThreadPoolExecutor(8) as clients:
        seen = sum(clients.map(lambda _: asked(restarted, end), range(8)), Counter[str]())
    print(f"\n{SECONDS} s, {len(restarted.killed)} workers killed: {dict(seen)}")
    assert not restarted.faults
    assert set(seen) <= {"200", "503", "refused", "cut off while it ended"}
    assert seen["200"] > SECONDS
    assert seen["503"]
