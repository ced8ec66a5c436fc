"""A trial that is sealed as the configured base image is, which a container engine has."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from seatrial import project
from seatrial.containers.engine import Engine
from seatrial.facts.gather import Gathered
from seatrial.image import base as bases
from seatrial.trial.smoke import smoke
from tests.engines import Base
from tests.stages import ended
from tests.trial.test_smoke import at_load


def test_the_process_sees_what_the_base_image_holds(copied: Callable[[str], Path], engine: Engine, base: Base) -> None:
    halves = copied("tests/projects/packaged-transform")
    settings = halves / "pyproject.toml"
    text = re.sub(r"\[tool\.seatrial\.image\][^[]*", "", settings.read_text())
    text += f'\n[tool.seatrial.image]\nbase = "{base.reference}"\nengine = "{engine.name}"\n'
    settings.write_text(text)
    at_load(
        halves,
        "import os, shutil\n"
        "assert not shutil.which('ls'), 'the base has no ls'\n"
        "assert os.path.exists('/etc/debian_version')\n"
        "assert 'LANG' not in os.environ",
    )
    loaded = project.load(halves)
    ended(bases.resolve(loaded, engine))  # which pulls it
    trial = ended(smoke(Gathered(loaded), "cpu", skip_check=True))
    assert trial.value.sealed_as == f"{base.reference} is"
    assert trial.value.unsealed == []
    assert trial.findings == []
    assert trial.value.finished
    assert trial.value.sealed_as == f"{base.reference} is"
