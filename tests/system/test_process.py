"""Child processes end when they must, take their own children with them, and see only what they should."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from seatrial.errors import EnvironmentFaultError
from seatrial.system import overheard, process

# Starts a child, writes both process ids to a file, prints a line, and waits for ever.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
print("started", flush=True)
time.sleep(float(sys.argv[2]))
"""


def family(file: Path, seconds: float) -> list[str]:
    return [sys.executable, "-I", "-c", FAMILY, str(file), str(seconds)]


def gone(file: Path) -> bool:
    """Wait for the end of a family: a killed process takes a moment to end."""
    for _ in range(1000):
        if not alive(file):
            return True
        time.sleep(0.02)
    return False


def alive(file: Path) -> list[int]:
    """Return the process ids in a file that still belong to a process, zombies excepted."""
    found = []
    for pid in map(int, file.read_text().split()):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":  # in a container an orphan may never be collected
            found.append(pid)
    return found


class TestLines:
    def test_come_from_both_streams_in_order_and_end_with_the_exit_code(self) -> None:
        script = "import sys; print('a', flush=True); print('b', file=sys.stderr, flush=True); sys.exit(7)"
        assert process.output([sys.executable, "-c", script], env={}, timeout=60) == (7, "a\nb")

    def test_survive_bytes_that_are_not_text(self) -> None:
        script = r"import sys; sys.stdout.buffer.write(b'\xff\n')"
        assert process.output([sys.executable, "-c", script], env={}, timeout=60) == (0, "\N{REPLACEMENT CHARACTER}")

    def test_are_yielded_while_the_program_runs_and_closing_them_kills_its_whole_family(self, tmp_path: Path) -> None:
        run = process.lines(family(tmp_path / "pids", 600), env={}, timeout=600)
        assert next(run) == "started"
        assert len(alive(tmp_path / "pids")) == 2
        run.close()
        assert gone(tmp_path / "pids")

    def test_end_at_the_deadline_with_the_whole_family_and_name_the_program(self, tmp_path: Path) -> None:
        with pytest.raises(EnvironmentFaultError, match=r"python\S* -I -c .* did not end within 3 s"):
            process.output(family(tmp_path / "pids", 600), env={}, timeout=3)
        assert len((tmp_path / "pids").read_text().split()) == 2
        assert gone(tmp_path / "pids")

    def test_end_with_the_program_even_if_its_child_holds_the_pipe_open(self, tmp_path: Path) -> None:
        assert process.output(family(tmp_path / "pids", 0), env={}, timeout=100) == (0, "started")
        assert gone(tmp_path / "pids")

    def test_name_a_program_of_one_word_that_does_not_end(self) -> None:
        with pytest.raises(EnvironmentFaultError, match="`yes` did not end within"):
            process.output(["/usr/bin/yes"], env={}, timeout=0.2)

    def test_say_which_program_does_not_exist(self) -> None:
        with pytest.raises(EnvironmentFaultError, match="cannot run /no/such/program: No such file"):
            process.output(["/no/such/program"], env={}, timeout=60)

    def test_give_a_program_no_standard_input_to_wait_for(self) -> None:
        assert process.output([sys.executable, "-c", "print(repr(input()))"], env={}, timeout=60)[0] == 1


class TestSignals:
    def test_reach_no_process_after_the_family_has_ended(self) -> None:
        started = process.start([sys.executable, "-c", ""], env={})
        started.wait()
        process.signal_group(started, signal.SIGTERM)
        process.kill(started)
        assert started.returncode == 0


class TestTheInstallEnvironment:
    def test_passes_on_how_to_reach_the_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {
            "SSL_CERT_FILE": "/a.pem", "REQUESTS_CA_BUNDLE": "/b.pem", "HTTPS_PROXY": "http://proxy", "no_proxy": "x",
            "UV_INDEX_URL": "https://index.example", "NETRC": "/c", "PATH": "/bin", "HOME": "/home/someone",
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert process.install_environment().items() >= given.items()

    @pytest.mark.parametrize(
        "name", ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"]
    )
    def test_passes_on_nothing_that_changes_what_python_or_pip_takes(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, "/somewhere")
        assert name not in process.install_environment()

    def test_passes_on_no_secret_of_the_caller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/key.json")
        monkeypatch.setenv("GITHUB_TOKEN", "secret")
        assert not {"GOOGLE_APPLICATION_CREDENTIALS", "GITHUB_TOKEN"} & process.install_environment().keys()

    def test_adds_the_callers_variables(self) -> None:
        assert process.install_environment(TMPDIR="/t")["TMPDIR"] == "/t"
        assert os.environ.get("TMPDIR") != "/t"


class TestOutput:
    NOISY = ("sh", "-c", "echo warning >&2; echo answer; exit $0")

    def test_of_a_program_that_succeeds_is_its_answer_without_its_warnings(self) -> None:
        assert process.output([*self.NOISY, "0"], env={"PATH": "/usr/bin:/bin"}, timeout=30) == (0, "answer")

    def test_of_a_program_that_fails_is_all_that_it_printed(self) -> None:
        assert process.output([*self.NOISY, "3"], env={"PATH": "/usr/bin:/bin"}, timeout=30) == (3, "answer\nwarning")


def test_only_what_is_run_aloud_is_overheard_and_no_password_is() -> None:
    program = [sys.executable, "-I", "-c", "print('took it from https://me:hunter2@example.org/simple\\n\\nof two')"]
    heard: list[str] = []
    with overheard.by(heard.append):
        process.output(program, env={}, timeout=60)
        assert heard == []
        code, printed = process.output(program, env={}, timeout=60, aloud=True)
    process.output(program, env={}, timeout=60, aloud=True)
    assert (code, "hunter2" in printed) == (0, True)
    assert heard == ["took it from https://***@example.org/simple", "of two"]


def test_what_is_overheard_moves_no_cursor_and_changes_no_colour() -> None:
    heard: list[str] = []
    with overheard.by(heard.append):
        overheard.pass_on("\x1b[2K\x1b[31mred\x1b[0m \x1b]0;title\x07[bold]\x9b1A\tof it\r\n")
        overheard.pass_on("\x1b[0m\n")
    assert heard == ["red [bold]1A\tof it"]


def test_a_program_that_is_given_a_terminal_shows_there_what_a_pipe_does_not_get() -> None:
    code = "import sys\nprint(sys.stdout.isatty())\nsys.stderr.write('\\x1b[2K1 of 2\\r\\x1b[2K2 of 2\\n')"
    run = process.lines([sys.executable, "-I", "-c", code], env={}, timeout=60, terminal=True)
    assert [*run] == ["True", "1 of 2", "2 of 2"]
