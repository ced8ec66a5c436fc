"""Which package indexes to ask: those of the lock, of pip and of uv."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.facts.packages.requirements import RequirementFile


def configured(lock: RequirementFile) -> list[str]:
    """Return the addresses of the indexes to ask: the lock's own, else pip's, else uv's, else pip's default."""
    settings = {**_pip_files(), **_pip_variables()}
    environment = os.environ
    own = [option.value for option in lock.options if option.name in ("-i", "--index-url")]
    of_uv = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    main = (own[-1] if own else "") or settings.get("index-url") or of_uv or default_index()
    extra = [option.value for option in lock.options if option.name == "--extra-index-url"]
    extra += settings.get("extra-index-url", "").split()
    extra += (environment.get("UV_INDEX") or environment.get("UV_EXTRA_INDEX_URL") or "").split()
    named = [re.sub(r"^[\w-]+=(?=https?://)", "", index) for index in (main, *extra)]  # uv's NAME=URL
    web = [os.path.expandvars(index).rstrip("/") for index in named if index.startswith(("https://", "http://"))]
    return list(dict.fromkeys(web))


def default_index() -> str:
    """Return the index that pip asks by default, as the installed pip or the one bundled with Python names it."""
    text = ""
    for folder in sys.path:
        file = Path(folder) / "pip/_internal/models/index.py"
        if folder and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            break
    bundled = sorted(Path(os.__file__).parent.glob("ensurepip/_bundled/pip-*.whl"))
    if not text and bundled:
        with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(bundled[-1]) as archive:
            text = archive.read("pip/_internal/models/index.py").decode()
    found = re.search(r"PackageIndex\(\s*[\"'](https://[^\"']+)[\"']", text)
    return f"{found[1].rstrip('/')}/simple" if found else ""


def certificates() -> str:
    """Return the file of certificates that pip is configured with; "" if there is none."""
    found = os.environ.get("PIP_CERT") or _pip_files().get("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or ""
    return found if found and Path(found).is_file() else ""


def _pip_variables() -> dict[str, str]:
    prefix = "PIP_"
    found = {name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)}
    return {name.lower().replace("_", "-"): value for name, value in found.items() if value}


def _pip_files() -> dict[str, str]:
    """Read pip's configuration files; a later one overrides an earlier one, as in pip."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))  # noqa: PTH111 - as in interpreter
    files = [
        Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"),
        Path(os.path.expanduser("~/.pip/pip.conf")),  # noqa: PTH111
        home / "pip/pip.conf", Path(sys.prefix) / "pip.conf",
    ]  # fmt: skip
    if own := os.environ.get("PIP_CONFIG_FILE"):
        files = [Path(own)] if own == os.devnull else [*files, Path(own)]
    parser = configparser.RawConfigParser()
    for file in files:
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read_string(file.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return found
