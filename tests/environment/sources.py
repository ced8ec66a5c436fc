"""Distributions that are published as a source archive only, in a folder that serves as an index."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from seatrial.environment.install import Lock

# A build backend of its own, in its archive: a build needs no index. It counts its builds in a file beside the archive.
_BACKEND = """
import pathlib, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with pathlib.Path({count!r}).open("a") as file:
        file.write("built\\n")
    {first}
    name = "tiny-1.0-{tag}.whl"
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\\n")
        wheel.writestr(f"{{info}}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr(f"{{info}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        wheel.writestr(f"{{info}}/RECORD", "")
    return name
"""


def lock_of_source(folder: Path, tag: str = "py3-none-any", first: str = "pass") -> Lock:
    """Write tiny-1.0.tar.gz, whose build runs the line `first` and gives a wheel with this tag; return its lock."""
    source = folder / "tiny-1.0.tar.gz"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": _BACKEND.format(count=str(folder / "builds"), tag=tag, first=first),
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"tiny-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    text = f"--no-index\n--find-links {folder}\ntiny==1.0 \\\n    --hash=sha256:{digest}\n"
    return Lock(text, frozenset({"tiny"}), "requirements.txt")


def builds(folder: Path) -> int:
    """Return how often the archive in a folder was built."""
    count = folder / "builds"
    return len(count.read_text().splitlines()) if count.is_file() else 0
