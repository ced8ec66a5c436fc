"""weights_only.json: what `torch.load(weights_only=True)` of each minor version of torch allows.

Only a running torch can say. A published wheel never changes, so only the minor versions that the table lacks are
asked, at most two in a run: each is installed with its CUDA libraries, which are gigabytes, into a temporary
environment.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from packaging.version import Version

from seatrial.environment.interpreter import uv
from seatrial.system import process
from tools.tables.releases import Table, last_of_each_minor, minor, pythons, releases, say, span

OLDEST_ASKED = Version("2.6.0")  # the first torch that can be asked, and whose torch.load is safe by default
_ASK = "import json, torch._weights_only_unpickler as u; print(json.dumps(sorted(u._get_allowed_globals())))"
_AT_ONCE = 2  # torches that one run installs
_INSTALL = 1800.0  # seconds for one of them


def made(former: Table) -> Table:
    """Return the table as it is now: name → [since, until] in minor versions, null for always or still.

    Raises:
        OSError, ValueError, SeatrialError: a torch could not be asked.
    """
    last = Version(former["last"])
    newest = last_of_each_minor(releases("torch", OLDEST_ASKED))
    minors = {minor(version): version for version in newest}
    allowed = {m: [n for n, span in former["allowed"].items() if _is_in(m, span)] for m in minors if Version(m) <= last}
    lacking = [each for each in minors if Version(each) > last]
    for lacked in lacking[:_AT_ONCE]:
        fitting = pythons(newest[minors[lacked]])
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        allowed[lacked] = ask(str(minors[lacked]), own if own in fitting else fitting[-1])
    if lacking[_AT_ONCE:]:
        say(f"no more than {_AT_ONCE} new versions in one run; run again for {', '.join(lacking[_AT_ONCE:])}")
    names = sorted({name for names in allowed.values() for name in names})
    return {
        "source": "torch._weights_only_unpickler._get_allowed_globals() in "
        "their published wheels, one of each minor version",
        "first": next(iter(allowed)),
        "last": list(allowed)[-1],
        "allowed": {name: span([name in allowed[each] for each in allowed], list(allowed)) for name in names},
    }


def ask(version: str, python: str) -> list[str]:
    """Return the names that `torch.load(weights_only=True)` of a torch allows, such as `collections.OrderedDict`."""
    say(f"installing torch {version} for Python {python}, to ask what it allows")
    with tempfile.TemporaryDirectory(prefix="seatrial-tables-") as folder:
        executable = str(Path(folder, "bin", "python"))
        _run([uv(), "venv", "--quiet", "--no-project", "--python", python, folder], 60)
        install = [uv(), "pip", "install", "--quiet", "--no-config", "--only-binary=:all:", "--python", executable]
        _run([*install, f"torch=={version}", "numpy"], _INSTALL)
        names: list[str] = json.loads(_run([executable, "-c", _ASK], 300))
    return names


def _run(argv: list[str], seconds: float) -> str:
    code, printed = process.output(argv, env=process.install_environment(), timeout=seconds)
    if code:
        raise OSError(f"{' '.join(argv[:3])} ended with {code}: {printed[-1000:]}")
    return printed


def _is_in(version: str, span: list[str | None]) -> bool:
    since, until = span
    return not ((since and Version(version) < Version(since)) or (until and Version(version) >= Version(until)))
