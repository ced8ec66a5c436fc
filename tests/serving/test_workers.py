"""Several processes behind one port: who predicts, what is refused, what is not computed, and that one has ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from .server import PATIENCE, Reply, Server, file_of, gray, launched, served, wait_for

ROUTINE = """
class P:
    def load(self, artifacts_uri):
        pass

    def predict(self, body):
        (name,) = body["instances"]
        with (FOLDER / "asked").open("a") as file:
            file.write(name + "\\n")
        if name == "die":
            os._exit(7)
        if name == "work":
            end = time.monotonic() + 5
            while time.monotonic() < end:
                sum(range(1000))
        if name.startswith("wait"):
            wait("go")
        return {"predictions": [os.getpid()]}
"""
ONE: dict[str, Any] = {"serving": {"workers": 1}}
TWO: dict[str, Any] = {"serving": {"workers": 2}}


def asked(server: Server) -> list[str]:
    file = server.folder / "asked"
    return file.read_text().split() if file.exists() else []


def test_requests_go_to_all_workers_and_none_of_them_is_the_process_that_accepts(tmp_path: Path) -> None:
    with served(tmp_path, ROUTINE, **TWO) as server, ThreadPoolExecutor(2) as clients:
        running = [clients.submit(server.predictions, f"wait{number}") for number in range(2)]
        wait_for(lambda: len(asked(server)) == 2)
        server.touch("go")
        pids = {future.result(PATIENCE)[0] for future in running}
        assert len(pids | {server.process.pid}) == 3
        assert server.log(message="ready")[0]["workers"] == 2


def test_a_trial_may_have_one_worker_and_the_predictor_does_not_see_why(tmp_path: Path) -> None:
    routine = ROUTINE.replace("[os.getpid()]", "[os.environ.get('SEATRIAL_ONE_WORKER')]")
    with served(tmp_path, routine, environ={"SEATRIAL_ONE_WORKER": "1"}, **TWO) as server:
        assert server.predictions("any") == [None]
        assert server.log(message="ready")[0]["workers"] == 1


@pytest.mark.parametrize("how", ["exit code 7", "signal SIGKILL"])
def test_a_worker_that_ends_ends_the_server_with_its_reason(tmp_path: Path, how: str) -> None:
    with served(tmp_path, ROUTINE, **TWO) as server, ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(server.predict, "wait")
        wait_for(lambda: asked(server) == ["wait"])
        lost: Reply | None = None
        if how == "exit code 7":
            lost = server.predict("die")
        else:
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
            os.kill(int(children[-1]), signal.SIGKILL)
        for reply in (waiting.result(PATIENCE), lost):
            if reply is not None:
                assert reply.error["message"] == "a process of the server has ended, and the server ends"
                assert reply.status == 503
        assert server.process.wait(PATIENCE) == 1
        (entry,) = server.log(severity="CRITICAL")
        assert entry["message"] == f"a worker ended with {how} while it predicted"
        assert (entry["phase"], entry["ending"]) == ("worker", how)


def test_more_requests_than_may_wait_are_refused_and_may_come_again(tmp_path: Path) -> None:
    limits = {"serving": {"workers": 1, "max-waiting": 1}}
    with served(tmp_path, ROUTINE, **limits) as server, ThreadPoolExecutor(3) as clients:
        replies = [clients.submit(server.predict, "wait1")]
        wait_for(lambda: asked(server) == ["wait1"])
        replies += [clients.submit(server.predict, "wait2") for _ in range(2)]
        wait_for(lambda: any(reply.done() for reply in replies))
        server.touch("go")
        assert sorted(reply.result(PATIENCE).status for reply in replies) == [200, 200, 503]
        (refused,) = [reply.result() for reply in replies if reply.result().status == 503]
        assert refused.headers["retry-after"] == "1"
        assert "1 requests wait already" in refused.error["message"]
        assert len(server.predictions("again")) == 1
        assert asked(server) == ["wait1", "wait2", "again"]


def test_a_request_whose_time_is_over_is_answered_504_and_not_computed(tmp_path: Path) -> None:
    limits = {"serving": {"workers": 1, "request-timeout": 0.5}}
    with served(tmp_path, ROUTINE, **limits) as server, ThreadPoolExecutor(2) as clients:
        first = clients.submit(server.predict, "wait1")
        wait_for(lambda: asked(server) == ["wait1"])
        late = clients.submit(server.predict, "late")
        for reply in (first.result(PATIENCE), late.result(PATIENCE)):
            assert reply.status == 504
            assert reply.error["message"] == "there is no answer after 0.5 s (serving.request-timeout)"
        server.touch("go")
        assert len(server.predictions("next")) == 1
        assert asked(server) == ["wait1", "next"]


def test_a_request_whose_client_is_gone_is_not_computed(tmp_path: Path) -> None:
    with served(tmp_path, ROUTINE, **ONE) as server, ThreadPoolExecutor(1) as clients:
        first = clients.submit(server.predictions, "wait1")
        wait_for(lambda: asked(server) == ["wait1"])
        gone = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        gone.request("POST", "/predict", json.dumps({"instances": ["gone"]}), {"Content-Type": "application/json"})
        time.sleep(0.2)  # so that the request has come before its client goes
        gone.close()
        # A closed connection may be one whose client only sends no more: the server asks after a second.
        time.sleep(2)
        server.touch("go")
        first.result(PATIENCE)
        assert len(server.predictions("next")) == 1
        assert asked(server) == ["wait1", "next"]


COUNTING = """
class P:
    def load(self, artifacts_uri): ...

    def preprocess(self, image):
        return np.asarray(image)

    def predict(self, batch):
        with (FOLDER / "asked").open("a") as file:
            file.write(f"{os.getpid()}:{batch.shape}:{batch.max()} ".replace(", ", "x"))
        if batch.max() == 77:
            raise ValueError("seventy-seven")
        return [1] * len(batch)
"""


def golden(folder: Path, *values: int) -> None:
    (folder / "artifacts/golden").mkdir(parents=True)
    for value in values:
        data = file_of(Image.new("L", (3, 2), value))
        (folder / f"artifacts/golden/{value}.png").write_bytes(data)
    examples = [{"image": f"{value}.png", "label": "a"} for value in values]
    (folder / "artifacts/golden/golden.json").write_text(json.dumps(examples))


def test_every_worker_answers_the_first_golden_example_before_it_is_ready(tmp_path: Path) -> None:
    golden(tmp_path, 5, 6)
    with served(tmp_path, COUNTING, **TWO) as server:
        calls = [call.split(":") for call in asked(server)]
    assert [call[1:] for call in calls] == [["(1x2x3x3)", "5"]] * 2
    assert len({pid for pid, *_ in calls}) == 2


def test_a_class_that_gets_requests_whole_gets_the_example_in_one(tmp_path: Path) -> None:
    (tmp_path / "artifacts/golden").mkdir(parents=True)
    (tmp_path / "artifacts/golden/golden.json").write_text('[{"instance": "first"}, {"instance": "second"}]')
    with served(tmp_path, ROUTINE, **ONE) as server:
        assert asked(server) == ["first"]


def test_a_golden_example_that_is_not_answered_ends_the_server_with_its_name(tmp_path: Path) -> None:
    golden(tmp_path, 77)
    with launched(tmp_path, COUNTING, **TWO) as server:
        assert server.process.wait(PATIENCE) == 1
    (entry,) = server.log(severity="CRITICAL")
    message = "the first prediction, with golden/77.png: predict raised ValueError: seventy-seven"
    assert (entry["message"], entry["phase"], entry["golden"]) == (message, "warm-up", "golden/77.png")
    assert "in predict" in entry["traceback"]
    assert not server.log(message="ready")


def test_without_golden_examples_a_grey_image_is_tried_which_need_not_suit(tmp_path: Path) -> None:
    code = COUNTING.replace("if batch.max() == 77", "if batch.max() == 128")
    with served(tmp_path, code, **ONE) as server:
        assert [call.split(":")[1:] for call in asked(server)] == [["(1x256x256x3)", "128"]]
        assert not server.log(severity="ERROR")
        assert server.predictions(gray(1)) == [1]


def test_golden_examples_that_cannot_be_read_are_told_and_not_used(tmp_path: Path) -> None:
    golden(tmp_path, 5)
    (tmp_path / "artifacts/golden/5.png").unlink()
    with served(tmp_path, COUNTING, **ONE) as server:
        (entry,) = server.log(severity="WARNING")
        assert "golden.json cannot be used for a first prediction: FileNotFoundError" in entry["message"]
        assert asked(server)[0].endswith(":128")


@pytest.mark.proof
def test_health_answers_within_50_ms_while_every_worker_computes(tmp_path: Path) -> None:
    with served(tmp_path, ROUTINE, **TWO) as server, ThreadPoolExecutor(2) as clients:
        running = [clients.submit(server.predictions, "work") for _ in range(2)]
        wait_for(lambda: len(asked(server)) == 2)
        times = []
        while not any(future.done() for future in running):
            began = time.perf_counter()
            assert server.health().status == 200
            times.append(time.perf_counter() - began)
            time.sleep(0.01)
        p99 = sorted(times)[len(times) * 99 // 100]
        print(f"\nhealth asked {len(times)} times: p99 {p99 * 1000:.1f} ms, at most {max(times) * 1000:.1f} ms")  # noqa: T201
        assert len(times) > 100
        assert p99 <= 0.05
        assert len({future.result(PATIENCE)[0] for future in running}) == 2
