"""A command whose dependencies are missing says what to install."""

from __future__ import annotations

import pytest

from seatrial.cli import extra
from seatrial.errors import UsageError


@pytest.mark.parametrize("name", ["google.cloud.storage", "grpc", "requests", "gcp_storage_emulator.server"])
def test_the_extra_is_named_for_what_it_brings(name: str) -> None:
    with pytest.raises(UsageError, match="what a deploy needs is not installed") as refused, extra.needed():
        raise ModuleNotFoundError(name=name)
    assert refused.value.fix == "install the tool with its extra: seatrial[deploy]"


def test_any_other_missing_module_is_a_fault_of_the_tool() -> None:
    with pytest.raises(ModuleNotFoundError), extra.needed():
        raise ModuleNotFoundError(name="seatrial.nothing")
