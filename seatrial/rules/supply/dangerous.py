"""Family 8, dangerous pickles: files of the artifacts that run code when they are loaded.

What a pickle imports and calls is accepted by where it comes from (`provenance.py`); everything else is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.pickles import Global
from seatrial.findings import LOCK, REQUIREMENTS, Location, Severity
from seatrial.rules.artifacts.checkpoints import will_be_there
from seatrial.rules.artifacts.pickled import MAIN, missing_in
from seatrial.rules.rule import Rule
from seatrial.rules.supply.provenance import CODE, danger, is_plain, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.checkpoints.pickles import Fetched, Name
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.rules.supply.provenance import Verdict

RUNS_CODE = Rule(
    code="ST803",
    title="loading the file may run code",
    explanation=(
        "A pickle is a program: it can call anything that it can import. No checkpoint that torch.save writes of a "
        "model holds a name such as `os.system`, `builtins.eval` or `subprocess.Popen`. The call is made while the "
        "file is loaded, with the rights of the server's service account."
    ),
    fix="do not load the file anywhere; get the weights from their source again, as a state_dict or safetensors",
    cloud="nothing: the code runs, and the server goes on",
    sources=(
        "https://docs.python.org/3/library/pickle.html#module-pickle",
        "https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        "https://github.com/trailofbits/fickling",
    ),
    detected=(
        "By the names that the pickles of a file import and call, whatever the file's name and packing. These are "
        "accepted: what `torch.load(weights_only=True)` of the locked torch accepts; names that the objects of locked "
        "distributions hold, by a table; classes and functions that the package defines; Python's plain values. Every "
        "other name is a finding. It is an error if the name is known to run code, start programs, connect, write "
        "files or stop the process, by a table made from the source of Python, of torch and of what torch needs; else "
        "it is a warning."
    ),
    bad="class Model:\n    def __reduce__(self):\n        return (os.system, (command,))",
    good="safetensors.torch.save_file(model.state_dict(), file)",
)

# Honest pickles use these too, as for a bound method; what matters is whether the result is called.
GETTERS = frozenset((("builtins", "getattr"), ("operator", "attrgetter"), ("operator", "methodcaller")))
SHOWN = 20  # names in a finding
FIX = (
    "save tensors and plain values (`torch.save(model.state_dict(), …)`), or move the class into the package; if the "
    "file is known to be harmless, ignore ST803 in [tool.seatrial.ignore] and give the reason"
)


@RUNS_CODE.decided_by
def _runs_code(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        certain, unknown = _certain(checkpoint, facts), _unknown(checkpoint, facts)
        if certain:
            power, what = certain[0]
            yield RUNS_CODE.finding(
                f"loading {checkpoint.path} {power}: it uses {what}",
                location=Location(checkpoint.path),
                subject=checkpoint.path,
                evidence=tuple(dict.fromkeys(f"{what}: {power}" for power, what in certain))[:SHOWN],
            )
        elif unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            yield RUNS_CODE.finding(
                f"loading {checkpoint.path} may run code: it uses {unknown[0]}{more}, not shown to be harmless",
                severity=Severity.WARNING,
                location=Location(checkpoint.path),
                subject=checkpoint.path,
                cause="the name is in no list of what honest files hold: torch's, the locked distributions' and the "
                "package's",
                fix=FIX,
                evidence=tuple(unknown[:SHOWN]),
                rests_on=(LOCK, REQUIREMENTS),
            )


def _certain(checkpoint: Checkpoint, facts: Facts) -> list[tuple[str, str]]:
    """Return what the file is known to do, and by which name."""
    named = [(verdict.power, shown(name)) for name, verdict in _judged(checkpoint, facts) if verdict.power]
    fetched = [
        (CODE, f"the attribute `{f.attribute}` that it fetches{' and calls' if f.called else ''}")
        for f in checkpoint.fetched
        if (f.called and not _is_zone(f)) or f.attribute.startswith("__")
    ]
    changed = [(CODE, f"{shown(name)}, whose attributes or items it sets") for name in checkpoint.changed]
    inside = [
        (f"{power}, if the pickle inside it is loaded", shown(name))
        for name in checkpoint.hidden
        if (power := danger(*name))
    ]
    computed = [(CODE, "something that it computes")] if checkpoint.computed else []
    return named + fetched + changed + computed + inside


def _judged(checkpoint: Checkpoint, facts: Facts) -> Iterator[tuple[Name, Verdict]]:
    for name in checkpoint.globals:
        if name not in GETTERS:
            verdict = judge(name, facts, called=name in checkpoint.called)
            if not verdict.accepted:
                yield name, verdict


def _unknown(checkpoint: Checkpoint, facts: Facts) -> list[str]:
    """Return what is not accepted, and of which nothing is known either."""
    unknown = [
        shown(name)
        for name, verdict in _judged(checkpoint, facts)
        if not verdict.power and not _is_reported(name, facts)
    ]
    fetched = [f for f in checkpoint.fetched if not _is_method(f, facts) and not _is_zone(f)]
    getters = [shown(name) for name in checkpoint.globals if name in GETTERS]
    return unknown + (getters if fetched or not checkpoint.fetched else [])


def _is_reported(name: Name, facts: Facts) -> bool:
    """Return whether loading fails at a name, so that ST301, ST302 or ST313 reports it."""
    return name[0] == MAIN or not will_be_there(name[0], facts) or missing_in(*name, facts) is not None


def _is_method(fetched: Fetched, facts: Facts) -> bool:
    """Return whether an attribute is a method, or a member of an Enum, of a class of the libraries or the package."""
    target = fetched.target
    if target is None or fetched.called or fetched.attribute.startswith("__"):
        return False
    plain = is_plain(target.module, target.name, called=True)
    return not plain and judge((target.module, target.name), facts, called=False).accepted


def _is_zone(fetched: Fetched) -> bool:
    """Return whether a time zone is made, which protocols 2 and 3 write as a call of a fetched method."""
    return fetched.target == Global("zoneinfo", "ZoneInfo") and fetched.attribute == "_unpickle"


def shown(name: Name) -> str:
    """Return a name as a finding shows it."""
    return f"`{ascii('.'.join(name))[1:-1]}`"
