"""`seatrial deploy`: decide where to deploy what, on which proof, and report how it ended.

Every deploy ends in deploy.json; if it was interrupted, it names what still runs. The client of Vertex AI takes a
second to import, which happens while a rehearsal's emulator starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cli import extra, options, platforms
from seatrial.cli.platforms import Row
from seatrial.cli.run import PAGE, Ended, Run, alone, running, with_artifacts
from seatrial.cli.smoke import try_out
from seatrial.deploy import outcome as outcomes
from seatrial.deploy.outcome import Outcome
from seatrial.deploy.progress import Progress
from seatrial.deploy.split import shown
from seatrial.errors import ExitCode, StillRunningError, UsageError
from seatrial.findings import Phase, Stage, failed
from seatrial.system.signals import Interruption, handled

if TYPE_CHECKING:
    from seatrial.deploy.candidate import Candidate
    from seatrial.deploy.deployment import Artifact, Deployment
    from seatrial.deploy.resources import Resources
    from seatrial.project import Project


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.project(parser)
    options.formats(parser)
    options.target(parser)
    image = parser.add_mutually_exclusive_group()
    image.add_argument("--image", metavar="REF", help="deploy this image of the container engine (local only)")
    image.add_argument("--pushed", type=Path, metavar="FILE", help="what `image push` wrote (default: this project's)")
    parser.add_argument(
        "--report",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="the report of a trial that ran elsewhere; may be repeated (default: this project's own)",
    )
    parser.add_argument("--cancel-on-stop", action="store_true", help="if interrupted, cancel and undo what was begun")
    whats = parser.add_mutually_exclusive_group()
    for what, text in (
        ("dry-run", "say what would be done, but change nothing"),
        ("status", "say what serves now"),
        ("rollback", "undo an unfinished rollout; if there is none, serve the previous version again"),
        ("undeploy", "stop everything that serves this model, and its bill"),
    ):
        whats.add_argument(f"--{what}", action="store_const", dest="what", const=what, default="deploy", help=text)


def command(arguments: argparse.Namespace) -> int:
    """Deploy, or say or undo what there is.

    Raises:
        UsageError: the extra is not installed, a `--set` is not KEY=VALUE, or an option means nothing here.
    """
    with extra.needed():
        return _deploy(arguments)


def _deploy(arguments: argparse.Namespace) -> int:
    with running("deploy", arguments, pairs(arguments.set)) as run:
        if arguments.what not in _OF_A_CANDIDATE and (arguments.image or arguments.pushed or arguments.report):
            raise UsageError(
                f"--{arguments.what} looks only at the server: --image, --pushed and --report have no meaning with it"
            )
        row = platforms.chosen(run.project, arguments.target)
        progress = Progress()
        if arguments.what != "status":  # which is no deploy: deploy.json and its page stay
            _page(run).unlink(missing_ok=True)  # an older one must not pass for this run's
        with _recorded(run, arguments.what, row, progress) as told, contextlib.ExitStack() as held:
            chosen = None
            if arguments.what in _OF_A_CANDIDATE:
                held.enter_context(with_artifacts(run))
                chosen = _chosen(run, arguments, row)
                if chosen is None:
                    progress.status = "refused"
                    return _finish(run, progress, row, _page(run))
                told.update(_of_candidate(chosen))
            with connected(run, row, progress) as resources, _stoppable(run, arguments, resources):
                for line in _do(run, arguments.what, resources, chosen):
                    run.renderer.measured(line)
        return _finish(run, progress, row, _page(run) if arguments.what != "status" else None)


_OF_A_CANDIDATE = ("deploy", "dry-run")


def _do(run: Run, what: str, resources: Resources, chosen: Candidate | None) -> list[str]:
    """Do what was asked for; return lines that say what is there or would be."""
    from seatrial.deploy.rollback import rollback
    from seatrial.deploy.status import describe
    from seatrial.deploy.undeploy import undeploy

    if chosen is None:
        ways = {"status": describe, "undeploy": undeploy, "rollback": rollback}
        return run.of(ways[what](resources))
    deployment = _deployment(run.project, resources, chosen)
    if what == "dry-run":
        return run.of(deployment.plan())
    run.of(deployment.run())
    return []


_PROOFS = {
    "deployed": "{version} serves on endpoint {endpoint}: {traffic}",
    "unchanged": "nothing to do, {version} serves on endpoint {endpoint}: {traffic}",
    "planned": "nothing was changed",
    "rolled-back": "{version} serves on endpoint {endpoint}: {traffic}",
    "undeployed": "nothing of this model runs any more",
    "described": "endpoint {endpoint}: {traffic}",
}


def _page(run: Run) -> Path:
    return run.project.build_dir / "deploy" / PAGE


def _finish(run: Run, progress: Progress, row: Row, page: Path | None) -> int:
    version, endpoint = progress.version.rpartition("/")[2], progress.endpoint.rpartition("/")[2]
    proof = _PROOFS.get(progress.status, progress.status)
    if progress.status == "rolled-back" and not version:
        proof = "the rollout is undone; endpoint {endpoint}: {traffic}"
    if progress.status == "described" and not endpoint:
        proof = "there is no endpoint yet"
    parts = [proof.format(version=version, endpoint=endpoint, traffic=shown(progress.traffic))]
    parts += [f"NOT proven: {text}" for text in progress.unproven]
    if row.traits.rehearsal:
        parts.append(outcomes.REHEARSAL)
    return exit_code(run, run.finish(" · ".join(parts), page=page, status=progress.status, **_particulars(progress)))


def exit_code(run: Run, code: int) -> int:
    """Return the exit code of a command that asked a platform: its surroundings may be what is at fault."""
    from seatrial.rules.deployment.surroundings import SURROUNDINGS

    return int(ExitCode.ENVIRONMENT) if code == ExitCode.FINDINGS and run.errors <= SURROUNDINGS else code


def _particulars(progress: Progress) -> dict[str, Any]:
    return {key: value for key, value in asdict(progress).items() if key not in ("status", "changed")}


def pairs(texts: list[str]) -> dict[str, str]:
    """Return the keys and values of `--set`.

    Raises:
        UsageError: one is not KEY=VALUE.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key in found:
            raise UsageError(
                f"--set takes KEY=VALUE, each key once, not {text}", fix="--set machine-type=n1-standard-4"
            )
        found[key] = value
    return found


@contextlib.contextmanager
def connected(run: Run, row: Row, progress: Progress) -> Iterator[Resources]:
    """Yield the project's resources at the target, to which there is a connection for as long as the block runs."""
    run.begin("connect")
    with row.connect(run.project) as platform:
        from seatrial.deploy.resources import Resources

        run.begin("")
        yield Resources(run.gathered, platform, progress)


def _chosen(run: Run, arguments: argparse.Namespace, row: Row) -> Candidate | None:
    """Return what to deploy, which was proven; a bundle without a report is tried out first."""
    from seatrial.containers import engine as engines
    from seatrial.containers.inspection import inspect
    from seatrial.deploy import candidate as candidates

    project = run.project
    device = project.vertex.device
    files = arguments.report or candidates.report_files(project)
    reports = candidates.read_reports(files, needed=bool(arguments.report))
    if arguments.image:
        if not row.traits.rehearsal:
            raise UsageError("--image names an image of this machine", fix="`seatrial image push` it; see --pushed")
        found = inspect(engines.find(project.image.engine), arguments.image)
        return run.of(candidates.of_local_image(project, device, arguments.image, found.id, reports), "proof")
    if not row.traits.rehearsal or arguments.pushed:
        pushed = candidates.pushed_image(project, arguments.pushed)
        return run.of(candidates.of_image(project, device, pushed, reports), "proof")
    if sent := candidates.pushed_reference(project):
        run.renderer.told(
            "bundle",
            f"this rehearses the bundle, not the image that was pushed, {sent}: `--pushed` rehearses that, "
            "and `--target vertex` deploys it",
        )
    if not arguments.report and not candidates.proven(project, device, reports):
        with alone(run):
            try_out(run, device)
        if failed(run.findings):
            return None
        reports = candidates.read_reports(files, needed=False)
    return run.of(candidates.of_bundle(project, device, reports), "proof")


def _deployment(project: Project, resources: Resources, chosen: Candidate) -> Deployment:
    from seatrial.bundle import build
    from seatrial.deploy.deployment import Deployment
    from seatrial.system.file_lock import acquire

    def provide() -> Stage[Artifact]:
        if chosen.image:
            return chosen.image, ""
        lock = yield from acquire(project.build_dir / "lock", "another run in this project")
        try:
            yield Phase("store")
            folder = project.build_dir / "bundle"
            if _digest_in(folder) != chosen.bundle_digest:
                yield from build(project, chosen.device)
            if _digest_in(folder) != chosen.bundle_digest:
                raise UsageError("the project has changed since this deploy began", fix="run `seatrial deploy` again")
            uri = yield from resources.platform.store(folder, chosen.bundle_digest)
        finally:
            lock.release()
        return f"seatrial.local/bundle:{chosen.bundle_digest[:16]}", uri

    return Deployment(resources, chosen, provide)


def _digest_in(folder: Any) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["digest"])
    return ""


@contextlib.contextmanager
def _stoppable(run: Run, arguments: argparse.Namespace, resources: Resources) -> Iterator[None]:
    """If interrupted, say what still runs, or with --cancel-on-stop end it."""
    try:
        yield
    except Interruption as interruption:
        handled()
        resources.progress.status = "interrupted"
        for name, what in resources.platform.awaited.items():
            run.renderer.measured(f"still runs: {what}, {name}")
        if arguments.cancel_on_stop and resources.progress.changed:
            from seatrial.deploy import undo

            run.of(undo.after_interruption(resources))
        elif resources.progress.changed:
            run.renderer.measured("the same command continues where this one stopped")
        run.renderer.error("interrupted")
        raise Ended(128 + int(interruption.args[0])) from None


@contextlib.contextmanager
def _recorded(run: Run, what: str, row: Row, progress: Progress) -> Iterator[dict[str, Any]]:
    """Write deploy.json however the block ends."""
    told: dict[str, Any] = {}
    message = ""
    try:
        yield told
    except StillRunningError as error:
        flag = "" if what == "deploy" else f" --{what}"
        error.fix = f"run `seatrial deploy{flag}` again, as this time: it finds what runs and continues"
        progress.status, message = "still-running", error.message
        raise
    except Interruption:
        progress.status = "interrupted"
        raise
    except Exception as error:
        message = str(error)
        raise
    finally:
        if what != "status":
            reached = _particulars(progress)
            outcome = Outcome(
                progress.status,
                row.traits.name,
                **told,
                **reached,
                seconds=run.seconds,
                message=message,
                rehearsal=row.traits.rehearsal,
            )
            try:
                outcomes.write(run.project, outcome, run.findings)
            except OSError as error:  # it must not hide how the deploy ended
                run.renderer.error(f"the outcome could not be written to {error.filename}: {error.strerror}")


def _of_candidate(chosen: Candidate | None) -> Mapping[str, str]:
    if chosen is None:
        return {}
    return {
        "alias": chosen.alias,
        "digest": chosen.version_digest,
        "bundle_digest": chosen.bundle_digest,
        "image": chosen.image,
        "device": chosen.device,
    }
