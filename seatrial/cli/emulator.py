"""`seatrial emulator`: run the local Vertex AI in the foreground."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from seatrial.cli import extra
from seatrial.errors import ExitCode

_STATE = Path("build/emulator")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--state", type=Path, default=_STATE, metavar="DIR", help=f"its state (default: {_STATE})")
    parser.add_argument("--port", type=int, default=0, help="for gRPC (default: a free one)")
    parser.add_argument("--rest-port", type=int, default=0, help="for REST (default: a free one)")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="the file to write its addresses to, as JSON")
    parser.add_argument("--stop-on-eof", action="store_true", help="stop when standard input ends")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="the faults to simulate, as JSON")
    parser.add_argument("--probe-period", type=_positive, default=10.0, metavar="S", help="seconds between probes")


def command(arguments: argparse.Namespace) -> int:
    """Run the emulator until it is interrupted."""
    with extra.needed():
        from seatrial.emulator import server

    options = server.Options(
        state=arguments.state,
        port=arguments.port,
        rest_port=arguments.rest_port,
        engine=os.environ.get("SEATRIAL_ENGINE") or "auto",
        probe_period=arguments.probe_period,
        patience=server.PATIENCE if arguments.stop_on_eof else 0.0,
    )
    server.serve_forever(options, arguments.faults, arguments.ready_file, stop_on_eof=arguments.stop_on_eof)
    return int(ExitCode.PASSED)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number
