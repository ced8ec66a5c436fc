"""Registries and builds of images: what docker, BuildKit, containerd and podman say.

Engines word the same answer of a registry differently; the error codes of the registry protocol are the same in all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.reading import before, text_of
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.rules.deployment import registries
from seatrial.rules.lock import installing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Diagnosis, Statement

_IMAGE = r"[a-z0-9][\w.:/@-]*"
_OF_GOOGLE = re.compile(r"(?P<host>[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)")
_CONTEXT = re.compile(
    r"(?i)docker|buildkit|buildx|podman|containerd|registry|image|\bpush|\bpull|pkg\.dev|gh?cr\.io|manifest|"
    r"failed to solve|\bFROM "
)

_WORDINGS = (
    Wording(
        registries.RATE_LIMIT,
        re.compile(r"(?i)toomanyrequests|pull rate limit|429 Too Many Requests[^\n]*(?:docker|registry|/v2/)"),
        "the registry limits pulls, and this address has made too many",
        "log in to the registry before pulling (`docker login`), or copy the base image into your own registry and "
        "name it by digest",
    ),
    Wording(
        registries.NOT_LOGGED_IN,
        re.compile(r"(?i)docker-credential-(?P<name>[\w-]+)\W.{0,60}(?:executable file not found|not found in \$PATH)"),
        "docker asks the helper docker-credential-{name} for the login, and it is not installed here",
        "install it, or run `docker login` with a token, or remove the line of this registry from `credHelpers` or "
        "`credsStore` in ~/.docker/config.json",
    ),
    Wording(
        registries.NO_IMAGE,
        re.compile(
            r"(?i)Container Registry is (?:deprecated|shut)|gcr\.io repositories are (?:not|no longer)|createOnPush"
        ),
        "Container Registry is shut down; gcr.io names are served by Artifact Registry only where they were set up",
        "push to REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE, in a repository that exists",
    ),
    Wording(
        registries.NO_IMAGE,
        re.compile(
            r"(?i)no match(?:ing manifest)? for (?:platform in manifest|(?P<platform>[\w]+/[\w/]+))|"
            r"does not (?:match|provide) the specified platform(?:: wanted (?P<wanted>[\w/]+))?|"
            r"does not have a(?:ny)? (?:matching )?manifest for (?:platform )?(?P<other>[\w]+/[\w/]+)"
        ),
        "the image does not exist for the wanted processor {platform}{wanted}{other}",
        "build or pull it with `--platform linux/amd64`, which Vertex AI's machines are, or choose an image that is "
        "published for this processor",
    ),
    Wording(
        registries.NO_IMAGE,
        re.compile(
            r"(?i)name unknown: (?:Repository \W?(?P<name>[\w./-]+)\W? not found)?|repository name not known|"
            r"\bNAME_UNKNOWN\b"
        ),
        "the registry has no repository {name}",
        "create it (`gcloud artifacts repositories create NAME --repository-format=docker --location=REGION`), or "
        "correct project, region and repository in the name of the image",
    ),
    Wording(
        registries.NO_IMAGE,
        re.compile(
            rf"(?i)manifest for (?P<image>{_IMAGE}) not found|"
            rf"failed to resolve source metadata for (?P<source>{_IMAGE}): "
            rf"[^\n]*not found|(?P<plain>{_IMAGE}): (?:manifest unknown|not found: manifest unknown)|manifest unknown|"
            rf"failed to resolve reference \W?(?P<reference>{_IMAGE})\W?: [^\n]*not found"
        ),
        "the registry has no image {image}{source}{plain}{reference} with this tag or digest",
        "correct the tag or digest; the tags of a repository are listed by its registry",
    ),
    Wording(
        registries.NOT_LOGGED_IN,
        re.compile(r"(?i)permission_denied: write_package|denied: installation not allowed to (?:create|write)"),
        "GitHub's registry refuses the push: the token may not write packages",
        "write `permissions: {{contents: read, packages: write}}` in the job; a package that another repository made "
        "must also give this one access (package settings, Manage Actions access); a personal token needs "
        "`write:packages`",
    ),
    Wording(
        registries.NOT_LOGGED_IN,
        re.compile(
            rf"(?i)pull access denied for (?P<image>{_IMAGE})|failed to push (?P<pushed>{_IMAGE}): [^\n]*denied|"
            r"requested access to the resource is denied|"
            r"insufficient_scope: authorization failed|denied: installation not allowed"
        ),
        "the registry refuses access to {image}{pushed} for this login, or it does not exist",
        "check the name, and log in with an account that has access; a name without a host is of Docker Hub, where "
        "only your own namespace can be pushed to",
    ),
    Wording(
        installing.NO_INDEX,
        re.compile(
            r"(?i)(?:registry|/v2/|docker|pkg\.dev)[^\n]*(?:TLS handshake timeout|i/o timeout|connection reset|"
            r"no such host|Client\.Timeout exceeded|"
            r"certificate signed by unknown authority|server gave HTTP response to HTTPS client)"
        ),
        "the registry cannot be reached",
        "check the network, the proxy of the engine and the registry's certificate, then run it again",
    ),
    Wording(
        registries.NOT_IN_CONTEXT,
        re.compile(
            r"(?i)failed to (?:calculate checksum of ref [^\n]*|"
            r"compute cache key): (?:failed to calculate checksum of ref "
            r"[^\n]*: )?\W*(?P<file>/[^\s\"']+)\"?: not found|"
            r"COPY failed: [^\n]*?(?:stat |forbidden path outside the build context: )(?P<old>[^\s:]+)|"
            r"(?:COPY|ADD)[^\n]*: no such file or directory|checking on sources under [^\n]* no such file"
        ),
        "the build copies {file}{old}, and its context does not have it",
        "build from the folder that holds it, remove it from .dockerignore, and see that the checkout has it: what "
        "Git ignores, and what an earlier step should have made or fetched, is not there",
    ),
    Wording(
        registries.NOT_IN_CONTEXT,
        re.compile(r"(?i)failed to read dockerfile|unable to (?:evaluate symlinks in Dockerfile path|prepare context)"),
        "the build finds no Dockerfile, or no folder, where it was told to look",
        "give the folder as the last argument, and `--file` if the Dockerfile has another name",
    ),
)
_LOGIN = re.compile(
    r"(?i)unauthorized: unauthenticated|failed to solve: [^\n]*unexpected status: 40[13]|"
    r"failed to solve: authorization status: 40[13]|"
    r"unauthorized: (?:authentication (?:required|failed)|incorrect username|[^\n]*invalid)|"
    r"no basic auth credentials|"
    r"unauthenticated request|denied: [^\n]*(?:unauthenticated|invalid_token|access token)|"
    r"failed to fetch (?:anonymous|oauth) token[^\n]*40[13]|401 Unauthorized[^\n]*|"
    r"unexpected status[^\n]{0,60}https?://\S*/v2/\S*: 40[13]|error getting credentials"
)
_SURE = re.compile(r"\s*(?:denied|unauthorized): ")
_OF_OTHERS = re.compile(r"python\.pkg\.dev|/simple/|huggingface|\bpip\b|\buv\b")  # an index or a hub, not a registry
_NODE = re.compile(r"(?i)\b(?:ErrImagePull|ImagePullBackOff|kubelet|failed to pull (?:and unpack )?image)\b")


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of an engine, or of a builder that uses one."""
    text = text_of(statement)
    position = statement.position
    found = list(told(_WORDINGS, text, position))
    yield from found
    login = None if found else _LOGIN.search(text)
    around = before(case, position, 300) + text
    if login is None or _OF_OTHERS.search(around) or not (_CONTEXT.search(around) or _SURE.match(text)):
        return
    host = _OF_GOOGLE.search(around)
    location = re.search(r"locations/(?P<name>[a-z0-9-]+)/repositories/", text)
    where = host["host"] if host else f"{location['name']}-docker.pkg.dev" if location else ""
    if _NODE.search(around):
        message = f"what pulls the image is not let in by the registry {where}"
        fix = (
            "grant roles/artifactregistry.reader on the repository to whoever pulls: on GKE the service account of "
            "the node, on Vertex AI its service agent; another registry needs a pull secret"
        )
    else:
        where = where or ("ghcr.io" if "ghcr.io" in around else "")
        message = f"the registry {where} got no login, or one that it does not accept"
        fix = _how_to_log_in(where, text)
    wording = Wording(registries.NOT_LOGGED_IN, re.compile(re.escape(login[0])), message.replace("  ", " "), fix)
    yield from told((wording,), text, position)


def _how_to_log_in(where: str, text: str) -> str:
    """Return what lets an engine into a registry; "" if nothing is known of it."""
    if where == "ghcr.io":
        return (
            "log in before (docker/login-action, secrets.GITHUB_TOKEN), and write `permissions: {{packages: write}}` "
            "in the job, or read if it only pulls"
        )
    if where:
        more = "; if it is logged in, grant it roles/artifactregistry.writer (to push) or reader (to pull) there"
        more = more if "403" in text else ""
        return f"run `gcloud auth configure-docker {where}` as the account that has access{more}"
    if "failed to solve" in text:
        return (
            "the text does not say which: log in before the build to every registry that it pulls from and pushes to, "
            "with a right to write; a cache (`cache-to:`) that refuses its token says the same. If the same run passed "
            "before, run it again"
        )
    return ""
