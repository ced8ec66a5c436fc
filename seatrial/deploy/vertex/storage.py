"""Puts a bundle into a bucket, once a digest: what a version that is rehearsed without an image is started from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.deploy.vertex.target import Target

_TIMEOUT = 60.0  # seconds for one request
_LAST = "bundle.json"  # written after all else, so that a folder with it is whole


def artifact_uri(target: Target, digest: str) -> str:
    """Return where the bundle of a digest lies."""
    return f"gs://{target.bucket}/bundles/{digest}"


def store(target: Target, folder: Path, digest: str) -> Stage[str]:
    """Upload a bundle unless it is there, and return its URI. After an interruption it goes on with what is missing.

    Raises:
        EnvironmentFaultError: the storage does not answer or refuses.
    """
    from google.api_core.exceptions import GoogleAPIError
    from requests import RequestException

    uri = artifact_uri(target, digest)
    try:
        bucket = _bucket(target)
        there = {blob.name: blob.size for blob in bucket.list_blobs(prefix=f"bundles/{digest}/", timeout=_TIMEOUT)}
        files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name == _LAST)
        names = {file: f"bundles/{digest}/{file.relative_to(folder).as_posix()}" for file in files}
        missing = [file for file in files if there.get(names[file]) != file.stat().st_size]
        for number, file in enumerate(missing, start=1):
            yield Step(f"storing {file.name}, {number} of {len(missing)}, in {uri}")
            bucket.blob(names[file]).upload_from_filename(str(file), timeout=_TIMEOUT, checksum="crc32c")
    except (GoogleAPIError, RequestException, OSError) as error:
        raise EnvironmentFaultError(
            f"the bundle could not be stored in {uri}: {error}",
            fix="run the same command again, after disk space is free if the disk is full; it goes on",
        ) from None
    return uri


def _bucket(target: Target) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    options = {"api_endpoint": target.storage}
    client = storage.Client(project=target.project, credentials=AnonymousCredentials(), client_options=options)
    return client.bucket(target.bucket)
