"""Family 7, registries: what docker, BuildKit, containerd and Git say when they get or send something.

Nothing here is decided from facts: only their texts show it.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

PUSH_SOURCE = "https://cloud.google.com/artifact-registry/docs/docker/pushing-and-pulling"

NOT_LOGGED_IN = Rule(
    code="ST762",
    title="the registry does not accept the engine's login",
    explanation=(
        "The engine sent no credentials, invalid ones, or those of an account without access. Docker keeps a login "
        "for each host of a registry, and REGION-docker.pkg.dev is another host for each region."
    ),
    fix="run `gcloud auth configure-docker REGION-docker.pkg.dev`, or `docker login` for another registry",
    recognised=(
        "By the error of the registry or of the login, in the words of docker, BuildKit, containerd and podman."
    ),
    cloud="denied: Unauthenticated request. Unauthenticated requests do not have permission …",
    sources=("https://cloud.google.com/artifact-registry/docs/docker/authentication",),
)

NO_IMAGE = Rule(
    code="ST763",
    title="the registry has no such image or repository",
    explanation=(
        "The name, the tag or the digest does not exist there, or not for this processor. Artifact Registry makes no "
        "repository on the first push, and a name has the form REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE."
    ),
    fix="correct the name of the image, or create the repository",
    recognised="By the registry's codes for an unknown name or manifest, and by what engines say of platforms.",
    cloud='name unknown: Repository "…" not found',
    sources=(PUSH_SOURCE, "https://docs.docker.com/build/building/multi-platform/"),
)

RATE_LIMIT = Rule(
    code="ST764",
    title="a service limits how often it may be asked",
    explanation=(
        "Public services count requests by address, and all jobs of a hosted runner or all machines behind a NAT "
        "share one. The same request succeeds later, or with a login."
    ),
    fix="log in before pulling, mirror what is needed, or run it again later",
    recognised="By the registry's status 429.",
    cloud="toomanyrequests: You have reached your unauthenticated pull rate limit.",
    sources=("https://docs.docker.com/docker-hub/usage/pulls/",),
)

NOT_IN_CONTEXT = Rule(
    code="ST765",
    title="the build does not have a file that it copies",
    explanation=(
        "COPY takes files of the build context only: the folder that is given to the build, without what "
        ".dockerignore leaves out. Files that Git ignores do not exist in a fresh checkout."
    ),
    fix="put the file into the build context, and remove it from .dockerignore and .gitignore",
    recognised="By what docker and BuildKit say of the file that a step copies.",
    cloud='failed to calculate checksum of ref …: "/artifacts": not found',
    sources=("https://docs.docker.com/build/concepts/context/",),
)

NOT_FETCHED = Rule(
    code="ST766",
    title="Git does not get what the project needs",
    explanation=(
        "A clone, a submodule, a requirement by `git+` or the content of Git LFS could not be fetched: no access, no "
        "program, or a used up budget."
    ),
    fix="give the job access, install git and git-lfs, and check the owner's LFS budget",
    recognised="By what Git and Git LFS print.",
    cloud="batch response: This repository exceeded its LFS budget.",
    sources=("https://docs.github.com/en/billing/concepts/product-billing/git-lfs",),
)
