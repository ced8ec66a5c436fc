"""What tools write around the lines of a process, and how to take it off. One form a module; nothing is judged here.

`FORMS` is read from top to bottom: each form takes the lines of a log and returns those that were inside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.diagnosis.envelopes import (
    boxes,
    colours,
    documents,
    escapes,
    margins,
    marks,
    notebooks,
    objects,
    order,
    partial,
    prefixes,
    yaml_documents,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LINE = 8_000  # characters of a line that are kept; what is longer is data, such as an image in base64

FORMS: tuple[Callable[[list[str]], list[str]], ...] = (
    colours.removed,  # terminals
    partial.joined,  # long lines that containerd and docker split
    documents.unwrapped,  # one JSON document of several lines: `gcloud logging read --format json`, an operation
    yaml_documents.unwrapped,  # `gcloud logging read`
    objects.unwrapped,  # one JSON object a line: the serving runtime, docker, structured logging
    order.oldest_first,  # Cloud Logging's explorer
    prefixes.removed,  # whatever stands before each line of one traceback: TorchServe, journald, Airflow, torchrun
    marks.removed,  # time stamps and names before all lines: workflows, compose, kubectl, the runtime of containers
    objects.unwrapped,  # objects behind such a mark
    escapes.expanded,  # a traceback as one text with `\n`
    boxes.unboxed,  # rich
    margins.removed,  # the output of a build inside pip's
    notebooks.unwrapped,  # IPython
)


def plain(text: str) -> str:
    """Return a log as a process wrote it; lines of data are shortened."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for form in FORMS:
        lines = form(lines)
    return "\n".join(_shortened(line) for line in lines)


def _shortened(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE // 2]} … {line[-LINE // 2 :]}"
