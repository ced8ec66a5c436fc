"""What ends a command early: one class for each exit code, with the fix beside the message.

A finding says what is wrong with the user's predictor. An error says why the tool could not look.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    PASSED = 0
    FINDINGS = 1
    USAGE = 2
    ENVIRONMENT = 3
    STILL_RUNNING = 75  # EX_TEMPFAIL of sysexits.h: running it again resumes


class SeatrialError(Exception):
    """Ends a command with `exit_code`, a message and, if there is one, a fix."""

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(SeatrialError):
    """Wrong arguments or configuration (exit 2)."""

    exit_code = ExitCode.USAGE


class EnvironmentFaultError(SeatrialError):
    """A fault of the environment: the network, the disk, a missing program (exit 3)."""

    exit_code = ExitCode.ENVIRONMENT


class StillRunningError(SeatrialError):
    """A deadline passed while a cloud operation still runs (exit 75); the message names the operation."""

    exit_code = ExitCode.STILL_RUNNING
