"""Rules: judge facts, never read files. One module a family, one `Rule` a fault; all are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.rules import checkpoints, deployment, images, imports, locks, pairs, runtime, serving, training

if TYPE_CHECKING:
    from seatrial.rules.rule import Rule

FAMILIES = (locks, pairs, runtime, imports, training, checkpoints, serving, images, deployment)

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in sorted((rule for family in FAMILIES for rule in family.RULES), key=lambda rule: rule.code)
}
