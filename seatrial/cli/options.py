"""The options that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path


def project(parser: argparse.ArgumentParser) -> None:
    """Add --project."""
    parser.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="the project (default: here, or the nearest folder above that is one)",
    )


def formats(parser: argparse.ArgumentParser, *, rules: bool = False, only: Sequence[str] = ()) -> None:
    """Add --format, --quiet and --verbose; `rules` is whether the command's reports have texts of rules."""
    from seatrial.report.formats import FORMATS, offered

    names = only or offered(rules=rules)
    text = "; ".join(f"{name}: {FORMATS[name].about}" for name in names)
    parser.add_argument("--format", choices=names, default=names[0], help=f"{text} (default: {names[0]})")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quiet", "-q", action="store_true", help="only findings and the verdict, no progress")
    much.add_argument(
        "--verbose", "-v", action="store_true", help="also what the server, pip, uv and docker print, as it comes"
    )


def device(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --device."""
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help=f"{text} (default: cpu)")


def engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine."""
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "podman"),
        default=os.environ.get("SEATRIAL_ENGINE") or None,
        help="the container engine (default: SEATRIAL_ENGINE, then image.engine, then the first that answers)",
    )


def target(parser: argparse.ArgumentParser) -> None:
    """Add --target and --set."""
    from seatrial.cli.platforms import PLATFORMS

    parser.add_argument(
        "--target",
        choices=tuple(PLATFORMS),
        default=os.environ.get("SEATRIAL_TARGET") or None,
        help="Google Cloud, or a rehearsal on this machine (default: SEATRIAL_TARGET; without it vertex if "
        "vertex.project is set, otherwise local; required if CI is set)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of [tool.seatrial.vertex], such as machine-type=g2-standard-4 or rollout.steps=[10,100]",
    )
