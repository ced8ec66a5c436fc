"""Rules: judge facts, never read files. One module a family, one `Rule` a fault; all are here."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from seatrial.rules.artifacts import checkpoints, loading, pickled, training
from seatrial.rules.deployment import deploy_code, deployment, operations, settings
from seatrial.rules.lock import builds, companions, installing, locks, pairs, ranges, wheels
from seatrial.rules.serving import answering, predicting, serving
from seatrial.rules.source import code, imports, runtime, waivers
from seatrial.rules.supply import dangerous, images, supply
from seatrial.rules.transforms import libraries, removed_names, transforms

if TYPE_CHECKING:
    from seatrial.rules.rule import Rule

FAMILIES = (
    answering,
    builds,
    checkpoints,
    code,
    companions,
    dangerous,
    deploy_code,
    deployment,
    images,
    imports,
    installing,
    libraries,
    loading,
    locks,
    operations,
    pairs,
    pickled,
    predicting,
    ranges,
    removed_names,
    runtime,
    serving,
    settings,
    supply,
    training,
    transforms,
    waivers,
    wheels,
)

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in sorted((rule for family in FAMILIES for rule in family.RULES), key=lambda rule: rule.code)
}


def nearest(code: str) -> str:
    """Give `; did you mean `ST412`?` for a code that is none, or "" where none is like it."""
    near = difflib.get_close_matches(code.upper(), RULES, n=len(RULES))
    # Of those that are as like it as others, the one that begins like it.
    best = max(near, key=lambda known: _beginning(known, code.upper()), default="")
    return f"; did you mean `{best}`?" if best else ""


def _beginning(one: str, other: str) -> int:
    return sum(other.startswith(one[:length]) for length in range(1, len(one) + 1))
