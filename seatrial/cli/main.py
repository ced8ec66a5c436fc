"""Runs a command: parses its arguments, heeds signals, and turns the way it ended into an exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TextIO

from seatrial.cli.parser import parser
from seatrial.cli.run import Ended
from seatrial.errors import ExitCode, SeatrialError
from seatrial.system.signals import Interruption, heed

_OF_LINUX = ("fcntl", "pwd", "resource")  # modules that Python has there, and not on every platform
_ELSEWHERE = "run it on Linux, x86-64, such as in a workflow; check, explain, init, config and lock --check work here"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, or without one show the state of the project here; return the exit code."""
    if argv is None:  # the process ends with this command
        atexit.register(gc.freeze)  # no search for cycles in what ends anyway: it took a seventh of a check
    run = _chosen(sys.argv[1:] if argv is None else argv)
    heed()
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except Ended as ended:
        return int(ended.code)
    except ModuleNotFoundError as error:
        if error.name not in _OF_LINUX:
            raise
        sys.stderr.write(f"error: this command needs Linux, and this is {sys.platform}\n  fix: {_ELSEWHERE}\n")
        return int(ExitCode.ENVIRONMENT)
    except SeatrialError as error:  # of a command that has no project, or has not loaded it yet
        sys.stderr.write(f"error: {error.message}\n" + (f"  fix: {error.fix}\n" if error.fix else ""))
        return int(error.exit_code)
    except Interruption as interruption:
        sys.stderr.write("\ninterrupted; everything that was started is stopped\n")
        return 128 + int(interruption.args[0])
    except BrokenPipeError:
        _close(sys.stdout, sys.stderr)
        return int(ExitCode.ENVIRONMENT)
    except OSError as error:  # a full disk below standard output, a folder that cannot be written
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {place}{error.strerror or error}\n")
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            _close(sys.stdout)
        return int(ExitCode.ENVIRONMENT)
    return code


def _close(*streams: TextIO | None) -> None:
    """Let what is still buffered go nowhere: it must not raise at exit."""
    for stream in filter(None, streams):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _chosen(argv: Sequence[str]) -> Callable[[], int]:
    """Return what to run."""
    if not argv:
        from seatrial.cli import state

        if project := state.around():
            return partial(state.show, project)
    arguments = parser().parse_args(argv)
    return lambda: int(arguments.run(arguments))
