"""Permissions: which is missing, who lacks it, on what, and the role."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "to act as a service account, with an underscore": Said(
        "ERROR: (gcloud.ai.endpoints.deploy-model) PERMISSION_DENIED: You do not have permission to act as "
        "service_account: serving@p-1.iam.gserviceaccount.com.",
        "ST705",
        (r"iam\.serviceAccountUser on the service account serving@p-1",),
    ),
    "a token of another account, of which the permission is not named": Said(
        "Error: failed to generate Google Cloud access token for ***: {\n"
        '  "error": {\n    "code": 403,\n    "message": "The caller does not have permission"\n  }\n}',
        "ST761",
        (r"workloadIdentityUser",),
        (r"names no permission",),
    ),
    "the same by gcloud, which advises a login": Said(
        "ERROR: (gcloud.builds.submit) There was a problem refreshing your current auth tokens: ('Unable to acquire "
        'impersonated credentials\', \'{"code": 403, "message": "The caller does not have permission"}\')',
        "ST761",
        (r"serviceAccountTokenCreator",),
        (r"no account that is logged in",),
    ),
    "push": Said(
        'denied: Permission "artifactregistry.repositories.uploadArtifacts" denied on resource '
        '"projects/p-1/locations/us-central1/repositories/serving" (or it may not exist)',
        "ST705",
        (
            r"the identity that pushes lacks",
            r"roles/artifactregistry\.writer",
            r"repositories add-iam-policy-binding serving",
        ),
        (r"service agent",),
    ),
    "call of an endpoint": Said(
        "google.api_core.exceptions.PermissionDenied: 403 Permission 'aiplatform.endpoints.predict' denied on resource "
        "'//aiplatform.googleapis.com/projects/p-1/locations/us-central1/endpoints/1' (or it may not exist).",
        "ST705",
        (r"caller of the endpoint", r"roles/aiplatform\.user on the project p-1", r"does not exist is refused"),
        (r"service agent",),
    ),
    "an object, by an account of the user": Said(
        "google.api_core.exceptions.Forbidden: 403 GET https://storage.googleapis.com/storage/v1/b/weights/o/w.pt: "
        "serving@p-1.iam.gserviceaccount.com does not have storage.objects.get access to the Google Cloud Storage "
        "object. "
        "Permission 'storage.objects.get' denied on resource (or it may not exist).",
        "ST705",
        (r"serving@p-1\S+ lacks storage\.objects\.get on gs://weights", r"objectViewer on the bucket gs://weights"),
        (r"service agent",),
    ),
    "a bucket, by the agent": Said(
        "service-12@gcp-sa-aiplatform-cc.iam.gserviceaccount.com does not have storage.objects.list access to the "
        "Google "
        "Cloud Storage bucket.",
        "ST703",
        (r"service-12@gcp-sa-aiplatform-cc\S+ lacks storage\.objects\.list",),
    ),
    "act as an account": Said(
        "ERROR: (gcloud.ai.endpoints.deploy-model) PERMISSION_DENIED: You do not have permission to act as service "
        "account: "
        "serving@p-1.iam.gserviceaccount.com. Verify that you have 'iam.serviceAccounts.actAs' permission on it",
        "ST705",
        (r"lacks iam\.serviceAccounts\.actAs on serving@p-1", r"roles/iam\.serviceAccountUser"),
        (r"serving@p-1\S* lacks",),
    ),
    "act as, in small letters": Said(
        "403 Permission 'iam.serviceaccounts.actAs' denied on service account serving@p-1.iam.gserviceaccount.com",
        "ST705",
        (r"roles/iam\.serviceAccountUser",),
        (r"serving@p-1\S* lacks",),
    ),
    "details as JSON": Said(
        'PERMISSION_DENIED: Permission denied. details: [{"reason": "IAM_PERMISSION_DENIED", "metadata": '
        '{"permission": "aiplatform.models.upload", "resource": "projects/p-1/locations/us-central1"}}]',
        "ST705",
        (r"the identity that deploys lacks aiplatform\.models\.upload on projects/p-1",),
    ),
    "details as Python prints them": Said(
        'google.api_core.exceptions.PermissionDenied: 403 Permission denied. [reason: "IAM_PERMISSION_DENIED"\n'
        'metadata {\n  key: "permission"\n  value: "logging.logEntries.list"\n}\n'
        'metadata {\n  key: "resource"\n  value: "projects/p-1"\n}\n]',
        "ST705",
        (r"roles/logging\.viewer on the project p-1",),
    ),
    "use of a project": Said(
        "ERROR: (gcloud.builds.submit) PERMISSION_DENIED: Caller does not have required permission to use project "
        "my-project. "
        "Grant the caller the roles/serviceusage.serviceUsageConsumer role, or a custom role with the "
        "serviceusage.services.use permission",
        "ST705",
        (r"serviceUsageConsumer on the project my-project",),
    ),
    "a person": Said(
        "ERROR: (gcloud.artifacts.repositories.create) User [dev@example.com] does not have permission to access "
        "projects "
        "instance [p-1] (or it may not exist): Permission 'artifactregistry.repositories.create' denied on resource "
        "'projects/p-1/locations/us'",
        "ST705",
        (r"dev@example\.com lacks artifactregistry\.repositories\.create", r"roles/artifactregistry\.admin"),
    ),
    "a federated principal": Said(
        "Permission 'aiplatform.models.upload' denied for principal "
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.repository/o/r",
        "ST705",
        (r"^ST705 principalSet://\S+ lacks aiplatform\.models\.upload",),
    ),
    "a node that pulls": Said(
        'Failed to pull image "us-central1-docker.pkg.dev/p/r/i:1": rpc error: code = PermissionDenied desc '
        "= Permission "
        '"artifactregistry.repositories.downloadArtifacts" denied on resource '
        '"projects/p/locations/us-central1/repositories/r"',
        "ST705",
        (r"node that pulls", r"roles/artifactregistry\.reader"),
        (r"identity that pushes",),
    ),
    "a permission that the table lacks": Said(
        "Permission 'looker.instances.login' denied on resource 'projects/p-1'",
        "ST705",
        (r"a role that has looker\.instances\.login",),
    ),
    "no permission is named": Said(
        "ERROR: (gcloud.projects.describe) PERMISSION_DENIED: The caller does not have permission",
        "ST705",
        (r"names no permission", r"gcloud auth list"),
        (r"roles/",),
    ),
    "scopes": Said(
        "Error 403: Request had insufficient authentication scopes., ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "ST705",
        (r"scopes are too narrow", r"role does not help"),
        (r"grant",),
    ),
    "a perimeter": Said(
        "google.api_core.exceptions.PermissionDenied: 403 Request is prohibited by organization's policy. "
        "vpcServiceControlsUniqueIdentifier: abc",
        "ST705",
        (r"VPC Service Controls",),
        (r"grant",),
    ),
    "files are another matter": Said(
        "PermissionError: [Errno 13] Permission denied: '/data/a.b.c'", "ST510", (), (r"ST70",)
    ),
    "an account that is impersonated by a workflow": Said(
        "Error: google-github-actions/auth failed with: failed to generate Google Cloud access token for "
        "deployer@p-1.iam.gserviceaccount.com: Permission 'iam.serviceAccounts.getAccessToken' denied on resource",
        "ST761",
        (r"workloadIdentityUser on deployer@p-1", r"principalSet"),
        (r"serviceAccountTokenCreator",),
    ),
    "an account that is impersonated by whom the text does not say": Said(
        "google.auth.exceptions.RefreshError: ('Unable to acquire impersonated credentials', '{\\n  \"error\": {\\n    "
        '"message": "Permission \\\'iam.serviceAccounts.getAccessToken\\\' denied on resource (or it may not '
        "exist).\"}}')",
        "ST761",
        (r"workloadIdentityUser", r"otherwise grant the caller roles/iam\.serviceAccountTokenCreator"),
    ),
    "who is logged in": Said(
        "ERROR: (gcloud.run.deploy) PERMISSION_DENIED: Permission 'iam.serviceaccounts.actAs' denied on service account "
        "fish@p.iam.gserviceaccount.com (or it may not exist). This command is authenticated as "
        "pusher@p.iam.gserviceaccount.com using the credentials in /home/runner/gha-creds.json.",
        "ST705",
        (r"pusher@p\.iam\.gserviceaccount\.com lacks", r"serviceAccountUser"),
        (r"the identity that ran this command",),
    ),
    "a command of gcloud without a permission": Said(
        "ERROR: (gcloud.builds.submit) PERMISSION_DENIED: The caller does not have permission",
        "ST705",
        (r"cloudbuild\.builds\.editor",),
        (r"roles/aiplatform",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
