"""The page of a rule, in Markdown: what `seatrial explain CODE` prints and what docs/rules/ holds.

`python -m seatrial.rules.page docs/rules` writes them all. A page says nothing that the rule does not say.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.rules import RULES

if TYPE_CHECKING:
    from seatrial.rules.rule import Rule


def page(rule: Rule) -> str:
    """Give the page of a rule."""
    when = ["before anything is installed (`seatrial check`)"] if rule.check else []
    if rule.code.startswith("ST7"):
        when.append("while deploying (`seatrial deploy`)")
    elif rule.symptoms:
        when.append("in a traceback or log of the trial and of the cloud")
    if not when:
        when.append("by the trial (`seatrial smoke`), in the running environment")
    parts = [
        f"# {rule.code}: {rule.title}",
        f"Severity: {rule.severity}. Found {', and '.join(when)}.",
        "## Why",
        rule.explanation,
        "## Fix",
        f"{rule.fix[0].upper()}{rule.fix[1:]}.",
    ]
    if rule.bad:
        parts += ["## Example", "Wrong:", f"```\n{rule.bad}\n```", "Right:", f"```\n{rule.good}\n```"]
    if rule.detected:
        parts += ["## How it is found", rule.detected]
    if rule.cloud:
        parts += ["## What the server or the cloud says instead", f"```text\n{rule.cloud}\n```"]
    if rule.sources:
        parts += ["## Sources", "\n".join(f"- <{source}>" for source in rule.sources)]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """Give the table of all rules."""
    rows = "\n".join(f"| [{r.code}]({r.code}.md) | {r.severity} | {r.title} |" for r in RULES.values())
    return f"# Rules\n\n| code | severity | fault |\n|---|---|---|\n{rows}\n"


def write(folder: Path) -> None:
    """Write every page and the index into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for rule in RULES.values():
        (folder / f"{rule.code}.md").write_text(page(rule), encoding="utf-8")
    (folder / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
