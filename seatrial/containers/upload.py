"""Uploading an engine's image to a registry, in several attempts if necessary, each with a fresh login.

The engine's output says which layers the registry had, and whether another attempt makes sense. The user's own login
is not changed, and the engine keeps no name that the upload needed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.containers.registry import RIGHTS
from seatrial.containers.sent import Sent
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step
from seatrial.system import overheard, process
from seatrial.system.identity import Identity, RefusedError

PUSH_TIMEOUT = 3600.0  # seconds; the default lifetime of Google's access tokens
ATTEMPTS = 4
FIRST_PAUSE = 2.0  # seconds, doubled after each attempt, give or take a fifth
# docker names a layer by the start of its unpacked digest; podman by either digest, and in its debug log only.
_KEPT = re.compile(
    r"^(?P<short>[0-9a-f]{12}): (?:Layer already exists|Mounted from)|"
    r"Skipping blob sha256:(?P<long>[0-9a-f]{64}) \(already present\)"
)
_SENT = re.compile(r"^(?P<short>[0-9a-f]{12}): Pushed$|Upload of layer sha256:(?P<long>[0-9a-f]{64}) complete")
_DEBUG = re.compile(r"DEBU\[|time=\"[^\"]*\" level=debug ")  # podman's log, on a terminal and elsewhere
_AGAIN = "push again; layers that the registry has already are not sent again"
_LOGIN = "log in as an identity that the registry knows; for Artifact Registry, `gcloud auth application-default login`"
# What docker 20.10 and 28, podman 4.3 and Artifact Registry print for a refusal that is final, and the fix. Anything
# else may pass: an upload that the registry lost is `blob upload invalid`, or `unknown`, and is started again.
_REFUSALS = (
    (
        re.compile(r"(?m)(?:^|: )name unknown: "),
        "create the repository with `gcloud artifacts repositories create`, or correct its name",
    ),
    (re.compile(r"(?m)(?:^|: )name invalid(?:: |$)"), "correct the name of the repository"),
    (
        re.compile(
            r"(?m)(?:^|: )unauthorized: |no basic auth credentials|authentication required|invalid username/password|"
            r"(?:HTTP|HTTP status:|StatusCode:|: ) ?401\b"
        ),
        _LOGIN,
    ),
    (
        re.compile(
            r"(?m)(?:^|: )denied: |requested access to the resource is denied|push access denied|"
            r"(?:HTTP|HTTP status:|StatusCode:|: ) ?403\b"
        ),
        RIGHTS,
    ),
)

T = TypeVar("T")


@dataclass(slots=True)
class Upload:
    """The layers that the attempts named, each by the first 12 digits of one of its two digests.

    Attributes:
        kept: those that the registry had when an attempt reached them.
        sent: those that an attempt sent; the next attempt then finds them kept.
    """

    kept: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)

    def had(self, *digests: str) -> bool:
        """Return whether the registry had the layer with these digests before the first attempt."""
        names = {digest.removeprefix("sha256:")[:12] for digest in digests}
        return not names.isdisjoint(self.kept) and names.isdisjoint(self.sent)

    def read(self, printed: Iterable[str]) -> None:
        """Read the lines that an attempt printed."""
        for line in printed:
            for pattern, names in ((_KEPT, self.kept), (_SENT, self.sent)):
                if match := pattern.search(line):
                    names.add(match["short"] or match["long"][:12])


def upload(engine: Engine, image: str, target: str, identity: Identity | None) -> Stage[Upload]:
    """Upload an image, named by its engine's id, as the tag `target`; without an identity, with the engine's own login.

    Raises:
        RefusedError: the registry refuses the identity or the repository.
        EnvironmentFaultError: there is no token, or the last attempt failed too.
    """
    total = Upload()
    with _tagged(engine, image, target):
        yield from persistently(lambda: _attempt(engine, image, target, identity, total), f"pushing {target}")
    return total


def persistently(action: Callable[[], Stage[T]], name: str = "") -> Stage[T]:
    """Do something until it works, at most 4 times; a refusal is final.

    Raises:
        EnvironmentFaultError: the error of the last attempt.
    """
    for attempt in range(1, ATTEMPTS + 1):
        if name:
            yield Step(name)
        try:
            return (yield from action())
        except EnvironmentFaultError as error:
            if attempt == ATTEMPTS or isinstance(error, RefusedError):
                raise
            seconds = FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            said = error.message.splitlines()[-1][:200]
            yield Step(f"attempt {attempt} of {ATTEMPTS} failed, next one in {seconds:.0f} s: {said}")
            time.sleep(seconds)
    raise AssertionError  # the last attempt returns or raises


def refusal(printed: str) -> str | None:
    """Return the fix for a refusal that an engine printed; None if another attempt may succeed."""
    return next((fix for pattern, fix in _REFUSALS if pattern.search(printed)), None)


def _attempt(engine: Engine, image: str, target: str, identity: Identity | None, total: Upload) -> Stage[None]:
    host = target.partition("/")[0]
    command = [engine.program, "push", target]
    if engine.name == "podman":  # it pushes by the image's id and needs no name
        plain = ["--tls-verify=false"] if identity is None else []
        command = [engine.program, "--log-level", "debug", "push", *plain, image, target]
    with _logged_in(engine, host, identity.token() if identity else None) as env:
        code, printed = yield from _run(command, env)
    total.read(printed)
    if code == 0:
        return
    reason = "\n".join(line for line in printed if not _DEBUG.match(line))[-1000:]
    message = f"{engine.name} could not push {target}:\n{reason}"
    fix = refusal(reason)
    if fix is None or (identity is not None and identity.expired):  # a long attempt outlives its token
        raise EnvironmentFaultError(message, fix=_AGAIN)
    raise RefusedError(message, fix=fix)


def _run(command: list[str], env: Mapping[str, str]) -> Stage[tuple[int, list[str]]]:
    """Run an engine's upload, yield how far it is; return its exit code and what else it printed."""
    printed: list[str] = []
    sent = Sent()
    run = process.lines(command, env=env, timeout=PUSH_TIMEOUT, terminal=True)
    with contextlib.closing(run):
        while True:
            try:
                line = next(run).rstrip()
            except StopIteration as end:
                return int(end.value), printed
            if sent.read(line) and (words := sent.words()):
                yield Step(words)
            if not sent.is_counter(line):
                printed.append(line)
                if not _DEBUG.match(line):
                    overheard.pass_on(line)


@contextlib.contextmanager
def _tagged(engine: Engine, image: str, target: str) -> Iterator[None]:
    """Tag an image with the name under which docker pushes it, until the block ends."""
    if engine.name == "podman":
        yield
        return
    try:
        engine.ask(["tag", image, target])
        yield
    finally:
        # docker has no untag: removing the last name would remove the image, which must not happen here.
        code, names = engine.output(["image", "inspect", "--format", "{{json .RepoTags}}", image], timeout=60)
        if code == 0 and len(json.loads(names) or ()) > 1:
            engine.output(["image", "rm", "--no-prune", target], timeout=60)


@contextlib.contextmanager
def _logged_in(engine: Engine, host: str, token: str | None) -> Iterator[dict[str, str]]:
    """Yield the engine's environment with a login that is removed when the block ends; the user's own is not changed.

    The file is what `login --username oauth2accesstoken` would write, without the desktop's credential store.
    """
    env = engines.environment()
    if token is None:
        yield env
        return
    auth = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
    with tempfile.TemporaryDirectory(prefix="seatrial-login-") as folder:  # readable by nobody else
        file = Path(folder) / "config.json"
        file.write_text(json.dumps({"auths": {host: {"auth": auth}}}), encoding="utf-8")
        if engine.name == "podman":
            yield env | {"REGISTRY_AUTH_FILE": str(file)}
        else:  # the other configuration folder has no contexts, so the daemon's address is stated
            daemon = engine.ask(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()
            yield env | {"DOCKER_CONFIG": folder, "DOCKER_HOST": env.get("DOCKER_HOST", daemon)}
