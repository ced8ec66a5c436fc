"""architectures.json: digests of the tensors of every classifier that torchvision and timm build.

Their newest releases are installed with torch's CUDA libraries, which are gigabytes, into a temporary environment.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from seatrial.environment.interpreter import uv
from seatrial.facts import architectures
from seatrial.system import process
from tools.tables import built_models
from tools.tables.releases import Table, releases, say

OLDEST = {"torchvision": Version("0.20"), "timm": Version("1.0")}  # of the releases that are looked at
_INSTALL = 1800.0  # seconds
_BUILD = 3600.0  # seconds for all models


def made(former: Table) -> Table:
    """Return the table as it is now; the former one if neither library has a newer release.

    Raises:
        OSError, ValueError, SeatrialError: the libraries cannot be installed, or do not run.
    """
    newest = {name: str(list(releases(name, oldest))[-1]) for name, oldest in OLDEST.items()}
    if _source(newest) == former["source"]:
        return former
    say("installing torchvision and timm, to build their models")
    with tempfile.TemporaryDirectory(prefix="seatrial-tables-") as folder:
        executable = str(Path(folder, "bin", "python"))
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        _run([uv(), "venv", "--quiet", "--no-project", "--python", own, folder], 60)
        install = [uv(), "pip", "install", "--quiet", "--no-config", "--only-binary=:all:", "--python", executable]
        _run([*install, *(f"{name}=={version}" for name, version in newest.items())], _INSTALL)
        say("building every model on the meta device")
        return of_lines(_run([executable, built_models.__file__], _BUILD).splitlines())


def of_lines(lines: Iterable[str]) -> Table:
    """Return the table of what `built_models` printed: the versions, then a model a line."""
    read = iter(lines)
    versions = json.loads(next(read))
    rows: dict[str, dict[str, Any]] = {}
    presets: dict[str, list[Any]] = {}
    for line in read:
        model = json.loads(line)
        alike = {key: model[key] for key in ("library", "given", "heads", "head", "stem")}
        row = rows.setdefault(json.dumps(alike), {**alike, "models": {}})
        row["models"][model["name"]] = " ".join(_digests(model))
        if "preset" in model:
            preset: Mapping[str, Any] = model["preset"]
            presets[model["name"]] = [preset[key] for key in ("resize", "crop", "interpolation", "mean", "std")]
    return {
        "source": _source(versions),
        "presets": presets,
        "rows": [rows[key] for key in sorted(rows)],
    }


def _source(versions: Mapping[str, str]) -> str:
    released = " and ".join(f"{name} {Version(version).public}" for name, version in versions.items())
    return (
        f"state_dict() of every classifier of {released}, built on the meta device, and the transforms of "
        "torchvision's DEFAULT weights"
    )


def _digests(model: Mapping[str, Any]) -> tuple[str, str]:
    shapes = model["tensors"]
    trunk = architectures.trunk_of(shapes, model["head"])
    return (
        architectures.digest(shapes, heads=model["heads"], stem=model["stem"]),
        architectures.digest(trunk, heads=(), stem=model["stem"]),
    )


def _run(argv: list[str], seconds: float) -> str:
    code, printed = process.output(argv, env=process.install_environment(), timeout=seconds)
    if code:
        raise OSError(f"{' '.join(argv[:3])} ended with {code}: {printed[-1000:]}")
    return printed
