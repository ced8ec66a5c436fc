"""Family 8, variables: those that a model version gives its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.secrets.variables import is_secret_variable
from seatrial.findings import Location
from seatrial.rules.rule import Rule
from seatrial.system.redaction import holds_login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

SECRET_VARIABLE = Rule(
    code="ST812",
    title="a credential among the container's variables",
    explanation=(
        "Everyone who may read the model can read the variables of its container, and a version's variables can never "
        "be changed or taken back. pyproject.toml is in the repository, too."
    ),
    fix=(
        "revoke it, store the new one in Secret Manager (`gcloud secrets create NAME`), give vertex.service-account "
        "roles/secretmanager.secretAccessor on it, and let `load` read it with the client of Secret Manager"
    ),
    detected=(
        "By the names and values in [tool.seatrial.vertex.env]: a name such as API_TOKEN with a value, and the forms "
        "of tokens that gitleaks lists. ST805 tells an address with a password. The name of a secret is none: one that "
        "ends in _NAME, _ID, _PATH or _FILE does not count. The value is not shown."
    ),
    bad='[tool.seatrial.vertex.env]\nLABELS_TOKEN = "…"',
    good='[tool.seatrial.vertex.env]\nLABELS_TOKEN_NAME = "projects/my-project/secrets/labels-token/versions/1"',
    sources=(
        "https://cloud.google.com/secret-manager/docs/access-control",
        "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/ModelContainerSpec",
    ),
)


@SECRET_VARIABLE.decided_by
def _variables(facts: Facts) -> Iterator[Finding]:
    env = facts.project.vertex.env
    yield from no_secrets({name: value for name, value in env.items() if not holds_login(value)})  # ST805 tells those


def no_secrets(env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each variable of the container that is a credential; its value is not in it."""
    for name, value in env.items():
        if is_secret_variable(name, value):
            message = f"vertex.env: {name} looks like a credential"
            yield SECRET_VARIABLE.finding(message, location=Location("pyproject.toml"))
