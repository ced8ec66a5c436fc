"""The table of contents of the command line: one row a command.

The command `NAME` is the module `seatrial.cli.NAME`. Its `arguments(parser)` declares its options, and its
`command(arguments)` runs it and returns the exit code. A module is imported only if its command was called, so that
`seatrial --help` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
from typing import TYPE_CHECKING, Any, NoReturn

from seatrial import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {  # the stages in the order in which they run, then what stands beside them
    "init": "make an existing repository a project: write what is missing, and overwrite nothing",
    "lock": "write requirements.txt from requirements.in with pip-compile, with hashes",
    "artifacts": "for weights in a bucket: write artifacts.lock from what is there, or fetch what it lists",
    "check": "find what will fail, before anything is installed, in under a second",
    "build": "build the bundle: wheels, artifacts and locks, with one content digest",
    "smoke": "prove the predictor: all of the above, then the real server on your golden images",
    "predict": "ask the real server, in the environment of the lock, for an image, and print its answer",
    "serve": "run the real server on this machine, until it is interrupted",
    "compare": "say what another lock changes in decoding, transforms, outputs, answers, speed and size",
    "golden": "record the predictor's answers stage by stage, as they are in the environment of the lock",
    "image": "build the bundle's container image with docker or podman, or push it to Artifact Registry",
    "deploy": "create the model version on Vertex AI, prove it live and move traffic to it in steps; without a cloud "
    "project, rehearse this on this machine",
    "batch": "let a proven version answer the rows of files in a bucket, and say what became of them",
    "plan": "decide what a workflow does for the project: trials, runners, image, deploy",
    "summary": "summarize the results of a workflow's jobs on one page, and annotate what they found",
    "contract": "hold any server against the serving contract of Vertex AI, by named checks; it needs no project",
    "emulator": "run a local Vertex AI that really starts what is deployed to it, until it is interrupted",
    "cache": "say where the tool keeps environments and how large they are; with --prune, remove them",
    "config": "print every setting of the project with its value and where that comes from",
    "explain": "explain a finding's code; with --log FILE, explain a traceback or a log",
    "completion": "print the script with which bash, fish or zsh completes all of this",
}
EXAMPLES = {  # of every `--help`, nested ones too
    "init": "init --checkpoint best.pth",
    "lock": "lock --upgrade",
    "artifacts": "artifacts lock",
    "artifacts lock": "artifacts lock",
    "artifacts fetch": "artifacts fetch",
    "check": "check --fix",
    "build": "build --project models/digits",
    "smoke": "smoke --full",
    "predict": "predict photo.jpg",
    "serve": "serve --port 8080",
    "compare": "compare --since origin/main",
    "golden": "golden record photo.jpg",
    "golden record": "golden record photo.jpg",
    "image": "image build",
    "image build": "image build",
    "image push": "image push",
    "deploy": "deploy --target local",
    "batch": "batch --input gs://bucket/rows.jsonl --output gs://bucket/answers",
    "plan": "plan --deploy true --target local",
    "summary": "summary --reports build/report",
    "contract": "contract --url http://127.0.0.1:8080",
    "emulator": "emulator --state build/emulator",
    "cache": "cache --prune",
    "config": "config --set-only",
    "explain": "explain --log server.log",
    "completion": "completion bash",
}
_EXIT_CODES = """\
exit codes: 0 passed · 1 findings of level error · 2 wrong usage or configuration
            3 the environment's fault (network, disk, no GPU, the cloud refused)
            75 a deadline passed while a cloud operation still runs; the same command resumes it
            129, 130, 143 interrupted
"""
_DESCRIPTION = "The sea trial of a PyTorch + torchvision predictor before it becomes a model version on Google Cloud."
_EPILOG = f"""\
{_EXIT_CODES}
Without a command, in a project: how far it is, and the next command.

A project is a folder with a pyproject.toml that has [tool.seatrial]; only `predictor` is required:
  [tool.seatrial]
  predictor = "your_package:YourPredictor"
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = _Whole(
        prog="seatrial",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"seatrial {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Command)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, description=text, module=f"seatrial.cli.{name}")
    return whole


def parsers(whole: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands, with all that they declare."""
    if isinstance(whole, _Command):
        whole.declare()
    yield whole
    for action in whole._actions:  # argparse has no public name for them
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


class _Whole(argparse.ArgumentParser):
    """The parser of the whole command line, which knows what a misspelt command most likely means."""

    def error(self, message: str) -> NoReturn:
        """End with what is wrong, and with the nearest command."""
        if found := re.match(r"argument COMMAND: invalid choice: '(.*?)'", message):
            near = difflib.get_close_matches(found[1], COMMANDS, n=1)
            meant = f"did you mean `{near[0]}`?" if near else "`seatrial --help` lists the commands"
            message = f"there is no command `{found[1]}`; {meant}"
        super().error(message)


class _Command(argparse.ArgumentParser):
    """The parser of a command, which imports the command's module when it is needed."""

    def __init__(self, *, module: str = "", **given: Any) -> None:
        super().__init__(**given)
        self._module = module

    def format_help(self) -> str:
        """Return the help, which ends with an example and the exit codes."""
        name = self.prog.removeprefix("seatrial ")
        example = EXAMPLES.get(name) or EXAMPLES[name.partition(" ")[0]]
        return f"{super().format_help()}\nexample:\n  $ seatrial {example}\n\n{_EXIT_CODES}"

    def declare(self) -> None:
        """Declare the command's arguments, unless they are."""
        if self._module:
            module = importlib.import_module(self._module)
            self._module = ""
            self.set_defaults(run=module.command)
            module.arguments(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the command's arguments, then parse."""
        self.declare()
        return super().parse_known_args(args, namespace)
