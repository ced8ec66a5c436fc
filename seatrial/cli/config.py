"""`seatrial config`: every setting of the project with its value, and where that comes from."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.cli import options
from seatrial.errors import ExitCode


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.project(parser)
    parser.add_argument("--set-only", action="store_true", help="only what is not a default")
    parser.add_argument("--json", action="store_true", help="as JSON: key, value, origin")


def command(arguments: argparse.Namespace) -> int:
    """Print the settings.

    Raises:
        UsageError: there is no project, or a key or value is wrong.
    """
    from seatrial import project
    from seatrial.project.origins import settings

    found = project.load(arguments.project or project.around(Path()))
    rows = [
        replace(row, value=_printable(row.value))
        for row in settings(found)
        if not (arguments.set_only and row.origin.startswith("default"))
    ]
    if arguments.json:
        data = [{"key": row.key, "value": row.value, "origin": row.origin} for row in rows]
        sys.stdout.write(json.dumps(data, indent=1, default=lambda value: value.model_dump(by_alias=True)) + "\n")
        return int(ExitCode.PASSED)
    texts = [f"{row.key} = {_shown(row.value)}" for row in rows]
    width = max((len(text) for text in texts if len(text) < 60), default=0)
    for text, row in zip(texts, rows, strict=True):
        sys.stdout.write(f"{text:<{width}}  # {row.origin}\n")
    return int(ExitCode.PASSED)


def _printable(value: Any) -> Any:
    """Return a value without the passwords and tokens in it: what is printed may be in the log of a job."""
    from seatrial.facts.secrets.variables import is_secret_variable
    from seatrial.system.redaction import redacted

    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {
            name: "***" if isinstance(inner, str) and is_secret_variable(name, inner) else _printable(inner)
            for name, inner in value.items()
        }
    return value


def _shown(value: Any) -> str:
    """Return a value as TOML writes it; TOML has no word for nothing."""
    if value is None:
        return "(none)"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_shown(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if hasattr(value, "model_dump"):
        return _shown(value.model_dump(by_alias=True))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return json.dumps(value, ensure_ascii=False)
