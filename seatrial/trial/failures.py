"""What a server logged when it failed → the finding behind it, in the words of the project."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.diagnosis.places import user_frames
from seatrial.diagnosis.translate import diagnose, examine
from seatrial.diagnosis.unrecognised import unrecognised
from seatrial.rules.lock import pairs
from seatrial.rules.serving import contract
from seatrial.trial import memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.facts.gather import Gathered
    from seatrial.findings import Finding
    from seatrial.project import Project
    from seatrial.rules.rule import Rule
    from seatrial.trial.server import Server

_NO_LINE = (  # instead of the rule's fix, which is about a line
    "nothing in the log names a line of the project; SIGKILL most often means that memory ran out, and SIGSEGV that "
    "compiled code failed; `seatrial smoke` repeats this load"
)
LOG_TAIL = 15  # lines
_ARTIFACTS = re.compile(r"/[^\s'\"`:]*/bundle/artifacts(?=[/'\"`\s:]|$)")  # of a trial's copy, or of an image


def translated(gathered: Gathered, record: dict[str, Any], otherwise: Rule, server: Server) -> Iterator[Finding]:
    """Yield the finding behind an exception that the server logged; `otherwise` is the rule if none recognises it."""
    text = str(record.get("traceback", ""))
    facts = gathered.if_readable
    known = diagnose(text, facts)
    if not known:
        yield as_projects(
            _unknown(text, str(record.get("message", "the predictor failed")), gathered, otherwise), gathered
        )
    elif known[0].code == pairs.DOES_NOT_IMPORT.code:
        _, printed = server.run_script("hidden_cause.py")
        yield replace(known[0], evidence=known[0].evidence + tuple(printed.splitlines()[-5:]))
    else:
        yield as_projects(known[0], gathered)


def from_log(gathered: Gathered, server: Server, rule: Rule, message: str) -> Finding:
    """Return the finding for a server that logged no reason: at the user's frame in a dumped stack, if there is one."""
    if server.ran_out_of_memory:
        return memory.ran_out(gathered.project)
    location, frames = user_frames("\n".join(server.log), gathered.project)
    evidence = tuple(frames) if location else tuple(server.log[-LOG_TAIL:])
    found = rule.finding(message, location=location, evidence=evidence)
    if location is None and rule.code == contract.ENDED.code:
        found = replace(found, fix=_NO_LINE)
    return as_projects(found, gathered)


def standing(project: Project, stack: Sequence[str]) -> str:
    """Return where the project's code stands, as the end of a sentence; "" if the stack does not say it."""
    location, frames = user_frames("\n".join(stack), project)
    return f", at {frames[-1]}" if location else ""


def as_projects(finding: Finding, gathered: Gathered) -> Finding:
    """Return a finding that names the project's artifacts, not the copy of them that was served."""
    artifacts = gathered.project.artifacts

    def told(text: str) -> str:
        return _ARTIFACTS.sub(artifacts, text)

    return replace(
        finding,
        message=told(finding.message),
        cause=told(finding.cause),
        fix=told(finding.fix),
        because=told(finding.because),
        evidence=tuple(told(line) for line in finding.evidence),
    )


def _unknown(text: str, message: str, gathered: Gathered, otherwise: Rule) -> Finding:
    failure = unrecognised(examine(text, gathered.if_readable)[0], otherwise)
    if failure is not None:
        return replace(failure, message=message)
    location, frames = user_frames(text, gathered.project)
    return otherwise.finding(message, location=location, evidence=tuple(frames))
