"""The formats of `--format`. A new one is a module beside this one and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.report.console import Console
from seatrial.report.github import GitHub
from seatrial.report.html import Html
from seatrial.report.json import Json
from seatrial.report.markdown import Markdown
from seatrial.report.renderer import Renderer
from seatrial.report.sarif import Sarif

FORMATS: Mapping[str, type[Renderer]] = {
    "console": Console,
    "json": Json,
    "github": GitHub,
    "markdown": Markdown,
    "sarif": Sarif,
    "html": Html,
}


def offered(*, rules: bool = False) -> tuple[str, ...]:
    """Return the names of the formats that a command offers; `rules` is whether its reports have texts of rules."""
    return tuple(name for name, renderer in FORMATS.items() if rules or not renderer.needs_rules)
