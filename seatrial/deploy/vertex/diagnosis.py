"""From a failed operation or a refused call to findings: the cloud's status and words, and what the container logged.

A fault that the log names comes before the cloud's own sentence, which does not name it. What cannot be read is
reported; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import GoogleAPICallError

from seatrial.deploy.vertex.backoff import code_of, name_of
from seatrial.deploy.vertex.logs import container_log, how_to_look
from seatrial.diagnosis.places import user_frames
from seatrial.diagnosis.translate import diagnose
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Finding, Stage, Step
from seatrial.rules.deployment.operations import (
    CANCELLED,
    DENIED,
    INVALID,
    NEVER_CAME_UP,
    QUOTA,
    SERVER_DIED,
    SERVICE_FAILED,
    STOCKOUT,
    UNREADABLE,
)
from seatrial.rules.deployment.preflight import API_DISABLED, NO_CREDENTIALS
from seatrial.rules.deployment.settings import TOO_LARGE
from seatrial.rules.lock.installing import DISK_FULL

if TYPE_CHECKING:
    from seatrial.deploy.vertex.client import Vertex
    from seatrial.deploy.vertex.poller import OperationFailedError
    from seatrial.facts.gather import Gathered
    from seatrial.project import Project

EXCERPT = 12  # lines of a log that a finding shows
# google.rpc.Code → rule; https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_BY_STATUS = {
    1: CANCELLED, 3: INVALID, 7: DENIED, 8: QUOTA, 16: NO_CREDENTIALS,
    **dict.fromkeys((2, 4, 10, 12, 13, 14, 15), SERVICE_FAILED),
}  # fmt: skip
# A text that says more than its status does, most telling first; each is recognised by the rule's own symptoms.
_BY_TEXT = (
    DISK_FULL, STOCKOUT, UNREADABLE, API_DISABLED, NO_CREDENTIALS, QUOTA, DENIED, TOO_LARGE, SERVER_DIED,
    NEVER_CAME_UP, INVALID,
)  # fmt: skip
_CONTAINER = (SERVER_DIED.code, NEVER_CAME_UP.code)  # the container had its turn, so that its log says why
# Stages of a deployment in which a container runs, or ran: the last is all there is to see of one that failed fast.
_STARTED = ("STARTING_MODEL_SERVER", "FINISHING_UP", "FAILED_TO_DEPLOY")
_FIELD = re.compile(r"\d+\.Field: (?P<field>[^;\t]+); Message: (?P<why>[^\t\n]+)")
_ENDPOINT = re.compile(r"/endpoints/(?P<id>[^/]+)/operations/")
# Where a field of a request comes from, by the last names of its path.
_KEYS = {
    "labels": "labels", "machine_type": "machine-type", "accelerator_type": "accelerator-type",
    "accelerator_count": "accelerator-count", "machine_spec": "machine-type", "min_replica_count": "min-replicas",
    "max_replica_count": "max-replicas", "service_account": "service-account", "endpoint_id": "endpoint",
    "model_id": "model", "kms_key_name": "kms-key", "env": "env", "shared_memory_size_mb": "shared-memory-mb",
    "deployment_timeout": "deployment-timeout", "startup_probe": "startup-probe", "health_probe": "health-probe",
    "liveness_probe": "liveness-probe", "required_replica_count": "required-replicas", "spot": "spot",
    "reservation_affinity": "reservation-affinity", "inference_timeout": "inference-timeout",
    "predict_request_response_logging_config": "request-logging", "project_allowlist": "private-projects",
    "psc_automation_configs": "private-network",
}  # fmt: skip


def of_operation(
    vertex: Vertex, error: OperationFailedError, gathered: Gathered, endpoint_id: str, deployed_id: str, since: float
) -> Stage[None]:
    """Say why an operation failed; the container's log is read if a container can have been the reason.

    `endpoint_id` is used if the operation's name has none; without a `deployed_id` there is no container. `since` is
    when the deploy began, in seconds since the epoch.
    """
    text = "\n".join((error.message, *error.partial))
    finding = _by_words(error.code, text, f"{error.what} failed")
    finding = replace(finding, evidence=(*finding.evidence, *(f"partial failure: {part}" for part in error.partial)))
    named = _ENDPOINT.search(error.name)  # one for staging, perhaps
    in_container = finding.code in _CONTAINER or (
        error.stage.upper() in _STARTED and finding.code in (SERVICE_FAILED.code, INVALID.code) and error.code != 3
    )
    if not deployed_id or not in_container:
        yield finding
        return
    yield from _in_container(vertex, gathered, finding, named["id"] if named else endpoint_id, deployed_id, since)


def is_stockout(error: OperationFailedError) -> bool:
    """Return whether an operation failed because there is no such machine to be had now."""
    return _by_words(error.code, "\n".join((error.message, *error.partial)), error.what).code == STOCKOUT.code


def of_call(error: GoogleAPICallError, what: str) -> Finding:
    """Say why a call was refused; `what` names what was tried, such as `the upload`."""
    finding = _by_words(code_of(error), _text(error), f"{what} was refused")
    # A call, unlike an operation, is cancelled by nobody but a proxy that drops it.
    if finding.code == CANCELLED.code:
        return replace(finding, code=SERVICE_FAILED.code, fix=SERVICE_FAILED.fix)
    return finding


def _in_container(
    vertex: Vertex, gathered: Gathered, finding: Finding, endpoint_id: str, deployed_id: str, since: float
) -> Stage[None]:
    """Yield what the container's log says; else the finding, with the log, or with how to ask for it."""
    by_hand = how_to_look(vertex.target, endpoint_id, deployed_id)
    try:
        lines = yield from container_log(vertex, endpoint_id, deployed_id, since)
    except (GoogleAPICallError, EnvironmentFaultError) as error:
        unread = f"the container's log could not be read: {_text(error)}"
        yield replace(finding, evidence=(*finding.evidence, unread, *by_hand))
        return
    if not lines:
        empty = "the container's log is empty: it ended before it could write, or logs nothing"
        yield replace(finding, evidence=(*finding.evidence, empty, *by_hand))
        return
    found = [each for each in diagnose("\n".join(lines), gathered.if_readable) if each.code not in _CONTAINER]
    if not found:
        yield _raised(finding, lines, gathered.project)
    for number, each in enumerate(found):
        more = _excerpt(lines, each.evidence) if number == 0 and each.location is None else ()
        yield replace(each, cloud=finding.cloud, evidence=(*each.evidence, *more))
    yield Step(f"the log has {len(lines)} lines; {by_hand[-1]}", lasting=True)


def _raised(finding: Finding, lines: Sequence[str], project: Project) -> Finding:
    """Return the finding with what no rule knows in the log: a traceback's frames in the project, else its end."""
    location, frames = user_frames("\n".join(lines), project)
    if not frames:
        return replace(finding, evidence=(*finding.evidence, *_excerpt(lines, ())))
    more = () if location else _excerpt(lines, frames)
    message = f"{finding.message}: {frames[-1]}"
    return replace(finding, message=message, location=location, evidence=(*finding.evidence, *frames, *more))


def _by_words(code: int, text: str, what: str) -> Finding:
    """Return the finding of a status and its text: by what the text says, else by the status alone."""
    cloud = f"{name_of(code)}: {text.strip() or '(no text)'}"
    known = {finding.code: finding for finding in diagnose(text)}
    chosen = next((known[rule.code] for rule in _BY_TEXT if rule.code in known), None)
    if chosen is None:
        rule = _BY_STATUS.get(code, INVALID)
        chosen = rule.finding(f"{what}: {_first_line(text) or name_of(code)}")
    fields = tuple(f"{found['field']}: {found['why'].strip()}" for found in _FIELD.finditer(text))
    if chosen.code == INVALID.code and fields:
        chosen = replace(chosen, fix=_fix(fields) or chosen.fix)
    return replace(chosen, cloud=cloud, cause="", evidence=fields)


def _fix(fields: Sequence[str]) -> str:
    """Name the keys of the configuration that the refused fields come from; "" if none is known."""
    names = [part for field in fields for part in re.split(r"[.\[\]]", field.split(":")[0])]
    keys = dict.fromkeys(f"`vertex.{_KEYS[name]}`" for name in names if name in _KEYS)
    return f"change {' and '.join(keys)}" if keys else ""


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()


def _text(error: Any) -> str:
    """Return an error's own words, and the permission that only its details name."""
    text = str(error.message if isinstance(error, GoogleAPICallError) else error)
    for detail in getattr(error, "details", None) or ():
        permission = getattr(detail, "metadata", {}).get("permission", "")
        if permission and permission not in text:
            text += f"\nPermission '{permission}' denied"
    return text


def _excerpt(lines: Sequence[str], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the last lines of a log that are not shown yet: what a process wrote last is why it ended."""
    known = {line.strip() for line in shown}
    return tuple(line for line in lines if line.strip() and line.strip() not in known)[-EXCERPT:]
