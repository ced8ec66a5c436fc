from __future__ import annotations

import re

import pytest

from seatrial.deploy.platform import Endpoint
from seatrial.deploy.record import Record, record_of, with_record, without_record
from seatrial.errors import EnvironmentFaultError


@pytest.mark.parametrize(
    "record",
    [
        Record("1234567890", {}, ""),
        Record("1234567890", {"1111111111": 100}, "3"),
        Record("1234567890", {"1111111111": 34, "2222222222": 33, "3333333333": 33}, "17"),
    ],
    ids=str,
)
def test_a_record_is_read_as_it_was_written_and_goes_without_a_trace(record: Record) -> None:
    endpoint = Endpoint("n", labels={"team": "vision"})
    marked = with_record(endpoint, record)
    assert record_of(marked) == record
    assert all(re.fullmatch("[a-z0-9_-]{1,63}", value) for value in marked.labels.values())
    assert all(re.fullmatch("[a-z][a-z0-9_-]{0,62}", name) for name in marked.labels)
    assert record_of(without_record(marked)) is None
    assert without_record(marked) == endpoint
    assert record_of(endpoint) is None


def test_a_split_too_long_for_a_label_is_refused_before_anything_changes() -> None:
    with pytest.raises(EnvironmentFaultError, match="5 deployed models, too many"):
        with_record(Endpoint("n"), Record("1", {f"{key}{0:018}": 20 for key in range(1, 6)}))


def test_a_record_that_somebody_wrote_over_is_not_guessed_at() -> None:
    endpoint = Endpoint("n", labels={"seatrial-rollout": "1", "seatrial-former": "everything"})
    with pytest.raises(EnvironmentFaultError, match="'everything', which is not a split"):
        record_of(endpoint)
