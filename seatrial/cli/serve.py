"""`seatrial serve`: run the real server on this machine, in the environment of the lock, until it is interrupted."""

from __future__ import annotations

import argparse

from seatrial.cli import options
from seatrial.cli.run import running, with_artifacts
from seatrial.errors import EnvironmentFaultError

_PORT = 8080  # the port of Vertex AI's containers


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--port", type=int, default=_PORT, help=f"where it listens (default: {_PORT})")
    options.project(parser)
    options.formats(parser, only=("console",))
    options.device(parser, "where to run it")


def command(arguments: argparse.Namespace) -> int:
    """Serve.

    Raises:
        EnvironmentFaultError: the server ended with an error.
    """
    from seatrial.trial import by_hand

    with running("serve", arguments) as run, with_artifacts(run):
        code = run.of(by_hand.run(run.gathered, arguments.device, arguments.port))
        if code:
            raise EnvironmentFaultError(
                f"the server ended with exit code {code}", fix="`seatrial smoke` explains why a server does not load"
            )
        return run.finish("the server has ended")
