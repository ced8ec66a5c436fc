"""`seatrial compare`: what another lock changes; or with --live, whether a deployed version answers as proven."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.cli import extra, options
from seatrial.cli.run import PAGE, Run, alone, running, with_artifacts
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.trial.comparison.locks import Pair

_EPILOG = """\
May I merge an update of the dependencies? Compare the lock before it with the one after it:
  seatrial compare old.txt requirements.txt
  seatrial compare --since HEAD           the project's lock as it was committed, and as it is now
  seatrial compare --since HEAD^1         in a pull request, which is what prove.yml does

Both locks are installed, each in an environment of its own. The golden inputs are recorded with the first and replayed
with the second, stage by stage; both real servers are asked the same inputs. A stage or an answer that differs by more
than its tolerance is an error (exit code 1). Sizes and speed are told, and never decide.

Does the deployed version still answer as it was proven? Ask it the golden requests again, from the commit that was
deployed; nothing is changed there, and another answer is an error:
  seatrial compare --live                 the project's own endpoint
  seatrial compare --live digits          or another one, by its id or its resource name
"""
_ENDPOINT = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/endpoints/(?P<endpoint>[^/]+)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog, parser.formatter_class = _EPILOG, argparse.RawDescriptionHelpFormatter
    what = parser.add_argument_group("what to compare")
    what.add_argument("locks", nargs="*", type=Path, metavar="LOCK", help="two locks: the former one, and the new one")
    what.add_argument("--since", metavar="REV", help="the project's lock, as it was at this git revision and as it is")
    text = "what serves on an endpoint (default: the project's), against its golden answers"
    what.add_argument("--live", nargs="?", const="", metavar="ENDPOINT", help=text)
    options.project(parser)
    options.formats(parser)
    options.target(parser)
    options.device(parser, "where to run them, and which of the project's locks --since means")
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        metavar="N",
        help="starts of each server to measure it (default: 3; 0: do not measure)",
    )


def command(arguments: argparse.Namespace) -> int:
    """Compare two locks, or ask what is deployed.

    Raises:
        UsageError: the extra for deploys is not installed, or a `--set` is not KEY=VALUE.
    """
    if arguments.live is not None:
        with extra.needed():
            return _live(arguments)
    with running("compare", arguments) as run, alone(run), with_artifacts(run):
        _refuse(arguments)
        pair = _pair(run, arguments)
        if pair is None:
            return run.finish(f"{arguments.since} has no lock of this project, so there is nothing to compare")
        return _compare(run, arguments, pair)


def _refuse(arguments: argparse.Namespace) -> None:
    """Refuse what is neither two locks nor a revision, or what only --live takes."""
    if arguments.set:
        raise UsageError("--set is a setting of the deploy, so it has no meaning without --live")
    if bool(arguments.locks) == bool(arguments.since) or len(arguments.locks) not in (0, 2):
        fix = "`seatrial compare old.txt requirements.txt`, or `seatrial compare --since HEAD`"
        raise UsageError("give two locks, or --since and a git revision, or --live", fix=fix)
    if arguments.runs < 0:
        raise UsageError(f"--runs is {arguments.runs}", fix="it is 0 or more; 3 and more show the noise")


def _pair(run: Run, arguments: argparse.Namespace) -> Pair | None:
    from seatrial.trial.comparison import locks

    if arguments.since:
        return locks.since(run.project, arguments.device, arguments.since)
    return locks.of_files(run.project, arguments.locks)


def _compare(run: Run, arguments: argparse.Namespace, pair: Pair) -> int:
    from seatrial.trial.comparison import compare

    began = time.monotonic()
    page = run.project.build_dir / "compare" / PAGE
    page.unlink(missing_ok=True)  # an older one must not pass for this run's
    found = run.of(compare(run.gathered, pair, arguments.device, arguments.runs))
    seconds = f"{time.monotonic() - began:.1f} s"
    return run.finish(
        found.proof(),
        tail=[*found.tail(), seconds],
        page=page,
        device=arguments.device,
        comparison=found.as_dict(),
        tables=found.tables(),
    )


def _live(arguments: argparse.Namespace) -> int:
    from seatrial.cli import deploy, platforms
    from seatrial.deploy.progress import Progress
    from seatrial.deploy.watch import watch

    with running("compare --live", arguments, {**deploy.pairs(arguments.set), **_endpoint(arguments.live)}) as run:
        if arguments.locks or arguments.since:
            raise UsageError("--live asks what is deployed, so locks and --since have no meaning with it")
        row = platforms.chosen(run.project, arguments.target)
        with with_artifacts(run), deploy.connected(run, row, Progress()) as resources:
            proofs = run.of(watch(resources))
        inputs = sum(proof.answered for proof in proofs)
        words = [f"{inputs} golden requests answered as proven, by {len(proofs)} deployed versions"]
        words += [f"numbers within {max(proof.drift for proof in proofs):.1g}"] if proofs else []
        words += [f"NOT proven: {text}" for text in dict.fromkeys(text for each in proofs for text in each.unproven)]
        code = run.finish(" · ".join(words), endpoint=resources.progress.endpoint, proofs=[asdict(p) for p in proofs])
        return deploy.exit_code(run, code)


def _endpoint(given: str) -> dict[str, str]:
    """Return the settings that an endpoint's id or resource name stands for; a project's number is no setting."""
    named = _ENDPOINT.fullmatch(given)
    if named is None:
        return {"endpoint": given} if given else {}
    return {key: text for key, text in named.groupdict().items() if key != "project" or not text.isdigit()}
