"""`seatrial golden record`: record the predictor's answers, with all stages before them, in the locked environment."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from seatrial.cli import options
from seatrial.cli.run import alone, running, with_artifacts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    parts = parser.add_subparsers(metavar="COMMAND", required=True)
    text = "replace the golden answers by those of the predictor as it is now, in the environment of the lock"
    record = parts.add_parser("record", help=text, description=text)
    record.set_defaults(part=_record)
    record.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="an image file")
    options.project(record)
    options.formats(record)
    options.device(record, "where to run it")


def command(arguments: argparse.Namespace) -> int:
    """Record."""
    return int(arguments.part(arguments))


def _record(arguments: argparse.Namespace) -> int:
    from seatrial.trial.record import record

    with running("golden record", arguments) as run, alone(run), with_artifacts(run):
        began = time.monotonic()
        made = run.of(record(run.gathered, arguments.device, arguments.images))
        if made is None:
            return run.finish("")
        where = f"{run.project.artifacts}/golden"
        tail = []
        if run.project.is_remote:  # which only its owner writes to
            where = "build/artifacts/golden"
            upload = f"gcloud storage rsync --recursive build/artifacts {run.project.artifacts}"
            tail = [f"upload them: `{upload}`, or to a folder of its own; then `seatrial artifacts lock`"]
        return run.finish(
            f"{made.inputs} inputs with their stages in {where}, {made.size / 1e6:.2f} MB · recorded later: they do "
            f"not show that serving does as training did · {time.monotonic() - began:.1f} s",
            tail=tail,
            inputs=made.inputs,
            bytes=made.size,
        )
