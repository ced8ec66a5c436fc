"""The distributions of a lock as a virtual environment that was never active: what one layer of an image holds.

uv installs them on the host for the base's Python and C library, wheels only, every hash checked. Nothing is built
and nothing of them runs.
"""

from __future__ import annotations

from pathlib import Path

from seatrial.diagnosis.translate import diagnose
from seatrial.environment.install import INSTALL_TIMEOUT, Lock
from seatrial.environment.interpreter import Interpreter, uv
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step
from seatrial.image import layers
from seatrial.image.base import BaseImage
from seatrial.rules.lock.installing import SURROUNDINGS
from seatrial.system import process

HOME = "app"  # the environment's folder inside the image, below its root


def site_packages(python: str) -> str:
    """Give the folder of distributions inside the image, below its root, for a minor version of Python."""
    return f"{HOME}/lib/python{python}/site-packages"


def install(lock: Lock, base: BaseImage, python: Interpreter, root: Path) -> Stage[bool]:
    """Install a lock into the empty folder `root`, laid out as in the image; False after a finding that refuses it.

    Raises:
        EnvironmentFaultError: no network, or an installer's failure that no rule knows.
    """
    yield Step(f"installing {len(lock.names)} distributions for Python {base.version} and {base.platform}")
    prefix = root / HOME
    prefix.mkdir(parents=True)
    with_hashes = root.parent / "requirements.txt"
    with_hashes.write_text(lock.text, encoding="utf-8")
    command = [
        uv(), "pip", "install", "--no-progress", "--require-hashes", "--no-deps", "--only-binary=:all:",
        "--index-strategy=unsafe-best-match", f"--python={python.executable}", f"--python-version={base.version}",
        f"--python-platform={base.platform}", f"--prefix={prefix}", f"--requirements={with_hashes}",
    ]  # fmt: skip
    # In a folder without a project, so that only the user's own settings of uv count, such as a private index.
    code, printed = process.output(command, env=process.install_environment(), cwd=root.parent, timeout=INSTALL_TIMEOUT)
    if code != 0:
        printed = printed.replace(str(with_hashes), lock.path)
        known = [finding for finding in diagnose(printed) if finding.code not in SURROUNDINGS]
        if not known:
            raise EnvironmentFaultError(
                f"the lock could not be installed for the base image:\n{printed}",
                fix="check the network and the index, then run it again",
            )
        yield known[0]
        return False
    minor = base.version.rpartition(".")[0]
    site = root / site_packages(minor)
    site.mkdir(parents=True, exist_ok=True)
    layers.strip(prefix)
    yield Step("compiling bytecode")
    layers.compile_bytecode(site, f"/{site_packages(minor)}", python, root.parent)
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / "bin/python").symlink_to(base.executable)
    (prefix / "pyvenv.cfg").write_text(
        f"home = {Path(base.executable).parent}\ninclude-system-site-packages = false\nversion = {base.version}\n",
        encoding="utf-8",
    )
    return True
