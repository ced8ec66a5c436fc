"""Wheels of pins that have only their source: built once, of plain Python, and the same file for every install."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.environment import install, store
from seatrial.environment.interpreter import Interpreter
from seatrial.errors import EnvironmentFaultError
from tests.environment.sources import builds, lock_of_source
from tests.stages import ended

BUILDING = "building the wheel of tiny==1.0 from its source"


def test_a_source_of_plain_python_is_built_once_and_every_install_gets_that_wheel(
    own_cache: Path, python: Interpreter, tmp_path: Path
) -> None:
    lock = lock_of_source(tmp_path)
    first = ended(install.keep(lock, python))
    assert first.value is not None
    assert (store.site_packages(first.value.path) / "tiny.py").is_file()
    assert BUILDING in first.steps

    target = tmp_path / "image"
    target.mkdir()
    options = [f"--python={python.executable}", f"--prefix={target / 'app'}"]  # as the image is installed
    second = ended(install.run_installer(lock, python, target, options))
    assert second.value
    assert list(target.glob("app/lib/*/site-packages/tiny.py"))
    assert BUILDING not in second.steps
    assert builds(tmp_path) == 1
    assert not list((own_cache / "built").glob(".*"))


@pytest.mark.parametrize(
    ("tag", "first", "why", "evidence"),
    [
        ("cp311-cp311-linux_x86_64", "pass", "its source gives a wheel for one platform", "linux_x86_64"),
        (
            "py3-none-any",
            "raise SystemExit('no compiler here')",
            "none could be built from its source",
            "no compiler here",
        ),
    ],
    ids=["compiled", "failing"],
)
def test_a_source_that_gives_no_wheel_of_plain_python_is_refused(
    own_cache: Path, python: Interpreter, tmp_path: Path, tag: str, first: str, why: str, evidence: str
) -> None:
    ran = ended(install.keep(lock_of_source(tmp_path, tag, first), python))
    assert ran.value is None
    (finding,) = ran.errors
    assert finding.code == "ST117"
    assert finding.message == f"tiny==1.0 has no wheel that fits, and {why}"
    assert any(evidence in line for line in finding.evidence), finding.evidence
    assert str(own_cache) not in "\n".join(finding.evidence)
    assert not list((own_cache / "built").glob("*/*.whl"))


def test_a_source_with_another_hash_is_not_built(own_cache: Path, python: Interpreter, tmp_path: Path) -> None:
    lock = lock_of_source(tmp_path)
    lock_of_source(tmp_path, first="'published again'")
    with pytest.raises(EnvironmentFaultError, match="DO NOT MATCH THE HASHES"):
        ended(install.keep(lock, python))
    assert builds(tmp_path) == 0
