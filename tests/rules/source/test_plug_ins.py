"""Plug-ins that the project offers: the pairs of projects."""

from __future__ import annotations

import pytest

from seatrial.rules.source import plug_ins
from tests.projects.base import Twin
from tests.rules.judging import Judge, twins_of


@pytest.mark.parametrize("twin", twins_of(plug_ins), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)
