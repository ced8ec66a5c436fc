"""What each command of the command line does: join stages with reports.

Stages and their dependencies are imported where they are used, so that `--help` answers at once and nothing loads
torch or google.cloud before it is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.cli.run import Run, alone, print_json, running
from seatrial.errors import EnvironmentFaultError, ExitCode, UsageError
from seatrial.findings import Finding, Severity, failed
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from seatrial.check.run import Checked, Choice
    from seatrial.trial.observe import Trial


def lock(arguments: argparse.Namespace) -> int:
    """Write the locks, or with --check judge them."""
    from seatrial.lock import compile as locking

    with running("lock", arguments) as run:
        if arguments.check:
            if arguments.upgrade or arguments.cpu:
                raise UsageError("--check writes nothing, so --upgrade and --cpu have no meaning with it")
            run.of(locking.check_lock(run.project))
            return run.finish(arguments, "the lock answers requirements.in")
        if not arguments.cpu or arguments.upgrade:
            run.of(locking.compile_lock(run.project, upgrade=arguments.upgrade), "lock")
        if not failed(run.findings) and (arguments.cpu or run.project.cpu_lock_file.is_file()):
            run.of(locking.compile_cpu_lock(run.project), "lock --cpu")
        return run.finish(arguments, "locked")


def check(arguments: argparse.Namespace) -> int:
    """Judge what can be known before anything is installed, and where asked for mend what is safe."""
    with _uncollected():
        return _check(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from seatrial.check import run as checking

    with running("check", arguments) as run:
        choice = checking.chosen(arguments.select, arguments.ignore)
        checked = run.of(checking.check(run.project, choice, offline=arguments.offline))
        mended: tuple[str, ...] = ()
        if arguments.fix or arguments.diff:
            checked, mended = _mend(run, arguments, choice, checked)
        if arguments.format == "sarif":
            print_json(_sarif(run, checked))
        code = run.finish(
            arguments,
            "nothing found that would fail",
            tail=list(_counts(run.findings, len(checked.waived))),
            waived=[waived.as_dict() for waived in checked.waived],
            changed=list(mended),
        )
        if arguments.exit_zero:
            return int(ExitCode.PASSED)
        return int(ExitCode.FINDINGS) if arguments.diff and mended else code


def _mend(run: Run, arguments: argparse.Namespace, choice: Choice, checked: Checked) -> tuple[Checked, tuple[str, ...]]:
    """Make the safe edits, or with --diff only show them; give what a check finds then, and the files that change."""
    from seatrial import project
    from seatrial.check import fixes
    from seatrial.check import run as checking

    seen = fixes.snapshot(run.project.root, run.findings)
    if not seen:
        return checked, ()
    run.findings.clear()
    checked = run.of(
        checking.check(run.project, choice, offline=arguments.offline)
    )  # again: these findings are of the very bytes in `seen`
    plan = fixes.plan(run.project.root, run.findings, seen)
    text = "".join(change.diff() for change in plan.changes)
    machine = arguments.format in ("json", "sarif") or sys.stdout is None
    (sys.stderr if machine else sys.stdout).write(redacted(text))  # lines around an edit are shown too
    changed = tuple(change.path for change in plan.changes)
    for finding, why in plan.refused:
        run.console.told("not fixed", f"{finding.code}: {why}")
    if arguments.diff or not changed:
        return checked, changed
    if others := fixes.write(plan.changes):
        run.console.told("not fixed", f"{', '.join(others)} changed meanwhile; run it again")
        return checked, ()
    many = f"{len(plan.fixed)} findings" if len(plan.fixed) > 1 else "1 finding"
    run.console.told("fixed", f"{many}, in {', '.join(changed)}")
    if run.project.requirements_in.name in changed:
        run.console.told("next", "requirements.in has changed: run `seatrial lock`")
    run.findings.clear()
    run.project = project.load(arguments.project)
    return run.of(checking.check(run.project, choice, offline=arguments.offline)), changed


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Do without Python's search for cycles: syntax trees have none, and it took a fifth of a check of 500 modules."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _counts(findings: Sequence[Finding], waived: int) -> Iterator[str]:
    """Say how many findings there are beside the errors, which the verdict counts."""
    for severity in (Severity.WARNING, Severity.NOTE):
        if number := sum(finding.severity is severity for finding in findings):
            yield f"{number} {severity.value}{'s' if number > 1 else ''}"
    if waived:
        yield f"{waived} waived"
    if fixable := sum(bool(finding.edits) for finding in findings):
        yield f"{fixable} fixable with --fix"


def _sarif(run: Run, checked: Checked) -> dict[str, Any]:
    from seatrial.report import sarif
    from seatrial.rules import RULES
    from seatrial.rules.page import page

    named = {f.code for f in run.findings} | {waived.finding.code for waived in checked.waived}
    rules = [
        sarif.RuleText(rule.code, rule.title, rule.severity, rule.explanation, page(rule))
        for rule in RULES.values()
        if rule.check or rule.code in named
    ]
    report = [finding.as_dict() for finding in run.findings]
    return sarif.document(run.project.root, rules, report, [waived.as_dict() for waived in checked.waived])


def build(arguments: argparse.Namespace) -> int:
    """Build the bundle."""
    from seatrial import bundle as bundling

    with running("build", arguments) as run, alone(run):
        bundle = run.of(bundling.build(run.project, arguments.device), "build")
        digest = bundle.digest if bundle else ""
        return run.finish(arguments, f"build/bundle, digest {digest}", bundle_digest=digest)


def image_build(arguments: argparse.Namespace) -> int:
    """Build the container image."""
    from seatrial.containers import engine
    from seatrial.image.build import build_image
    from seatrial.report import github

    with running("image build", arguments) as run, alone(run):
        found = engine.find(arguments.engine or run.project.image.engine)
        stage = build_image(run.project, arguments.device, found, write=arguments.write, fresh=arguments.no_cache)
        image = run.of(stage)
        if image is None:
            return run.finish(arguments, "")
        if arguments.format == "github":
            github.set_outputs(image=image.reference)
        size = f"{image.rebuilt_bytes / 1e3:,.1f} kB"
        proof = (
            f"{image.reference} by {image.engine}, {image.id[:19]} · version {image.version_digest[:12]} · "
            f"{len(image.rebuilt)} of {len(image.layers)} layers are new, {size} · {image.seconds:.1f} s"
        )
        return run.finish(arguments, proof, image=image.as_dict())


def smoke(arguments: argparse.Namespace) -> int:
    """Prove the predictor in its environment; with --image, in a container."""
    from seatrial.trial.observe import DEPTH

    if arguments.image is not None:
        return smoke_image(arguments)
    with running("smoke", arguments) as run, alone(run):
        began = time.monotonic()
        trial = try_out(run, arguments.device, skip_check=arguments.skip_check)
        proof = _proof(trial, DEPTH, time.monotonic() - began)
        return run.finish(arguments, proof, **_particulars(trial, DEPTH))


def try_out(run: Run, device: str, *, skip_check: bool = False) -> Trial:
    """Run the whole trial and write its report, in a project that no other run works in.

    Raises:
        EnvironmentFaultError: it could not come to its end.
    """
    from seatrial.report import json as json_report
    from seatrial.trial import smoke as trials
    from seatrial.trial.observe import DEPTH

    file = run.project.build_dir / "smoke/report.json"
    file.unlink(missing_ok=True)  # whatever happens now, the report of another run must not stand for this one
    trial = run.of(trials.smoke(run.project, device, skip_check=skip_check))
    if not trial.finished and not failed(run.findings):
        raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
    json_report.write(file, json_report.document("smoke", run.findings, run.seconds, **_particulars(trial, DEPTH)))
    return trial


def smoke_image(arguments: argparse.Namespace) -> int:
    """Prove a container image."""
    from seatrial.containers import engine
    from seatrial.image.push import report_file
    from seatrial.report import json as json_report
    from seatrial.trial import image as image_trials
    from seatrial.trial.observe import DEPTH

    with running("smoke --image", arguments) as run, alone(run):
        if arguments.skip_check:
            raise UsageError("an image is only run, never checked, so --skip-check has no meaning with --image")
        began = time.monotonic()
        file = report_file(run.project)
        file.unlink(missing_ok=True)
        found = engine.find(arguments.engine or run.project.image.engine)
        tried = run.of(image_trials.smoke_image(run.project, arguments.image, found, arguments.device))
        if not tried.trial.finished and not failed(run.findings):
            raise EnvironmentFaultError("the trial did not come to its end and found no reason; please report this")
        more = {**_particulars(tried.trial, DEPTH), **tried.particulars()}
        json_report.write(file, json_report.document("smoke --image", run.findings, run.seconds, **more))
        for line in tried.sizes():
            run.console.measured(line)
        proof = _proof(tried.trial, DEPTH, time.monotonic() - began)
        healthy = f"healthy after {tried.trial.healthy_after:.1f} s"
        return run.finish(arguments, f"{tried.image.id[:19]} · {healthy} · {proof}", **more)


def image_push(arguments: argparse.Namespace) -> int:
    """Push the proven image."""
    from dataclasses import asdict

    from seatrial.containers import engine
    from seatrial.image import push
    from seatrial.report import json as json_report

    with running("image push", arguments) as run, alone(run):
        wanted = arguments.repository or run.project.image.repository
        repository = push.repository_of(wanted, arguments.region or run.project.vertex.region)
        proven = push.proven_image(run.project)
        run.of(push.changes_since(run.project, proven))
        pushed = run.of(push.push(proven, repository, engine.find(arguments.engine or proven.engine)))
        proof = (
            f"{pushed.reference} · {pushed.bytes_pushed / 1e6:,.3f} of {pushed.bytes / 1e6:,.3f} MB sent, in "
            f"{pushed.layers_pushed} of {pushed.layers} layers · {pushed.took:.1f} s"
        )
        document = json_report.document("image push", run.findings, run.seconds, **asdict(pushed))
        json_report.write(run.project.build_dir / "image/pushed.json", document)
        return run.finish(arguments, proof, pushed=asdict(pushed))


def _particulars(trial: Trial, depth: str) -> dict[str, Any]:
    """Give what the report of a trial names beside findings."""
    return {
        "depth": depth,
        "device": trial.device,
        "card": trial.card,
        "bundle_digest": trial.bundle_digest,
        "version_digest": trial.bundle_digest,  # without an image the version is the bundle
        "image_id": None,
        "versions": trial.versions,
        "interface": trial.interface,
        "asked": trial.asked,
        "golden": trial.golden,
        "compared": trial.compared,
        "largest_difference": trial.drift,
        "tolerance": trial.tolerance,
        "unproven": trial.unproven,
    }


def _proof(trial: Trial, depth: str, seconds: float) -> str:
    """Say in one line what a green trial has proven, and what it has not."""
    inputs = f"{trial.golden} golden answers" if trial.golden else f"{trial.asked} sample images"
    asked = f"{inputs}, alone and in batches" if trial.asked else "loaded and stopped"
    if trial.compared:
        asked += f", numbers within {trial.drift:.1g} of training's (allowed {trial.tolerance:.1g})"
    parts = [
        asked,
        f"{depth} depth on {trial.card or trial.device}",
        f"bundle {trial.bundle_digest[:12]}",
        f"{seconds:.1f} s",
        *(f"NOT proven: {text}" for text in trial.unproven),
    ]
    return " · ".join(parts)


def deploy(arguments: argparse.Namespace) -> int:
    """Create the model version, prove it live and move traffic to it, or say or undo what there is."""
    from seatrial.cli import deploy

    with _extra():
        return deploy.deploy(arguments)


def plan(arguments: argparse.Namespace) -> int:
    """Decide what a workflow does."""
    from seatrial.cli import plan as planning

    return planning.command(arguments)


def summary(arguments: argparse.Namespace) -> int:
    """Say what the jobs of a workflow came to."""
    from seatrial.workflow import summary as summaries

    return summaries.command(arguments)


def emulator(arguments: argparse.Namespace) -> int:
    """Run the local Vertex AI until it is interrupted."""
    with _extra():
        from seatrial.emulator import server
    return server.serve_forever(arguments)


@contextlib.contextmanager
def _extra() -> Iterator[None]:
    """Say which extra is missing, where what it brings cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("google", "grpc", "requests", "gcp_storage_emulator"):
            raise
        fix = "install the tool with its extra: seatrial[deploy]"
        raise UsageError(f"{error.name}, which a deploy needs, is not installed", fix=fix) from None


def explain(arguments: argparse.Namespace) -> int:
    """Print the page of a rule, the list of a family's or of all rules, or what the rules recognise in a log."""
    if arguments.log is not None:
        from seatrial.cli import explain_log

        return explain_log.explain_log(arguments)
    from seatrial.rules import RULES, nearest
    from seatrial.rules.page import listed, page

    code = (arguments.code or "ST").strip().upper()
    text = page(RULES[code]) if code in RULES else listed(code)
    if not text:
        fix = "`seatrial explain` lists all rules, `seatrial explain ST4` a family"
        raise UsageError(f"there is no rule {arguments.code}{nearest(code)}", fix=fix)
    sys.stdout.write(text)
    return int(ExitCode.PASSED)
