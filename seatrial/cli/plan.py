"""`seatrial plan`: reads what a workflow asks for, and writes the plan as the step's outputs."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from seatrial.cli.run import running
from seatrial.errors import UsageError
from seatrial.report import github
from seatrial.workflow.plan import Wanted, key, plan


def command(arguments: argparse.Namespace) -> int:
    """Run the command."""
    github.set_outputs(key=key(arguments.project, os.environ.get("GITHUB_WORKSPACE", ".")))
    with running("plan", arguments) as run:
        made = plan(run.project, _wanted(arguments))
        github.set_outputs(**made.outputs())
        return run.finish(arguments, made.in_words, plan=asdict(made))


def _wanted(arguments: argparse.Namespace) -> Wanted:
    return Wanted(
        devices=arguments.devices,
        runner=arguments.runner,
        gpu_runner=arguments.gpu_runner,
        deploy=_truth(arguments.deploy, "deploy"),
        dry_run=_truth(arguments.dry_run, "dry-run"),
        rollback=_truth(arguments.rollback, "rollback"),
        target=arguments.target or "vertex",
        repository=arguments.repository,
        environment=arguments.environment,
    )


def _truth(text: str, name: str) -> bool:
    if text not in ("true", "false", ""):
        raise UsageError(f"{name} is {text!r}", fix="it can be true or false")
    return text == "true"
