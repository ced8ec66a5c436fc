"""Model versions: one a digest, found again by its alias and its description, however often and wherever one deploys.

An upload has no create-if-absent. So the server is looked at before and after it, running uploads are waited for, and
of several versions of a digest the lowest id stays. Nothing here serves a version.
"""

from __future__ import annotations

import time
from typing import Any

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Upload, Version
from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.backoff import ALREADY_EXISTS, NOT_FOUND, TRANSIENT, code_of, name_of, pause_after
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.messages import MARK, alias_of, upload_of
from seatrial.deploy.vertex.operations import running_of
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step


def find(vertex: Vertex, model_id: str, digest: str) -> Version | None:
    """Return the version of a digest, the one with the lowest id; None if there is none.

    Raises:
        EnvironmentFaultError: the digest's alias is on a version of something else.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    found = _of_digest(vertex, model_id, digest)
    return _version(vertex, found[0]) if found else None


def listing(vertex: Vertex, model_id: str) -> list[Version]:
    """Return all versions of a model, lowest id first; none if there is no such model.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    return [_version(vertex, model) for model in sorted(_listed(vertex, model_id), key=_number)]


def find_or_upload(vertex: Vertex, upload: Upload, timeout: float) -> Stage[tuple[Version, bool]]:
    """Return the one version of a digest, and whether this call made it.

    Raises:
        OperationFailedError: the upload ended with an error.
        StillRunningError: it, or another upload of the model, had not ended within `timeout` seconds.
        EnvironmentFaultError: an operation cannot be read any more, or an alias does not stay where it belongs.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    deadline = time.monotonic() + timeout
    made, failures = "", 0
    while True:
        try:
            winner = yield from _settled(vertex, upload, deadline)
        except exceptions.NotFound:  # another deploy has removed what was settled here: look again
            if time.monotonic() > deadline:
                raise
            failures += 1
            time.sleep(pause_after(vertex.limits, failures))
            continue
        if winner is not None:
            return winner, winner.id == made
        if not made:
            uploads = running_of(vertex, _model_name(vertex, upload.model_id), v1.UploadModelOperationMetadata)
            yield from poller.outlast(vertex, uploads, what=f"another upload of {upload.model_id}", deadline=deadline)
            if uploads and _of_digest(vertex, upload.model_id, upload.digest):
                continue
            try:
                made = yield from _upload(vertex, upload, deadline)
                failures = 0
                continue
            except (exceptions.GoogleAPICallError, OperationFailedError) as error:
                code = error.code if isinstance(error, OperationFailedError) else code_of(error)
                failures += 1
                called = isinstance(error, exceptions.GoogleAPICallError)
                again = called and code in TRANSIENT | {NOT_FOUND} and failures < vertex.limits.attempts
                # The model came since it was looked for: another deploy has uploaded it, or is about to.
                if not (again or code == ALREADY_EXISTS) or time.monotonic() > deadline:
                    raise
                text = f"uploading {upload.model_id}: {name_of(code)}; looking what is there"
                yield Step(text, lasting=failures == 1)
        elif time.monotonic() > deadline:
            raise EnvironmentFaultError(
                f"version {made} of {upload.model_id} was uploaded and is not listed", fix="run `seatrial deploy` again"
            )
        else:
            failures += 1
        time.sleep(pause_after(vertex.limits, failures))


def give(vertex: Vertex, version: Version, alias: str) -> Version:
    """Move an alias to a version, and return the version as it is then; nothing is sent if it has the alias.

    Raises:
        EnvironmentFaultError: the alias does not stay there.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    lost: exceptions.GoogleAPICallError | None = None
    request = v1.MergeVersionAliasesRequest(name=version.name, version_aliases=[alias])
    for attempt in range(vertex.limits.attempts + 1):
        now = _get(vertex, version.name)
        if now is None:
            raise exceptions.NotFound(f"version {version.id} of {version.model} does not exist any more")
        if alias in now.version_aliases:
            return _version(vertex, now)
        if attempt == vertex.limits.attempts:
            break
        if attempt:
            time.sleep(pause_after(vertex.limits, attempt))
        try:
            vertex.write(vertex.models.merge_version_aliases, request)
            lost = None
        except exceptions.GoogleAPICallError as error:
            if code_of(error) not in TRANSIENT:
                raise
            lost = error
    if lost is not None:
        raise lost
    raise EnvironmentFaultError(
        f"alias {alias} of {version.model} leaves version {version.id} again and again",
        fix="another deploy is changing it: run `seatrial deploy` again when that one has ended",
    )


def _settled(vertex: Vertex, upload: Upload, deadline: float) -> Stage[Version | None]:
    """Return the one version of the digest, with its alias, after what a race or a crash left is put in order."""
    found = _of_digest(vertex, upload.model_id, upload.digest)
    if not found:
        return None
    # An upload that began before the lowest version was there may still become a lower one.
    uploads = [
        operation
        for operation in running_of(vertex, _model_name(vertex, upload.model_id), v1.UploadModelOperationMetadata)
        if not _began_later(operation, found[0])
    ]
    if uploads:
        yield from poller.outlast(vertex, uploads, what=f"another upload of {upload.model_id}", deadline=deadline)
        found = _of_digest(vertex, upload.model_id, upload.digest)
        if not found:
            return None
    winner, *losers = found
    version = _version(vertex, winner)
    for alias in dict.fromkeys([alias_of(upload.digest), *(a for loser in losers for a in loser.version_aliases)]):
        version = give(vertex, version, alias)
    for loser in losers:
        if loser.deployed_models:
            yield Step(f"version {loser.version_id} is the same as {version.id}; deployed, so it stays", lasting=True)
            continue
        yield Step(f"versions {version.id} and {loser.version_id} are the same: removing the latter", lasting=True)
        yield from _delete(vertex, _version(vertex, loser), deadline)
    return version


def _upload(vertex: Vertex, upload: Upload, deadline: float) -> Stage[str]:
    """Upload once; give the version's id."""
    what = f"uploading {upload.model_id}"
    name = _model_name(vertex, upload.model_id)
    exists = _get(vertex, name) is not None
    request = upload_of(upload, vertex.target.parent, parent_model=name if exists else "")
    operation = vertex.write(vertex.models.upload_model, request).operation
    left = max(0.0, deadline - time.monotonic())
    ended = yield from poller.wait(vertex, operation.name, what=what, timeout=left)
    return str(v1.UploadModelResponse.deserialize(ended.response.value).model_version_id)


def _delete(vertex: Vertex, version: Version, deadline: float) -> Stage[None]:
    """Delete a version; another deploy may be deleting the same one."""
    what = f"deleting version {version.id} of {version.model.rpartition('/')[2]}"
    request = v1.DeleteModelVersionRequest(name=version.name)

    def write() -> str:
        return str(vertex.write(vertex.models.delete_model_version, request).operation.name)

    def gone() -> bool:
        return _get(vertex, version.name) is None

    def look() -> str | None:
        deletions = running_of(vertex, version.model, v1.DeleteOperationMetadata)
        return "" if deletions or gone() else None

    while not gone():
        deletions = running_of(vertex, version.model, v1.DeleteOperationMetadata)
        yield from poller.outlast(vertex, deletions, what="another deletion", deadline=deadline)
        if deletions and gone():
            return
        name = yield from vertex.settle(what, write, look)
        if name:
            try:
                yield from poller.wait(vertex, name, what=what, timeout=max(0.0, deadline - time.monotonic()))
            except OperationFailedError:
                if not gone():
                    raise


def _of_digest(vertex: Vertex, model_id: str, digest: str) -> list[Any]:
    """Return the versions of a digest, lowest id first: those in the list, and the one that has the alias."""
    description = f"{MARK}{digest}"
    found = {m.version_id: m for m in _listed(vertex, model_id) if m.version_description == description}
    held = _held(vertex, f"{_model_name(vertex, model_id)}@{alias_of(digest)}")
    if held is not None and held.version_id not in found:
        if held.version_description != description:
            raise EnvironmentFaultError(
                f"alias {alias_of(digest)} is on version {held.version_id} of {model_id}, which is described as "
                f"{held.version_description!r}, not as {description!r}",
                fix="take the alias from that version in the console; only a deploy may give it",
            )
        found[held.version_id] = held  # a list may lag behind
    return sorted(found.values(), key=_number)


def _listed(vertex: Vertex, model_id: str) -> list[Any]:
    request = v1.ListModelVersionsRequest(name=_model_name(vertex, model_id), page_size=100)
    return [model for page in vertex.pages(vertex.models.list_model_versions, request) for model in page.models]


def _held(vertex: Vertex, name: str) -> Any:
    """Return the version that has an alias; None if none has, with whatever code the API says that."""
    try:
        return _get(vertex, name)
    except (exceptions.InvalidArgument, exceptions.FailedPrecondition):
        return None


def _get(vertex: Vertex, name: str) -> Any:
    return vertex.read(vertex.models.get_model, v1.GetModelRequest(name=name))


def _began_later(operation: Any, version: Any) -> bool:
    metadata = poller.metadata_of(operation)
    began = metadata.generic_metadata.create_time
    return began is not None and version.version_create_time is not None and began > version.version_create_time


def _model_name(vertex: Vertex, model_id: str) -> str:
    return f"{vertex.target.parent}/models/{model_id}"


def _version(vertex: Vertex, model: Any) -> Version:
    mark, digest = model.version_description[: len(MARK)], model.version_description[len(MARK) :]
    return Version(
        model=_model_name(vertex, model.name.partition("@")[0].rpartition("/")[2]),
        id=model.version_id,
        digest=digest if mark == MARK and len(digest) == 64 else "",
        aliases=tuple(model.version_aliases),
    )


def _number(model: Any) -> int:
    return int(model.version_id)
