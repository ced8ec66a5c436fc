"""Layers: the same bytes from every disk, no trace of the installer, and the image's own bytecode."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import tarfile
from pathlib import Path
from types import CodeType

import pytest

from seatrial.bundle import SOURCE_DATE_EPOCH
from seatrial.environment import interpreter
from seatrial.environment.interpreter import Interpreter
from seatrial.errors import EnvironmentFaultError
from seatrial.image import layers
from tests.stages import ended

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
INSIDE = f"/app/lib/python{VERSION}/site-packages"


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return ended(interpreter.find(VERSION)).value


def test_a_tar_does_not_depend_on_times_owners_or_order_on_disk(tmp_path: Path) -> None:
    names = ["b/two.py", "a.txt", "b/c/three", "b-d/four"]
    for at, order in enumerate((names, names[::-1])):
        root = tmp_path / f"tree{at}"
        for name in order:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            file.chmod(0o640 if at else 0o664)
            os.utime(file, (at, at))
        (root / "run").write_text("#!")
        (root / "run").chmod(0o700 if at else 0o775)
        (root / "link").symlink_to("/usr/bin/python3")
        layers.write_tar(root, tmp_path / f"{at}.tar")
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()
    with tarfile.open(tmp_path / "0.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [
        "a.txt", "link", "run", "b", "b/two.py", "b/c", "b/c/three", "b-d", "b-d/four",
    ]  # fmt: skip
    assert {m.mtime for m in members} == {int(SOURCE_DATE_EPOCH)}
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert {m.name: oct(m.mode) for m in members if m.name in ("run", "a.txt", "b")} == {
        "run": "0o755", "a.txt": "0o644", "b": "0o755",
    }  # fmt: skip


def test_something_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree/pipe")
    with pytest.raises(EnvironmentFaultError, match="pipe is not a regular file"):
        layers.write_tar(tmp_path / "tree", tmp_path / "tree.tar")


def test_the_installers_traces_are_removed_with_their_lines_in_record(tmp_path: Path) -> None:
    site = tmp_path / "app/lib/python3.11/site-packages"
    info = site / "thing-1.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "app/bin").mkdir()
    (tmp_path / "app/bin/thing").write_text(f"#!{sys.executable}\n")
    (tmp_path / "app/.lock").touch()
    traces = ["INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"]
    for name in (*traces, "METADATA"):
        (info / name).write_text(name)
    (site / "thing").mkdir()
    (site / "thing/INSTALLER").write_text("a module's own file of that name")
    lines = [f"thing-1.dist-info/{name},," for name in (*traces, "METADATA", "RECORD")]
    record = info / "RECORD"
    record.write_text("\n".join(["../../../bin/thing,sha256=x,1", "thing/INSTALLER,,", '"thing/a,b.py",,', *lines]))
    shared = tmp_path / "cache-of-the-installer"
    shared.hardlink_to(record)
    before = shared.read_bytes()
    layers.strip(tmp_path / "app")
    assert record.read_text() == (
        'thing-1.dist-info/METADATA,,\nthing-1.dist-info/RECORD,,\nthing/INSTALLER,,\n"thing/a,b.py",,\n'
    )
    assert sorted(path.name for path in info.iterdir()) == ["METADATA", "RECORD"]
    assert sorted(path.name for path in (tmp_path / "app").iterdir()) == ["lib"]
    assert shared.read_bytes() == before


def test_bytecode_names_the_image_and_is_never_rechecked(tmp_path: Path, python: Interpreter) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "module.py").write_text("NAMES = {'b', 'a', 'c'}\ndef f(x): return x in {'x', 'y', 'z', 1, None}\n")
    (site / "template.py").write_text("def {{ name }}(): pass\n")
    layers.compile_bytecode(site, INSIDE, python, tmp_path)
    (cached,) = (site / "__pycache__").iterdir()
    content = cached.read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 0b01  # by hash, not checked: PEP 552
    code = marshal.loads(content[16:])  # noqa: S302 - compiled by this very test
    assert isinstance(code, CodeType)
    assert code.co_filename == f"{INSIDE}/module.py"


def test_two_places_and_two_orders_compile_to_the_same_bytes(tmp_path: Path, python: Interpreter) -> None:
    made = []
    sources = sorted(Path(os.__file__).parent.glob("[a-m]*.py"))
    for at, order in enumerate((sources, sources[::-1])):
        site = tmp_path / f"site{at}"
        site.mkdir()
        for source in order:
            (site / source.name).write_bytes(source.read_bytes())
        layers.compile_bytecode(site, INSIDE, python, tmp_path)
        made.append({path.name: path.read_bytes() for path in (site / "__pycache__").iterdir()})
    assert len(made[0]) == len(sources) > 50
    assert made[0] == made[1]


def test_a_module_that_cannot_be_written_is_the_environments_fault_and_an_invalid_one_is_not(
    tmp_path: Path, python: Interpreter
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    invalid = ["def {{ name }}(): pass", "if 1:\nx", "if 1:\n\tx\n        y", "'\\N{no}'", "# coding: none", "x = '\0'"]
    for at, text in enumerate(invalid):
        (site / f"template{at}.py").write_text(f"{text}\n")
    (site / "valid.py").write_text("x = 1\n")
    layers.compile_bytecode(site, INSIDE, python, tmp_path)
    (cached,) = (site / "__pycache__").iterdir()
    cached.unlink()
    full = tmp_path / "python"
    full.write_text(f'#!/bin/sh\nulimit -f 0  # no file may grow, as on a full disk\nexec {python.executable} "$@"\n')
    full.chmod(0o755)
    with pytest.raises(EnvironmentFaultError, match=r"(?s)valid\.py.*OSError: .*File too large") as raised:
        layers.compile_bytecode(site, INSIDE, Interpreter(full, python.version), tmp_path)
    assert "df " in raised.value.fix


def test_an_interpreter_that_cannot_compile_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/module.py").write_text("")
    with pytest.raises(EnvironmentFaultError):
        layers.compile_bytecode(tmp_path / "site", INSIDE, Interpreter(Path("/bin/false-python"), "3.11.0"), tmp_path)
