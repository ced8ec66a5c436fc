"""The table of interfaces: each row has its module and is known wherever an interface is named."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.serving import interfaces
from seatrial.serving.interfaces import INTERFACES, Interface, takes_samples
from seatrial.serving.interfaces.adapter import Adapter, adapter_of
from seatrial.serving.interfaces.recognise import interface_of
from tests.serving.server import REPOSITORY
from tests.small_project import small_project

each_interface = pytest.mark.parametrize("interface", INTERFACES, ids=lambda interface: interface.name)


@each_interface
def test_each_has_a_module_that_recognises_and_serves(interface: Interface) -> None:
    adapter = adapter_of(interface)
    for name in ("recognises", "serve"):
        wanted = list(inspect.signature(getattr(Adapter, name)).parameters)[1:]
        assert list(inspect.signature(getattr(adapter, name)).parameters) == wanted


def test_each_module_that_recognises_has_a_row() -> None:
    folder = Path(interfaces.__file__).parent
    adapters = {file.stem for file in folder.glob("*.py") if "\ndef recognises(" in file.read_text()}
    assert adapters == {name.replace("-", "_") for name in interfaces.NAMES}


@each_interface
def test_each_is_taken_by_the_project_and_by_the_runtime(interface: Interface, tmp_path: Path) -> None:
    predictor = type("P", (), dict.fromkeys(interface.needed, print))
    assert interface_of(predictor, interface.name) is interface
    assert small_project(tmp_path, {}, interface=interface.name).interface == interface.name


@each_interface
def test_each_is_explained_in_the_documentation(interface: Interface) -> None:
    page = (REPOSITORY / "docs/predictor.md").read_text()
    assert f'"{interface.name}"' in page
    assert all(f"`{name}" in page for name in interface.needed)


@each_interface
def test_each_needs_the_method_that_loads(interface: Interface) -> None:
    assert interface.loader in interface.needed


def test_an_unknown_interface_takes_no_samples() -> None:
    assert not takes_samples("")
    assert takes_samples("batched")


def test_reading_the_table_imports_no_part_of_the_runtime() -> None:
    program = (
        "import sys, __future__, dataclasses; before = set(sys.modules); import seatrial.serving.interfaces; "
        "print(sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "['seatrial', 'seatrial.serving', 'seatrial.serving.interfaces']\n"
