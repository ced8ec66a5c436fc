"""`seatrial predict`: ask the real server, in the environment of the lock, and print its answer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from seatrial.cli import options
from seatrial.cli.run import alone, running, with_artifacts
from seatrial.errors import EnvironmentFaultError, UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an image, or an instance as a .json file")
    parser.add_argument("--parameters", default="", metavar="JSON", help="the request's `parameters`")
    options.project(parser)
    options.formats(parser, only=("console",))
    options.device(parser, "where to run it")


def command(arguments: argparse.Namespace) -> int:
    """Ask, and print the body of the answer as JSON.

    Raises:
        UsageError: `--parameters` is no JSON, or the server refused the request.
        EnvironmentFaultError: the server failed.
    """
    from seatrial.trial import by_hand

    try:
        parameters = json.loads(arguments.parameters) if arguments.parameters else None
    except ValueError as error:
        raise UsageError(f"--parameters is no JSON: {error}") from None
    with running("predict", arguments) as run, alone(run), with_artifacts(run):
        answer = run.of(by_hand.predict(run.gathered, arguments.device, arguments.files, parameters))
        if answer is None:
            return run.finish("")
        sys.stdout.write(json.dumps(answer.body, ensure_ascii=False, indent=1) + "\n")
        if answer.status >= 500:
            raise EnvironmentFaultError(f"the server answered with status {answer.status}")
        if answer.status != 200:
            raise UsageError(f"the server refused the request with status {answer.status}")
        return run.finish(f"{len(arguments.files)} answered")
