"""Family 7, identity: how a workflow or a program proves to Google Cloud who it is.

Nothing here is decided from facts: the answers of the token services say what does not fit.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

AUTH = "https://github.com/google-github-actions/auth"
FEDERATION = "https://cloud.google.com/iam/docs/workload-identity-federation"
FEDERATION_TROUBLES = "https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation"

NO_TOKEN = Rule(
    code="ST760",
    title="the workflow's job gets no identity token from GitHub",
    explanation=(
        "A job asks GitHub for an identity token only if its permissions say so. In a reusable workflow the calling "
        "job must grant them too. GitHub gives none to pull requests from forks."
    ),
    fix="write `permissions: {contents: read, id-token: write}` in the job, and in the job that calls it",
    recognised="By the names of the variables that GitHub did not set.",
    cloud=(
        "GitHub Actions did not inject $ACTIONS_ID_TOKEN_REQUEST_TOKEN or $ACTIONS_ID_TOKEN_REQUEST_URL into this job."
    ),
    sources=(
        "https://docs.github.com/en/actions/reference/security/oidc",
        f"{AUTH}/blob/main/docs/TROUBLESHOOTING.md",
    ),
)

REFUSED_IDENTITY = Rule(
    code="ST761",
    title="Google Cloud does not accept the identity",
    explanation=(
        "The token service refused what was presented: the provider is not the one that is named, its condition or "
        "audience does not fit, the key was deleted, or the federated identity may not act as the service account."
    ),
    fix="compare the provider's settings with the token's claims",
    recognised="By the OAuth error of the token service and what its description is about.",
    cloud='{"error":"invalid_target","error_description":"The target service indicated by the \\"audience\\" …"}',
    sources=(FEDERATION, FEDERATION_TROUBLES),
)
