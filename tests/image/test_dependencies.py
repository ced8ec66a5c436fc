"""Images of distributions: the command that removes one removes nothing else."""

from __future__ import annotations

import secrets
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.containers.engine import Engine
from seatrial.environment.install import Lock
from seatrial.environment.interpreter import Interpreter
from seatrial.image import dependencies, dockerfile, engine_build, layers
from seatrial.image.base import BaseImage
from seatrial.image.dependencies import Wanted
from tests.engines import Base
from tests.stages import ended


@pytest.fixture
def wanted(base: Base, engine: Engine) -> Wanted:
    """What an image of no distributions is made of, for a lock that no other test has."""
    engine.ask(["pull", "--quiet", base.reference], timeout=120)
    found = BaseImage(base.reference, f"/usr/bin/python{base.python}", f"{base.python}.0", "", ())
    lock = Lock("", frozenset(), "requirements.txt")
    return Wanted(lock, secrets.token_hex(32), found, Interpreter(Path(sys.executable), base.python))


def tar(folder: Path, name: str) -> Path:
    (folder / "content").mkdir(parents=True)
    (folder / "content" / name).write_text(secrets.token_hex(8))
    layers.write_tar(folder / "content", folder / f"{name}.tar")
    return folder


def test_the_suggested_command_removes_one_image_and_what_was_built_on_it_and_nothing_else(
    wanted: Wanted, engine: Engine, tmp_path: Path
) -> None:
    other = replace(wanted, lock_digest=secrets.token_hex(32))
    ours, theirs = wanted.described(2_000_000_000), other.described(5_700_000_000)
    for image in (ours, theirs):
        context = tar(tmp_path / image.tag.rpartition(":")[2], "dependencies")
        ended(engine_build.build(engine, context, image.dockerfile, image.tag))
    above = f"localhost/above-{secrets.token_hex(4)}:1"
    text = dockerfile.code(theirs.tag, ["code.tar"], {"a": "b"})
    ended(engine_build.build(engine, tar(tmp_path / "code", "code"), text, above))

    advice = dependencies.removals(engine, wanted)
    assert not [line for line in advice if wanted.key in line]
    (line,) = [line for line in advice if other.key in line]
    assert "frees 5.7 GB" in line
    engine.ask([*shlex.split(line.split("`")[1])[1:], "--force"])
    there = [engine.output(["image", "inspect", tag], timeout=60)[0] == 0 for tag in (ours.tag, theirs.tag, above)]
    assert there == [True, False, False]
    engine.ask(["rmi", ours.tag])
