"""Answers what the project takes from its locked libraries, and remembers the answers under the lock's digest.

Each question is answered once for a lock. Where no environment is kept, the indexes are asked, within the limits of
`published`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts.libraries import remembered, taken
from seatrial.facts.libraries.taken import Taken
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.packages.wheels import key_of
from seatrial.system.cache import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts


def learn(facts: Facts) -> Taken:
    """Return what is known of the names that a project takes from its locked libraries."""
    lock = facts.lock
    if lock is None:
        return Taken()
    uses = list(taken.uses(facts.sources))
    wanted = sorted({use.question for use in uses} | set(pickled(facts)))
    bases = sorted({question for question, _, _ in taken.hooks(facts.sources)})
    roots = taken.roots(facts.sources)
    compiled = list(_compiled(facts))
    if not (wanted or bases or compiled):
        return Taken()
    try:
        cache, text = cache_dir(), (facts.project.root / lock.path).read_text("utf-8", "replace")
    except (OSError, UsageError):
        return Taken()
    key = key_of(text, facts.project.python)
    known = remembered.recall(cache, key)
    new = [q for q in wanted if q not in known.missing]
    new_bases = [q for q in bases if q not in known.hooks]
    new_roots = [root for root in roots if root not in known.misfits]
    new_compiled = [name for name in compiled if name not in known.numpy_1]
    undecided = ""
    if new or new_bases or new_roots or new_compiled:
        from seatrial.facts.libraries import asking  # once for a lock; every other check is faster without

        called = {use.question for use in uses if use.called}
        asked = [f"{question}()" if question in called else question for question in new]
        undecided = asking.ask(facts, lock, cache, [*asked, *new_bases], new_roots, new_compiled, known)
        if known != remembered.Remembered():
            remembered.remember(cache, key, known)
    return Taken(
        {q: missing for q in wanted if (missing := known.missing.get(q))},
        {q: tuple(hooks) for q in bases if (hooks := known.hooks.get(q))},
        tuple(misfit for root in roots for misfit in known.misfits.get(root, ())),
        {name: module for name in compiled if (module := known.numpy_1.get(name))},
        undecided,
    )


def pickled(facts: Facts) -> Iterator[str]:
    """Yield the questions about classes and functions of libraries that the artifacts' pickles name."""
    for checkpoint in facts.checkpoints:
        for module, name in checkpoint.globals:
            if "." in module and not facts.sources.ships(module.partition(".")[0]):
                yield f"{module}:{name.partition('.')[0]}"


def _compiled(facts: Facts) -> Iterator[str]:
    """Yield the compiled distributions of a lock with numpy 2 that ask for a numpy, whichever it is."""
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    numpy, known = pins.get("numpy"), facts.wheels.get(facts.lock.path) if facts.lock else None
    if known is None or numpy is None or numpy.version is None or numpy.version.major < 2:
        return
    for name, wheel in known.known.items():
        is_compiled = wheel.tags and not any(tag.endswith("-none-any") for tag in wheel.tags)
        if name in pins and is_compiled and any(re.match(r"numpy\b(?!-)", need) for need in wheel.requires or ()):
            yield name
