"""Fresh eyes: a second start, in the surroundings of another deployment, must answer as the first did."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace

from seatrial.environment.store import Copy
from seatrial.findings import Phase, Stage, Step
from seatrial.project import Project
from seatrial.rules.serving.depth import SURROUNDINGS
from seatrial.system import process
from seatrial.trial import inside
from seatrial.trial.full.equal import difference
from seatrial.trial.full.session import Session
from seatrial.trial.observe import LOG_TAIL, Trial, translated
from seatrial.trial.server import CONTRACT, Surroundings

USER = 23456  # of the second start; nobody, with no name and no home in /etc/passwd
HIDDEN = ("/usr/share/zoneinfo",)  # of this machine: slim images do without
_VARIABLES = {"LC_ALL": "POSIX", "TZ": "XST-5:45"}  # in a form that needs no file of time zones
_ELSEWHERE = "elsewhere.py"


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
        "AIP_MACHINE_TYPE": project.vertex.machine_type,
    }


def of_container(project: Project) -> Mapping[str, str]:
    """Return the variables of a container's second start."""
    return variables(project) | _VARIABLES


def of_process(project: Project, copy: Copy, trial: Trial) -> Surroundings:
    """Empty the folders of a process, and return the surroundings of its second start, as far as is permitted."""
    script = str(inside.FOLDER / _ELSEWHERE)
    command: tuple[str, ...] = (str(copy.python), "-I", script, str(USER), ":".join(HIDDEN))
    check = (str(copy.python), "-I", "-c", f"import os; raise SystemExit(os.getuid() != {USER})")
    code, _ = process.output([*command, *check], env={}, timeout=20)
    if code != 0:
        trial.unproven.append("the same answers for another user and without time zones: not permitted here")
        command = ()
        if os.geteuid() == 0:
            trial.unproven.append("the same answers with a home that cannot be written: root may write everywhere")
    for folder in ("home", "tmp", "work"):
        # What the first start left there must not help the second.
        shutil.rmtree(copy.folder(folder), ignore_errors=True)
    return Surroundings(variables(project), _VARIABLES, command, umask=0o077, home=0o500, user=USER)


def prove(session: Session) -> Stage[None]:
    """Wait until a server that was started again is healthy, ask it what the first one answered, and stop it."""
    yield Phase("surroundings")
    yield Step("starting it again: other variables, locale, time zone, umask, user and home")
    server, project = session.server, session.gathered.project
    if not server.wait_until_healthy(project.smoke.load_timeout):
        records = [record for record in server.records("CRITICAL") if record.get("phase") == "load"]
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
        if where := difference(one.answer, found[0], session.trial.tolerance):
            message = f"{one.name}, in other surroundings: {where} in the first ones"
            yield SURROUNDINGS.finding(message, subject=one.name)
            return
    if server.stop() != 0:
        message = f"in other surroundings, after SIGTERM, the server {_state(session)}"
        yield SURROUNDINGS.finding(message, evidence=tuple(server.log[-LOG_TAIL:]))


def _state(session: Session) -> str:
    return "still ran" if session.server.exit_code is None else f"ended with {session.server.ending}"
