"""The record of a rollout that is under way: labels of the endpoint, which change in one call with the split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from seatrial.deploy.platform import Endpoint
from seatrial.errors import EnvironmentFaultError

_ROLLOUT, _FORMER, _DEFAULT = "seatrial-rollout", "seatrial-former", "seatrial-default"
_BACK = "seatrial-back"
_LABELS = (_ROLLOUT, _FORMER, _DEFAULT, _BACK)
_NONE = "none"
_LONGEST = 63  # characters of a label's value; Endpoint.labels says 64, Google Cloud's labels have 63
_SHARE = re.compile(r"(\d{1,19})-(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Record:
    """A rollout that is under way, as the endpoint's labels have it.

    Attributes:
        rollout: the id of the deployed model that is to get the traffic.
        former: the split before it: id of a deployed model → percent; empty if there was none.
        default: the id of the version that was the default before; "" if there was none.
        back: whether it is itself a rollback, which another rollback finishes and does not undo.
    """

    rollout: str
    former: Mapping[str, int]
    default: str = ""
    back: bool = False


def record_of(endpoint: Endpoint) -> Record | None:
    """Return the record of the rollout that is under way; None if there is none.

    Raises:
        EnvironmentFaultError: the labels are not such a record.
    """
    labels = endpoint.labels
    if _ROLLOUT not in labels:
        return None
    former = labels.get(_FORMER, "")
    shares = [] if former == _NONE else [_SHARE.fullmatch(part) for part in former.split("_")]
    default = labels.get(_DEFAULT, _NONE)
    if not all(shares):
        raise EnvironmentFaultError(
            f"label {_FORMER} of endpoint {_id(endpoint)} is {former!r}, which is not a split",
            fix=f"remove the labels {', '.join(_LABELS)} from the endpoint",
        )
    split = {share[1]: int(share[2]) for share in shares if share}
    return Record(labels[_ROLLOUT], split, "" if default == _NONE else default, _BACK in labels)


def with_record(endpoint: Endpoint, record: Record) -> Endpoint:
    """Return a copy of an endpoint that has a record; the split is not touched.

    Raises:
        EnvironmentFaultError: the former split is too long for a label.
    """
    shares = [f"{key}-{percent}" for key, percent in sorted(record.former.items()) if percent]
    former = "_".join(shares) or _NONE
    if len(former) > _LONGEST:
        raise EnvironmentFaultError(
            f"the traffic of endpoint {_id(endpoint)} is split among {len(shares)} deployed models, too many to be "
            f"kept in a label of {_LONGEST} characters: {former}",
            fix="give the traffic to fewer deployed models first",
        )
    labels = {_ROLLOUT: record.rollout, _FORMER: former, _DEFAULT: record.default or _NONE}
    if record.back:
        labels[_BACK] = "true"
    return replace(endpoint, labels={**without_record(endpoint).labels, **labels})


def without_record(endpoint: Endpoint) -> Endpoint:
    """Return a copy of an endpoint that has no record."""
    return replace(endpoint, labels={key: value for key, value in endpoint.labels.items() if key not in _LABELS})


def _id(endpoint: Endpoint) -> str:
    return endpoint.name.rpartition("/")[2]
