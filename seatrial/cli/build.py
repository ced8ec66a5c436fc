"""`seatrial build`: build the bundle."""

from __future__ import annotations

import argparse

from seatrial.cli import options
from seatrial.cli.run import alone, running, with_artifacts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.project(parser)
    options.formats(parser)
    options.device(parser, "the device whose lock goes into the bundle")


def command(arguments: argparse.Namespace) -> int:
    """Build the bundle into build/bundle."""
    from seatrial import bundle as bundling

    with running("build", arguments) as run, alone(run), with_artifacts(run):
        bundle = run.of(bundling.build(run.project, arguments.device), "build")
        digest = bundle.digest if bundle else ""
        return run.finish(f"build/bundle, digest {digest}", bundle_digest=digest)
