"""`seatrial summary`: one page on how the jobs of a workflow ended, and annotations of what they found."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from seatrial.errors import ExitCode


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--reports", type=Path, required=True, metavar="DIR", help="the folder of the jobs' reports")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="the project's folder in the repository"
    )
    parser.add_argument("--jobs", default="", metavar="TEXT", help="how the jobs ended: NAME=RESULT NAME=RESULT")


def command(arguments: argparse.Namespace) -> int:
    """Print the annotations, and write the page to GITHUB_STEP_SUMMARY, or without it to standard output.

    Raises:
        UsageError: --jobs is not a list of NAME=RESULT.
    """
    from seatrial.report import github, markdown
    from seatrial.workflow import summary

    reports = summary.read(arguments.reports)
    page = markdown.page(reports, summary.jobs(arguments.jobs))
    for line in github.workflow_commands(reports, str(arguments.folder)):
        sys.stdout.write(f"{line}\n")
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as step:
            step.write(page)
    else:
        sys.stdout.write(page)
    return int(ExitCode.PASSED)
