"""The sessions: `nox -s smoke` proves the predictor, `nox -s tests` proves the tool.

Most sessions only call the command line. Other projects use them too, without a noxfile of their own:
`nox -f TOOL/noxfile.py -s smoke -- --project DIR`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["smoke"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
TOOL, PUSH, DEPLOY, DEVELOP, DOCS = (
    ROOT / f"locks/{name}.txt" for name in ("tool", "push", "deploy", "develop", "docs")
)
# The first process compiles what it imports, also where Python may not: a check of the demo takes 0.50 s, not 0.66 s,
# and only a fourth of what is installed, and of the tool, is ever imported.
LAZILY = {"PYTHONDONTWRITEBYTECODE": ""}
WORKFLOWS = "tests/workflows"  # these have their own session


@nox.session
def lock(session: nox.Session) -> None:
    """Write requirements.txt from requirements.in (-- --check: only say whether it is current)."""
    seatrial(session, "lock")


@nox.session
def check(session: nox.Session) -> None:
    """Find what will fail, before anything is installed."""
    seatrial(session, "check")


@nox.session
def artifacts(session: nox.Session) -> None:
    """Fetch the artifacts that lie in Cloud Storage (-- lock: write artifacts.lock from what is there)."""
    what = [] if session.posargs[:1] in (["fetch"], ["lock"]) else ["fetch"]
    seatrial(session, "artifacts", *what, lock_file=PUSH)


@nox.session
def build(session: nox.Session) -> None:
    """Build the bundle: wheels, artifacts, locks, one digest."""
    seatrial(session, "build")


@nox.session
def smoke(session: nox.Session) -> None:
    """Prove the predictor: lock, bundle, a fresh environment, the real server, golden images."""
    seatrial(session, "smoke")


@nox.session
def compare(session: nox.Session) -> None:
    """Say what another lock changes (-- OLD NEW, or -- --since HEAD); or ask what is deployed (-- --live)."""
    seatrial(session, "compare", lock_file=DEPLOY if "--live" in session.posargs else TOOL)


@nox.session
def image(session: nox.Session) -> None:
    """Build the container image (-- push: push the one that `smoke --image` proved)."""
    what = [] if session.posargs[:1] in (["build"], ["push"]) else ["build"]
    seatrial(session, "image", *what, lock_file=PUSH)


@nox.session
def deploy(session: nox.Session) -> None:
    """Create the model version and roll it out; without a cloud project, rehearse this on this machine."""
    seatrial(session, "deploy", lock_file=DEPLOY)


@nox.session
def batch(session: nox.Session) -> None:
    """Let a proven version answer files in a bucket (-- --input gs://… --output gs://…)."""
    seatrial(session, "batch", lock_file=DEPLOY)


@nox.session
def plan(session: nox.Session) -> None:
    """Decide what a workflow does for a project."""
    seatrial(session, "plan")


@nox.session
def summary(session: nox.Session) -> None:
    """Summarize the results of a workflow's jobs."""
    seatrial(session, "summary")


@nox.session
def dist(session: nox.Session) -> None:
    """Build the tool's own wheel and sdist into a folder (default: dist)."""
    install(session, TOOL)
    session.run("python", "-m", "hatchling", "build", "--directory", *(session.posargs or ["dist"]))


@nox.session
def train(session: nox.Session) -> None:
    """Train the demo again and write artifacts/, in an environment of training's own lock."""
    install(session, TOOL)
    python = Path(session.create_tmp()) / "training/bin/python"
    session.run("uv", "venv", "--quiet", "--clear", "--python", "3.11", str(python.parent.parent))
    lock_file = "training/requirements.txt"
    session.run("uv", "pip", "install", "--python", str(python), "--require-hashes", "--requirements", lock_file)
    session.run(str(python), "-m", "training.train", *session.posargs, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: the gate."""
    install(session, DEVELOP)
    compile_tool(session)
    options = ["--ignore=tests/workflows", "--numprocesses=2", "--dist=worksteal"]  # those need other tools
    run(session, "pytest", "-m", "not proof", *options, *session.posargs, env=LAZILY)


@nox.session
def proofs(session: nox.Session) -> None:
    """Run the long matrices that the gate leaves out."""
    install(session, DEVELOP)
    compile_tool(session)
    run(session, "pytest", "-m", "proof", "--timeout=1800", *session.posargs, env=LAZILY)


@nox.session
def workflows(session: nox.Session) -> None:
    """Lint the workflows, and execute them on this machine."""
    install(session, DEVELOP)
    run(session, "pytest", "-m", "not proof", "--numprocesses=2", "--dist=worksteal", *(session.posargs or [WORKFLOWS]))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation as a site, build/site; a link that leads nowhere is an error."""
    session.install("--require-hashes", "--requirement", str(DOCS))
    session.run("mkdocs", "build", "--quiet", "--config-file", "tools/site/mkdocs.yml")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with others, and write the page in docs (-- image, -- contract, or -- serving: an hour)."""
    install(session, DEVELOP)
    named = session.posargs[:1] in (["image"], ["contract"], ["serving"])
    what, rest = (session.posargs[0], session.posargs[1:]) if named else ("image", session.posargs)
    run(session, "python", "-m", f"benchmarks.{what}", *rest)


@nox.session
def pickles(session: nox.Session) -> None:
    """Compare the check with other scanners of pickles, and write docs/pickle-comparison.md (some minutes)."""
    install(session, DEVELOP)
    run(session, "python", "-m", "benchmarks.pickles", *session.posargs)


@nox.session
def recall(session: nox.Session) -> None:
    """Judge a folder of failures: how many are told rightly, and is anything false said (-- FOLDER [--smoke])."""
    install(session, DEVELOP)
    folder = [os.path.join(session.invoked_from, each) if each[:1] != "-" else each for each in session.posargs]  # noqa: PTH118
    run(session, "python", "-m", "benchmarks.recall", *folder)


@nox.session
def survey(session: nox.Session) -> None:
    """Check the projects of benchmarks/survey.txt and count what is found (-- CLONES WORK [--lock 3.11])."""
    install(session, DEVELOP)
    folders = [os.path.join(session.invoked_from, each) if "/" in each else each for each in session.posargs]  # noqa: PTH118
    run(session, "python", "-m", "benchmarks.survey", *folders)


@nox.session
def symptoms(session: nox.Session) -> None:
    """Install and run what fails, and store each message again (-- NAME: only these; as root, about half an hour)."""
    install(session, DEVELOP)
    run(session, "python", "-m", "tests.symptoms.make", *session.posargs)


@nox.session
def tables(session: nox.Session) -> None:
    """Compare the tables about published wheels with the package index (-- --write: update them)."""
    install(session, TOOL)
    session.run("python", "-m", "tools.tables", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and the directions of imports."""
    install(session, DEVELOP)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-logo")


@nox.session
def locks(session: nox.Session) -> None:
    """Write the tool's own locks (-- --upgrade: with the newest versions)."""
    install(session, TOOL)
    compile_ = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-annotate"]
    compile_ += ["--custom-compile-command", "nox -s locks", *session.posargs]
    session.run(*compile_, "--python-version=3.11", "pyproject.toml", "-o", str(TOOL))
    session.run(*compile_, "--python-version=3.11", "pyproject.toml", "--extra=push", "-o", str(PUSH))
    session.run(*compile_, "--python-version=3.11", "pyproject.toml", "--extra=deploy", "-o", str(DEPLOY))
    session.run(*compile_, "--python-version=3.11", "pyproject.toml", "--group=develop", "-o", str(DEVELOP))
    session.run(*compile_, "--python-version=3.11", "--group=docs", "-o", str(DOCS))
    session.run(*compile_, "--python-version=3.10", "seatrial/lock/pip-tools.in", "-o", "seatrial/lock/pip-tools.txt")
    runtime, action = "seatrial/serving/requirements", ".github/actions/seatrial/requirements"
    session.run(*compile_, "--python-version=3.10", f"{runtime}.in", "-o", f"{runtime}.txt")
    session.run(*compile_, "--python-version=3.11", f"{action}.in", "-o", f"{action}.txt")
    for peer in sorted(ROOT.glob("benchmarks/**/peers/*/requirements.in")):
        session.run(*compile_, "--python-version=3.11", str(peer), "-o", str(peer.with_suffix(".txt")))


def seatrial(session: nox.Session, *command: str, lock_file: Path = TOOL) -> None:
    """Call the command line with the session's arguments; --project is relative to the caller's folder."""
    install(session, lock_file)
    arguments = [part for argument in session.posargs for part in _split_project(argument)]
    for at, argument in enumerate(arguments[1:], start=1):
        if arguments[at - 1] == "--project":
            arguments[at] = os.path.join(session.invoked_from, argument)  # noqa: PTH118
    run(session, "python", "-m", "seatrial", *command, *arguments, env=LAZILY)


def _split_project(argument: str) -> list[str]:
    return argument.split("=", 1) if argument.startswith("--project=") else [argument]


def run(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a program that starts servers, and if interrupted give it time to stop them and to clean up."""
    session.run(*command, env=env, interrupt_timeout=30, terminate_timeout=10)  # seconds


def compile_tool(session: nox.Session) -> None:
    """Compile the tool once, also where Python may write no bytecode: it takes a third of a start."""
    session.run("python", "-m", "compileall", "-q", "seatrial", success_codes=[0, 1])  # 1: it cannot be written


def install(session: nox.Session, lock_file: Path) -> None:
    """Install a lock and then the tool, unless this environment has exactly these."""
    stamp = Path(session.virtualenv.location) / "installed.sha256"
    content = lock_file.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    digest = hashlib.sha256(content).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    session.install("--require-hashes", "--requirement", str(lock_file))
    session.install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp.write_text(digest)
