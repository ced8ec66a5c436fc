"""What can be said of a failure that nothing recognises: what was raised, by whose code, at which version, from where.

It states facts of the traceback and of the project's files, and guesses no fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.diagnosis import places
from seatrial.diagnosis.handled import failing
from seatrial.diagnosis.raised import Owner
from seatrial.errors import SeatrialError
from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import marker_environment
from seatrial.rules.lock.training import changed_between
from seatrial.rules.serving.unrecognised import UNRECOGNISED

if TYPE_CHECKING:
    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.rules.rule import Rule

_TRAINING = ("training/requirements.txt", "requirements-train.txt", "requirements-training.txt")


@dataclass(frozen=True, slots=True)
class _Versions:
    """The versions of a distribution in training and in serving; "" where the files do not say it."""

    distribution: str
    training: str
    serving: str

    @property
    def differ(self) -> bool:
        """Whether both are known, and not the same."""
        return bool(self.training and self.serving) and _public(self.training) != _public(self.serving)


def unrecognised(case: Case, rule: Rule = UNRECOGNISED, happened: str = "") -> Finding | None:
    """Return what is known of the log's last failure, under a rule; None if the log has no exception.

    `happened` says what it made happen, such as "the server ended with exit code 1".
    """
    raised = next((each for each in reversed(case.raised) if each.users), next(reversed(case.raised), None))
    if raised is None:
        return None
    location, evidence = places.of(None, raised)
    blamed = _blamed(raised)
    versions = _versions(blamed, case.facts) if blamed else None
    said = places.said(raised)
    return rule.finding(
        f"{happened}: {said}" if happened else f"not recognised: {said}",
        location=location,
        cause=_cause(raised, blamed, versions),
        fix=_fix(raised, blamed, versions),
        evidence=tuple(evidence),
        because="no rule recognises the log; this is its last exception" + ("" if happened else " that is no warning"),
    )


def _blamed(raised: Raised) -> Frame | None:
    """Return the frame whose code met the fault: of the first cause, if it has frames."""
    frames = [each.blamed for each in failing(raised) if each.blamed]
    return frames[-1] if frames else None


def _cause(raised: Raised, blamed: Frame | None, versions: _Versions | None) -> str:
    parts = []
    first = failing(raised)[-1]
    if first is not raised:
        parts.append(f"it follows from {places.said(first)}")
    if blamed is not None:
        parts.append(f"{'raised' if blamed is first.raiser else 'met'} by {_whose(blamed, versions)}")
    user = raised.users
    if user is not None and user is not blamed:
        parts.append(f"called from {places.at(user)}{f' in {user.function}' if user.function else ''}")
    if blamed is None:
        parts.append("the log has no traceback, so that it does not say whose code raised it")
    if versions and versions.differ:
        parts.append(f"training had {versions.distribution} {versions.training}{_known_change(versions)}")
    return "; ".join(parts)


def _whose(frame: Frame, versions: _Versions | None) -> str:
    at = f"{frame.module or frame.file}:{frame.line}"
    match frame.owner:
        case Owner.PROJECT:
            return f"the project's own code at {places.at(frame)}"
        case Owner.DISTRIBUTION | Owner.SERVER:
            version = versions.serving if versions else frame.version
            known = f"{frame.distribution} {version}" if version else f"{frame.distribution} (its version is not known)"
            return f"{known} at {at}"
        case _:
            return f"{frame.file}:{frame.line}"


def _known_change(versions: _Versions) -> str:
    try:
        changed = changed_between(versions.distribution, versions.training, Version(versions.serving))
    except InvalidVersion:
        changed = ""
    return f": {changed}" if changed else ""


def _fix(raised: Raised, blamed: Frame | None, versions: _Versions | None) -> str:
    user = raised.users
    here = f"{places.at(user)}" if user else ""
    if blamed is None:
        return "find the lines before this one in the log: a traceback names the code that raised it"
    if blamed.owner is Owner.PROJECT:
        return f"look at what {here} does with its values; `seatrial smoke` repeats the failure on this machine"
    name = blamed.distribution
    if versions and versions.differ:
        return (
            f"read what {name} changed between {versions.training} and {versions.serving}, or pin "
            f"`{name}=={_public(versions.training)}` as training had it and run `seatrial lock`"
        )
    if name and here:
        return f"look at what {here} passes to {name}, and search the issues of {name} for the message"
    if name:
        return f"search the issues of {name} for the message; nothing in the log names a line of the project"
    return f"look at what {here} does" if here else "look at what the evidence names"


def _versions(frame: Frame, facts: Facts | None) -> _Versions | None:
    if not frame.distribution:
        return None
    name = frame.distribution
    if facts is None:
        return _Versions(name, "", frame.version)
    trained = facts.manifest.trained_with.get(name, "") if facts.manifest else ""
    return _Versions(name, trained or _in_training(name, facts), frame.version)


def _in_training(name: str, facts: Facts) -> str:
    """Return the version that a requirement file of training pins; "" if there is none."""
    root = facts.project.root
    for path in _TRAINING:
        if (root / path).is_file():
            try:
                pins = requirements.read(root / path, root).pins(marker_environment(facts.project.python))
            except (OSError, SeatrialError):
                continue
            if name in pins:
                return str(pins[name].version)
    return ""


def _public(version: str) -> str:
    try:
        return Version(version).public
    except InvalidVersion:
        return version
