"""The page of a rule, in Markdown: what `seatrial explain CODE` prints and what docs/rules/ holds.

`python -m seatrial.rules.page docs/rules` writes them all. A page says nothing that the rule does not say.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.rules import RULES
from seatrial.rules.source.waivers import WAIVERS

if TYPE_CHECKING:
    from seatrial.rules.rule import Rule


FAMILY_TITLES = {
    "ST1": "lock and environment",
    "ST2": "source and package",
    "ST3": "artifacts and checkpoints",
    "ST4": "transforms and parity",
    "ST5": "serving contract",
    "ST6": "devices",
    "ST7": "deployment",
    "ST8": "supply chain and secrets",
}


def page(rule: Rule) -> str:
    """Return the page of a rule: first the text that people search for, then the cause and the fix."""
    parts = [f"# {rule.code}: {rule.title}", f"Severity: {rule.severity}. Found {_when(rule)}."]
    if rule.cloud:
        parts += ["## What the server or the cloud says instead", f"```text\n{rule.cloud}\n```"]
    parts += ["## Why", rule.explanation, "## Fix", f"{rule.fix[0].upper()}{rule.fix[1:]}."]
    if rule.bad:
        parts += ["## Example", "Wrong:", f"```\n{rule.bad}\n```", "Right:", f"```\n{rule.good}\n```"]
    if rule.detected:
        parts += ["## How it is found", rule.detected]
    if rule.recognised:
        parts += ["## How it is recognised in a log", rule.recognised]
    if rule.sources:
        parts += ["## Sources", "\n".join(f"- <{source}>" for source in rule.sources)]
    return "\n\n".join(parts) + "\n"


def _when(rule: Rule) -> str:
    static = rule.check or rule in WAIVERS  # judged after all other rules
    when = ["before anything is installed (`seatrial check`)"] if static else []
    if rule.code.startswith("ST7"):
        when.append("while deploying (`seatrial deploy`)")
    elif rule.symptoms or rule.recognised:
        when.append("in a traceback or log of the trial and of the cloud")
    if not when:
        when.append("by the trial (`seatrial smoke`), in the running environment")
    return ", and ".join(when)


def listed(start: str = "ST") -> str:
    """Return the rules whose code begins with `start`, one per line, under the names of their families."""
    parts = []
    for family, title in FAMILY_TITLES.items():
        rules = [rule for rule in RULES.values() if rule.code.startswith(family) and rule.code.startswith(start)]
        if rules:
            lines = "".join(f"  {rule.code}  {rule.severity:<8} {rule.title}\n" for rule in rules)
            parts.append(f"{family} {title}\n{lines}")
    return "\n".join(parts)


def index() -> str:
    """Return the tables of all rules, one per family."""
    parts = ["# Rules"]
    for family, title in FAMILY_TITLES.items():
        rules = [rule for rule in RULES.values() if rule.code.startswith(family)]
        rows = "\n".join(f"| [{r.code}]({r.code}.md) | {r.severity} | {r.title} |" for r in rules)
        parts.append(f"## {family}: {title}\n\n| code | severity | fault |\n|---|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> None:
    """Write every page and the index into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for rule in RULES.values():
        (folder / f"{rule.code}.md").write_text(page(rule), encoding="utf-8")
    (folder / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
