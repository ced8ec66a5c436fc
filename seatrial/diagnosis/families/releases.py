"""Which releases of a distribution have what was asked for: read from their wheels, where an index may be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.families.whose import Part


def pin_with(has: Part, module: str, name: str, case: Case, parameter: str = "") -> str:
    """Return which releases of a locked distribution have a name of a module, as a clause; "" if it is not locked.

    The name is empty for the module itself.
    """
    if not has.version or case.facts is None:
        return ""
    # Reading wheels from an index is the exception: most diagnoses do without it.
    from seatrial.facts.libraries.neighbours import releases_with
    from seatrial.facts.libraries.published import Published

    found = releases_with(has.name, module, name, near=has.version, asked=Published.of(case.facts), parameter=parameter)
    what = f"`{name}`" if name else "the module"
    if found.undecided:
        return f"which releases of {has.name} have {what} could not be looked up: {found.undecided}"
    if not found.versions:
        return f"no release of {has.name} near {has.version} has {what}"
    said = " and ".join(
        f"{which} {version}" for which, version in (("up to", found.below), ("from", found.above)) if version
    )
    return f"by their wheels, {has.name} has {what} {said}" + (f" ({found.advice})" if found.advice else "")


def also(fix: str, clause: str) -> str:
    """Return a fix with what is known of the releases, if anything is."""
    return f"{fix} ({clause})" if clause else fix
