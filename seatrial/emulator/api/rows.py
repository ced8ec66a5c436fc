"""The rows of a batch prediction: read from the bucket, asked of the version's server, written back as lines."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seatrial.emulator.api import predictions, refusals
from seatrial.emulator.api.hosting import Hosting, HostingError, Objects, Placement
from seatrial.emulator.api.state import Message

_TIMEOUT = 600.0  # seconds for one request; ours, as none is documented


class Row(NamedTuple):
    """A row as its output tells it, and as the server gets it."""

    told: Any
    instance: Any


@dataclass
class Done:
    """What has become of the rows so far: lines of the output, and why rows failed → how many; `total` is of all."""

    total: int
    answered: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


def read(job: Message, objects: Objects) -> list[Row]:
    """Return the rows of a job's input.

    Raises:
        HostingError: it cannot be read.
        RefusedError: INVALID_ARGUMENT, it is no text, or a line of it is no JSON.
    """
    files = [uri for each in job.input_config.gcs_source.uris for uri in objects.matching(each)]
    lines = [line for uri in files for line in _text(uri, objects).splitlines() if line.strip()]
    if job.input_config.instances_format == "file-list":
        # "each file in the list will be converted to an object in the format of {"b64": <value>}": InstanceConfig
        return [Row(uri, {"b64": base64.b64encode(objects.read(uri)).decode()}) for uri in map(str.strip, lines)]
    return [Row(instance, instance) for instance in map(_parsed, lines)]


def ask(hosting: Hosting, where: Placement, rows: list[Row], done: Done) -> None:
    """Send some rows in one request; if it is refused, each of them has failed."""
    body = json.dumps({"instances": [row.instance for row in rows]}).encode()
    try:
        answers = _answers(hosting, where, body, len(rows))
    except (refusals.RefusedError, HostingError) as error:
        done.failed[f"Post request fails. Cannot get predictions. Error: {error.message}"] += len(rows)
    else:
        both = zip(rows, answers, strict=True)
        done.answered += [json.dumps({"instance": row.told, "prediction": each}) for row, each in both]


def write(job: Message, title: str, done: Done, objects: Objects) -> str:
    """Write what became of the rows, and return the folder.

    Raises:
        HostingError: it cannot be written.
    """
    # "a new directory is created. Its name is prediction-<model-display-name>-<job-create-time>": OutputConfig
    created = job.create_time.ToDatetime().isoformat(timespec="milliseconds")
    folder = f"{job.output_config.gcs_destination.output_uri_prefix.rstrip('/')}/prediction-{title}-{created}Z"
    # There it says predictions_0001.jsonl and errors_0001.jsonl, too. These are the names that public code reads
    # (https://github.com/GoogleCloudPlatform/data-science-on-gcp), and lines as Vertex's troubleshooting page has them.
    failed = [repr(each) for each in done.failed.items()]
    for kind, lines in (("results", done.answered), ("errors_stats", failed)):
        content = "".join(f"{line}\n" for line in lines).encode()
        objects.write(f"{folder}/prediction.{kind}-00000-of-00001", content)
    return folder


def _answers(hosting: Hosting, where: Placement, body: bytes, count: int) -> list[Any]:
    began = time.monotonic()
    reply = hosting.ask(where, body, "application/json", _TIMEOUT)
    if refused := predictions.refusal(reply):
        text = f"Exceeded retries: Non-OK result {reply.status} ({refused.message}) from server, retry=0, "
        raise refusals.RefusedError(refused.code, f"{text}elapsed={time.monotonic() - began:.2f}s.")
    answers = predictions.parsed(reply.body)
    if len(answers) != count:
        text = f"The model server answered {len(answers)} predictions to {count} instances."
        raise refusals.RefusedError(refusals.INTERNAL, text)
    return answers


def _text(uri: str, objects: Objects) -> str:
    try:
        return objects.read(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusals.RefusedError(refusals.INVALID_ARGUMENT, f"{uri} is no text in UTF-8: {error}") from None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise refusals.RefusedError(refusals.INVALID_ARGUMENT, f"A line of the input is no JSON: {error}") from None
