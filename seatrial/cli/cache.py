"""`seatrial cache`: where the tool keeps what it can make again, and how large it is; `--prune` frees it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from seatrial.errors import ExitCode

_MEGABYTE = 1_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove the kept environments and artifacts that no run uses now, and what killed runs left; the next "
        "trial makes its environment again, and fetches artifacts that lie in Cloud Storage",
    )


def command(arguments: argparse.Namespace) -> int:
    """Print where the cache is and what is in it; with --prune remove environments first."""
    from seatrial.artifacts import kept
    from seatrial.environment import store
    from seatrial.system.cache import artifacts_dir, cache_dir

    root, artifacts = cache_dir(), artifacts_dir()
    if arguments.prune and root.is_dir():
        before = _size(root)
        store.sweep(root)
        store.drop_least_used(root, at_most=0)
        kept.prune(artifacts)
        sys.stdout.write(f"removed {max(0, before - _size(root)) / _MEGABYTE:,.0f} MB\n")
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    environments = [path for path in folders if (path / "snapshot.json").is_file()]
    others = [path for path in folders if path not in environments]
    sys.stdout.write(f"{root}\n")
    parts = [(f"{len(environments)} environments", environments), *((path.name, [path]) for path in others)]
    for name, paths in parts:
        sys.stdout.write(f"  {sum(map(_size, paths)) / _MEGABYTE:>10,.1f} MB  {name}\n")
    return int(ExitCode.PASSED)


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder, each once; files that uv's cache shares with it count too."""
    sizes: dict[int, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                stat = os.lstat(os.path.join(place, name))  # noqa: PTH118 - there are 26,000
                sizes[stat.st_ino] = stat.st_size
    return sum(sizes.values())
