"""`seatrial check`: find what will fail before anything is installed, and fix what is safe to fix."""

from __future__ import annotations

import argparse
import contextlib
import gc
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.cli import options
from seatrial.cli.run import Run, running
from seatrial.errors import ExitCode
from seatrial.findings import Finding, Severity, that_follow, unfolded
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.check.run import Checked, Choice
    from seatrial.report.renderer import RuleText


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.project(parser)
    options.formats(parser, rules=True)
    for flag, what in (("select", "only these rules"), ("ignore", "all rules but these")):
        parser.add_argument(
            f"--{flag}",
            action="append",
            default=[],
            metavar="CODES",
            help=f"{what}: codes or prefixes of codes, such as ST4,ST201; may be repeated",
        )
    parser.add_argument(
        "--offline", action="store_true", help="ask no package index; note what cannot be checked without one"
    )
    fixing = parser.add_mutually_exclusive_group()
    fixing.add_argument("--fix", action="store_true", help="make the edits that are safe, and show them")
    fixing.add_argument("--diff", action="store_true", help="show those edits but change nothing; exit 1 if any")
    parser.add_argument("--exit-zero", action="store_true", help="exit 0 even if there are errors")


def command(arguments: argparse.Namespace) -> int:
    """Run the check, and with --fix or --diff make or show the safe edits."""
    with _uncollected():
        return _check(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from seatrial.check import run as checking
    from seatrial.facts.gather import Gathered

    with running("check", arguments, unwritten=_unwritten) as run:
        choice = checking.chosen(arguments.select, arguments.ignore)
        checked = run.of(checking.check(Gathered(run.project), choice, offline=arguments.offline))
        changed: tuple[str, ...] = ()
        if arguments.fix or arguments.diff:
            checked, changed = _fix(run, arguments, choice, checked)
        code = run.finish(
            "nothing found that would fail",
            tail=list(_counts(run.findings, len(checked.waived))),
            rules=lambda: _rules({f.code for f in [*run.findings, *(waived.finding for waived in checked.waived)]}),
            waived=[waived.as_dict() for waived in checked.waived],
            changed=list(changed),
        )
        if arguments.exit_zero:
            return int(ExitCode.PASSED)
        return int(ExitCode.FINDINGS) if arguments.diff and changed else code


def _fix(run: Run, arguments: argparse.Namespace, choice: Choice, checked: Checked) -> tuple[Checked, tuple[str, ...]]:
    """Make the safe edits, or with --diff only show them; return the check after them and the files they change."""
    from seatrial import project
    from seatrial.check import fixes
    from seatrial.check import run as checking
    from seatrial.facts.gather import Gathered

    seen = fixes.snapshot(run.project.root, unfolded(run.findings))
    if not seen:
        return checked, ()
    run.findings.clear()
    checked = run.of(
        checking.check(Gathered(run.project), choice, offline=arguments.offline)
    )  # again, so that the findings are of exactly the bytes in `seen`
    plan = fixes.plan(run.project.root, unfolded(run.findings), seen)
    run.renderer.result(redacted("".join(change.diff() for change in plan.changes)))  # it has lines around the edits
    changed = tuple(change.path for change in plan.changes)
    for finding, why in plan.refused:
        run.renderer.told("not fixed", f"{finding.code}: {why}")
    if arguments.diff or not changed:
        return checked, changed
    if others := fixes.write(plan.changes):
        run.renderer.told("not fixed", f"{', '.join(others)} changed meanwhile; run it again")
        return checked, ()
    many = f"{len(plan.fixed)} findings" if len(plan.fixed) > 1 else "1 finding"
    run.renderer.told("fixed", f"{many}, in {', '.join(changed)}")
    if run.project.requirements_in.name in changed:
        run.renderer.told("next", "requirements.in has changed: run `seatrial lock`")
    run.findings.clear()
    run.read_again(project.load(arguments.project, unwritten=_unwritten))
    return run.of(checking.check(Gathered(run.project), choice, offline=arguments.offline)), changed


def _unwritten(root: Path) -> dict[str, Any]:
    """Return what [tool.seatrial] would be in a folder without one."""
    from seatrial.facts.repository.served import answering  # only such a folder needs it

    return answering(root)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Turn off Python's search for cycles: syntax trees have none, and it took a fifth of a check of 500 modules.

    Afterwards all that was made counts as old, which puts off the search that turning it on again would begin with.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def _counts(findings: Sequence[Finding], waived: int) -> Iterator[str]:
    """Count the findings that the verdict does not: it counts only errors."""
    for severity in (Severity.WARNING, Severity.NOTE):
        if number := sum(finding.severity is severity for finding in findings):
            yield f"{number} {severity.value}{'s' if number > 1 else ''}"
    if following := that_follow([follower.code for finding in findings for follower in finding.followers]):
        yield following
    if waived:
        yield f"{waived} waived"
    if fixable := sum(bool(finding.edits) for finding in unfolded(findings)):
        yield f"{fixable} fixable with --fix"


def _rules(named: Collection[str]) -> list[RuleText]:
    """Return the texts of the rules that a check judges by, and of those that findings name."""
    from seatrial.report.renderer import RuleText
    from seatrial.rules import RULES
    from seatrial.rules.page import page

    return [
        RuleText(rule.code, rule.title, rule.severity, rule.explanation, page(rule))
        for rule in RULES.values()
        if rule.check or rule.code in named
    ]
