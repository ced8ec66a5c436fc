"""The seal itself: what a process under it sees and may do, in each way that this machine has."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from seatrial.environment import interpreter, store
from seatrial.environment.store import Copy
from seatrial.trial.sealing import launch
from seatrial.trial.sealing.launch import Sealed
from tests.environment.small_lock import VERSION, kept
from tests.stages import ended

Run = Callable[[str, str], Any]
SEALED = ("namespaces", "landlock")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="both are Linux's")


@pytest.fixture(scope="module")
def copied_environment(shared_cache: Path) -> Iterator[Copy]:
    with store.copy(kept(ended(interpreter.find(VERSION)).value)) as copy:
        yield copy


@contextlib.contextmanager
def started(copy: Copy, way: str, code: str) -> Iterator[Sealed]:
    """Start Python code under one kind of seal; skip the test where the machine does not have it."""
    before = launch.WAYS
    launch.WAYS = (way,)
    try:
        if reason := launch._REFUSED.get(way):
            pytest.skip(f"{way}: {reason}")
        command = [str(copy.python), "-I", "-c", textwrap.dedent(code)]
        sealed = launch.start(copy, command, env={"HOME": str(copy.folder("home"))}, device="cpu")
    finally:
        launch.WAYS = before
    try:
        yield sealed
    finally:
        sealed.close()


@pytest.fixture
def run(copied_environment: Copy) -> Run:
    """Return what runs code under a seal and returns the JSON value that it prints."""

    def run(way: str, code: str) -> Any:
        with started(copied_environment, way, code) as sealed:
            printed, _ = sealed.running.communicate(timeout=60)
        assert sealed.way == way
        return json.loads(printed.splitlines()[-1])

    return run


TRY = """
    import json
    def tried(what):
        try:
            return what() or "done"
        except OSError as error:
            return type(error).__name__
"""


@pytest.mark.parametrize("way", SEALED)
def test_files_and_programs_of_this_machine_are_refused(run: Run, tmp_path: Path, way: str) -> None:
    secret, program = Path.home() / ".seatrial-test-secret", tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    secret.write_text("of this machine")
    try:
        code = f"""
            import subprocess
            print(json.dumps([
                tried(lambda: open({str(secret)!r}).read()),
                tried(lambda: subprocess.run([{str(program)!r}]).returncode),
                tried(lambda: subprocess.run(["/bin/sh", "-c", "exit 0"]).returncode),
                tried(lambda: open("/etc/passwd").read()[:4]),
            ]))
        """
        answers = run(way, textwrap.dedent(TRY) + textwrap.dedent(code))
    finally:
        secret.unlink()
    missing = "FileNotFoundError" if way == "namespaces" else "PermissionError"
    assert answers[0] == missing
    assert answers[1] == missing or way == "landlock"  # /tmp is this machine's there, which the verdict says
    assert answers[2:] == ["done", "root"]


@pytest.mark.parametrize("way", SEALED)
def test_only_the_folders_of_a_container_can_be_written(run: Run, way: str) -> None:
    code = """
        import os, pathlib, sys
        write = lambda place: tried(lambda: pathlib.Path(place, "new").write_text("x") and None)
        print(json.dumps([write(p) for p in (".", os.environ["HOME"], "/tmp", sys.prefix, "/usr", "/")]))
    """
    answers = run(way, textwrap.dedent(TRY) + textwrap.dedent(code))
    assert answers[:3] == ["done"] * 3
    refused = answers[3:] if way == "namespaces" else answers[4:]  # the cache of this test is in /tmp
    assert all(answer in ("OSError", "PermissionError") for answer in refused)


def test_in_namespaces_there_is_no_network_no_user_and_a_name_of_its_own(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as of_this_machine:
        code = f"""
            import os, shutil, socket
            print(json.dumps([
                tried(lambda: socket.create_connection(("127.0.0.1", {of_this_machine.getsockname()[1]}), 5)),
                tried(lambda: socket.create_connection(("198.51.100.7", 443), 5)),
                tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.7", 9))),
                socket.gethostbyname(socket.gethostname()), os.getuid(), shutil.disk_usage("/dev/shm").total,
            ]))
        """
        answers = run("namespaces", textwrap.dedent(TRY) + textwrap.dedent(code))
    assert answers == ["ConnectionRefusedError", "OSError", "OSError", "127.0.0.1", 12345, 64 * 2**20]


def test_the_packages_of_the_kept_environment_are_shown_and_never_changed(shared_cache: Path) -> None:
    code = """
        import h11, os, sys
        site = os.path.dirname(os.path.dirname(h11.__file__))
        print(json.dumps([
            h11.__file__, os.path.realpath(h11.__file__), sys.prefix,
            tried(lambda: open(h11.__file__, "a")), tried(lambda: os.remove(h11.__file__)),
            tried(lambda: open(os.path.join(site, "more.py"), "w")),
        ]))
    """
    made = kept(ended(interpreter.find(VERSION)).value)
    with store.copy(made, hollow=True) as copy:
        with started(copy, "namespaces", textwrap.dedent(TRY) + textwrap.dedent(code)) as sealed:
            printed, _ = sealed.running.communicate(timeout=60)
        place = str(store.site_packages(copy.path) / "h11/__init__.py")
        assert json.loads(printed) == [place, place, str(copy.path / "environment"), "OSError", "OSError", "OSError"]
        assert list(copy.hollow())
        with started(copy, "landlock", "import h11") as sealed:
            assert sealed.running.wait(60) == 0
        assert not list(copy.hollow())
    assert store.changed_files(made) == []


def test_landlock_refuses_c_code_and_children_the_ports_of_the_outside(run: Run) -> None:
    code = """
        import subprocess, sys
        connect = "import socket; socket.create_connection(('127.0.0.1', 443), 5)"
        print(json.dumps(subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True).stderr[-200:]))
    """
    assert "Permission denied" in run("landlock", textwrap.dedent(TRY) + textwrap.dedent(code))


SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080)"


def test_a_server_in_a_network_of_its_own_listens_on_the_port_of_the_cloud(copied_environment: Copy) -> None:
    with started(copied_environment, "namespaces", SERVE) as sealed:
        assert sealed.port == 8080
        while True:  # until it listens
            with contextlib.suppress(ConnectionRefusedError):
                connection = HTTPConnection("127.0.0.1", 1, timeout=10)
                connection.sock = sealed.connect(10)
                break
            assert sealed.running.poll() is None
        connection.request("GET", "/")
        assert connection.getresponse().status == 200


def test_what_is_not_sealed_is_said_with_the_reason(copied_environment: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_REFUSED", {"namespaces": "unshare: Operation not permitted"})
    command = [str(copied_environment.python), "-I", "-c", "pass"]
    sealed = launch.start(copied_environment, command, env={}, device="cpu")
    sealed.close()
    assert sealed.way == "landlock"
    (said,) = sealed.unsealed()
    assert "shm" in said
    assert "unshare: Operation not permitted" in said


@pytest.mark.parametrize("way", SEALED)
def test_a_child_in_a_session_of_its_own_ends_with_the_trial(copied_environment: Copy, way: str) -> None:
    code = """
        import os, subprocess, sys, time
        sleep = "import time; time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True)
        open(os.path.expanduser("~/started"), "w").close()
        time.sleep(600)
    """
    started_file = copied_environment.folder("home") / "started"
    with started(copied_environment, way, code) as sealed:
        while not started_file.exists():
            assert sealed.running.poll() is None
        sealed.find_children()
        children = sealed._children - {sealed.running.pid}
        sealed.running.send_signal(signal.SIGTERM)
        sealed.running.wait(10)
    started_file.unlink()
    assert children
    until = time.monotonic() + 10
    while any(is_running(child) for child in children):
        assert time.monotonic() < until  # a killed process may take a moment to end


def is_running(number: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
