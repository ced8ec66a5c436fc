"""A Python to make environments with."""

from __future__ import annotations

import pytest

from seatrial.environment import interpreter
from seatrial.environment.interpreter import Interpreter
from tests.environment.small_lock import VERSION
from tests.stages import ended


@pytest.fixture
def python() -> Interpreter:
    return ended(interpreter.find(VERSION)).value
