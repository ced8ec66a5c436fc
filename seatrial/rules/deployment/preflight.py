"""Family 7, preflight: what must exist before anything slow begins.

The deployer decides these by asking Google Cloud; most can also be recognised in a text.
"""

from __future__ import annotations

from seatrial.findings import Severity
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, ISSUES, PERMISSIONS
from seatrial.rules.rule import Rule, Symptom

UNPROVEN_DEVICE = Rule(
    code="ST715",
    title="no trial ran on the target's device",
    explanation=(
        "The target machine has an accelerator, and no trial of this digest ran on one. On another device the same "
        "weights return different numbers, need a driver, and might not fit into memory."
    ),
    fix=(
        "run `seatrial smoke --device cuda` on a machine with a GPU, or accept the risk with "
        "`vertex.allow-unproven-device = true`"
    ),
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)

UNPROVEN = Rule(
    code="ST716",
    title="there is no passing report of what would be deployed",
    explanation=(
        "Only what passed a trial is deployed: a bundle needs a report of its digest, an image needs one of its image "
        "id. Either no trial ran, or something has changed since."
    ),
    fix="run `seatrial smoke`, or `seatrial image build` and `seatrial smoke --image`, then deploy again",
    sources=(CONTAINER_REQUIREMENTS,),
)

NO_CREDENTIALS = Rule(
    code="ST720",
    title="there are no credentials for Google Cloud",
    explanation=(
        "The deployer uses the ambient identity, Application Default Credentials: a login on a laptop, a federated "
        "identity in a workflow. None was found, or the one that was found can no longer get a token."
    ),
    fix="run `gcloud auth application-default login`, or google-github-actions/auth in a workflow",
    cloud="Your default credentials were not found. To set up Application Default Credentials, see …",
    sources=("https://cloud.google.com/docs/authentication/provide-credentials-adc",),
    symptoms=(
        Symptom(
            r"default credentials were not found|Could not automatically determine credentials",
            "there are no Application Default Credentials here",
        ),
        Symptom(r"Reauthentication is needed", "the login has expired"),
        Symptom(
            r"Request (?:had invalid|is missing required) authentication credential",
            "the credentials are not accepted",
        ),
    ),
)

API_DISABLED = Rule(
    code="ST721",
    title="an API is not enabled in the project",
    explanation="Each of Google's services must be enabled once in a project before it can be called.",
    fix="enable it: `gcloud services enable SERVICE --project PROJECT`, and wait a minute or two",
    cloud="403 … API has not been used in project … before or it is disabled. Enable it by visiting …",
    sources=("https://cloud.google.com/service-usage/docs/enable-disable",),
    symptoms=(
        Symptom(
            (
                r"(?P<api>\b[A-Z][\w ]{1,60}? API) has not been used "
                r"in project (?P<project>\S+) before or it is disabled"
            ),
            "the {api} is not enabled in project {project}",
        ),
    ),
)

PERMISSION_MISSING = Rule(
    code="ST722",
    title="the identity lacks permissions that the deployment needs",
    explanation=(
        "Before anything slow begins, every permission that a step needs is tested by name. A missing one would "
        "have ended the deployment at that step, perhaps after half an hour."
    ),
    fix="give the identity the roles that the finding names",
    sources=("https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions", PERMISSIONS),
)

QUOTA_SMALL = Rule(
    code="ST724",
    title="the quota is too small for what would be deployed",
    explanation=(
        "The quota in this region is smaller than what one version needs with its minimum of replicas. The deployment "
        "would be refused after the version was uploaded. A rollout beside a running version needs the same amount "
        "again."
    ),
    fix="ask for more of the named quota in this region, or choose another machine, fewer replicas or another region",
    cloud="429 The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_…",
    sources=("https://cloud.google.com/vertex-ai/docs/quotas", f"{ISSUES}/3479"),
)

STAYS = Rule(
    code="ST727",
    title="what stays running",
    explanation=(
        "The replicas of a deployed model are billed by the hour until it is undeployed, even if it gets no requests. "
        "Models, versions and endpoints without a deployed model cost nothing."
    ),
    fix="run `seatrial deploy --undeploy` to stop it",
    severity=Severity.NOTE,
    sources=("https://cloud.google.com/vertex-ai/pricing",),
)
