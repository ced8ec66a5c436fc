"""`seatrial init`: write what an existing repository lacks to be a project."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from seatrial.init.files import File
    from seatrial.init.notes import Ask, Notes, Question


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--project", type=Path, default=Path(), metavar="DIR", help="the repository (default: here)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the weights that are served")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="a builder of torchvision or timm, or a class of the repository"
    )
    parser.add_argument(
        "--labels", default="", metavar="NAMES", help="the classes' names by commas, or a file, a line each"
    )
    parser.add_argument("--predictor", default="", metavar="MODULE:CLASS", help="a class that answers already, to keep")
    parser.add_argument("--python", default="", metavar="3.N", help="the Python that serves; the pair follows it")
    parser.add_argument("--yes", action="store_true", help="ask nothing; take what is most likely, and say so")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show the difference")


def command(arguments: argparse.Namespace) -> int:
    """Write what is missing.

    Raises:
        UsageError: there is no model, an option has no meaning, or a question is open and nobody can be asked.
    """
    from seatrial.facts.repository.read import read_repository
    from seatrial.init.choosing import Given, choose
    from seatrial.init.files import files_for
    from seatrial.init.notes import Notes
    from seatrial.init.write import change, write

    root: Path = arguments.project
    if arguments.python and not re.fullmatch(r"3\.\d+", arguments.python):
        raise UsageError(f"--python is {arguments.python}", fix="name a minor version, such as 3.11")
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}")
    notes = Notes()
    repository = read_repository(root.resolve())
    given = Given(arguments.checkpoint, arguments.model, arguments.labels, arguments.predictor)
    chosen = choose(repository, given, notes, _asking(yes=arguments.yes))
    files = files_for(repository, chosen, arguments.python, notes)
    if arguments.dry_run:
        sys.stdout.writelines(change(repository.root, file).diff() for file in files if file.source is None)
    else:
        write(repository.root, files)
    _show(files, notes, dry_run=arguments.dry_run)
    return int(ExitCode.PASSED)


def _asking(*, yes: bool) -> Ask:
    """Return what answers questions: the default, the terminal, or a refusal that names the option."""

    def ask(question: Question) -> str:
        if yes:
            return question.default
        if not (sys.stdin and sys.stdin.isatty()):
            shown = f" (one of {', '.join(question.choices)})" if question.choices else ""
            raise UsageError(f"{question.text}{shown}", fix=f"give {question.flag}, or --yes for what is most likely")
        for number, choice in enumerate(question.choices, start=1):
            sys.stdout.write(f"  {number}  {choice}\n")
        sys.stdout.write(f"{question.text} [{question.default}] ")
        sys.stdout.flush()
        answer = sys.stdin.readline().strip()
        if answer.isdigit() and 0 < int(answer) <= len(question.choices):
            return question.choices[int(answer) - 1]
        return answer or question.default

    return ask


def _show(files: tuple[File, ...], notes: Notes, *, dry_run: bool) -> None:
    out = sys.stdout.write
    width = max((len(told.what) for told in notes.told), default=0)
    for told in notes.told:
        out(f"  {told.what:<{width}}  {told.value}  (from {told.origin})\n")
    done = [f"{_verb(file, dry_run=dry_run)} {file.path}" for file in files]
    width = max(map(len, done), default=0)
    for file, text in zip(files, done, strict=True):
        out(f"{text:<{width}}  {file.why}\n")
    if not files:
        out("nothing is missing\n")
    for line in notes.unknown:
        out(f"not known: {line}\n")
    for line in notes.missing:
        out(f"missing: {line}\n")
    out("next: seatrial lock, then seatrial smoke\n")


def _verb(file: File, *, dry_run: bool) -> str:
    if file.append:
        return "would add to" if dry_run else "added to"
    return "would write" if dry_run else "wrote"
