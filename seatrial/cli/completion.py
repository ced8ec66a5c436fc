"""`seatrial completion SHELL`: print the script with which a shell completes commands, options, files and folders."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seatrial.errors import ExitCode


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("shell", choices=("bash", "fish", "zsh"), help="the shell that reads the script")


def command(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from seatrial.cli.parser import parser, parsers

    whole = parser()
    for each in parsers(whole):
        for action in each._actions:  # argparse has no public name for them
            if action.type is Path:
                is_folder = action.metavar == "DIR"
                action.complete = shtab.DIRECTORY if is_folder else shtab.FILE  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(whole, arguments.shell) + "\n")
    return int(ExitCode.PASSED)
