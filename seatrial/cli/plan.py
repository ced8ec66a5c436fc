"""`seatrial plan`: decide what a workflow does for a project, and write the plan to the step's outputs."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.cli import options
from seatrial.cli.run import running
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.workflow.plan import Wanted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, which are the inputs of the workflow: empty if not given."""
    options.project(parser)
    options.formats(parser)
    parser.add_argument("--device", dest="devices", default="", help="cpu, gpu or both (default: all with a runner)")
    parser.add_argument("--runner", default="", metavar="LABEL", help="the ordinary runner's label, or a JSON list")
    parser.add_argument("--gpu-runner", default="", metavar="LABEL", help="that of a runner with a GPU (default: none)")
    for flag, text in (
        ("deploy", "create the model version"),
        ("dry-run", "only say what a deploy would do"),
        ("rollback", "serve the previous version again"),
        ("undeploy", "stop everything that serves the model"),
    ):
        parser.add_argument(f"--{flag}", default="", metavar="BOOL", help=f"{text}: true or false (default: false)")
    parser.add_argument("--target", default="", help="vertex or local (default: vertex)")
    parser.add_argument("--repository", default="", metavar="NAME", help="the image's (default: image.repository)")
    parser.add_argument(
        "--environment", default="", metavar="NAME", help="that a deploy waits for (default: production)"
    )
    parser.add_argument("--name", default="", help="of this call, where a run has several for one project")
    parser.add_argument("--since", default="", metavar="REV", help="the git revision that a pull request changes")


def command(arguments: argparse.Namespace) -> int:
    """Make the plan. The outputs name the project even if its configuration cannot be read."""
    from seatrial.report import github
    from seatrial.workflow.plan import key, plan

    repository = os.environ.get("GITHUB_WORKSPACE", ".")
    github.set_outputs(key=key(arguments.project or Path(), repository, arguments.name))
    with running("plan", arguments) as run:
        made = plan(run.project, _wanted(arguments))
        github.set_outputs(**made.outputs())
        return run.finish(made.in_words, plan=asdict(made))


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from seatrial.workflow.plan import Wanted

    return Wanted(
        devices=arguments.devices,
        runner=arguments.runner,
        gpu_runner=arguments.gpu_runner,
        deploy=_boolean(arguments.deploy, "deploy"),
        dry_run=_boolean(arguments.dry_run, "dry-run"),
        rollback=_boolean(arguments.rollback, "rollback"),
        undeploy=_boolean(arguments.undeploy, "undeploy"),
        target=arguments.target or "vertex",
        repository=arguments.repository,
        environment=arguments.environment,
        since=arguments.since,
    )


def _boolean(text: str, name: str) -> bool:
    if text not in ("true", "false", ""):
        raise UsageError(f"{name} is {text!r}", fix="it can be true or false")
    return text == "true"
