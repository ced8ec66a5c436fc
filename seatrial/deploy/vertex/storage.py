"""Cloud Storage: bundles of rehearsals, and what batch predictions read and write."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seatrial.deploy.batch import StoredFile
from seatrial.deploy.vertex import wildcards
from seatrial.errors import EnvironmentFaultError
from seatrial.findings import Stage, Step
from seatrial.system import identity

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.deploy.vertex.client import Vertex
    from seatrial.deploy.vertex.target import Target

_TIMEOUT = 60.0  # seconds for one request
_LAST = "bundle.json"  # written after all else, so that a folder with it is whole
_READ = 8 * 2**20  # bytes of a file with failed rows
# batch_prediction_job.proto has errors_0001.jsonl; public code reads prediction.errors_stats-00000-of-00001.
_FAILED = re.compile(r"(?:errors_|prediction\.errors)[^/]*")
_OF_ONE = re.compile(r", elapsed=[\d.]+s")  # what is another in each text of the same failure


def artifact_uri(target: Target, digest: str) -> str:
    """Return where the bundle of a digest lies."""
    return f"gs://{target.bucket}/bundles/{digest}"


def store(target: Target, folder: Path, digest: str) -> Stage[str]:
    """Upload a bundle unless it is there, and return its URI. After an interruption it goes on with what is missing.

    Raises:
        EnvironmentFaultError: the storage does not answer or refuses.
    """
    uri = artifact_uri(target, digest)
    with _answering(f"the bundle could not be stored in {uri}"):
        bucket = _client(target).bucket(target.bucket)
        there = {blob.name: blob.size for blob in bucket.list_blobs(prefix=f"bundles/{digest}/", timeout=_TIMEOUT)}
        files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name == _LAST)
        names = {file: f"bundles/{digest}/{file.relative_to(folder).as_posix()}" for file in files}
        missing = [file for file in files if there.get(names[file]) != file.stat().st_size]
        for number, file in enumerate(missing, start=1):
            yield Step(f"storing {file.name}, {number} of {len(missing)}, in {uri}")
            bucket.blob(names[file]).upload_from_filename(str(file), timeout=_TIMEOUT, checksum="crc32c")
    return uri


def put(target: Target, name: str, content: bytes) -> str:
    """Write a file into the bucket of a rehearsal, below a folder named by its content, and return its URI.

    Raises:
        EnvironmentFaultError: the storage does not answer or refuses.
    """
    place = f"inputs/{hashlib.sha256(content).hexdigest()[:16]}/{name}"
    with _answering(f"{name} could not be stored"):
        _client(target).bucket(target.bucket).blob(place).upload_from_string(content, timeout=_TIMEOUT)
    return f"gs://{target.bucket}/{place}"


def files(vertex: Vertex, uri: str) -> list[StoredFile]:
    """Return the files that a URI names, which may have wildcards; none if there is no such file or bucket.

    Raises:
        EnvironmentFaultError: the storage does not answer or refuses.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    wanted = wildcards.pattern(name)
    return [
        StoredFile(f"gs://{bucket}/{blob.name}", blob.size or 0, str(blob.crc32c))
        for blob in _listed(vertex, bucket, wildcards.prefix(name))
        if wanted.fullmatch(blob.name)
    ]


def failed_rows(vertex: Vertex, folder: str) -> Counter[str]:
    """Return why rows of a batch prediction failed → how many, from some megabytes a file; the rows are not in it.

    Raises:
        EnvironmentFaultError: the storage does not answer or refuses.
    """
    bucket, _, name = folder.removeprefix("gs://").partition("/")
    found: Counter[str] = Counter()
    for blob in _listed(vertex, bucket, f"{name.rstrip('/')}/"):
        if not _FAILED.fullmatch(blob.name.rpartition("/")[2]) or not blob.size:
            continue
        with _answering(f"gs://{bucket}/{blob.name} could not be read"):
            content = blob.download_as_bytes(end=min(blob.size, _READ) - 1, timeout=_TIMEOUT)
        for line in content.decode("utf-8", "replace").splitlines():
            text, count = failure(line)
            if count:
                found[" ".join(_OF_ONE.sub("", text).split())[:300]] += count
    return found


def failure(line: str) -> tuple[str, int]:
    """Return the text of a failure and how many rows it is about, from a line of either form; ("", 0) from no other.

    The API's reference has an object for each row, with its `error`. Vertex's troubleshooting page shows a text and its
    count, as Python prints a tuple.
    """
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(line)["error"]["message"]), 1
    with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        text, count = ast.literal_eval(line)
        if isinstance(text, str) and isinstance(count, int):
            return text, count
    return "", 0


def _listed(vertex: Vertex, bucket: str, prefix: str) -> list[Any]:
    from google.api_core.exceptions import NotFound

    with _answering(f"gs://{bucket}/{prefix} could not be listed"):
        try:
            return list(_client(vertex.target, vertex.credentials).list_blobs(bucket, prefix=prefix, timeout=_TIMEOUT))
        except NotFound:
            return []


@contextlib.contextmanager
def _answering(what: str) -> Iterator[None]:
    """Raise what the storage answers as a fault of the environment."""
    from google.api_core.exceptions import Forbidden, GoogleAPIError, Unauthorized
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except (Forbidden, Unauthorized) as error:
        fix = "give the identity that runs this roles/storage.objectViewer on the bucket"
        raise EnvironmentFaultError(f"{what}: {error}", fix=fix) from None
    except GoogleAuthError as error:
        raise EnvironmentFaultError(f"{what}: no access token could be obtained: {error}", fix=identity.LOGIN) from None
    except (GoogleAPIError, RequestException, OSError) as error:
        raise EnvironmentFaultError(
            f"{what}: {error}",
            fix="run the same command again, after disk space is free if the disk is full; it goes on",
        ) from None


def _client(target: Target, credentials: Any = None) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    options = {"api_endpoint": target.storage} if target.storage else None
    credentials = credentials or AnonymousCredentials()
    return storage.Client(project=target.project, credentials=credentials, client_options=options)
