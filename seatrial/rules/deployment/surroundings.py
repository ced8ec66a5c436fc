"""Faults of a deployment that are not the project's. This module has no rules."""

from __future__ import annotations

from seatrial.rules.deployment import operations, preflight

# If all errors of a run are among these, its surroundings are at fault, not what was to be deployed.
SURROUNDINGS = frozenset(
    rule.code
    for rule in (
        operations.UNREADABLE, operations.QUOTA, operations.DENIED, operations.SERVICE_FAILED, operations.INVALID,
        operations.CANCELLED, operations.STOCKOUT, preflight.NO_CREDENTIALS, preflight.API_DISABLED,
        preflight.PERMISSION_MISSING, preflight.QUOTA_SMALL,
    )
)  # fmt: skip
