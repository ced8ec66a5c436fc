"""Where packages lie: the root, src/, and what each build backend names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from seatrial import layout

BACKENDS = {
    "setuptools' package-dir": 'setuptools.package-dir = {"" = "lib"}',
    "setuptools' find": 'setuptools.packages.find.where = ["lib"]',
    "hatch's packages": 'hatch.build.targets.wheel.packages = ["lib/fish"]',
    "hatch's sources": 'hatch.build.targets.wheel.sources = ["lib"]',
    "hatch's renamed sources": 'hatch.build.sources = {"lib" = ""}',
    "poetry": 'poetry.packages = [{ include = "fish", from = "lib" }]',
    "pdm": 'pdm.build.package-dir = "lib"',
    "uv": 'uv.build-backend.module-root = "lib"',
    "maturin": 'maturin.python-source = "lib"',
    "scikit-build": 'scikit-build.wheel.packages = ["lib/fish"]',
}


@pytest.mark.parametrize("table", BACKENDS.values(), ids=BACKENDS.keys())
def test_the_folder_that_a_backend_names_comes_before_the_usual_ones(table: str) -> None:
    assert layout.folders(tomllib.loads(table)) == ("lib", "", "src")


@pytest.mark.parametrize(
    "table",
    [
        "",
        'setuptools.package-dir = {"" = "/lib"}\nuv.build-backend.module-root = ""',
        'hatch.build.targets.wheel.packages = ["../lib/fish", "fish"]',
        "setuptools = 3\nhatch.build = []\npoetry.packages = [1, {}]\npdm.build.package-dir = false",
    ],
)
def test_what_names_no_folder_of_the_project_changes_nothing(table: str) -> None:
    assert layout.folders(tomllib.loads(table)) == ("", "src")


def test_a_package_is_where_it_has_modules(tmp_path: Path) -> None:
    for file in ("fish/data.csv", "src/fish/model.py", "src/net.py", "lib/net.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    homes = {name: layout.home_of(tmp_path, ("", "src", "lib"), name) for name in ("fish", "net", "other")}
    assert homes == {"fish": tmp_path / "src", "net": tmp_path / "src", "other": tmp_path}
