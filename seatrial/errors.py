"""What ends a command other than a finding: one class an exit code, the remedy in the message.

A finding says what is wrong with the user's predictor. An error here says why the tool could not even look.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    PASSED = 0
    FINDINGS = 1
    USAGE = 2
    ENVIRONMENT = 3
    STILL_RUNNING = 75  # EX_TEMPFAIL of sysexits.h: a re-run resumes


class SeatrialError(Exception):
    """Ends a command with `exit_code`, a message and, where there is one, the way out."""

    exit_code = ExitCode.ENVIRONMENT

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(SeatrialError):
    """Wrong arguments or configuration (exit 2)."""

    exit_code = ExitCode.USAGE


class EnvironmentFaultError(SeatrialError):
    """The fault of the surroundings: network, disk, a program that is missing (exit 3)."""

    exit_code = ExitCode.ENVIRONMENT


class StillRunningError(SeatrialError):
    """A deadline passed while an operation of the cloud still runs (exit 75); the message names the operation."""

    exit_code = ExitCode.STILL_RUNNING
