"""The command line: arguments, signals and exit codes. What the commands do is in `commands`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.cli import commands
from seatrial.cli.run import Ended
from seatrial.errors import ExitCode, SeatrialError
from seatrial.system.signals import Interruption, heed

_DESCRIPTION = """\
The sea trial of a PyTorch + torchvision predictor before it becomes a model version on Google Cloud.

The stages, in the order in which they run:
  lock      requirements.in -> requirements.txt, by pip-compile, with hashes
  check     what can be known before anything is installed, in under a second
  build     the bundle: wheels, artifacts, locks, one content digest
  smoke     all of the above, then the real server on your golden images
  image     `image build`: the bundle as a container image, by docker or podman; after `smoke --image REF`,
            the same trial in a locked-down container, `image push` sends it to Artifact Registry, by digest
  deploy    the model version on Vertex AI, its endpoint, traffic in steps, proven by golden images; without a
            cloud project it is a rehearsal against a local Vertex AI

  plan      what a workflow shall do for the project: trials, runners, image, deploy
  summary   what the jobs of a workflow came to, on one page
  emulator  that local Vertex AI, in the foreground
  explain   what a finding's code means; with --log FILE, what a traceback or a log says
"""
_EPILOG = """\
exit codes: 0 passed · 1 findings of level error · 2 wrong usage or configuration
            3 the environment's fault (network, disk, no GPU, the cloud refused)
            75 a deadline passed while a cloud operation still runs: the same command goes on with it
            129, 130, 143 interrupted

A project is a folder with a pyproject.toml that has [tool.seatrial]; only `predictor` is needed:
  [tool.seatrial]
  predictor = "your_package:YourPredictor"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code."""
    arguments = _parser().parse_args(argv)
    heed()
    try:
        code = int(arguments.run(arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except Ended as ended:
        return int(ended.code)
    except SeatrialError as error:  # of a command that has no project, or none yet
        sys.stderr.write(f"error: {error.message}\n" + (f"  fix: {error.fix}\n" if error.fix else ""))
        return int(error.exit_code)
    except Interruption as interruption:
        sys.stderr.write("\ninterrupted; everything that was started is stopped\n")
        return 128 + int(interruption.args[0])
    except BrokenPipeError:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # what is still buffered shall not raise at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return int(ExitCode.ENVIRONMENT)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seatrial",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"seatrial {__version__}")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)

    lock = _command(groups, "lock", commands.lock, "write requirements.txt from requirements.in, with hashes")
    lock.add_argument("--check", action="store_true", help="write nothing; say offline whether the lock still answers")
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping the pins")
    lock.add_argument("--cpu", action="store_true", help="write requirements-cpu.txt, the +cpu builds of the same pins")

    _check(groups)

    build = _command(groups, "build", commands.build, "build the bundle into build/bundle")
    build.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="chooses the lock (default: cpu)")

    smoke = _command(groups, "smoke", commands.smoke, "prove the predictor: real server, golden images, one verdict")
    smoke.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run it (default: cpu)")
    smoke.add_argument("--skip-check", action="store_true", help="go on to what really happens, without `check`")
    smoke.add_argument("--image", metavar="REF", help="prove this container image instead: it runs, locked down")
    _engine_option(smoke)

    image = groups.add_parser("image", help="the container image: build, push", description="the container image")
    images = image.add_subparsers(metavar="COMMAND", required=True)
    image_build = _command(images, "build", commands.image_build, "build the container image of the bundle")
    image_build.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the target (default: cpu)")
    _engine_option(image_build)
    image_build.add_argument("--write", action="store_true", help="keep the generated Dockerfiles in build/image")
    image_build.add_argument("--no-cache", action="store_true", help="use nothing that an earlier build left")

    image_push = _command(images, "push", commands.image_push, "push the image that `smoke --image` proved, by digest")
    image_push.add_argument("--repository", metavar="NAME", help="REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE")
    image_push.add_argument(
        "--region", help="the model's region, in which the repository must lie (default: vertex.region)"
    )
    _engine_option(image_push)

    _deploy(groups)
    _workflow(groups)
    _emulator(groups)

    explain = groups.add_parser("explain", help="say what a finding's code means, or what a log says")
    what = explain.add_mutually_exclusive_group()
    what.add_argument("code", nargs="?", metavar="CODE", help="such as ST120, or ST1 for a family (default: all)")
    what.add_argument(
        "--log",
        metavar="FILE",
        help="a traceback, a server's log or a text of the cloud (- reads standard input); ends with 1 where no rule "
        "knows it",
    )
    explain.add_argument("--project", type=Path, metavar="DIR", help="the project that the log is of (default: here)")
    explain.add_argument("--format", choices=("console", "json"), default="console", help="json: to standard output")
    explain.set_defaults(run=commands.explain)
    return parser


def _check(groups: Any) -> None:
    text = "find what will fail, before anything is installed"
    check = _command(groups, "check", commands.check, text, formats=("console", "json", "github", "sarif"))
    for flag, what in (("select", "only these rules"), ("ignore", "all rules but these")):
        check.add_argument(
            f"--{flag}",
            action="append",
            default=[],
            metavar="CODES",
            help=f"{what}: codes or their beginnings, such as ST4,ST201; may be repeated",
        )
    check.add_argument(
        "--offline", action="store_true", help="ask no package index; what is not known of a lock is a note then"
    )
    mending = check.add_mutually_exclusive_group()
    mending.add_argument("--fix", action="store_true", help="make the edits that are safe, and show them")
    mending.add_argument(
        "--diff", action="store_true", help="show those edits, change nothing; exit 1 if there are any"
    )
    check.add_argument("--exit-zero", action="store_true", help="exit 0 whatever is found")


def _deploy(groups: Any) -> None:
    deploy = _command(groups, "deploy", commands.deploy, "create the model version, prove it live, move traffic to it")
    deploy.add_argument(
        "--target",
        choices=("local", "vertex"),
        default=os.environ.get("SEATRIAL_TARGET") or None,
        help="Google Cloud, or a rehearsal on this machine (default: SEATRIAL_TARGET; else vertex where vertex.project "
        "is set, and local where not; where CI is set, the target must be written)",
    )
    deploy.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of [tool.seatrial.vertex], such as machine-type=g2-standard-4 or rollout.steps=[10,100]",
    )
    image = deploy.add_mutually_exclusive_group()
    image.add_argument("--image", metavar="REF", help="deploy this image of the engine (local only)")
    image.add_argument("--pushed", type=Path, metavar="FILE", help="what `image push` wrote (default: this project's)")
    deploy.add_argument(
        "--report",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="the report of a trial, for one that ran elsewhere; may be repeated (default: this project's own)",
    )
    deploy.add_argument("--cancel-on-stop", action="store_true", help="interrupted, cancel and undo what was begun")
    whats = deploy.add_mutually_exclusive_group()
    for what, text in (
        ("dry-run", "say what would be done; change nothing"),
        ("status", "say what there is"),
        ("rollback", "undo an unfinished rollout; where there is none, serve the version before again"),
        ("undeploy", "stop all that serves this model, and its bill"),
    ):
        whats.add_argument(f"--{what}", action="store_const", dest="what", const=what, default="deploy", help=text)


def _workflow(groups: Any) -> None:
    plan = _command(groups, "plan", commands.plan, "decide what a workflow does; its outputs are GitHub's step outputs")
    plan.add_argument("--device", dest="devices", default="", help="cpu, gpu or both (default: what has a runner)")
    plan.add_argument("--runner", default="", metavar="LABEL", help="of the ordinary runner, or a JSON list of labels")
    plan.add_argument("--gpu-runner", default="", metavar="LABEL", help="of a runner with a GPU (default: none)")
    for flag, text in (
        ("deploy", "create the model version"),
        ("dry-run", "only say what a deploy would do"),
        ("rollback", "serve the version before again"),
    ):
        plan.add_argument(f"--{flag}", default="", metavar="BOOL", help=f"{text}: true or false (default: false)")
    plan.add_argument("--target", default="", help="vertex or local (default: vertex)")
    plan.add_argument("--repository", default="", metavar="NAME", help="of the image (default: image.repository)")
    plan.add_argument("--environment", default="", metavar="NAME", help="that a deploy waits for (default: production)")

    text = "write what the jobs of a workflow came to, and annotations of what they found"
    summary = groups.add_parser("summary", help=text, description=text)
    summary.add_argument("--reports", type=Path, required=True, metavar="DIR", help="where the jobs' reports lie")
    summary.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="the project's in the repository")
    summary.add_argument("--jobs", default="", metavar="TEXT", help="how the jobs ended: NAME=RESULT NAME=RESULT")
    summary.set_defaults(run=commands.summary)


def _emulator(groups: Any) -> None:
    text = "run a local Vertex AI that really starts what is deployed to it, until it is interrupted"
    emulator = groups.add_parser("emulator", help=text, description=text)
    state = Path("build/emulator")
    emulator.add_argument("--state", type=Path, default=state, metavar="DIR", help=f"where it keeps all ({state})")
    emulator.add_argument("--port", type=int, default=0, help="of gRPC (default: a free one)")
    emulator.add_argument("--rest-port", type=int, default=0, help="of REST (default: a free one)")
    emulator.add_argument("--ready-file", type=Path, metavar="FILE", help="written with its addresses, as JSON")
    emulator.add_argument("--stop-on-eof", action="store_true", help="end when standard input does")
    emulator.add_argument("--faults", type=Path, metavar="FILE", help="faults to play, as JSON")
    emulator.add_argument("--probe-period", type=_positive, default=10.0, metavar="S", help="seconds between probes")
    emulator.set_defaults(run=commands.emulator)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _command(
    groups: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    formats: Sequence[str] = ("console", "json", "github"),
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = groups.add_parser(name, help=text, description=text)
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR", help="the project (default: here)")
    parser.add_argument(
        "--format",
        choices=formats,
        default="console",
        help=f"{' and '.join(f for f in formats if f in ('json', 'sarif'))} to standard output; github is console, "
        "with step outputs and a report in build/report",
    )
    parser.set_defaults(run=run)
    return parser


def _engine_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("auto", "docker", "podman"),
        default=os.environ.get("SEATRIAL_ENGINE") or None,
        help="which container engine (default: SEATRIAL_ENGINE, then image.engine, then the first that answers)",
    )
