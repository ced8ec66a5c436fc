"""pip-compile, with the digests that an index publishes in place of downloads; runs where pip-tools is installed.

For the hash of each file of a pin, wheels of every platform, pip-compile asks PyPI's own JSON API, and downloads the
files of any other index: gigabytes for torch. Nearly every index names the digest in the link to the file (PEP 503), as
pip itself checks a download. Only what has none is downloaded.

It also prints how far it is, for `progress.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Set
from typing import Any

from pip._internal.resolution.resolvelib.reporter import PipReporter
from piptools.repositories.pypi import PyPIRepository
from piptools.resolver import BaseResolver
from piptools.scripts.compile import cli

# No option chooses them; pip-tools.txt pins the versions of which these are methods.
_downloaded = PyPIRepository._get_file_hash
_resolve_hashes = BaseResolver.resolve_hashes


def _published(repository: Any, link: Any) -> str:
    return f"sha256:{link.hash}" if link.hash_name == "sha256" else str(_downloaded(repository, link))


def _tell_resolved(_reporter: Any, index: int, state: Any) -> None:  # noqa: ARG001
    """Say how many distributions have a version, of those that are known after a round; extras are no others."""
    known, resolved = (
        {name.partition("[")[0] for name in names if not name.startswith("<")}  # <Python from Requires-Python>
        for names in (state.criteria, state.mapping)
    )
    _tell(f"resolved {len(resolved)} of {len(known)}")


def _with_told_hashes(resolver: Any, requirements: Set[Any]) -> Any:
    def each() -> Iterator[Any]:
        for number, requirement in enumerate(requirements):
            _tell(f"hashed {number} of {len(requirements)}")
            yield requirement

    return _resolve_hashes(resolver, each())


def _tell(text: str) -> None:
    sys.stdout.write(f"progress: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    PyPIRepository._get_file_hash = _published
    PipReporter.ending_round = _tell_resolved
    BaseResolver.resolve_hashes = _with_told_hashes
    cli(prog_name="pip-compile")
