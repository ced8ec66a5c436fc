"""Identities that Google Cloud does not accept: by the OAuth error and what its description is about.

OAuth has few errors; Google's token services say in the description which of several checks failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import before, text_of, words_of
from seatrial.rules.deployment import identity, preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_NO_TOKEN = re.compile(r"ACTIONS_ID_TOKEN_REQUEST_(?:TOKEN|URL)")
_NOT = re.compile(
    r"(?i)did not|unable|missing|not (?:set|found|available|defined)|unset|failed|cannot|could not|undefined"
)
_ERROR = re.compile(
    r"""["']?error["']?\s*:\s*["'](?P<error>[a-z_]+)["'](?:\s*,\s*["']error_description["']\s*:\s*"""
    r"""["'](?P<why>[^\n}]*))?|Error code (?P<code>[a-z_]+)(?:: (?P<description>[^\n]*))?|"""
    r"\b(?P<grant>invalid_grant|invalid_rapt|unauthorized_client|invalid_target): (?P<granted>[^\n]*)"
)
_DESCRIPTION = re.compile(
    r"(?i)mapped attribute|attribute condition|audience in ID Token|target service indicated by|issuer in ID Token|"
    r"credential's issuer|full resource name of the Identity Provider|stale to sign-in"
)
_ALONE = re.compile(r"\b(?P<error>invalid_target|invalid_grant|invalid_request|unauthorized_client)\b")
_PROVIDER = re.compile(
    r"projects/(?P<project>[^/\s]+)/locations/global/workloadIdentityPools/(?P<pool>[^/\s]+)"
    r"(?:/providers/(?P<provider>[\w-]+))?"
)
_FORM = "projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A check of the token service that failed: how its description is recognised, and what to say."""

    words: re.Pattern[str]
    message: str
    cause: str
    fix: str


_REFUSALS = tuple(
    _Refusal(re.compile(words, re.IGNORECASE), message, cause, fix)
    for words, message, cause, fix in (
        (
            r"attribute condition",
            "the provider's attribute condition rejects the token",
            "The condition compares claims of the token, such as repository, owner, branch or event, and one differs.",
            (
                "compare the condition (`gcloud iam workload-identity-pools providers describe`) with the workflow's "
                "repository, owner, ref and event; names are compared with capitals"
            ),
        ),
        (
            r"audience in ID Token|does not match the expected audience",
            "the token's audience is not the one that the provider expects",
            "Either the action's `audience` or the provider's allowed audiences were changed.",
            "remove `audience` from the workflow, or add it to the provider's allowed audiences",
        ),
        (
            r"issuer in ID Token|expected (?:issuer|ones)",
            "the token's issuer is not that of the provider",
            "GitHub's issuer is https://token.actions.githubusercontent.com; GitHub Enterprise has others.",
            "set the provider's issuer URI to that of the token",
        ),
        (
            r"127 bytes|size of mapped attribute",
            "the mapped google.subject is longer than 127 bytes",
            "GitHub's `sub` claim holds repository, ref and environment, and long names exceed the limit.",
            (
                "map google.subject to a shorter expression, such as assertion.repository_id, in the provider's "
                "attribute mapping, and grant roles by attribute.repository"
            ),
        ),
        (
            r"attribute mapping|mapped attribute|must have a non-empty value",
            "the provider's attribute mapping does not fit the token",
            "A claim that the mapping uses is not in the token, or the expression has no value.",
            "correct the attribute mapping of the provider",
        ),
        (
            r"connecting to the given credential's issuer|JWKS|jwks_uri",
            "Google Cloud cannot read the keys of the token's issuer",
            "The issuer must be reachable from the internet over HTTPS, or its keys be given to the provider.",
            "make the issuer's /.well-known/openid-configuration reachable, or upload its JWKS to the provider",
        ),
        (
            r"invalid JWT signature",
            "the service account's key is not valid any more",
            "The key was deleted or disabled, or the file holds another account's key.",
            "make a new key, or better use workload identity federation without keys",
        ),
        (
            r"stale to sign-in|reasonable timeframe|short-lived token|issued in the future",
            "the token is too old or not valid yet",
            "The clock of this machine differs from the real time, or the token waited longer than it lives.",
            "correct the clock of the machine, and ask for the token just before it is used",
        ),
        (
            r"expired or revoked|invalid_rapt|reauth|refresh token",
            "the login has expired or was revoked",
            "",
            "run `gcloud auth application-default login` again; in a workflow use google-github-actions/auth",
        ),
        (
            r"account (?:not found|has been deleted|disabled)|Gaia id not found",
            "the account does not exist or is disabled",
            "",
            "correct the account's name, or enable it",
        ),
    )
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of a library that asks for a token."""
    yield from _told(words_of(raised), raised.position, case)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of an action or of gcloud."""
    yield from _told(text_of(statement), statement.position, case)


def _told(text: str, position: int, case: Case) -> Iterator[Diagnosis]:
    for judge in _JUDGES:
        if found := judge(text, position, case):
            yield found
            return


def _no_token(text: str, position: int, case: Case) -> Diagnosis | None:
    if not (_NO_TOKEN.search(text) and _NOT.search(text)):
        return None
    finding = identity.NO_TOKEN.finding(
        "the job got no identity token from GitHub: it lacks `id-token: write`, or it runs for a fork's pull request",
        cause="GitHub sets ACTIONS_ID_TOKEN_REQUEST_TOKEN only in jobs with that permission, and never for forks.",
        fix=(
            "write `permissions: {contents: read, id-token: write}` in the job; if it is in a reusable workflow, also "
            "in the job that calls it"
        ),
    )
    return Diagnosis(finding, "the text says that the job has no ACTIONS_ID_TOKEN_REQUEST variables", position)


def _no_metadata(text: str, position: int, case: Case) -> Diagnosis | None:
    if not re.search(r"metadata\.google\.internal|169\.254\.169\.254", text):
        return None
    if not re.search(r"(?i)fail|refused|unavailable|timed? ?out|unreachable|not known|error", text):
        return None
    finding = preflight.NO_CREDENTIALS.finding(
        "there are no credentials: the metadata server of Google Cloud does not answer here",
        cause="A library found no login and asked the machine, which only machines of Google Cloud can answer; on GKE "
        "the pod's workload identity may not be ready.",
    )
    return Diagnosis(finding, "a library of Google asked the metadata server for a token", position)


def _no_input(text: str, position: int, case: Case) -> Diagnosis | None:
    if not re.search(r"exactly one of ['\"`]?workload_identity_provider['\"`]? or ['\"`]?credentials_json", text):
        return None
    finding = preflight.NO_CREDENTIALS.finding(
        "google-github-actions/auth got neither workload_identity_provider nor credentials_json",
        cause="A secret or variable of that name is empty here: GitHub gives none to forks and to Dependabot, and a "
        "reusable workflow gets them only if the caller passes them.",
        fix=(
            "write the provider's name into the workflow or into `vars`, and pass `secrets: inherit` where it is called"
        ),
    )
    return Diagnosis(finding, "the action says that both inputs are empty", position)


def _bad_key(text: str, position: int, case: Case) -> Diagnosis | None:
    if not re.search(r"(?i)parse (?:service account key JSON )?credentials|credentials_json|private_key\b.*PEM", text):
        return None
    if not re.search(r"(?i)fail|could not|unexpected|invalid|unable|no key|not valid", text):
        return None
    finding = preflight.NO_CREDENTIALS.finding(
        "the service account's key is no valid JSON or has no valid private key",
        cause="It was cut, encoded, or its line ends were changed when it was stored as a secret.",
        fix="store the whole key file as the secret, or better use workload identity federation, which has no key",
    )
    return Diagnosis(finding, "the text says that the credentials cannot be parsed", position)


def _refused(text: str, position: int, case: Case) -> Diagnosis | None:
    found = _ERROR.search(text)
    gone = re.search(r"Gaia id not found", text)
    if not found and _DESCRIPTION.search(text):  # the description alone, of JSON whose fields are lines of the log
        found = _ALONE.search(f"{before(case, position, 200)}\n{text}")
    if not found and not gone:
        return None
    error = (
        next((found[name] for name in ("error", "code", "grant") if found.groupdict().get(name)), "") if found else ""
    )
    groups = found.groupdict() if found else {}
    why = groups.get("why") or groups.get("description") or groups.get("granted") or text
    around = f"{before(case, position, 600)}{text}"
    provider = _PROVIDER.search(around)
    if re.search(r"(?i)full resource name|Invalid value for ['\"]?audience", why):
        message = "workload_identity_provider is not the full resource name of a provider"
        fix = f"write {_FORM}, with the project's number"
        return _diagnosis(error, message, "", fix, position)
    if error == "invalid_target" or re.search(
        r"(?i)pool or provider is disabled|provider.{0,40}(?:deleted|not found)", why
    ):
        return _target(error, provider, position)
    if gone:
        why = gone[0]
    for refusal in _REFUSALS:
        if refusal.words.search(f"{error} {why}"):
            return _diagnosis(error, refusal.message, refusal.cause, refusal.fix, position)
    of_google = re.search(r"(?i)google|gcloud|workloadIdentityPools|sts\.|iam\.", around)
    if error in ("invalid_grant", "unauthorized_client", "access_denied", "invalid_client") and of_google and why:
        said = why[:160].strip(" \"'),}")
        message = f"the token service refused the identity ({error}): {said}"
        return _diagnosis(
            error, message, "", "compare the provider's settings, or the key, with what was sent", position
        )
    return None


def _target(error: str, provider: re.Match[str] | None, position: int) -> Diagnosis:
    name = provider[0] if provider else "the provider"
    if provider and not provider["project"].isdigit():
        message = f"workload_identity_provider has the project's id {provider['project']} in place of its number"
        fix = f"write the number: `gcloud projects describe {provider['project']} --format='value(projectNumber)'`"
        return _diagnosis(error, message, f"The form is {_FORM}.", fix, position)
    parts = provider.groupdict() if provider else {}
    describe = "gcloud iam workload-identity-pools providers describe {} --workload-identity-pool={} --location=global"
    shown = describe.format(parts.get("provider") or "PROVIDER", parts.get("pool") or "POOL")
    return _diagnosis(
        error,
        f"the workload_identity_provider does not exist, is disabled or was deleted: {name}",
        "",
        f"check the project number, pool and provider in the name with `{shown}`; a deleted one can be undeleted for "
        "30 days",
        position,
    )


def _diagnosis(error: str, message: str, cause: str, fix: str, position: int) -> Diagnosis:
    finding = identity.REFUSED_IDENTITY.finding(message, cause=cause, fix=fix)
    return Diagnosis(finding, f"the token service answered {error or 'not_found'} with this description", position)


_JUDGES: tuple[Callable[[str, int, Case], Diagnosis | None], ...] = (
    _no_token,
    _no_input,
    _no_metadata,
    _bad_key,
    _refused,
)
