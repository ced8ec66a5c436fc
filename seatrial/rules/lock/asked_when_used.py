"""Family 1, asked for when used: distributions that a library imports only when a part of it is used.

Its metadata does not ask for them, or only in an extra, so that no resolver adds them to the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.libraries import taken
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.tables import extra_of
from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding, Location

ASKED_WHEN_USED = Rule(
    code="ST175",
    title="a library asks for another distribution when this is used",
    explanation=(
        "Some parts of a library import a distribution that its metadata does not ask for: FastAPI reads forms and "
        "uploads with python-multipart, pandas reads Parquet files with pyarrow, Vertex AI's SDK imports FastAPI "
        "beside its predictor class. The lock is complete by metadata, and the line fails when it runs; FastAPI's and "
        "the SDK's when the module is imported."
    ),
    fix="add the distribution to requirements.in, then run `seatrial lock`",
    cloud='RuntimeError: Form data requires "python-multipart" to be installed.',
    sources=(
        "https://fastapi.tiangolo.com/tutorial/request-files/",
        "https://pandas.pydata.org/docs/getting_started/install.html#optional-dependencies",
        "https://huggingface.co/docs/accelerate/usage_guides/big_modeling",
        "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/prediction/handler.py",
    ),
    detected=(
        "Code that serving reaches uses one of the parts that a table names, the lock has the library, and the lock "
        "does not have what it asks for. It is a warning where serving may never reach the line, or where "
        "only the name is imported. Nothing is said inside a try."
    ),
    bad="async def predict(file: UploadFile = File(...)): ...  # without python-multipart in the lock",
    good="python-multipart  # a line of requirements.in",
)

# Name that is used → the library, and any one of the distributions that it then imports. Read in the libraries' source:
# fastapi/dependencies/utils.py (ensure_multipart_is_installed), starlette/{testclient,templating}.py and
# starlette/middleware/sessions.py, pandas/io/{parquet,feather_format,pytables}.py, pydantic/networks.py
# (import_email_validator), torch/utils/tensorboard/__init__.py, google/cloud/aiplatform/prediction/handler.py.
_ASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("fastapi.File", "fastapi.Form"), ("fastapi", ("python-multipart",))),
    **dict.fromkeys(("fastapi.UploadFile", "fastapi.param_functions.File"), ("fastapi", ("python-multipart",))),
    "fastapi.security.OAuth2PasswordRequestForm": ("fastapi", ("python-multipart",)),
    "fastapi.testclient.TestClient": ("starlette", ("httpx", "httpx2")),
    "starlette.testclient.TestClient": ("starlette", ("httpx", "httpx2")),
    "fastapi.templating.Jinja2Templates": ("starlette", ("jinja2",)),
    "starlette.templating.Jinja2Templates": ("starlette", ("jinja2",)),
    "starlette.middleware.sessions.SessionMiddleware": ("starlette", ("itsdangerous",)),
    "pydantic.EmailStr": ("pydantic", ("email-validator",)),
    "pandas.read_parquet": ("pandas", ("pyarrow", "fastparquet")),
    "pandas.read_feather": ("pandas", ("pyarrow",)),
    "pandas.read_hdf": ("pandas", ("tables",)),
    "torch.utils.tensorboard.SummaryWriter": ("torch", ("tensorboard",)),
    "google.cloud.aiplatform.prediction.Predictor": ("google-cloud-aiplatform", ("fastapi",)),
    "google.cloud.aiplatform.prediction.predictor.Predictor": ("google-cloud-aiplatform", ("fastapi",)),
}
# Libraries and modules whose import or definition already fails; the others fail when the line runs.
_AT_ONCE = ("fastapi.", "starlette.testclient.", "torch.utils.tensorboard.", "google.cloud.aiplatform.prediction.")


@ASKED_WHEN_USED.decided_by
def _asked_when_used(facts: Facts) -> Iterator[Finding]:
    if facts.lock is None:
        return
    pins = facts.lock.pins(marker_environment(facts.project.python))
    told: set[str] = set()
    for name, location, sure in _uses(facts):
        library, any_of = _ASKS[name]
        if library not in pins or any(asked in pins for asked in any_of) or any_of[0] in told:
            continue
        told.add(any_of[0])
        extra = extra_of(name)
        line = f"{library}[{extra}]" if extra else any_of[0]
        yield ASKED_WHEN_USED.finding(
            f"`{name}` asks for {' or '.join(any_of)}, which the lock does not have",
            severity=Severity.ERROR if sure else Severity.WARNING,
            location=location,
            subject=any_of[0],
            cause=f"{library} {pins[library].version} imports it when this is used; its metadata does not ask for it",
            cloud=ASKED_WHEN_USED.cloud if any_of[0] == "python-multipart" else f"{any_of[0]} is not installed",
            fix=f"add the line `{line}` to requirements.in, then run `seatrial lock`",
        )


def _uses(facts: Facts) -> Iterator[tuple[str, Location, bool]]:
    """Yield each of these names that serving uses, its place, and whether serving certainly uses it."""
    for use in taken.uses(facts.sources):
        name = use.question.replace(":", ".")
        if name in _ASKS:
            is_served = use.function.partition(".")[0] in ("", facts.project.predictor_class)
            fails = ":" not in use.question or name.startswith(_AT_ONCE)
            yield name, use.location, fails and is_served and not use.guarded
