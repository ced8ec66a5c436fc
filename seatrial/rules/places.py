"""Places of findings: which lines may be shown."""

from __future__ import annotations

from seatrial.findings import Location
from seatrial.system.redaction import holds_login


def shown_at(location: Location, text: str) -> Location:
    """Return a location that may be shown: if its line has a password, only the file."""
    return Location(location.path) if holds_login(text) else location
