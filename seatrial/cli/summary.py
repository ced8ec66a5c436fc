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
    parser.add_argument(
        "--planned", default="", metavar="TEXT", help="what the plan wanted: NAME=true NAME=false (default: all jobs)"
    )


def command(arguments: argparse.Namespace) -> int:
    """Print the annotations, and write the page to GITHUB_STEP_SUMMARY, or without it to standard output.

    The outputs of the step are the verdict and the digest of the proven bundle.

    The command fails if a job did not do what the plan wanted, so that its own check can be required.

    Raises:
        UsageError: --jobs or --planned is not a list of NAME=VALUE.
    """
    from seatrial.report import github, markdown
    from seatrial.workflow import summary

    reports = summary.read(arguments.reports)
    jobs = summary.jobs(arguments.jobs, arguments.planned)
    page = markdown.page(reports, jobs)
    for line in github.workflow_commands(reports, str(arguments.folder)):
        sys.stdout.write(f"{line}\n")
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(file).open("a", encoding="utf-8") as step:
            step.write(page)
    else:
        sys.stdout.write(page)
    outputs = summary.outputs(reports, jobs)
    github.set_outputs(**outputs)
    return int(ExitCode.PASSED if outputs["verdict"] == "passed" else ExitCode.FINDINGS)
