"""Which Python is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seatrial.environment import interpreter
from seatrial.environment.interpreter import Interpreter
from seatrial.errors import EnvironmentFaultError
from tests.environment.small_lock import VERSION
from tests.stages import ended


def test_the_python_found_is_the_version_asked_for_and_not_of_a_virtual_environment(python: Interpreter) -> None:
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix == sys.base_prefix)"
    said = subprocess.run([python.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == [VERSION, "True"]


def test_a_shim_that_answers_127_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "3.12" if VERSION != "3.12" else "3.13"
    try:
        real = ended(interpreter.find(other)).value
    except EnvironmentFaultError:
        pytest.skip(f"needs Python {other} beside {VERSION}")
    shims, versions = tmp_path / "shims", tmp_path / f"pyenv/versions/{real.version}/bin"
    shims.mkdir()
    versions.mkdir(parents=True)
    shim = shims / f"python{other}"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (versions / f"python{other}").symlink_to(real.executable)
    monkeypatch.setenv("PATH", f"{shims}:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    interpreter._installed.cache_clear()
    assert ended(interpreter.find(other)).value.version == real.version
    interpreter._installed.cache_clear()


def test_a_python_that_cannot_be_found_is_the_environments_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(EnvironmentFaultError, match=r"Python 3\.99 was not found") as raised:
        ended(interpreter.find("3.99"))
    assert "`python`" in raised.value.fix
