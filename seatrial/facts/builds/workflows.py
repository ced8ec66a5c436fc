"""Reads GitHub workflows: their jobs, what each may do, and its steps. `${{ … }}` stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.facts.builds.commands import Command, commands
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

Permissions = Mapping[str, str]
# A file without any of these holds nothing that a rule looks for, and importing a reader of YAML takes its time.
_OF_INTEREST = re.compile(
    r"google-github-actions/auth|pkg\.dev|\bgcloud\b|\bgsutil\b|\bdocker\b|\bseatrial\b|uses:\s*[\"']?\./|artifact@v[123]\b|cache@v[12]\b"
    r"|ubuntu-(?:1\d|20)\.04|macos-1[0-3]\b|windows-201\d"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a job.

    Attributes:
        location: its line.
        uses: the action that it uses, with its version; "" if it runs commands.
        given: what `with` gives to the action.
        run: its commands as text.
        commands: those of gcloud and docker among them.
    """

    location: Location
    uses: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    commands: tuple[Command, ...] = ()

    @property
    def action(self) -> str:
        """The action without its version."""
        return self.uses.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Job:
    """A job of a workflow.

    Attributes:
        name: its key.
        location: the line of its key.
        permissions: what it may do, from itself or else from the workflow; None if neither says it.
        runs_on: the labels of its runner.
        uses: the workflow that it calls; "" if it has steps.
        steps: in order.
    """

    name: str
    location: Location
    permissions: Permissions | None = None
    runs_on: tuple[str, ...] = ()
    uses: str = ""
    steps: tuple[Step, ...] = ()

    def may(self, scope: str) -> bool:
        """Return whether it may write a scope."""
        return self.permissions is not None and "write" in (self.permissions.get(scope), self.permissions.get("*"))


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow.

    Attributes:
        path: relative to the project.
        events: what starts it.
        jobs: in order.
    """

    path: str
    events: frozenset[str] = frozenset()
    jobs: tuple[Job, ...] = ()


def read(path: str, text: str) -> Workflow | None:
    """Read a workflow; None if it is not valid YAML, or if it holds nothing of interest."""
    if not _OF_INTEREST.search(text):
        return None
    import yaml  # few projects have such a file, and no other check waits for it

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    top = _mapping(root)
    shared = _permissions(top.get("permissions"))
    jobs = (_job(path, key, node, shared) for key, node in _pairs(top.get("jobs")))
    events = top.get("on")
    named = _mapping(events) or dict.fromkeys(_texts(events))
    return Workflow(path, frozenset(named), tuple(jobs))


def _job(path: str, key: Any, node: Any, shared: Permissions | None) -> Job:
    job = _mapping(node)
    own = _permissions(job.get("permissions"))
    steps = job.get("steps")
    return Job(
        name=str(key.value),
        location=_location(path, key),
        permissions=shared if own is None else own,
        runs_on=_texts(job.get("runs-on")),
        uses=_text(job.get("uses")),
        steps=tuple(_step(path, each) for each in _items(steps)),
    )


def _step(path: str, node: Any) -> Step:
    step = _mapping(node)
    run = step.get("run")
    text = _text(run)
    first = 1
    if run is not None:  # a block begins in the line after its `|`
        first = run.start_mark.line + (2 if getattr(run, "style", None) in ("|", ">") else 1)
    return Step(
        location=_location(path, next((key for key, _ in _pairs(node)), node)),
        uses=_text(step.get("uses")),
        given={key: _text(value) for key, value in _mapping(step.get("with")).items()},
        run=text,
        commands=tuple(commands(path, text, first=first)) if text else (),
    )


def _permissions(node: Any) -> Permissions | None:
    """Return scope → access; "*" for all scopes; None if the node is absent."""
    if node is None:
        return None
    if text := _text(node):
        return {"*": text.removesuffix("-all")}
    return {scope: _text(value) for scope, value in _mapping(node).items()}


def _mapping(node: Any) -> dict[str, Any]:
    return {str(key.value): value for key, value in _pairs(node)}


def _pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    if _is(node, "mapping"):
        yield from ((key, value) for key, value in node.value if _is(key, "scalar"))


def _items(node: Any) -> list[Any]:
    return list(node.value) if _is(node, "sequence") else []


def _texts(node: Any) -> tuple[str, ...]:
    texts = map(_text, _items(node) or [node])
    return tuple(text for text in texts if text)


def _text(node: Any) -> str:
    return str(node.value) if _is(node, "scalar") else ""


def _is(node: Any, kind: str) -> bool:
    return node is not None and node.id == kind


def _location(path: str, node: Any) -> Location:
    begin, end = node.start_mark, node.end_mark
    on_one_line = begin.line == end.line
    return Location(path, begin.line + 1, begin.column + 1, end.column + 1 if on_one_line else None)
