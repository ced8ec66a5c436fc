"""Which releases have what was asked for: read from wheels on a real index on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.facts.gather import Facts, gather
from tests.diagnosis.families.logs import SITE, Fault, hold, traceback
from tests.local_index import serving, write_wheel
from tests.small_project import locked, small_project

LOG = traceback(
    f"ImportError: cannot import name 'dry' from 'kelp.utils' ({SITE}/kelp/utils.py)",
    "/srv/fish/predictor.py:1 import anchovy",
    "anchovy/prep.py:3 from kelp.utils import dry",
)


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """A project that locks a kelp without the name."""
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "SEATRIAL_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    files = {"predictor.py": "class P: ...\n", **locked("kelp==0.4", "anchovy==1.0")}
    return gather(small_project(tmp_path / "project", files))


def test_the_fix_names_a_release_that_has_the_name(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "wheels") as index:
        for minor in range(5):
            content = "def dry(): ...\n" if minor < 3 else "x = 1\n"
            write_wheel(index.folder, "kelp", f"0.{minor}", modules={"kelp/__init__.py": "", "kelp/utils.py": content})
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        hold(Fault("asked", LOG, "ST173", ("anchovy 1.0", "kelp 0.4", "kelp has `dry` up to 0.2")), facts)


def test_without_an_index_it_is_said_that_nothing_could_be_looked_up(facts: Facts) -> None:
    hold(Fault("offline", LOG, "ST173", ("could not be looked up",)), replace(facts, offline=True))
