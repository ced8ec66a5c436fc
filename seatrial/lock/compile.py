"""`seatrial lock`: requirements.in → requirements.txt by pip-compile, with hashes and nothing of this machine.

pip-compile runs under the configured Python, in an environment of its own, and works in a temporary folder. Its result
replaces the former lock in one step, and only after it was judged, so that an interrupted or failed run leaves
everything as it was.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from seatrial.environment import install, interpreter, store
from seatrial.environment.store import Kept
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.gather import Gathered
from seatrial.facts.packages import requirements
from seatrial.facts.packages.requirements import RequirementFile, marker_environment
from seatrial.findings import Finding, Location, Stage, Step
from seatrial.lock.judge import read
from seatrial.lock.progress import Progress
from seatrial.project import Project
from seatrial.rules.lock import pairs
from seatrial.rules.lock.locks import CPU_BUILDS, FIRST_STEP, index_lines, is_by_hand, judge, unlockable
from seatrial.rules.lock.pins import TORCH, TORCHVISION
from seatrial.system import files, overheard, process
from seatrial.system.redaction import redacted

COMPILE_TIMEOUT = 1800.0  # seconds; pip-compile downloads every wheel of an index that offers no metadata files

# An index that answers 403 for what it does not have; uv goes on there too: https://docs.astral.sh/uv/concepts/indexes/
_FORBIDS_WHAT_IT_LACKS = ("download.pytorch.org",)

# The default header stays: Dependabot and Renovate recognise a lock by it.
_FLAGS = (
    "--generate-hashes", "--strip-extras", "--allow-unsafe",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
)  # fmt: skip

_PROGRAM = Path(__file__).with_name("pip_compile.py")
_SHOWN = 8  # requirements in a message

# pip's settings that say how to reach an index. They are used but never written. find-links and the rest of pip's
# configuration are left out, because they would choose files that nobody else has.
_PIP_SETTINGS = (
    "index-url", "extra-index-url", "trusted-host", "cert", "client-cert", "proxy", "timeout", "default-timeout",
    "retries", "keyring-provider",
)  # fmt: skip


class UnresolvedError(UsageError):
    """No versions satisfy requirements.in."""


def compile_lock(project: Project, *, upgrade: bool = False) -> Stage[bool]:
    """Write requirements.txt; return whether it was written.

    Raises:
        UsageError: requirements.in does not exist, no versions satisfy it, or requirements.txt was written by hand.
        EnvironmentFaultError: pip-compile could not reach an index, was refused by one, or exceeded its time limit.
    """
    asked, former = _asked(project), read(project.lock_file, project)
    never = [*unlockable(asked, marker_environment(project.python)), *_pinned_conflict(project, asked)]
    yield from never
    if never:
        return False
    if former:
        _spare_what_is_by_hand(asked, former)
    with _workplace() as folder:
        draft = folder / project.lock_file.name
        if former and not upgrade and (yield from _can_keep_pins(project, former)):
            shutil.copyfile(project.lock_file, draft)  # pip-compile keeps the pins that it finds
        try:
            yield from _pip_compile(project, draft, [])
        except UnresolvedError:
            known = list(_known_conflicts(project))
            if not known:
                raise
            yield from known
            return False
        text = draft.read_text(encoding="utf-8").replace(str(draft), draft.name)  # the header names its output
        draft.write_text(_with_lines(text, _own_index_lines(asked)), encoding="utf-8")
        made = requirements.read(draft, project.root, shown_as=draft.name)
        return (yield from _publish(made, draft, project.lock_file, judge(project, asked, made, None)))


def compile_cpu_lock(project: Project) -> Stage[bool]:
    """Write requirements-cpu.txt: torch and torchvision as `+cpu` builds, every other pin as in requirements.txt.

    pip-compile is constrained by the versions of requirements.txt, not by its hashes, which would silently choose the
    CUDA builds again. Only the `+cpu` pins are taken from its result; the rest is copied.

    Raises:
        UsageError: requirements.txt does not exist yet, or does not pin what the CPU builds need.
        EnvironmentFaultError: as for `compile_lock`.
    """
    asked = _asked(project)
    lock = read(project.lock_file, project)
    if lock is None:
        raise UsageError("there is no requirements.txt to take versions from", fix="run `seatrial lock` first")
    pins = lock.pins(marker_environment(project.python))
    index = f"--extra-index-url {project.lock.cpu_index}"
    with _workplace() as folder:
        draft, versions = folder / project.cpu_lock_file.name, folder / "versions.txt"
        versions.write_text("".join(f"{e.name}=={e.version}\n" for e in pins.values()), encoding="utf-8")
        yield from _pip_compile(project, draft, [f"--constraint={versions}", *index.split()], "seatrial lock --cpu")
        text = _cpu_text(draft.read_text(encoding="utf-8"), project.lock_file.read_text(encoding="utf-8"))
        draft.write_text(_with_lines(text, [*_own_index_lines(asked), index]), encoding="utf-8")
        made = requirements.read(draft, project.root, shown_as=draft.name)
        return (yield from _publish(made, draft, project.cpu_lock_file, judge(project, asked, lock, made)))


def _spare_what_is_by_hand(asked: RequirementFile, former: RequirementFile) -> None:
    """Refuse to overwrite what a person wrote, unless requirements.in says all of it.

    Raises:
        UsageError: requirements.txt has requirements that only stand there.
    """
    only = [redacted(e.text) for e in former.entries if e.text not in {other.text for other in asked.entries}]
    if only and is_by_hand(former):
        shown = ", ".join(only[:_SHOWN]) + (", …" if len(only) > _SHOWN else "")
        raise UsageError(
            f"{former.path} was written by hand, and the lock would overwrite it; only there: {shown}",
            fix=f"move what you want to keep to {asked.path}, remove {former.path}, and run `seatrial lock` again",
        )


def _can_keep_pins(project: Project, former: RequirementFile) -> Stage[bool]:
    """Return whether the pins of the former lock may stay; say so if they are those of another Python."""
    if former.made_for and former.made_for != project.python:
        yield Step(f"the lock was made for Python {former.made_for}: its pins are not kept", lasting=True)
        return False
    return all(entry.version for entry in former.entries)  # else it has a merge conflict


def _pinned_conflict(project: Project, asked: RequirementFile) -> Iterator[Finding]:
    """Yield the pair that requirements.in pins and pip would refuse after it has downloaded both."""
    pins = asked.pins(marker_environment(project.python))
    pair = [pins[name] for name in (TORCH, TORCHVISION) if name in pins]
    if len(pair) == 2 and not any(pin.version and pin.version.local for pin in pair):
        found = pairs.mismatch(pair[0], pair[1], project.python, pair[1].location)
        yield from [found] if found else []


def _known_conflicts(project: Project) -> Iterator[Finding]:
    """Yield what the tables know about requirements.in that no versions satisfy."""
    facts = replace(Gathered(project).facts, lock=None, cpu_lock=None)
    for rule in (pairs.MISMATCHED, pairs.NO_WHEEL):
        if rule.check:
            yield from rule.check(facts)


def _asked(project: Project) -> RequirementFile:
    asked = read(project.requirements_in, project)
    if asked is None:
        lock = read(project.lock_file, project)
        raise UsageError(
            f"there is no requirements.in in {project.root}", fix=FIRST_STEP[lock is not None and is_by_hand(lock)]
        )
    if asked.missing:
        option = asked.missing[0]
        raise UsageError(f"{option.location} includes {option.value}, which is no file of the repository")
    return asked


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """Yield a folder for all that a run writes, including its downloads, which a killed pip leaves behind."""
    with tempfile.TemporaryDirectory(prefix="seatrial-lock-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _publish(made: RequirementFile, draft: Path, final: Path, findings: Iterator[Finding]) -> Stage[bool]:
    """Replace the former lock unless there are findings; return whether it was replaced."""
    refused = False
    for finding in findings:
        refused = True
        where = finding.location
        if where and where.path == final.name:  # the line is one of the draft, which is gone
            finding = replace(finding, location=Location(where.path))
        yield finding
    if refused:
        return False
    files.write(final, draft.read_bytes())
    hashes = sum(len(entry.hashes) for entry in made.entries)
    yield Step(f"{final.name} has {len(made.entries)} distributions with {hashes} hashes")
    return True


def _pip_compile(project: Project, draft: Path, extra: list[str], command: str = "") -> Stage[None]:
    """Run pip-compile into the draft; its header names `command` instead of pip-compile's own line."""
    kept = yield from _compiler(project)
    with store.copy(kept) as copy:
        yield from _run_pip_compile(project, draft, copy.python, extra, command)


def _run_pip_compile(project: Project, draft: Path, python: Path, extra: list[str], command: str) -> Stage[None]:
    yield Step(f"resolving {project.requirements_in.name} under Python {project.python}")
    env = process.install_environment(
        PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1", TMPDIR=str(draft.parent)
    )
    env |= _pip_settings(python, project) | ({"CUSTOM_COMPILE_COMMAND": command} if command else {})
    log = draft.parent / "pip.log"
    log.touch()
    env |= {"PIP_LOG": str(log), "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "raw"}
    run = process.lines(
        [
            str(python), "-I", str(_PROGRAM), "--no-config", "--verbose", *_FLAGS, *extra,
            f"--output-file={draft}", project.requirements_in.name,
        ],
        env=env, cwd=project.root, timeout=COMPILE_TIMEOUT,
    )  # fmt: skip
    printed: list[str] = []
    progress = Progress()
    with contextlib.closing(run), log.open(encoding="utf-8", errors="replace") as logged:
        while True:
            try:
                line = next(run)
            except StopIteration as end:
                text = log.read_text(encoding="utf-8", errors="replace")
                _stop_if_unreached(text)
                _refuse_if_refused(text, CPU_BUILDS if command else ())
                if end.value != 0:
                    raise _failure("\n".join(line for line in printed if line.strip())) from None
                return
            _stop_if_unreached(logged.read())
            if progress.read(line):
                yield Step(progress.words())
            if not progress.is_for_us(line):
                overheard.pass_on(line)
                printed.append(line)


def _stop_if_unreached(text: str) -> None:
    """Raise an error if pip's log says that an index did not answer: pip goes on with the others, for many minutes.

    Raises:
        EnvironmentFaultError: an index did not answer.
    """
    if found := re.search(r"Could not fetch URL (\S+): (?!\d{3} )(.+) - skipping", text):
        index, _, name = redacted(found[1]).rstrip("/").rpartition("/")
        raise EnvironmentFaultError(
            f"the index {index} did not answer what it has of {name}: {redacted(found[2])}",
            fix="check the network, the proxy and the address of the index",
        )


def _refuse_if_refused(text: str, names: Collection[str]) -> None:
    """Raise an error if an index refused to say what it has: pip goes on, and takes the name from any other index.

    With `names`, only these are taken from the run.

    Raises:
        EnvironmentFaultError: an index answered 401 or 403.
    """
    for found in re.finditer(r"Could not fetch URL (\S+): (401|403) Client Error", text):
        address = urlsplit(found[1])
        if found[2] == "403" and address.hostname in _FORBIDS_WHAT_IT_LACKS:
            continue
        index, _, name = redacted(found[1]).rstrip("/").rpartition("/")
        if names and name not in names:
            continue
        raise EnvironmentFaultError(
            f"the index {index} refused to say what it has of {name} (status {found[2]}); another index may have "
            "something else of this name",
            fix="renew the login that pip uses for this index, or take the index out of pip's configuration",
        )


def _compiler(project: Project) -> Stage[Kept]:
    """Return an environment of the configured Python with pip-tools, from the tool's own hashed lock."""
    found = yield from interpreter.find(project.python)
    text = resources.files("seatrial.lock").joinpath("pip-tools.txt").read_text(encoding="utf-8")
    names = frozenset(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    kept = yield from install.keep(install.Lock(text, names, "seatrial's pip-tools.txt"), found)
    if kept is None:
        raise EnvironmentFaultError("pip-tools could not be installed")
    return kept


def _pip_settings(python: Path, project: Project) -> dict[str, str]:
    """Read how pip is configured to reach its index, as environment variables for one run."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    code, printed = process.output(
        [str(python), "-I", "-m", "pip", "config", "list"],
        env=process.install_environment(**inherited), cwd=project.root, timeout=60,
    )  # fmt: skip
    if code != 0:
        raise UsageError(f"pip cannot read its own configuration:\n{printed}")
    listed = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)=(.*)$", printed, re.MULTILINE)
    settings = {name: str(ast.literal_eval(value)) for name, value in listed if name in _PIP_SETTINGS}  # the last wins
    return {f"PIP_{name.upper().replace('-', '_')}": " ".join(value.split()) for name, value in settings.items()}


def _failure(printed: str) -> UsageError | EnvironmentFaultError:
    """Return the error of a failed run: the requirements' own, or a fault of the network."""
    end = "\n".join(_without_frames(printed)[-12:])
    if re.search(r"Retrying \(|Max retries|CERTIFICATE_VERIFY|HTTP error|\b(401|403|407|5\d\d) (\w+ )?Error", printed):
        return EnvironmentFaultError(f"pip-compile failed:\n{end}", fix="check the network and pip's index settings")
    if re.search(r"ResolutionImpossible|No matching distribution|Could not find a version", printed):
        return UnresolvedError(f"no set of versions satisfies requirements.in:\n{end}")
    if re.search(r"Invalid requirement|InvalidRequirement|RequirementsFileParseError", printed):
        return UsageError(f"requirements.in has a line that pip cannot read:\n{end}")
    return EnvironmentFaultError(f"pip-compile failed:\n{end}")


def _without_frames(printed: str) -> list[str]:
    """Drop pip's tracebacks and its list of indexes, which do not help the author of the requirements."""
    noise = re.compile(
        r"Traceback |The above exception was|During handling of|pip\._|\s+File \"|\s{4,}\S|\s*[\^~]+$"
        r"|Using indexes:|\s*(https?|file)://|\s*Looking in (indexes|links)"
    )
    kept: list[str] = []
    reasons_below = ""  # how far pip indents the heading of its reasons; these it indents more, like lines of code
    is_reason = False
    for line in printed.splitlines():
        if heading := re.match(r"(\s*)(The conflict is caused by|Additionally, some packages in these)", line):
            reasons_below, is_reason = heading[1], True
        else:
            is_reason = is_reason and line.startswith(f"{reasons_below} ")
        if is_reason or not noise.match(line):
            kept.append(line)
    return kept


def _own_index_lines(asked: RequirementFile) -> list[str]:
    return [f"{option.name} {option.value}".strip() for option in index_lines(asked)]


def _with_lines(text: str, lines: list[str]) -> str:
    """Put index lines right after the header, as pip-compile itself does."""
    if not lines:
        return text
    header = re.match(r"(#.*\n)*", text)
    end = header.end() if header else 0
    return text[:end] + "\n".join(dict.fromkeys(lines)) + "\n\n" + text[end:]


def _cpu_text(compiled: str, lock: str) -> str:
    """Join the `+cpu` pins of a compiled text with requirements.txt's pins of all else that it names."""
    blocks, theirs = _blocks(compiled), _blocks(lock)
    if unknown := sorted(set(blocks) - set(theirs)):
        raise UsageError(
            f"the CPU builds need {', '.join(unknown)}, which requirements.txt does not pin",
            fix="name it in requirements.in, run `seatrial lock`, then `seatrial lock --cpu`",
        )
    chosen = [blocks[name] if name in CPU_BUILDS or not name else theirs[name] for name in sorted(blocks)]
    mention = re.compile(r"^ +#\s+(via )?-c .*\n", re.MULTILINE)  # of the constraints file, which is gone
    return mention.sub("", "".join(chosen))


def _blocks(text: str) -> dict[str, str]:
    """Split a lock into one block a pin, with its hashes and comments; the header has the empty name."""
    blocks = {"": ""}
    name = ""
    for line in text.splitlines(keepends=True):
        if found := re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==", line):
            name = str(canonicalize_name(found[1]))
            blocks[name] = ""
        if line.strip() and not line.startswith(("-", "# The following packages")):
            blocks[name] += line
    return blocks
