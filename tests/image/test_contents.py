"""What a base image holds: listed once by its own Python, and shown instead of a slim image's."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial import project
from seatrial.containers.engine import Engine
from seatrial.image import base as bases
from seatrial.image import contents
from seatrial.image.contents import Contents
from seatrial.project import Project
from tests.engines import Base
from tests.stages import ended

ABSENT = f"localhost/none@sha256:{'0' * 64}"


def halves_on(base: str, engine: str = "auto", python: str = "3.11") -> Project:
    loaded = project.load(Path(__file__).parents[1] / "projects/packaged-transform")
    image = loaded.image.model_copy(update={"base": base, "engine": engine})
    return loaded.model_copy(update={"image": image, "python": python})


@pytest.fixture
def halves(engine: Engine, base: Base) -> Project:
    found = halves_on(base.reference, engine.name, base.python)
    ended(bases.resolve(found, engine))  # which pulls it
    return found


def test_the_base_is_listed_once_and_without_documentation(
    halves: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path))
    first = contents.of_base(halves)
    assert isinstance(first, Contents)
    assert f"python{halves.python}" in first.table.programs
    assert not first.table.programs & {"bash", "git", "ls"}  # the base of the tests has not even a shell
    assert "libstdc++.so.6" in first.table.libraries
    assert first.table.texts["/etc/debian_version"].strip()
    assert not [path for path in first.table.files if path.startswith("/usr/share/doc/")]
    (kept,) = (tmp_path / "images").iterdir()
    kept.write_text(kept.read_text().replace("libstdc++.so.6", "libkept.so.6"))
    again = contents.of_base(halves)
    assert isinstance(again, Contents)
    assert "libkept.so.6" in again.table.libraries


def test_an_image_that_is_not_here_is_not_pulled(engine: Engine) -> None:
    assert contents.of_base(halves_on(ABSENT, engine.name)) == f"{engine.name} does not have {ABSENT} on this machine"


def test_without_an_engine_it_says_so(no_engine: None) -> None:
    assert contents.of_base(halves_on(ABSENT)) == "no container engine answers"
