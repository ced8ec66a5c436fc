"""Reading the manifest of a tag from a registry, over version 2 of Docker's registry protocol; nothing is written.

An access token is sent in a header only, and to that registry only: no redirect is followed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

from seatrial.errors import EnvironmentFaultError
from seatrial.system.identity import RefusedError

RIGHTS = "give the identity the role roles/artifactregistry.writer on the repository"
_LATER = "check the network, and HTTPS_PROXY and NO_PROXY if it has a proxy; another push sends only what is missing"
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
        config: the digest of the image's configuration; "" for an index, which has none.
        layers: digest and size in bytes of every layer as the registry keeps it, compressed.
    """

    digest: str
    config: str
    layers: tuple[tuple[str, int], ...]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a manifest is never elsewhere, and the token must not be sent there."""

    def redirect_request(self, *_: object) -> None:
        return None


def read_manifest(host: str, name: str, tag: str, token: str | None) -> Manifest | None:
    """Read the manifest of `host/name:tag`; None if there is none. `token` is an OAuth access token.

    Without a token the registry is one of this machine and is asked without TLS and without a proxy, as engines do.

    Raises:
        RefusedError: the registry refuses this identity.
        EnvironmentFaultError: the registry does not answer, or not with a manifest.
    """
    path = f"{host}/v2/{name}/manifests/{tag}"
    headers = {"Accept": ", ".join(_KINDS)}
    if token is None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
        request = urllib.request.Request(f"http://{path}", headers=headers)
    else:
        https = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        opener = urllib.request.build_opener(https, _NoRedirect)  # with the proxies of the environment
        request = urllib.request.Request(f"https://{path}", headers=headers | {"Authorization": f"Bearer {token}"})
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            data = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.NOT_FOUND:
                return None
            raise _refusal(host, error) from None
    except (OSError, http.client.HTTPException) as error:
        raise EnvironmentFaultError(f"the registry {host} does not answer: {error}", fix=_LATER) from None
    return _parsed(host, data)


def _refusal(host: str, error: urllib.error.HTTPError) -> EnvironmentFaultError:
    try:
        said = error.read(300).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        said = ""
    message = f"the registry {host} answers {error.code} {error.reason}: {said}"
    if error.code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return RefusedError(message, fix=RIGHTS)
    return EnvironmentFaultError(message, fix=_LATER)


def _parsed(host: str, data: bytes) -> Manifest:
    try:
        manifest = json.loads(data)
        return Manifest(
            digest=f"sha256:{hashlib.sha256(data).hexdigest()}",
            config=manifest.get("config", {}).get("digest", ""),
            layers=tuple((layer["digest"], layer["size"]) for layer in manifest.get("layers", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EnvironmentFaultError(
            f"the registry {host} sent a manifest that cannot be read: {error!r}",
            fix=f"check that {host} is a registry and that no proxy answers in its place",
        ) from None
