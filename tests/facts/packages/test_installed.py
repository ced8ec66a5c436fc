"""Cached environments as facts: a lock's own is found by that lock alone, and its distributions are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.facts.packages import installed
from seatrial.facts.packages.wheels import Wheels, recall, remember
from tests.facts.packages.test_elf import good, shared_object
from tests.small_project import locked, small_project

METADATA = """\
Metadata-Version: 2.4
Name: Torch_Vision
Version: 0.29.2
Requires-Dist: torch>=2.14.0
Requires-Dist: gdown>=4.7;
        extra == "gdown"

Requires-Dist: none of the description
"""


def distribution(site: Path, name: str, version: str, metadata: str = "") -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(metadata or f"Name: {name}\nVersion: {version}\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n")
    (info / "RECORD").write_text(
        f'{name}/__init__.py,sha256=x,1000\n"{name}/a,b.py",sha256=y,24\n{info.name}/RECORD,,\n'
    )


def environment(cache: Path, text: str) -> Path:
    """Lay out an empty cached environment of a merged lock, as `seatrial.environment.install` does."""
    python = cache / "python3.11"
    python.touch()
    root = cache / installed.name_of(str(python), "3.11.7", text)
    (root / "environment/bin").mkdir(parents=True)
    (root / "environment/bin/python").symlink_to(python)
    (root / "environment/pyvenv.cfg").write_text("home = bin\nversion_info = 3.11.7\n")
    (root / "snapshot.json").write_text("{}")
    return root / "environment/lib/python3.11/site-packages"


def test_the_environment_of_a_lock_is_found_by_exactly_this_lock(tmp_path: Path) -> None:
    site = environment(tmp_path, "numpy==2.3.3\n")
    assert installed.find(tmp_path, "numpy==2.3.3\n", "3.11") == site
    assert installed.find(tmp_path, "numpy==2.3.2\n", "3.11") is None
    assert installed.find(tmp_path, "numpy==2.3.3\n", "3.12") is None


def test_a_distribution_is_read_without_being_imported(tmp_path: Path) -> None:
    distribution(tmp_path, "torchvision", "0.29.2", METADATA)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "torchvision/_C_stable.so").write_bytes(shared_object(good()))
    (wheel,) = installed.read(tmp_path, frozenset(["torchvision"])).values()
    assert (wheel.version, wheel.unpacked) == ("0.29.2", 1024)
    assert wheel.requires == ("torch>=2.14.0", 'gdown>=4.7; extra == "gdown"')
    assert wheel.tags == ("cp311-cp311-manylinux_2_28_x86_64",)
    assert wheel.needed == ("libc10_cuda.so", "libcudart.so.13")


@pytest.mark.parametrize(
    ("line", "cuda"),
    [("cuda: Optional[str] = '13.2'", "13.2"), ("cuda: Optional[str] = None", ""), ("hip = None", None)],
)
def test_torch_says_which_cuda_it_was_built_for(tmp_path: Path, line: str, cuda: str | None) -> None:
    distribution(tmp_path, "torch", "2.15.0")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").write_text(f"debug = False\n{line}\n")
    assert installed.read(tmp_path, frozenset(["torch"]))["torch"].cuda == cuda


def test_what_is_installed_of_a_lock_is_known_without_asking_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.facts.packages import requirements

    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    project = small_project(tmp_path / "project", locked("numpy==2.3.3", "pillow==11.3.0"))
    lock = requirements.read(project.lock_file, project.root)
    merged = installed.merged(lock, project.lock_file.read_text(), requirements.read_runtime("requirements.txt"))
    distribution(environment(tmp_path / "cache", merged), "numpy", "2.3.3")
    known = gather(project).wheels["requirements.txt"]
    assert (known.source, list(known.known), known.unknown) == ("installed", ["numpy"], ("pillow",))
    for kept in (tmp_path / "cache").glob("*/snapshot.json"):
        kept.unlink()
    assert gather(project).wheels["requirements.txt"] == known


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"known": [{}]}', b"\xff", b"[" * 100_000])
def test_what_is_remembered_wrongly_is_forgotten(tmp_path: Path, content: bytes) -> None:
    remember(tmp_path, "key", Wheels())
    assert recall(tmp_path, "key") == Wheels()
    (tmp_path / "wheels/key.json").write_bytes(content)
    assert recall(tmp_path, "key") is None
