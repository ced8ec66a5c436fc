"""What stands before all lines of a log: names and time stamps of workflows, compose, kubectl and containers."""

from __future__ import annotations

import re

_ISO = r"\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]{0,10}(?:Z|[+-]\d\d:\d\d)"
_MARK = re.compile(
    rf"(?:[^\t\n]{{1,100}}\t[^\t\n]{{1,100}}\t(?={_ISO}))?"  # `gh run view --log`: job, step
    rf"(?:[\w.-]{{1,60}} {{1,8}}\| )?"  # compose
    rf"(?:\[pod/[^\]\s]{{1,200}}\] )?"  # `kubectl logs --prefix`
    rf"(?:{_ISO}[ \t])?"
    rf"(?:(?:stdout|stderr) [FP] )?"  # https://kubernetes.io/docs/concepts/cluster-administration/logging/
)
# Commands of a workflow's log: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
_COMMAND = re.compile(r"^(?:##\[(?P<old>\w+)\]|::(?P<new>error|warning|notice|debug|group|endgroup)(?: [^:]*)?::)")
_QUIET = ("warning", "debug")


def removed(lines: list[str]) -> list[str]:
    """Return the lines without the mark that stands before them."""
    return [_without(line) for line in lines]


def _without(line: str) -> str:
    mark = _MARK.match(line)
    line = line[mark.end() :] if mark else line
    command = _COMMAND.match(line) if line.startswith(("##[", "::")) else None
    if command is None:
        return line
    rest = line[command.end() :]
    return f"WARNING:  {rest}" if (command["old"] or command["new"]) in _QUIET else rest
