"""Family 7, the project's own workflows: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Files, Twin

AUTH = (
    "      - uses: google-github-actions/auth@v3\n        with: {workload_identity_provider: p, service_account: a}\n"
)
PUSH = "      - run: docker push us-central1-docker.pkg.dev/p/r/i\n"
CHECKOUT = "      - uses: actions/checkout@v6\n"
LFS: Files = {".gitattributes": "*.pt filter=lfs diff=lfs merge=lfs -text\n"}


def workflow(steps: str, *, job: str = "", top: str = "on: push\n", name: str = "a") -> Files:
    """A workflow of one job, with further lines of the job and at the top."""
    text = f"{top}jobs:\n  a:\n{job}    runs-on: ubuntu-24.04\n    steps:\n{steps}"
    return {f".github/workflows/{name}.yml": text}


GRANTED = "permissions:\n  contents: read\n  id-token: write\n"
OF_JOB = "    permissions: {contents: read}\n"


def _tokens() -> Iterator[Twin]:
    mended = workflow(AUTH, top=f"on: push\n{GRANTED}")
    yield Twin("ST751", "no permissions", workflow(AUTH), mended, warns=True)
    dropped = workflow(AUTH, job=OF_JOB, top=f"on: push\n{GRANTED}")
    yield Twin("ST751", "dropped by the job", dropped, workflow(AUTH, job="    permissions: write-all\n"), warns=True)
    called = workflow(AUTH, top="on: workflow_call\n", name="called")
    caller = {**called, ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    uses: ./.github/workflows/called.yml\n"}
    granted = {**called, ".github/workflows/a.yml": f"{GRANTED}{caller['.github/workflows/a.yml']}"}
    yield Twin("ST751", "a called workflow", caller, granted, warns=True)
    key = AUTH.replace("workload_identity_provider: p", "credentials_json: k")
    yield Twin("ST751", "read only", workflow(AUTH, job="    permissions: read-all\n"), workflow(key), warns=True)


def _logins() -> Iterator[Twin]:
    login = "      - run: gcloud auth configure-docker us-central1-docker.pkg.dev --quiet\n"
    yield Twin("ST752", "docker push", workflow(PUSH), workflow(login + PUSH), warns=True)
    other = workflow(login.replace("us-central1-docker.pkg.dev ", "") + PUSH)
    by_action = workflow("      - uses: docker/login-action@v3\n" + PUSH)
    yield Twin("ST752", "only for gcr.io", other, by_action, warns=True)
    action = "      - uses: docker/build-push-action@v6\n        with: {push: true, tags: us-docker.pkg.dev/p/r/i:1}\n"
    yield Twin("ST752", "by an action", workflow(action), workflow(action.replace("true", "false")), warns=True)
    buildx = "      - run: docker buildx build --push -t us-docker.pkg.dev/p/r/i .\n"
    own = {
        ".github/workflows/a.yml": workflow(buildx)[".github/workflows/a.yml"].replace("ubuntu-24.04", "self-hosted")
    }
    yield Twin("ST752", "buildx", workflow(buildx), own, warns=True)


def _lfs() -> Iterator[Twin]:
    with_lfs = CHECKOUT + "        with: {lfs: true}\n"
    for name, use in {
        "smoke": "      - run: seatrial smoke\n",
        "docker build": "      - run: |\n          docker build -t i .\n",
        "a copy": "      - run: gcloud storage cp -r artifacts gs://b/m\n",
    }.items():
        yield Twin("ST753", name, {**LFS, **workflow(CHECKOUT + use)}, {**LFS, **workflow(with_lfs + use)}, warns=True)
    use = "      - run: seatrial smoke\n"
    broken = {"artifacts/.gitattributes": "weights.* filter=lfs\n", **workflow(CHECKOUT + use)}
    pulled = workflow(CHECKOUT + "      - run: git lfs pull\n" + use)
    yield Twin("ST753", "attributes of a folder", broken, {**broken, **pulled}, warns=True)


def _gone() -> Iterator[Twin]:
    old = {path: str(text).replace("24.04", "20.04") for path, text in workflow(CHECKOUT).items()}
    yield Twin("ST754", "a runner", old, workflow(CHECKOUT), warns=True)
    for name, action in {
        "an upload": "upload-artifact@v3",
        "a cache": "cache@v2",
        "minor": "download-artifact@v3.0.2",
    }.items():
        newer = action.replace("@v3.0.2", "@v4").replace("@v3", "@v4").replace("@v2", "@v4")
        yield Twin(
            "ST754",
            name,
            workflow(f"      - uses: actions/{action}\n"),
            workflow(f"      - uses: actions/{newer}\n"),
            warns=True,
        )


TWINS = (*_tokens(), *_logins(), *_lfs(), *_gone())
