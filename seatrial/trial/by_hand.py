"""The real server for a person: `seatrial predict` asks it once, `seatrial serve` lets it run.

Both start the bundle in the environment of the lock, as a trial does. `predict` is sealed like a trial; `serve` is a
plain process with a port of this machine, because other programs shall reach it.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from seatrial.bundle import Bundle
from seatrial.contract.variables import CONTRACT
from seatrial.environment import install, store
from seatrial.environment.store import Copy
from seatrial.errors import UsageError
from seatrial.facts.gather import Gathered
from seatrial.findings import Phase, Stage, Step, watched
from seatrial.rules.serving import contract
from seatrial.serving import interfaces
from seatrial.system import process
from seatrial.trial import observe, smoke
from seatrial.trial.failures import from_log
from seatrial.trial.observe import Trial
from seatrial.trial.server import Answer, serve, served_environment

HEALTH, PREDICT = "/health", "/predict"  # the routes of `seatrial serve`; short, because a person types them
_WEEK = 7 * 24 * 3600.0  # seconds after which a server that was forgotten ends


def instance_of(file: Path, interface: str) -> Any:
    """Return the element of a request's `instances` for a file: an image as {"b64": …}, JSON as written.

    Raises:
        UsageError: it is JSON that cannot be read, or an image for a predictor that takes none.
    """
    if file.suffix.lower() == ".json":
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UsageError(f"{file} is no JSON: {error}") from None
    if not interfaces.takes_samples(interface):
        fix = "write an element of `instances` as the class expects it into a file that ends in .json"
        raise UsageError(f"the predictor's interface is {interface}, whose instances only the class knows", fix=fix)
    return {"b64": base64.b64encode(file.read_bytes()).decode("ascii")}


def predict(gathered: Gathered, device: str, files: Sequence[Path], parameters: Any) -> Stage[Answer | None]:
    """Ask the server for all files in one request, and return its answer; None after a finding that ends it.

    Raises:
        UsageError: a file is not there or cannot be an instance, or the predictor names no class.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    for file in files:
        if not file.is_file():  # told before an environment is made
            raise UsageError(f"there is no file {file}")
    with ExitStack() as stack:
        prepared = yield from _prepared(gathered, device, stack)
        if prepared is None:
            return None
        bundle, copy = prepared
        yield Phase("predict")
        target = smoke.target_of(gathered.project)[0]
        trial = Trial(device)
        with serve(copy, bundle, device, target) as server:
            _, broken = yield from watched(observe.load(gathered, server, trial))
            if broken:
                return None
            instances = [instance_of(file, trial.interface) for file in files]
            answer = server.predict(instances, parameters)
            if answer is None:
                yield from_log(gathered, server, contract.ENDED, "the server gave no answer")
            return answer


def run(gathered: Gathered, device: str, port: int) -> Stage[int | None]:
    """Serve on a port until the server ends or is interrupted; return its exit code.

    Raises:
        UsageError: the predictor names no class.
        EnvironmentFaultError: the device or the network is missing, or the disk is full.
    """
    with ExitStack() as stack:
        prepared = yield from _prepared(gathered, device, stack)
        if prepared is None:
            return None
        bundle, copy = prepared
        yield Phase("serve")
        served = copy.folder("served") / "bundle"
        shutil.copytree(bundle.path, served, ignore=shutil.ignore_patterns("wheels", "sdist"))
        routes = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT}
        env = gathered.project.vertex.env | served_environment(copy, device) | CONTRACT | routes
        command = [str(copy.python), "-I", "-m", "seatrial.serving", "--bundle", str(served / "bundle.json")]
        command += ["--work", str(copy.folder("work"))]
        printed = process.lines(command, env=env, timeout=_WEEK, cwd=copy.folder("work"))
        while True:
            try:
                line = next(printed)
            except StopIteration as end:
                return int(end.value)
            record = _record(line)
            yield Step(str(record.get("message", line)), lasting=True)
            if record.get("message") == "ready":
                for told in how_to_ask(port, str(record.get("interface", ""))):
                    yield Step(told, lasting=True)


def how_to_ask(port: int, interface: str) -> tuple[str, ...]:
    """Return the form of a request, and lines for a shell that send one."""
    address = f"http://127.0.0.1:{port}{PREDICT}"
    if not interfaces.takes_samples(interface):
        return (
            f'POST {address} takes {{"instances": [...]}}, with instances as the class expects them',
            f"curl -H 'Content-Type: application/json' -d @request.json {address}",
        )
    return (
        f'POST {address} takes {{"instances": [{{"b64": "an image file in base64"}}]}}, or one image as the body',
        f"curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg {address}",
    )


def _prepared(gathered: Gathered, device: str, stack: ExitStack) -> Stage[tuple[Bundle, Copy] | None]:
    """Build the bundle and a copy of the environment that lasts as long as the stack; None after a finding."""
    made = yield from smoke.made_ready(gathered, device)
    if made is None:
        return None
    bundle, kept = made
    copy = stack.enter_context(store.copy(kept, hollow=False))
    install.install_wheels(copy, [bundle.predictor_wheel, bundle.runtime_wheel])
    return bundle, copy


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
