"""Identities that are not accepted: by the OAuth error and its description."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "no token": Said(
        "Error: google-github-actions/auth failed with: GitHub Actions did not inject "
        "$ACTIONS_ID_TOKEN_REQUEST_TOKEN or "
        "$ACTIONS_ID_TOKEN_REQUEST_URL into this job.",
        "ST760",
        (r"id-token: write", r"fork"),
    ),
    "no token, as another action says it": Said(
        "Error: Error message: Unable to get ACTIONS_ID_TOKEN_REQUEST_URL env variable", "ST760", (r"id-token: write",)
    ),
    "no provider": Said(
        "Error: failed to generate Google Cloud federated token for //iam.googleapis.com/projects/12/locations/global/"
        'workloadIdentityPools/github/providers/repo: {"error":"invalid_target","error_description":"The '
        "target service "
        'indicated by the \\"audience\\" parameters is invalid."}',
        "ST761",
        (r"workload_identity_provider", r"providers describe repo --workload-identity-pool=github"),
        (r"in place of its number",),
    ),
    "the project's id": Said(
        "Error: failed to generate Google Cloud federated token for //iam.googleapis.com/projects/my-project/locations/"
        'global/workloadIdentityPools/github/providers/repo: {"error":"invalid_target","error_description":"The target '
        'service indicated by the \\"audience\\" parameters is invalid."}',
        "ST761",
        (r"id my-project in place of its number", r"projects describe my-project"),
    ),
    "no full name": Said(
        '{"error":"invalid_request","error_description":"Invalid value for \\"audience\\". This value should '
        "be the full "
        'resource name of the Identity Provider."}',
        "ST761",
        (r"full resource name", r"projects/PROJECT_NUMBER/"),
    ),
    "condition": Said(
        'Error: {"error":"unauthorized_client","error_description":"The given credential is rejected by the attribute '
        'condition."}',
        "ST761",
        (r"attribute condition",),
        (r"workloadIdentityUser",),
    ),
    "subject": Said(
        '{"error":"invalid_request","error_description":"The size of mapped attribute google.subject exceeds '
        "the 127 bytes "
        'limit."}',
        "ST761",
        (r"127 bytes", r"attribute mapping"),
    ),
    "audience": Said(
        "google.auth.exceptions.OAuthError: ('Error code invalid_grant: The audience in ID Token [https://x] does "
        "not match "
        "the expected audience.', '{}')",
        "ST761",
        (r"audience is not the one",),
    ),
    "key": Said(
        "google.auth.exceptions.RefreshError: ('invalid_grant: Invalid JWT Signature.', {'error': 'invalid_grant'})",
        "ST761",
        (r"key is not valid any more",),
    ),
    "clock": Said(
        "google.auth.exceptions.RefreshError: ('invalid_grant: Invalid JWT: Token must be a short-lived token (60 "
        "minutes) "
        "and in a reasonable timeframe.', {})",
        "ST761",
        (r"clock",),
    ),
    "no such account": Said(
        'Error: {"code": 404, "message": "Not found; Gaia id not found for email d@p-1.iam.gserviceaccount.com"}',
        "ST761",
        (r"does not exist",),
    ),
    "empty inputs": Said(
        "Error: google-github-actions/auth failed with: the GitHub Action workflow must specify exactly one of "
        '"workload_identity_provider" or "credentials_json"!',
        "ST720",
        (r"Dependabot", r"secrets: inherit"),
    ),
    "no metadata server": Said(
        "google.auth.exceptions.TransportError: HTTPConnectionPool(host='metadata.google.internal', port=80): Max "
        "retries "
        "exceeded with url: /computeMetadata/v1/instance/service-accounts/default/",
        "ST720",
        (r"metadata server",),
        (r"artifacts",),
    ),
    "somebody else's login": Said('INFO app {"error":"invalid_grant","error_description":"wrong password"}', ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
