"""Permissions of Google Cloud: which one is missing, who lacks it, on what, and the smallest role that has it.

The permission names its role by its service and verb. Who lacks it is read from the text; if the text does not name
anybody, it is whoever did what the permission is for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import before, text_of, words_of
from seatrial.facts.tables import role_of
from seatrial.rules.deployment import identity, operations
from seatrial.rules.rule import Telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_NAME = r"(?P<permission>[a-z][a-zA-Z0-9]+(?:\.[a-zA-Z0-9]+){1,3}\.[a-z][a-zA-Z]+)"
_Q = r"[`'\"\[(]*"
_E = r"[`'\"\])]*"
# A resource has a slash, an @ or a scheme in its name, unless its kind stands before it.
_PLACE = (
    r"(?:on|for|to|in) (?:the )?(?:(?:resource|directory|object|repository|secret|topic|service account|endpoint) )?"
    r"(?:[`'\"\[(]*(?P<place>[^\s`'\"\])]*[/@][^\s`'\"\])]*)|(?:project|bucket) [`'\"\[(]*(?P<named>[a-z0-9][\w.-]+))"
)
# Each form has the permission; some have what it is missing on.
_FORMS = tuple(
    re.compile(form)
    for form in (
        (
            rf"[Pp]ermission(?:\(s\)|s)?:? {_Q}{_NAME}{_E} (?:was |is )?denied"
            rf"(?: {_PLACE})?"
        ),
        (
            rf"(?:does|do) not have (?:the )?(?:required )?(?:permission )?{_Q}{_NAME}{_E}"
            rf"(?: (?:access|permission|IAM permission)(?:\(s\)|s)?)?"
            rf"(?: {_PLACE})?"
        ),
        rf"[Rr]equired? {_Q}{_NAME}{_E} permission(?: {_PLACE})?",
        (
            rf"(?:[Mm]issing|[Ll]ack(?:s|ing)?|[Nn]eeds?|[Rr]equires?)(?: the)?(?: necessary| required| following)?"
            rf"(?: IAM)? permissions?:? {_Q}{_NAME}"
        ),
        rf"[Pp]ermission {_Q}{_NAME}{_E} (?:is )?(?:required|missing)",
        rf"(?:have|with|has) (?:the )?{_Q}{_NAME}{_E} permission",
    )
)
# What a command of gcloud calls, and the role that mostly suffices: https://cloud.google.com/iam/docs/roles-permissions
_COMMAND = re.compile(r"\(gcloud\.(?:(?:alpha|beta)\.)?(?P<group>[a-z-]+)\.")
_OF_GROUP = {
    "ai": "roles/aiplatform.user (Vertex AI)",
    "artifacts": "roles/artifactregistry.writer (Artifact Registry)",
    "builds": "roles/cloudbuild.builds.editor (Cloud Build), and access to its bucket PROJECT_cloudbuild",
    "run": "roles/run.developer (Cloud Run)",
    "services": "roles/serviceusage.serviceUsageConsumer (Service Usage)",
    "storage": "roles/storage.objectUser (Cloud Storage) on the bucket",
}
# google.rpc.ErrorInfo, as Python's client, JSON and YAML write it.
_DENIED = re.compile(r"IAM_PERMISSION_DENIED|PERMISSION_DENIED|\b403\b|[Dd]enied|does not have")
_DETAIL = re.compile(rf"\bpermission\W{{1,6}}(?:value\W{{1,6}})?{_NAME}[\"']?\s*(?:[,}}\n]|$)")
_DETAIL_PLACE = re.compile(r"\bresource[\"']?\W{1,6}(?:value\W{1,6})?(?P<place>[\w.-]*/[\w./-]+)")
_ACT_AS = re.compile(
    r"(?:permission to act as|\bact as)(?: the)? service[ _]account:?\s*\[?(?P<account>[\w.-]+@[\w.-]*\w)?",
    re.IGNORECASE,
)
_PERSON = r"(?:serviceAccount:|user:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+|principal(?:Set)?://\S+?(?=[\s,'\"`\])]|$)"
_SUBJECT = re.compile(
    rf"(?P<who>{_PERSON})[`'\"\])]*(?: of project \S+)? (?:does|do) not have |"
    r"(?:\b(?:[Uu]ser|[Ii]dentity|[Pp]rincipal|[Cc]aller|Service account)|"
    rf"(?<!service )\b[Aa]ccount|authenticated as) [`'\"\[(]*(?P<other>{_PERSON})"
)
_BUCKET = re.compile(r"/b/(?P<bucket>[a-z0-9][\w.-]+)(?:/o/|\b)|(?P<uri>gs://[^\s'\"`]+)")
_PROJECT = re.compile(r"(?:use|resource|in|on) project[: ]+[`'\"\[]*(?P<project>[a-z][\w-]{3,}\w)")
_AGENT = re.compile(r"@gcp-sa-[\w-]+\.iam\.gserviceaccount\.com|@cloudservices\.gserviceaccount\.com")
_UNKNOWN_LOGIN = re.compile(r"[Uu]nauthenticated|[Aa]nonymous caller|\ballUsers\b")
_NODE = re.compile(r"(?i)\b(?:ErrImagePull|ImagePullBackOff|kubelet|failed to pull (?:and unpack )?image)\b")
_SCOPE = re.compile(r"ACCESS_TOKEN_SCOPE_INSUFFICIENT|insufficient authentication scopes")
_PERIMETER = re.compile(r"VPC_SERVICE_CONTROLS|vpcServiceControlsUniqueIdentifier|VPC Service Controls")
_POLICY = re.compile(r"(?:violates|violated|Constraint)[^\n]{0,80}?(?P<constraint>(?:constraints/)?[a-z]+\.[a-zA-Z.]+)")
# What asks for the token of another account, and not for a resource.
_BECOMES = re.compile(
    r"(?i)generate Google Cloud (?:OAuth 2\.0 )?access token|acquire impersonated credentials|generateAccessToken"
)
_REFUSED = re.compile(r"(?i)PERMISSION_?DENIED|\b403\b|forbidden")
_NAMELESS = re.compile(
    r"(?:The caller|(?:User|Account) \[(?P<who>[^\]\n]+)\]) does not have permission"
    r"(?: to access (?:\w+ )?(?:instance )?\[?(?P<place>[\w./:-]+)\]?)?"
)


@dataclass(frozen=True, slots=True)
class _Missing:
    permission: str
    place: str
    who: str  # "" if the text does not say it


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception that a client of Google Cloud raised."""
    yield from _told(words_of(raised), raised.position, case, raised)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of gcloud, docker, a registry or a service."""
    yield from _told(text_of(statement), statement.position, case, None)


def _told(text: str, position: int, case: Case, raised: Raised | None) -> Iterator[Diagnosis]:
    if not re.search(r"(?i)permission|does not have|scope|service.controls|violat|constraint", text):
        return
    if _SCOPE.search(text):
        finding = operations.DENIED.finding(
            "the token of this identity is not valid for the service that it called: its scopes are too narrow",
            cause="A role does not help here: scopes limit what a token can do, whatever roles its identity has.",
            fix=(
                "give the machine or the login the scope https://www.googleapis.com/auth/cloud-platform; a VM or node "
                "pool must be made or stopped to change it, and a login is renewed with `gcloud auth "
                "application-default login`"
            ),
        )
        yield Diagnosis(finding, "the text says that the scopes of the token do not suffice", position)
    elif _PERIMETER.search(text):
        finding = operations.DENIED.finding(
            "a perimeter of VPC Service Controls refuses the call",
            cause="A role does not help here: the perimeter stops calls from outside, or to a service that it closes.",
            fix=(
                "ask the organization's administrator for an ingress or egress rule; the text has the unique identifier"
            ),
        )
        yield Diagnosis(finding, "the text names VPC Service Controls", position)
    elif missing := _missing(text):
        if not _UNKNOWN_LOGIN.search(text):  # a login is missing there, not a role
            yield _diagnosis(missing, text, position, case, raised)
    elif policy := _POLICY.search(text):
        finding = operations.DENIED.finding(
            f"a policy of the organization forbids it: {policy['constraint']}",
            fix="do without what the constraint forbids, or ask the organization's administrator for an exception",
        )
        yield Diagnosis(finding, "the text names a constraint of an organization policy", position)
    elif (nameless := _NAMELESS.search(text)) and _BECOMES.search(before(case, position, 300) + text):
        yield _impersonation(_Missing("iam.serviceAccounts.getAccessToken", "", ""), "", text, position, case)
    elif nameless and _REFUSED.search(before(case, position, 300) + text):
        who = f"{nameless['who']}" if nameless["who"] else "the identity that made the call"
        command = _COMMAND.search(before(case, position, 300) + text)
        needs = _OF_GROUP.get(command["group"]) if command else None
        on = f" to use {nameless['place']}" if nameless["place"] else ""
        finding = operations.DENIED.finding(
            f"{who} is not allowed{on}; the text names no permission",
            fix=(
                "check the names of project, region and resource, and that `gcloud auth list` shows the intended "
                "account; the audit log of that minute (`protoPayload.status.code=7`) names the permission"
                + (f"; `gcloud {command['group']}` mostly needs {needs}" if command and needs else "")
            ),
        )
        yield Diagnosis(finding, "the service refused the caller without naming a permission", position, Telling.WIDE)


def _missing(text: str) -> _Missing | None:
    """Return the permission that a text says is missing; None if it says none."""
    act = _ACT_AS.search(text)
    if act and (_DENIED.search(text) or re.search(r"(?i)permission|caller|cannot", text)):
        return _Missing("iam.serviceAccounts.actAs", act["account"] or "", _who(text, act["account"] or ""))
    for form in _FORMS:
        if found := form.search(text):
            groups = found.groupdict()
            named = f"projects/{groups['named']}" if groups.get("named") else ""
            place = (groups.get("place") or named).rstrip(".,;:)'\"") or _place(text)
            return _Missing(found["permission"], place, _who(text, place))
    if _DENIED.search(text) and (found := _DETAIL.search(text)):
        return _Missing(found["permission"], _place(text), _who(text, ""))
    return None


def _place(text: str) -> str:
    """Return the resource that a text names apart from the permission."""
    if found := _DETAIL_PLACE.search(text):
        return found["place"].rstrip(".,")
    if bucket := _BUCKET.search(text):
        return (bucket["uri"] or f"gs://{bucket['bucket']}").rstrip(".,")
    project = _PROJECT.search(text)
    return f"projects/{project['project']}" if project else ""


def _who(text: str, place: str) -> str:
    """Return the principal that a text says lacks something; what it is missing on is none."""
    for found in _SUBJECT.finditer(text):
        who = (found["who"] or found["other"]).rstrip(".")
        who = who if who.startswith("principal") else who.rpartition(":")[2]
        if who and who not in place:
            return who
    return ""


def _diagnosis(missing: _Missing, text: str, position: int, case: Case, raised: Raised | None) -> Diagnosis:
    permission, place = missing.permission, re.sub(r"^//[a-z.]+\.com/", "", missing.place)
    if permission.lower() == "iam.serviceaccounts.actas":
        permission = "iam.serviceAccounts.actAs"
    if permission in ("iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"):
        return _impersonation(missing, place, text, position, case)
    role, kind = role_of(permission)
    agent = bool(_AGENT.search(missing.who))
    who, why = (missing.who, "the text names who lacks it") if missing.who else _actor(permission, text, position, case)
    if not missing.who and raised is not None and raised.users is not None:
        who = "the identity that the code runs as (on Vertex AI the service account of the deployed model)"
        why = f"the project's own code made the call in {raised.users.function or raised.users.file}"
    rule = operations.UNREADABLE if agent else operations.DENIED
    give = f"grant {who} {role} on {_grantable(kind, place)}" if role else f"grant {who} a role that has {permission}"
    exists = "; if it has the role, check the name: what does not exist is refused in the same words"
    finding = rule.finding(
        f"{who} lacks {permission}{f' on {place}' if place else ''}",
        cause=f"{role} is the smallest predefined role that is meant for it." if role else "",
        fix=f"{give}{_command(kind, place, role)}{exists if 'may not exist' in text else ''}",
    )
    return Diagnosis(finding, f"the text says that {permission} is missing, and {why}", position)


def _actor(permission: str, text: str, position: int, case: Case) -> tuple[str, str]:
    """Return who uses a permission, for a text that names nobody, and why it is taken to be that one."""
    service, verb = permission.partition(".")[0], permission.rpartition(".")[2]
    if _NODE.search(text) or _NODE.search(before(case, position, 400)):
        return "the service account of the node that pulls", "a node was pulling an image"
    if service == "artifactregistry":
        if verb == "uploadArtifacts":
            return "the identity that pushes", "a push needs it"
        if verb == "downloadArtifacts":
            return "the identity that pulls", "a pull needs it"
    if verb in ("predict", "explain", "rawPredict", "invoke"):
        return "the caller of the endpoint", "a call of the endpoint needs it"
    if service == "aiplatform":
        return "the identity that deploys", "a deployment needs it"
    return "the identity that ran this command", "it names nobody"


def _impersonation(missing: _Missing, place: str, text: str, position: int, case: Case) -> Diagnosis:
    """Tell who may not become a service account: a federated identity and any other one need different roles."""
    federated = re.search(
        r"google-github-actions|workloadIdentityPools|principalSet|[Ff]ederated|identity_pool|sts\.googleapis",
        case.text,
    )
    named = re.search(
        r"(?:access token|ID token|impersonat\w+|account)[^\n]{0,40}?(?P<account>[\w.-]+@[\w.-]+\.com)", text
    )
    account = place if "@" in place else named["account"] if named else "the service account"
    user = f"roles/iam.workloadIdentityUser on {account} to the principalSet of the repository"
    creator = f"roles/iam.serviceAccountTokenCreator on {account}"
    fix = (
        f"grant {user}"
        if federated
        else f"for a workload identity pool grant {user}; otherwise grant the caller {creator}"
    )
    who = missing.who or ("the federated identity" if federated else "the identity that made the call")
    finding = identity.REFUSED_IDENTITY.finding(
        f"{who} may not get a token of {account} ({missing.permission})",
        cause="It is known to Google Cloud, but may not act as this service account, or the account does not exist.",
        fix=f"{fix}; check that the account exists and is spelled as in the workflow",
    )
    why = "the workflow's federated identity asked for it" if federated else "the text does not say who asked for it"
    return Diagnosis(finding, f"the text says that {missing.permission} is missing, and {why}", position)


_REPOSITORY = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/repositories/(?P<name>[^/\s]+)")


def _grantable(kind: str, place: str) -> str:
    if kind == "project":
        project = re.search(r"projects/([^/\s]+)", place)
        return f"the project {project[1]}" if project else "the project"
    return f"the {kind} {place}" if place else f"the {kind}"


def _command(kind: str, place: str, role: str) -> str:
    """Return the command that grants a role, if all of it but the member is known."""
    member = f"--member=MEMBER --role={role}"
    if kind == "repository" and (found := _REPOSITORY.search(place)):
        where = f"{found['name']} --project={found['project']} --location={found['location']}"
        return f" (`gcloud artifacts repositories add-iam-policy-binding {where} {member}`)"
    if kind == "bucket" and (bucket := re.match(r"(?:gs://|projects/_/buckets/)([^/\s]+)", place)):
        return f" (`gcloud storage buckets add-iam-policy-binding gs://{bucket[1]} {member}`)"
    if kind == "service account" and "@" in place:
        return f" (`gcloud iam service-accounts add-iam-policy-binding {place} {member}`)"
    if kind == "project" and (project := re.search(r"projects/([^/\s]+)", place)):
        return f" (`gcloud projects add-iam-policy-binding {project[1]} {member}`)"
    return ""
