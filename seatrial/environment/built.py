"""Wheels that are built here, once, for pins of which the lock has only the source.

Each is kept in the cache under the hashes that the lock allows for its pin, and trial and image are installed from that
one file. Only a wheel of plain Python is taken: one with compiled code fits the machine that built it, and no other.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from seatrial.diagnosis.translate import diagnose
from seatrial.environment.interpreter import Interpreter, uv
from seatrial.errors import EnvironmentFaultError
from seatrial.facts.packages import settings
from seatrial.facts.packages.requirements import Entry, RequirementFile, marker_environment
from seatrial.findings import Finding, Location, Stage, Step
from seatrial.rules.lock.installing import SURROUNDINGS
from seatrial.rules.lock.wheels import NO_FITTING_FILE
from seatrial.system import file_lock, process
from seatrial.system.cache import cache_dir
from seatrial.system.redaction import redacted

BUILD_TIMEOUT = 600.0  # seconds; plain Python takes a few, most of them to install what the build requires
_NO_WHEEL = re.compile(r"\b(?P<name>[A-Za-z0-9][\w.-]*)===?\S+\s+has\s+no\s+usable\s+wheels")
_WHERE_FILES_ARE = ("-f", "--find-links", "--no-index", "--trusted-host")
_EPOCH = "315532800"  # 1980, the first year of a zip archive: builds that respect it depend on no clock


def pin_without_wheel(printed: str, lock: RequirementFile, python: str) -> Entry | None:
    """Return the pin of a lock that uv could not install because it has no wheel; None if that is not what it says."""
    pins = lock.pins(marker_environment(python))
    names = (str(canonicalize_name(found["name"])) for found in _NO_WHEEL.finditer(printed))
    return next((pins[name] for name in names if name in pins and pins[name].hashes and pins[name].verbatim), None)


def allowing(text: str, entry: Entry, wheel: Path) -> str:
    """Return the text of a lock that also allows a built wheel for one of its pins."""
    lines = text.split("\n")
    at = (entry.location.line or 1) - 1
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lines[at] = f"{entry.text} --hash=sha256:{digest}{lines[at].removeprefix(entry.text)}"
    return "\n".join(lines)


def provide(entry: Entry, lock: RequirementFile, interpreter: Interpreter) -> Stage[Path | None]:
    """Find or build the wheel of a pin from its source; None after a finding that says why there is none.

    Raises:
        EnvironmentFaultError: pip could not be installed, the build took too long, or an index did not answer.
    """
    home = cache_dir() / "built" / hashlib.sha256(" ".join(sorted(entry.hashes)).encode()).hexdigest()[:32]
    alone = yield from file_lock.acquire(home.with_name(f"{home.name}.lock"), "another run that builds the same wheel")
    try:
        if not home.is_dir():
            for left in home.parent.glob(f".{home.name}-*"):  # by a run that was killed
                shutil.rmtree(left, ignore_errors=True)
            yield Step(f"building the wheel of {entry.name}=={entry.version} from its source")
            making = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
            try:
                refused = _build(entry, lock, interpreter, making)
                if refused:
                    yield refused
                    return None
                (making / "wheels").rename(home)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        return next(home.glob("*.whl"))
    finally:
        alone.release()


def _build(entry: Entry, lock: RequirementFile, interpreter: Interpreter, folder: Path) -> Finding | None:
    """Build a pin's wheel into `folder / "wheels"`; return a finding if there is no wheel that can be used."""
    wheels = folder / "wheels"
    options = [f"{option.name} {option.value}".strip() for option in lock.options if option.name in _WHERE_FILES_ARE]
    line = " ".join((entry.text, *(f"--hash={allowed}" for allowed in entry.hashes)))
    (folder / "pin.txt").write_text("\n".join((*options, line, "")), encoding="utf-8")
    command = [
        str(_python_with_pip(interpreter, folder)), "-I", "-m", "pip", "wheel", "--no-deps", "--require-hashes",
        "--no-cache-dir", "--no-input", "--progress-bar=off", f"--no-binary={entry.name}",
        f"--requirement={folder / 'pin.txt'}", f"--wheel-dir={wheels}",
    ]  # fmt: skip
    env = process.install_environment(**_pip_settings(lock), TMPDIR=str(folder), SOURCE_DATE_EPOCH=_EPOCH)
    code, printed = process.output(command, env=env, cwd=folder, timeout=BUILD_TIMEOUT, both=True, aloud=True)
    printed = redacted(printed.replace(f"{folder}/", ""))
    if code != 0:
        return _failed(entry, lock, printed)
    made = sorted(wheels.glob("*.whl"))
    if len(made) == 1 and _is_plain_python(made[0]):
        return None
    return _refused(
        entry,
        lock,
        "its source gives a wheel for one platform",
        cause="a wheel with compiled code fits the machine that built it, and the image is another one",
        evidence=[f"built: {wheel.name}" for wheel in made],
    )


def _python_with_pip(interpreter: Interpreter, folder: Path) -> Path:
    """Make an environment with pip, from the hashed lock that `seatrial lock` uses too, and return its Python."""
    locked = folder / "pip.txt"
    locked.write_text(resources.files("seatrial.lock").joinpath("pip-tools.txt").read_text("utf-8"), encoding="utf-8")
    python = folder / "pip/bin/python"
    for command in (
        ["venv", "--quiet", "--no-project", "--python", str(interpreter.executable), str(folder / "pip")],
        ["pip", "install", "--quiet", "--require-hashes", "--python", str(python), "--requirements", str(locked)],
    ):
        code, printed = process.output(
            [uv(), *command], env=process.install_environment(), cwd=folder, timeout=BUILD_TIMEOUT
        )
        if code != 0:
            raise EnvironmentFaultError(
                f"pip, which builds wheels, could not be installed:\n{redacted(printed)}",
                fix="check the network and the index, then run it again",
            )
    return python


def _pip_settings(lock: RequirementFile) -> dict[str, str]:
    """Return the indexes and certificates that uv and pip are configured with, as pip's environment variables."""
    main, *others = settings.configured(lock) or [""]
    found = {
        "PIP_INDEX_URL": main,
        "PIP_EXTRA_INDEX_URL": " ".join(others),
        "PIP_CERT": settings.certificates(),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return {name: value for name, value in found.items() if value}


def _is_plain_python(wheel: Path) -> bool:
    try:
        tags = parse_wheel_filename(wheel.name)[3]
    except InvalidWheelFilename:
        return False
    return any((tag.interpreter, tag.abi, tag.platform) == ("py3", "none", "any") for tag in tags)


def _failed(entry: Entry, lock: RequirementFile, printed: str) -> Finding:
    """Return the finding of a build that failed.

    Raises:
        EnvironmentFaultError: the network, the index or the disk failed, and not the build.
    """
    known = list(diagnose(printed))
    if any(finding.code in SURROUNDINGS for finding in known):
        raise EnvironmentFaultError(
            f"the wheel of {entry.name}=={entry.version} could not be built:\n{printed}",
            fix="check the network, the index and the disk, then run it again",
        )
    last = [line.strip() for line in printed.splitlines() if line.strip(" ^~")][-8:]
    cause = known[0].message if known else "its build failed, as pip says"
    return _refused(entry, lock, "none could be built from its source", cause=cause, evidence=last)


def _refused(entry: Entry, lock: RequirementFile, why: str, *, cause: str, evidence: Iterable[str]) -> Finding:
    return NO_FITTING_FILE.finding(
        f"{entry.name}=={entry.version} has no wheel that fits, and {why}",
        location=Location(lock.path),
        subject=entry.name,
        cause=cause,
        evidence=tuple(evidence),
    )
