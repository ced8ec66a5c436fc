"""pip-compile, with the digests that an index publishes in place of downloads; runs where pip-tools is installed.

For the hash of each file of a pin, wheels of every platform, pip-compile asks PyPI's own JSON API, and downloads the
files of any other index: gigabytes for torch. Nearly every index names the digest in the link to the file (PEP 503), as
pip itself checks a download. Only what has none is downloaded.
"""

from __future__ import annotations

from typing import Any

from piptools.repositories.pypi import PyPIRepository
from piptools.scripts.compile import cli

# No option chooses it; pip-tools.txt pins the version of which this is a method.
_downloaded = PyPIRepository._get_file_hash


def _published(repository: Any, link: Any) -> str:
    return f"sha256:{link.hash}" if link.hash_name == "sha256" else str(_downloaded(repository, link))


if __name__ == "__main__":
    PyPIRepository._get_file_hash = _published
    cli(prog_name="pip-compile")
