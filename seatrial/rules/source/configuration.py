"""Family 2, configuration: a repository that says nothing of what it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

NOT_WRITTEN = Rule(
    code="ST208",
    title="nothing says what serves",
    severity=Severity.NOTE,
    explanation=(
        "There is no [tool.seatrial] in pyproject.toml. `seatrial check` then looks for what answers requests: a class "
        "with the methods of a predictor, a handler of another server, or an application of a web framework. It judges "
        "the repository as if `predictor` named that, and `packages` what it imports of the repository. Every other "
        "command needs the table, because nobody should prove or deploy what was only guessed."
    ),
    fix="run `seatrial init`, or write the table",
    sources=(
        "https://packaging.python.org/en/latest/specifications/pyproject-toml/#arbitrary-tool-configuration-the-tool-table",
    ),
    detected=(
        "pyproject.toml is absent or has no [tool.seatrial]. Of several classes and applications the check takes a "
        "class that can be served as it is, and then the one whose module lies least deep. Tests are left out, and so "
        "is a module that imports what lies beside it by its short name, because it is started in its own folder. If "
        "there is none, the command ends with the error that the table is missing."
    ),
    bad='[project]\nname = "fish"',
    good='[project]\nname = "fish"\n\n[tool.seatrial]\npredictor = "serving.predictor:FishPredictor"',
)


@NOT_WRITTEN.decided_by
def _not_written(facts: Facts) -> Iterator[Finding]:
    project, setting = facts.project, "pyproject.toml"
    if project.is_written:
        return
    yield NOT_WRITTEN.finding(
        f"there is no [tool.seatrial]; the check took `{project.predictor}` as what serves",
        location=Location(setting) if (project.root / setting).is_file() else None,
        subject="" if (project.root / setting).is_file() else setting,
        fix=f'run `seatrial init`, or write\n[tool.seatrial]\npredictor = "{project.predictor}"',
    )
