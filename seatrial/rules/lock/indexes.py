"""Family 1, indexes: what an installer says about where it looks, who it is there, and what it is itself.

Nothing here is decided from facts: only the installer's text shows it.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

FIRST_INDEX = Rule(
    code="ST164",
    title="uv looks only at the first index that has the name",
    explanation=(
        "With several indexes uv takes a distribution from the first one that has any version of it, so that nobody "
        "can publish a newer one of the same name elsewhere. PyTorch's index also has a few versions of pillow, numpy "
        "and others, and hides those of PyPI. pip looks at all indexes."
    ),
    fix=(
        "bind torch and torchvision to PyTorch's index with `explicit = true` and [tool.uv.sources], or pass "
        "`--index-strategy unsafe-best-match` if all indexes are trusted"
    ),
    recognised="By what uv says: the name was found on an index, and not this version.",
    cloud="A compatible version may be available on a subsequent index",
    sources=("https://docs.astral.sh/uv/concepts/indexes/#searching-across-multiple-indexes",),
)

PIP_TOOLS = Rule(
    code="ST165",
    title="a tool that uses pip's internals does not fit the installed pip",
    explanation=(
        "pip-tools and a few others import pip's internal modules, which change with every release of pip. A new pip "
        "beside an older pip-tools ends in an AttributeError, TypeError or ImportError; the project is not the cause."
    ),
    fix="upgrade pip-tools, or keep the older pip until then; `seatrial lock` brings its own compiler",
    recognised=(
        "By an AttributeError, TypeError or ImportError about pip's internals, raised in the code of a tool that uses "
        "them."
    ),
    cloud="AttributeError: 'PackageFinder' object has no attribute 'allow_all_prereleases'",
    sources=("https://pip-tools.readthedocs.io/en/stable/#versions-and-compatibility",),
)

NOT_LET_IN = Rule(
    code="ST166",
    title="the package index refuses the credentials",
    explanation=(
        "A private index answered 401 or 403. With 401 the installer sent no credentials, or invalid ones. With 403 "
        "the identity is known and lacks the right to read."
    ),
    fix="give the installer credentials for the index, and the identity the right to read from it",
    recognised="By status 401 or 403 for an address of an index, or by an installer that asks for a user name.",
    cloud="ERROR: HTTP error 403 while getting https://…",
    sources=(
        "https://pip.pypa.io/en/stable/topics/authentication/",
        "https://cloud.google.com/artifact-registry/docs/python/authentication",
    ),
)

SYSTEM_PYTHON = Rule(
    code="ST167",
    title="the Python of the operating system takes no packages from pip",
    explanation=(
        "Debian 12, Ubuntu 23.04 and later mark their Python as managed by apt, because pip could break programs of "
        "the system."
    ),
    fix="install into a virtual environment, or use an image such as python:3.11-slim whose Python is its own",
    recognised="By the name that the standard gives to this error.",
    cloud="error: externally-managed-environment",
    sources=("https://packaging.python.org/en/latest/specifications/externally-managed-environments/",),
)
