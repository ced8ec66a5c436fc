"""A control plane that is ready to deploy to."""

from __future__ import annotations

import pytest

from tests.emulator.small_plane import Small


@pytest.fixture
def ready(small: Small) -> Small:
    """A control plane with a model and an endpoint without deployed models."""
    small.upload()
    small.endpoint()
    return small
