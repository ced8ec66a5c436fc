"""The command line."""

from seatrial.cli.main import main

__all__ = ["main"]
