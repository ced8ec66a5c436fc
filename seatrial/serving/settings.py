"""The runtime's settings: bundle.json says what to serve and how, the `AIP_*` variables say where.

There is no other source. Nothing here imports the predictor.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from seatrial.serving.interfaces import AUTO

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


class SettingsError(ValueError):
    """bundle.json or an `AIP_*` variable cannot be used."""


@dataclass(frozen=True)
class ImageSettings:
    """How an image is opened; see `seatrial.serving.images.open_image`."""

    mode: str = "RGB"
    alpha: str = "drop"
    exif: str = "ignore"
    max_pixels: int = 40_000_000  # width x height


@dataclass(frozen=True)
class Bundle:
    """What bundle.json says. `folder` is its folder; `predictor` is `module:Class`."""

    folder: Path
    name: str
    digest: str
    predictor: str
    interface: str
    image: ImageSettings
    max_batch: int
    max_body_bytes: int
    max_instances: int = 1024  # of one request
    max_waiting: int = 1024  # requests; those beyond it are refused
    request_timeout: float = 60.0  # seconds from a whole body to its answer
    workers: int | None = None  # processes; None: as many as the machine is good for
    optimize: tuple[str, ...] = ()  # steps of seatrial.serving.optimize
    metrics_route: str = "/metrics"  # "" for none
    log_requests: str = "refused"  # which requests get a line in the log: "refused" (and failed), or "all"


@dataclass(frozen=True)
class Contract:
    """What Vertex AI says: where to listen, which routes to answer, where the model's files are."""

    port: int
    health_route: str
    predict_route: str
    storage_uri: str
    project: str = ""  # an id or a number; "" if nothing says it


def read_bundle(file: Path) -> Bundle:
    """Read bundle.json; keys that the runtime does not know are ignored.

    Raises:
        SettingsError: the file is missing, not JSON, of another format or lacks a key.
    """
    try:
        data = json.loads(file.read_bytes())
        _require_format(file, data["format"])
        serving: dict[str, Any] = data.get("serving", {})
        image: dict[str, Any] = serving.get("image", {})
        return Bundle(
            folder=file.resolve().parent,
            name=data["name"],
            digest=data["digest"],
            predictor=data["predictor"],
            interface=data.get("interface", AUTO),
            image=ImageSettings(
                mode=image.get("mode", "RGB"),
                alpha=image.get("alpha", "drop"),
                exif=image.get("exif", "ignore"),
                max_pixels=serving.get("max-pixels", 40_000_000),
            ),
            max_batch=serving.get("max-batch", 8),
            max_body_bytes=serving.get("max-body-bytes", 10_000_000),
            max_instances=serving.get("max-instances", 1024),
            max_waiting=serving.get("max-waiting", 1024),
            request_timeout=serving.get("request-timeout", 60.0),
            optimize=tuple(serving.get("optimize", ())),
            metrics_route=serving.get("metrics-route", "/metrics"),
            log_requests=serving.get("log-requests", "refused"),
            workers=None if (workers := serving.get("workers", "auto")) == "auto" else int(workers),
        )
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except KeyError as error:
        raise SettingsError(f"{file} has no key {error}") from error
    except SettingsError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file} is not a bundle description: {error}") from error


def _require_format(file: Path, found: object) -> None:
    if found != FORMAT:
        raise SettingsError(f"{file} has format {found!r}; this runtime reads format {FORMAT}")


def read_contract(environ: Mapping[str, str]) -> Contract:
    """Read the `AIP_*` variables; an empty one counts as unset.

    Raises:
        SettingsError: AIP_HTTP_PORT is not a port.
    """
    text = environ.get("AIP_HTTP_PORT") or "8080"  # Vertex: the first of containerSpec.ports, 8080 by default
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SettingsError(f"AIP_HTTP_PORT is {text!r}, which is not a port")
    endpoint, model = environ.get("AIP_ENDPOINT_ID"), environ.get("AIP_DEPLOYED_MODEL_ID")
    health, predict = "/health", "/predict"
    if endpoint and model:  # Vertex's custom-container requirements: the routes of a model that names none
        health = f"/v1/endpoints/{endpoint}/deployedModels/{model}"
        predict = f"{health}:predict"
    return Contract(
        port=int(text),
        health_route=environ.get("AIP_HEALTH_ROUTE") or health,
        predict_route=environ.get("AIP_PREDICT_ROUTE") or predict,
        storage_uri=environ.get("AIP_STORAGE_URI") or "",
        # What a user sets for Google's libraries, and what Vertex AI sets in containers that predict.
        project=environ.get("GOOGLE_CLOUD_PROJECT") or environ.get("AIP_PROJECT_NUMBER") or "",
    )


def artifacts_uri(bundle: Bundle, contract: Contract) -> str:
    """Return where the artifacts are: the bundle's own folder unless AIP_STORAGE_URI names another, perhaps gs://.

    Raises:
        SettingsError: AIP_STORAGE_URI is a local path that does not exist.
    """
    uri = contract.storage_uri
    if not uri:
        return str(bundle.folder / "artifacts")
    if uri.startswith("gs://"):
        return uri
    path = Path(url2pathname(urlsplit(uri).path) if uri.startswith("file://") else uri)
    if not path.exists():
        raise SettingsError(f"AIP_STORAGE_URI is {uri}, which does not exist here")
    return str(path)
