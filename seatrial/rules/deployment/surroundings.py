"""Faults of a deployment that are not the project's. This module has no rules."""

from __future__ import annotations

from seatrial.rules.deployment.operations import CANCELLED, DENIED, INVALID, QUOTA, SERVICE_FAILED, STOCKOUT, UNREADABLE
from seatrial.rules.deployment.preflight import API_DISABLED, NO_CREDENTIALS, PERMISSION_MISSING, QUOTA_SMALL

# A run whose errors are all of these is the fault of the surroundings, not of what was to be deployed.
SURROUNDINGS = frozenset(
    rule.code
    for rule in (
        UNREADABLE, QUOTA, DENIED, SERVICE_FAILED, INVALID, CANCELLED, STOCKOUT,
        NO_CREDENTIALS, API_DISABLED, PERMISSION_MISSING, QUOTA_SMALL,
    )
)  # fmt: skip
