"""Reads a registry over HTTP: the manifest of a tag and what it names. It never writes to it.

Docker's registry protocol, version 2, of which two requests are enough. An access token travels in a header only.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass

from seatrial.errors import EnvironmentFaultError

_TIMEOUT = 30.0  # seconds for one answer
_KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest in a registry.

    Attributes:
        digest: `sha256:` and 64 hex digits of its own bytes.
        config: the digest of the image's configuration; "" of an index, which has none.
        layers: digest and size in bytes of every layer as the registry keeps it, compressed.
    """

    digest: str
    config: str
    layers: tuple[tuple[str, int], ...]


def read_manifest(host: str, name: str, tag: str, token: str | None) -> Manifest | None:
    """Read the manifest of `host/name:tag`; None where there is none. `token` is an OAuth access token.

    Raises:
        EnvironmentFaultError: the registry does not answer, or refuses.
    """
    headers = {"Accept": ", ".join(_KINDS)} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection = (
        http.client.HTTPConnection(host, timeout=_TIMEOUT)
        if token is None
        else http.client.HTTPSConnection(host, timeout=_TIMEOUT, context=ssl.create_default_context())
    )
    try:
        connection.request("GET", f"/v2/{name}/manifests/{tag}", headers=headers)
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise EnvironmentFaultError(f"the registry {host} does not answer: {error}") from None
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        return None
    if answer.status != http.client.OK:
        said = data[:300].decode(errors="replace")
        raise EnvironmentFaultError(f"the registry {host} answers {answer.status} {answer.reason}: {said}")
    try:
        manifest = json.loads(data)
        return Manifest(
            digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
            config=manifest.get("config", {}).get("digest", ""),
            layers=tuple((layer["digest"], layer["size"]) for layer in manifest.get("layers", ())),
        )
    except (ValueError, KeyError, AttributeError) as error:
        raise EnvironmentFaultError(f"the registry {host} gave a manifest that cannot be read: {error!r}") from None
