"""The options that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path


def project(parser: argparse.ArgumentParser) -> None:
    """Add --project."""
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR", help="the project (default: here)")


def format(parser: argparse.ArgumentParser, formats: Sequence[str] = ("console", "json", "github")) -> None:  # noqa: A001
    """Add --format."""
    documents = " and ".join(name for name in formats if name in ("json", "sarif"))
    parser.add_argument(
        "--format",
        choices=formats,
        default="console",
        help=f"{documents} to standard output; github is console, with step outputs and a report in build/report",
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
