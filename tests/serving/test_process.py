"""The life of the process: the port before the load, health while it works, failed loads, signals, logs."""

from __future__ import annotations

import ast
import json
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import seatrial.serving

from .server import DIGEST, PATIENCE, REPOSITORY, Server, gray, launched, served, wait_for
from .test_contract import MEAN

SOURCES = sorted(Path(seatrial.serving.__file__).parent.rglob("*.py"))
BLOCKING = """
class P:
    def load(self, artifacts_uri): ...

    def preprocess(self, image):
        return np.asarray(image)

    def predict(self, batch):
        if batch.max() > 1:  # the first prediction, which is that of the server itself
            return [0] * len(batch)
        (FOLDER / "predicting").touch()
        wait("go")
        return [1] * len(batch)
"""

LONG_ANSWER = """
class P:
    def load(self, artifacts_uri): ...

    def preprocess(self, image):
        return np.asarray(image)

    def predict(self, batch):
        return ["x" * 20_000_000] * len(batch)
"""


def answers(server: Server) -> bool:
    try:
        return server.health().status == 503
    except ConnectionRefusedError:
        return False


def test_the_port_answers_503_before_the_predictor_is_imported(tmp_path: Path) -> None:
    with launched(tmp_path, '(FOLDER / "importing").touch()\nwait("go")\n' + MEAN) as server:
        server.wait_for_file("importing")
        wait_for(lambda: answers(server))
        assert server.health().json() == {"status": "loading"}
        refused = server.predict(gray(1))
        assert (refused.status, refused.error["message"]) == (503, "the predictor is still loading")
        server.touch("go")
        server.wait_until_ready()
        assert server.predictions(gray(1)) == [1]


def test_health_answers_while_predictions_run(tmp_path: Path) -> None:
    with served(tmp_path, BLOCKING) as server, ThreadPoolExecutor(8) as clients:
        running = [clients.submit(server.predictions, gray(1)) for _ in range(8)]
        server.wait_for_file("predicting")
        assert [server.health().status for _ in range(20)] == [200] * 20
        assert not any(future.done() for future in running)
        server.touch("go")
        assert [future.result(PATIENCE) for future in running] == [[1]] * 8


def test_ready_is_logged_with_the_interface_and_the_bundle(tmp_path: Path) -> None:
    with served(tmp_path, MEAN) as server:
        (entry,) = server.log(message="ready")
        assert (entry["severity"], entry["interface"], entry["bundle"]) == ("INFO", "batched", DIGEST)
        assert entry["load_seconds"] >= 0
        assert datetime.fromisoformat(entry["time"]).tzinfo is not None


HANGING = """
import threading
threading.Thread(target=time.sleep, args=(3600,)).start()
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("", "AttributeError: module 'served' has no attribute 'P'"),
        ("raise SystemExit('enough')", "SystemExit: enough"),
        ("class P:\n    def predict(self, x): ...", "InterfaceError: cannot tell which interface P follows"),
        (HANGING + "class P:\n    predict = load = lambda self, x: open('nowhere')", "FileNotFoundError"),
    ],
)
def test_a_failed_load_is_one_critical_line_and_exit_1(tmp_path: Path, code: str, message: str) -> None:
    with launched(tmp_path, code) as server:
        assert server.process.wait(PATIENCE) == 1
        (entry,) = server.log()
        assert (entry["severity"], entry["phase"]) == ("CRITICAL", "load")
        assert entry["message"].startswith(message)
        assert entry["traceback"].startswith("Traceback")


def test_a_failed_load_logs_the_causes_of_its_exception(tmp_path: Path) -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ImportError('broken') from error"
    with launched(tmp_path, code) as server:
        assert server.process.wait(PATIENCE) == 1
        (entry,) = server.log(message="ImportError: broken")
        assert "ZeroDivisionError: division by zero" in entry["traceback"]


def test_a_failed_load_ends_the_process_at_once_although_other_threads_hang(tmp_path: Path) -> None:
    with launched(tmp_path, HANGING + 'wait("go")\nraise ImportError("late")') as server:
        wait_for(lambda: answers(server))
        server.touch("go")
        assert server.process.wait(PATIENCE) == 1


def test_a_load_that_is_asked_where_it_stands_says_it_and_goes_on(tmp_path: Path) -> None:
    with launched(tmp_path, f'wait("go")\n{MEAN}') as server:
        wait_for(lambda: answers(server))

        def stands() -> bool:
            server.process.send_signal(signal.SIGUSR1)
            return " in wait\n" in server.output()

        wait_for(stands)
        server.touch("go")
        wait_for(lambda: server.health().status == 200)


def test_artifacts_are_the_bundles_own_unless_the_environment_names_a_folder(tmp_path: Path) -> None:
    code = "class P(Base):\n    predict = lambda self, batch: [self.artifacts] * len(batch)"
    code = MEAN.replace("class P:", "class Base:") + code
    code = code.replace("def postprocess", "def unused")
    other = tmp_path / "other place"
    other.mkdir()
    for uri, expected in [("", tmp_path / "artifacts"), (str(other), other), (other.as_uri(), other)]:
        with served(tmp_path, code, environ={"AIP_STORAGE_URI": uri}) as server:
            assert server.predictions(gray(1)) == [str(expected)]


@pytest.mark.parametrize(
    ("environ", "bundle", "words"),
    [
        ({"AIP_HTTP_PORT": "http"}, {}, "AIP_HTTP_PORT is 'http', which is not a port"),
        ({}, {"format": 2}, "this runtime reads format 1"),
    ],
)
def test_settings_that_cannot_be_used_end_the_process_with_a_message(
    tmp_path: Path, environ: dict[str, str], bundle: dict[str, Any], words: str
) -> None:
    with launched(tmp_path, MEAN, environ=environ, **bundle) as server:
        assert server.process.wait(PATIENCE) == 1
        (entry,) = server.log(severity="CRITICAL", phase="start")
        assert words in entry["message"]


def test_a_port_that_is_taken_ends_the_process_with_a_message(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        environ = {"AIP_HTTP_PORT": str(taken.getsockname()[1])}
        with launched(tmp_path, MEAN, environ=environ) as server:
            assert server.process.wait(PATIENCE) == 1
            assert "Address already in use" in server.log(phase="start")[0]["message"]


WHERE = """
HERE = os.getcwd()  # while the module is imported


class P:
    def load(self, artifacts_uri):
        pathlib.Path("copied").write_text(artifacts_uri)

    def predict(self, body):
        return {"predictions": [[HERE, os.getcwd(), pathlib.Path("copied").read_text()]]}
"""


def test_the_working_directory_is_made_and_entered_before_the_predictor_is_imported(tmp_path: Path) -> None:
    work = tmp_path / "not yet" / "work"
    command = [sys.executable, "-m", "seatrial.serving", "--work", str(work)]
    with served(tmp_path, WHERE, command=command, interface="cpr", serving={"workers": 1}) as server:
        assert server.predictions(1) == [[str(work), str(work), str(tmp_path / "artifacts")]]
    assert (work / "copied").is_file()


def test_several_workers_have_a_working_directory_each(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seatrial.serving", "--work", str(tmp_path / "work")]
    with served(tmp_path, WHERE, command=command, interface="cpr", serving={"workers": 2}):
        assert sorted(str(file) for file in (tmp_path / "work").rglob("copied")) == [
            str(tmp_path / "work" / f"worker-{number}" / "copied") for number in range(2)
        ]


def test_a_bundle_is_found_from_where_the_process_started_not_from_its_working_directory(tmp_path: Path) -> None:
    code = "import os, runpy, sys; os.chdir(os.environ['FOLDER']); sys.argv[-1] = 'bundle.json'; "
    code += "runpy.run_module('seatrial.serving', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", code, "--work", str(tmp_path / "work")]
    with served(tmp_path, WHERE, command=command, interface="cpr") as server:
        assert server.predictions(1)[0][2] == str(tmp_path / "artifacts")


def test_a_working_directory_that_cannot_be_made_ends_the_process_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "seatrial.serving", "--work", str(tmp_path / "file" / "work")]
    with launched(tmp_path, MEAN, command=command) as server:
        assert server.process.wait(PATIENCE) == 1
        assert "Not a directory" in server.log(severity="CRITICAL", phase="start")[0]["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_predictions_finish_and_refuses_new_ones(tmp_path: Path, number: int) -> None:
    with served(tmp_path, BLOCKING) as server, ThreadPoolExecutor(1) as clients:
        running = clients.submit(server.predict, gray(1))
        server.wait_for_file("predicting")
        server.process.send_signal(number)
        wait_for(lambda: server.health().status == 503)
        end = time.monotonic() + 1.5  # longer than uvicorn waits by itself
        while time.monotonic() < end:
            assert server.health().json() == {"status": "draining"}
            time.sleep(0.1)
        assert server.predict(gray(1)).error["message"] == "the server is shutting down"
        server.touch("go")
        assert running.result(PATIENCE).json() == {"predictions": [1]}
        assert server.process.wait(PATIENCE) == 0
        assert not server.log(severity="ERROR")


def test_a_signal_waits_for_a_client_that_reads_a_large_answer_slowly(tmp_path: Path) -> None:
    with served(tmp_path, LONG_ANSWER) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        body = json.dumps({"instances": [gray(1)]}).encode()
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        client.sendall(body)
        begin = client.recv(1000)
        server.process.terminate()
        wait_for(lambda: server.health().status == 503)
        time.sleep(1.5)  # longer than uvicorn waits by itself
        answer = begin + b"".join(iter(lambda: client.recv(1_000_000), b""))
        assert answer.endswith(b'"]}')
        assert len(answer) > 20_000_000
        assert server.process.wait(PATIENCE) == 0


def test_a_signal_ends_an_idle_server_with_an_open_connection(tmp_path: Path) -> None:
    with served(tmp_path, MEAN) as server, socket.create_connection(("127.0.0.1", server.port)):
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


def test_a_signal_does_not_wait_for_a_body_that_stalls(tmp_path: Path) -> None:
    with served(tmp_path, MEAN) as server, socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n"
        client.sendall(head)
        assert client.recv(1000).startswith(b"HTTP/1.1 100")  # from here on the server reads the body
        client.sendall(b'{"inst')
        server.process.terminate()
        answer = b"".join(iter(lambda: client.recv(1000), b""))  # to the end: the server closes the connection
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"the server is shutting down" in answer
        assert server.process.wait(PATIENCE) == 0
        assert not server.log(severity="ERROR")


def test_a_signal_during_the_load_ends_the_process_with_0(tmp_path: Path) -> None:
    with launched(tmp_path, HANGING + 'wait("never")') as server:
        wait_for(lambda: answers(server))
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


PRINTING = """
import logging
import warnings


class P:
    def load(self, artifacts_uri):
        print("half of", end=" ")
        logging.getLogger("mine").info("between %s", "halves")
        warnings.warn("careful")
        print("a line")

    def predict(self, body):
        raise RuntimeError("no\\nway")
"""


def test_every_line_of_the_log_is_whole_whatever_the_predictor_prints(tmp_path: Path) -> None:
    with served(tmp_path, PRINTING, serving={"workers": 1}) as server:
        assert server.predict(1).error["message"] == "predict raised RuntimeError: no\nway"
        lines = (tmp_path / "stdout").read_text().splitlines()
        assert [line for line in lines if not line.startswith("{")] == ["half of a line"]
        assert [entry["message"] for entry in server.log(logger="mine", severity="INFO")] == ["between halves"]
        assert "careful" in server.log(severity="WARNING", logger="py.warnings")[0]["message"]
        (failure,) = server.log(severity="ERROR", phase="predict")
        assert "served.py" in failure["traceback"]
        assert (tmp_path / "stderr").read_text() == ""


@pytest.mark.parametrize("on_trial", [False, True])
def test_threads_and_memory_are_set_before_the_predictor_is_imported_and_torch_is_not(
    tmp_path: Path, on_trial: bool
) -> None:
    code = """
    import sys

    SEEN = [
        *map(os.environ.get, ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")), "torch" in sys.modules,
        "MALLOC_TRIM_THRESHOLD_" in os.environ, "SEATRIAL_GIVES_BACK" in os.environ,
    ]


    class P:
        def load(self, artifacts_uri): ...

        def predict(self, body):
            return {"predictions": [SEEN]}
    """
    environ = {"OMP_NUM_THREADS": "7", **({"SEATRIAL_GIVES_BACK": "1"} if on_trial else {})}
    with served(tmp_path, code, environ=environ) as server:
        assert server.predictions(1) == [["7", "PASSIVE", "2000", False, not on_trial, False]]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_runtime_imports_nothing_but_its_own_parts(source: Path) -> None:
    own = {"uvicorn", "uvloop", "msgspec", "pybase64", "google_crc32c"}
    allowed = set(sys.stdlib_module_names) | own | {"PIL", "torch", "numpy"}
    for node in ast.walk(ast.parse(source.read_text(), feature_version=(3, 10))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        for name in names:
            assert name.split(".")[0] in allowed or name.startswith("seatrial.serving"), name


# Like the wheel: a package `seatrial` without files of its own and with one portion, `serving`.
AS_SHIPPED = """
import json, runpy, sys, types
namespace = types.ModuleType("seatrial")
namespace.__path__ = [sys.argv.pop(1)]
sys.modules["seatrial"] = namespace
runpy.run_module("seatrial.serving", run_name="__main__", alter_sys=True)
"""


def test_the_runtime_runs_without_the_rest_of_seatrial(tmp_path: Path) -> None:
    package = tmp_path / "site" / "seatrial"
    package.mkdir(parents=True)
    (package / "serving").symlink_to(REPOSITORY / "seatrial" / "serving")
    with served(tmp_path, MEAN, command=[sys.executable, "-c", AS_SHIPPED, str(package)]) as server:
        assert server.predictions(gray(3)) == [3]
