"""The base image: where to log in for it."""

from __future__ import annotations

import pytest

from seatrial.image.base import registry_of


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("python@sha256:1", ()),
        ("team/python@sha256:1", ()),
        ("europe-docker.pkg.dev/p/r/python@sha256:1", ("europe-docker.pkg.dev",)),
        ("localhost:5000/python@sha256:1", ("localhost:5000",)),
    ],
)
def test_docker_hub_needs_no_name_of_a_registry(reference: str, registry: tuple[str, ...]) -> None:
    assert registry_of(reference) == registry
