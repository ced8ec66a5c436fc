"""Fresh eyes: a second start, in the surroundings of another deployment, must answer as the first did."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.contract.variables import CONTRACT
from seatrial.environment.store import Copy
from seatrial.facts.tables import machines
from seatrial.findings import Phase, Stage, Step
from seatrial.project import Project
from seatrial.rules.serving.depth import SURROUNDINGS
from seatrial.system import process
from seatrial.trial import inside
from seatrial.trial.failures import LOG_TAIL, translated
from seatrial.trial.full.session import Session
from seatrial.trial.observe import Trial
from seatrial.trial.sealing.view import OF_MACHINE
from seatrial.trial.server import Surroundings

USER = 23456  # of the second start; nobody, with no name and no home in /etc/passwd
HOST = "replica-6d5f7c9b8d-x2k7q"  # of the second start; each replica has a name of its own
HIDDEN = ("/usr/share/zoneinfo",)  # of this machine: slim images do without
_VARIABLES = {"LC_ALL": "POSIX", "TZ": "XST-5:45"}  # in a form that needs no file of time zones
_ELSEWHERE = "elsewhere.py"
_MEMORY, _PROCESSORS = OF_MACHINE


def variables(project: Project) -> dict[str, str]:
    """Return the variables of Vertex AI as another deployment has them, in the forms that Vertex gives them."""
    endpoint, model = "7230194856321904640", "3517482906114523136"
    return CONTRACT | {
        "AIP_HEALTH_ROUTE": f"/v1/endpoints/{endpoint}/deployedModels/{model}",
        "AIP_PREDICT_ROUTE": f"/v1/endpoints/{endpoint}/deployedModels/{model}:predict",
        "AIP_PROJECT_NUMBER": "481516234208",
        "AIP_ENDPOINT_ID": endpoint,
        "AIP_MODEL_NAME": endpoint,
        "AIP_DEPLOYED_MODEL_ID": model,
        "AIP_VERSION_NAME": model,
        "AIP_MACHINE_TYPE": project.vertex.machine,
    }


def of_container(project: Project) -> Mapping[str, str]:
    """Return the variables of a container's second start."""
    return variables(project) | _VARIABLES


def of_process(project: Project, copy: Copy, trial: Trial) -> Surroundings:
    """Empty the folders of a process, and return the surroundings of its second start, as far as is permitted."""
    script, plan = str(inside.FOLDER / _ELSEWHERE), str(_plan(project, copy))
    command: tuple[str, ...] = (str(copy.python), "-I", "-S", script, plan)
    check = (str(copy.python), "-I", "-S", "-c", f"import os; raise SystemExit(os.getuid() != {USER})")
    code, _ = process.output([*command, *check], env={}, timeout=20)
    if code != 0:
        trial.unproven.append("the same answers for another user and without time zones: not permitted here")
        trial.unproven.append(f"the same with the memory and processors of {project.vertex.machine}")
        command = ()
        if os.geteuid() == 0:
            trial.unproven.append("the same answers with a home that cannot be written: root may write everywhere")
    for folder in ("home", "tmp", "work"):
        # What the first start left there must not help the second.
        shutil.rmtree(copy.folder(folder), ignore_errors=True)
    return Surroundings(
        variables(project),
        _VARIABLES,
        command,
        umask=0o077,
        home=0o500,
        user=USER,
        host=HOST,
        without=("LANG",),
        backwards=True,
    )


def _plan(project: Project, copy: Copy) -> Path:
    """Write what `elsewhere.py` reads: another user, no time zones, and the configured machine's size."""
    machine = machines().machines.get(project.vertex.machine)
    texts = {}
    if machine is not None:
        texts[_PROCESSORS] = f"0-{machine.processors - 1}\n"
        if machine.memory and Path(_MEMORY).exists():
            texts[_MEMORY] = _of_memory(Path(_MEMORY).read_text(encoding="ascii"), int(machine.memory * 2**20))
    folder = copy.folder("seal")
    files = {}
    for number, (place, text) in enumerate(texts.items()):
        files[place] = str(folder / f"text-{number}")
        Path(files[place]).write_text(text, encoding="ascii")
        Path(files[place]).chmod(0o444)
    plan = {"user": USER, "hidden": HIDDEN, "texts": files, "processors": machine.processors if machine else None}
    file = folder / "elsewhere.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    return file


def _of_memory(text: str, kib: int) -> str:
    """Return /proc/meminfo as it is on a machine of so much memory, of which nearly all is free."""
    said = {"MemTotal": kib, "MemFree": kib * 9 // 10, "MemAvailable": kib * 9 // 10, "SwapTotal": 0, "SwapFree": 0}
    lines = []
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        lines.append(f"{name}:{said[name]:>15} kB" if name in said else f"{name}:{rest}")
    return "\n".join(lines) + "\n"


def prove(session: Session, former_host: str) -> Stage[None]:
    """Wait until a server that was started again is healthy, ask it what the first one answered, and stop it.

    An answer may tell the name of its machine: `former_host` was that of the first one.
    """
    yield Phase("surroundings")
    yield Step("starting it again: other variables, locale, time zone, umask, user, home, host name and machine")
    server, project = session.server, session.gathered.project
    if not server.wait_until_healthy(project.smoke.load_timeout):
        records = server.failures()
        if records:
            for finding in translated(session.gathered, records[-1], SURROUNDINGS, server):
                yield replace(finding, message=f"in other surroundings: {finding.message}")
            return
        message = f"in other surroundings the server {_state(session)} before it was healthy"
        yield SURROUNDINGS.finding(message, evidence=tuple(server.log[-LOG_TAIL:]))
        return
    for one in session.inputs:
        found = yield from session.ask([one], f"{one.name}, in other surroundings", SURROUNDINGS)
        if found is None:
            return
        answer = _renamed(found[0], session.server.host(), former_host)
        if where := session.difference(one.answer, answer):
            message = f"{one.name}, in other surroundings: {where} in the first ones"
            yield SURROUNDINGS.finding(message, subject=one.name)
            return
    if server.stop() != 0:
        message = f"in other surroundings, after SIGTERM, the server {_state(session)}"
        yield SURROUNDINGS.finding(message, evidence=tuple(server.log[-LOG_TAIL:]))


def _renamed(answer: Any, host: str, former: str) -> Any:
    """Return an answer with the former name of its machine."""
    return json.loads(json.dumps(answer).replace(host, former)) if host and former else answer


def _state(session: Session) -> str:
    return "still ran" if session.server.exit_code is None else f"ended with {session.server.ending}"
