"""Places of findings: which lines may be shown."""

from __future__ import annotations

from seatrial.findings import Location
from seatrial.system.redaction import holds_login


def shown_at(location: Location, text: str) -> Location:
    """Give a place whose line may be shown; of a line with a password only the file is named."""
    return Location(location.path) if holds_login(text) else location
