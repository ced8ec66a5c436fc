"""Child processes: lists of arguments, an explicit environment, a time limit, and nothing left behind.

Every child leads a process group of its own. However the wait for it ends (its exit, the time limit, an interrupt),
the whole group is killed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import textwrap
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from seatrial.errors import EnvironmentFaultError
from seatrial.system import controls, overheard

# What an installing process may inherit: where programs, caches and home are, and how to reach the network.
_INHERITED = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
_NETWORK = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip


def install_environment(**extra: str) -> dict[str, str]:
    """Return the environment of a process that installs: network settings and uv's own, nothing of Python's."""
    of_uv = {name for name in os.environ if name.startswith("UV_")} - {"UV_LINK_MODE"}  # copies are made of links
    names = {*_INHERITED, *_NETWORK, *of_uv}
    return {name: os.environ[name] for name in sorted(names) if name in os.environ} | extra


def lines(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: Path | None = None,
    given: bytes | None = None,
    errors: IO[bytes] | None = None,
    aloud: bool = False,
    terminal: bool = False,
) -> Generator[str, None, int]:
    """Run a program, yield what it prints line by line, return its exit code.

    It reads `given` from its standard input, which is otherwise empty. Its standard error goes to the file `errors`;
    without that it is part of what it prints. With `aloud` its lines may be overheard. With `terminal` it prints to
    one, because some programs show there alone how far they are; each change is then a line.

    Raises:
        EnvironmentFaultError: it cannot be started, or still runs after `timeout` seconds.
    """
    process = start(argv, env=env, cwd=cwd, piped=given is not None, errors=errors, terminal=terminal)
    if given is not None:
        threading.Thread(target=_give, args=(process, given), daemon=True).start()
    expired = threading.Event()
    threading.Thread(target=_end_group, args=(process, timeout, expired), daemon=True).start()
    try:
        assert process.stdout is not None  # noqa: S101 - start() gives a pipe
        for line in _printed(process.stdout) if terminal else process.stdout:
            if aloud:
                overheard.pass_on(line)
            yield line.rstrip("\n")
        code = process.wait()
    finally:
        kill(process)
    if expired.is_set():
        raise EnvironmentFaultError(f"`{_named(argv)}` did not end within {timeout:g} s")
    return code


def _printed(terminal: IO[str]) -> Iterator[str]:
    """Yield the lines on a terminal, which ends with an error, without what it obeys."""
    with contextlib.suppress(OSError):
        for line in terminal:
            yield controls.without(line)


def _end_group(process: subprocess.Popen[Any], timeout: float, expired: threading.Event) -> None:
    """Kill the group when its leader ends or its time is up: a process that is left could hold the pipe open."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        expired.set()
    signal_group(process, signal.SIGKILL)


def _named(argv: Sequence[str]) -> str:
    return textwrap.shorten(shlex.join([Path(argv[0]).name, *argv[1:4]]), 80, placeholder=" …")


def _give(process: subprocess.Popen[str], given: bytes) -> None:
    """Write a program's standard input; the program may end before it has read it all."""
    assert process.stdin is not None  # noqa: S101 - started with a pipe
    with contextlib.suppress(OSError, ValueError), open(process.stdin.fileno(), "wb", closefd=False) as pipe:
        pipe.write(given)
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()


def output(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: Path | None = None,
    given: bytes | None = None,
    both: bool = False,
    aloud: bool = False,
) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it printed.

    That is the standard output of a program that succeeds, and also the standard error of one that fails. With `both`
    it is always both streams, in order. With `aloud` its lines may be overheard.
    """
    with tempfile.TemporaryFile() as errors:
        run = lines(argv, env=env, timeout=timeout, cwd=cwd, given=given, errors=None if both else errors, aloud=aloud)
        printed: list[str] = []
        while True:
            try:
                printed.append(next(run))
            except StopIteration as end:
                code = int(end.value)
                break
        if code != 0:
            errors.seek(0)
            printed += errors.read().decode("utf-8", "replace").splitlines()
    return code, "\n".join(printed)


@contextlib.contextmanager
def streamed(argv: Sequence[str], *, env: Mapping[str, str], timeout: float) -> Iterator[IO[bytes]]:
    """Run a program and yield its standard output as it comes; the program must succeed by the end of the block.

    Raises:
        EnvironmentFaultError: it cannot be started, fails, or still runs after `timeout` seconds.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                list(argv), env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise EnvironmentFaultError(f"cannot run {argv[0]}: {error.strerror}") from None
        expired = threading.Event()
        threading.Thread(target=_end_group, args=(process, timeout, expired), daemon=True).start()
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield process.stdout
            while process.stdout.read(1 << 20):
                pass  # padding that its reader did not need
            code = process.wait()
        except EnvironmentFaultError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if process.wait(5) > 0:  # the output cannot be read because the program failed: report that
                    raise _failed(argv, errors) from None
            raise
        finally:
            kill(process)
        if expired.is_set():
            raise EnvironmentFaultError(f"`{_named(argv)}` did not end within {timeout:g} s")
        if code != 0:
            raise _failed(argv, errors)


def _failed(argv: Sequence[str], errors: IO[bytes]) -> EnvironmentFaultError:
    errors.seek(0)
    return EnvironmentFaultError(f"`{_named(argv)}` failed:\n{errors.read().decode(errors='replace').strip()}")


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    piped: bool = False,
    errors: IO[bytes] | None = None,
    umask: int = -1,
    passed: Sequence[int] = (),
    terminal: bool = False,
) -> subprocess.Popen[str]:
    """Start a program as the leader of a process group, with both streams in one pipe unless `errors` is given.

    A `umask` of -1 is this process's own. `passed` are descriptors that the program gets. With `terminal` a terminal
    takes the place of the pipe.

    Raises:
        EnvironmentFaultError: the program does not exist or cannot be run.
    """
    reading, writing = _open_terminal() if terminal else (-1, subprocess.PIPE)
    try:
        process = subprocess.Popen(
            list(argv), env=dict(env), cwd=cwd, stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=writing, stderr=errors or subprocess.STDOUT, text=True, encoding="utf-8",
            errors="replace", start_new_session=True, umask=umask, pass_fds=passed,
        )  # fmt: skip
    except OSError as error:
        if terminal:
            os.close(reading)
        raise EnvironmentFaultError(f"cannot run {argv[0]}: {error.strerror}") from None
    finally:
        if terminal:
            os.close(writing)
    if terminal:
        process.stdout = os.fdopen(reading, encoding="utf-8", errors="replace")
    return process


def _open_terminal() -> tuple[int, int]:
    """Return descriptors of a terminal: the one to read from, and the one for a program."""
    import termios  # of Linux alone

    reading, writing = os.openpty()
    termios.tcsetwinsize(writing, (50, 250))  # of rows and columns: bars that are narrower have no numbers
    return reading, writing


def signal_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Signal a process that `start` began and everything that it started; do nothing if all have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process that `start` began, and everything that it started, at once."""
    signal_group(process, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
