"""What a deploy has reached, as data that its stages fill as they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Progress:
    """What a deploy has reached; filled as it goes, so that it can be reported however the deploy ends.

    Attributes:
        status: one of `outcome.STATUSES`.
        version: of the registry, as MODEL@ID; `deployed_model` is its id on the endpoint.
        traffic: the endpoint's split as last read: id of a deployed model → percent.
        changed: whether this run may have changed anything on the server.
        gates: the numbers of every gate, passed or not.
        unproven: what a green end does not prove.
    """

    status: str = "error"
    model: str = ""
    version: str = ""
    endpoint: str = ""
    deployed_model: str = ""
    traffic: dict[str, int] = field(default_factory=dict)
    changed: bool = False
    gates: list[Mapping[str, Any]] = field(default_factory=list)
    unproven: tuple[str, ...] = ()
