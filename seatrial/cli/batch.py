"""`seatrial batch`: let a proven version answer the rows of files in a bucket, and say what became of them."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cli import extra, options, platforms
from seatrial.cli.deploy import connected, exit_code, pairs
from seatrial.cli.run import Ended, Run, running
from seatrial.deploy import outcome
from seatrial.errors import StillRunningError, UsageError
from seatrial.system.signals import Interruption, handled

if TYPE_CHECKING:
    from seatrial.cli.platforms import Row
    from seatrial.deploy.batch import Progress
    from seatrial.deploy.platform import Platform

_EPILOG = """\
The inputs are files in a bucket: JSON lines, each an instance as a request has it, or with --input-format file-list the
URIs of images, one a line. A URI may have wildcards, of which * stays within a folder and ** does not. In a rehearsal,
an input and the images that it lists may be files of this machine; the bucket is gs://seatrial-local.

The job is made from the version, the content of the inputs, the output and the settings. The same command finds it
again: it waits for a job that runs, says how one has ended, and makes none twice. --again makes another, as is needed
where an image is another one under the URI that a list of images has: only the list itself is looked at.
"""
_CANCELLED = 300.0  # seconds until a job that is cancelled has ended


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = f"{parser.description}\n\n{_EPILOG}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    options.project(parser)
    options.formats(parser)
    options.target(parser)
    parser.add_argument(
        "--input", action="append", required=True, metavar="gs://…", help="a file with rows; may be repeated"
    )
    parser.add_argument("--output", required=True, metavar="gs://…", help="the folder in which the job makes its own")
    parser.add_argument(
        "--input-format",
        choices=("jsonl", "file-list"),
        default="jsonl",
        help="what a line is: an instance, or the URI of an image (default: jsonl)",
    )
    parser.add_argument(
        "--version", default="", metavar="ID", help="the id or an alias of a proven version (default: the default one)"
    )
    parser.add_argument("--again", action="store_true", help="make another job although the same has succeeded")
    parser.add_argument("--cancel-on-stop", action="store_true", help="if interrupted, cancel the job")


def command(arguments: argparse.Namespace) -> int:
    """Find or make the job, wait for it, and report.

    Raises:
        UsageError: the extra is not installed, a `--set` is not KEY=VALUE, or an input or the output is no URI.
    """
    with extra.needed(), running("batch", arguments, pairs(arguments.set)) as run:
        from seatrial.deploy.batch import Progress, Wanted, batch, stored
        from seatrial.deploy.progress import Progress as Reached

        row = platforms.chosen(run.project, arguments.target)
        _refuse(arguments, row)
        progress = Progress()
        _file(run).unlink(missing_ok=True)  # an older one must not pass for this run's
        with (
            connected(run, row, Reached()) as resources,
            _recorded(run, progress, row, resources.platform),
            _stoppable(run, arguments, resources.platform),
        ):
            inputs = tuple(
                each if each.startswith("gs://") else stored(resources.platform, Path(each), arguments.input_format)
                for each in arguments.input
            )
            wanted = Wanted(inputs, arguments.output, arguments.input_format, arguments.version, arguments.again)
            run.of(batch(resources, wanted, progress))
        return _finish(run, progress, row)


def _refuse(arguments: argparse.Namespace, row: Row) -> None:
    if not arguments.output.startswith("gs://"):
        raise UsageError(f"--output is {arguments.output}", fix="name a folder in a bucket: gs://BUCKET/FOLDER")
    for each in arguments.input:
        if each.startswith("gs://"):
            continue
        if not row.traits.rehearsal:
            raise UsageError(
                f"--input {each} is not in a bucket", fix=f"copy it there: gcloud storage cp {each} gs://BUCKET/"
            )


@contextlib.contextmanager
def _stoppable(run: Run, arguments: argparse.Namespace, platform: Platform) -> Iterator[None]:
    """If interrupted, say what still runs, or with --cancel-on-stop cancel it."""
    try:
        yield
    except Interruption as interruption:
        handled()
        if arguments.cancel_on_stop:
            from seatrial.deploy.batch import cancel

            run.of(cancel(platform, _CANCELLED))
        else:
            for name, what in platform.awaited.items():
                run.renderer.measured(f"still runs: {what}, {name}; the same command waits for it again")
        run.renderer.error("interrupted")
        raise Ended(128 + int(interruption.args[0])) from None


@contextlib.contextmanager
def _recorded(run: Run, progress: Progress, row: Row, platform: Platform) -> Iterator[None]:
    """Write batch.json however the block ends, with what still runs then."""
    from seatrial.report import json as json_report

    early: dict[str, Any] = {}
    try:
        yield
    except StillRunningError as error:
        progress.status, early = "still-running", {"verdict": "error", "message": error.message}
        raise
    except Ended:
        progress.status, early = "interrupted", {"verdict": "error", "message": "interrupted"}
        raise
    except Exception as error:
        progress.status, early = "error", {"verdict": "error", "message": str(error)}
        raise
    finally:
        more = {**_particulars(progress, row), "running": dict(platform.awaited), **early}
        try:
            json_report.write(_file(run), json_report.document("batch", run.findings, run.seconds, **more))
        except OSError as error:  # it must not hide how the command ended
            run.renderer.error(f"the outcome could not be written to {error.filename}: {error.strerror}")


def _particulars(progress: Progress, row: Row) -> dict[str, Any]:
    return {**asdict(progress), "failures": dict(progress.failures), "target": row.traits.name}


def _file(run: Run) -> Path:
    return run.project.build_dir / "batch/batch.json"


def _finish(run: Run, progress: Progress, row: Row) -> int:
    job = progress.job
    parts = [f"{job.answered:,} rows answered by version {progress.version.rpartition('@')[2]}, in {job.output}"]
    if progress.status == "unchanged":
        parts.append("by a job that had ended before")
    if row.traits.rehearsal:
        from seatrial.emulator.local import folder_of

        folder = folder_of(run.project, job.output)
        if job.output and folder.is_dir():
            run.renderer.measured(f"the results lie in {folder}")
        parts.append(outcome.REHEARSAL)
    return exit_code(run, run.finish(" · ".join(parts), **_particulars(progress, row)))
