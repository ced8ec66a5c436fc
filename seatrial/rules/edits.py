"""Edits that several rules offer, made from facts about calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Edit

if TYPE_CHECKING:
    from seatrial.facts.python.calls import Call


def insertion(call: Call, text: str) -> Edit | None:
    """Return the edit that inserts `text`, such as `, name=value`, after the last argument; None if impossible."""
    if call.after_last is None:
        return None
    line, column = call.after_last
    return Edit(call.location.path, text, line, column, column)
