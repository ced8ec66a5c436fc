"""The ambient identity for Google Cloud: a login on a laptop, a federated one in a workflow.

Google's Application Default Credentials find it. Its access tokens stay in memory. Google's library is imported where
it is used.
"""

from __future__ import annotations

from typing import Any

from seatrial.errors import EnvironmentFaultError, UsageError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "run `gcloud auth application-default login`, or google-github-actions/auth in a workflow"


class RefusedError(EnvironmentFaultError):
    """An identity or its request is refused; asking again would get the same answer."""


class Identity:
    """An identity of Google Cloud, for as long as a command needs one."""

    def __init__(self, credentials: Any) -> None:
        """`credentials` are google-auth's."""
        self._credentials = credentials

    def token(self) -> str:
        """Return a fresh access token, which is valid for up to an hour.

        Raises:
            RefusedError: the identity gets no token.
            EnvironmentFaultError: the service that issues tokens does not answer.
        """
        import google.auth.exceptions
        import google.auth.transport.requests

        try:
            self._credentials.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            message = f"no access token could be obtained: {error}"
            if error.retryable or isinstance(error, google.auth.exceptions.TransportError):
                raise EnvironmentFaultError(message, fix="check the network, and HTTPS_PROXY if it needs one") from None
            raise RefusedError(message, fix=LOGIN) from None
        return str(self._credentials.token)

    @property
    def expired(self) -> bool:
        """Whether the last token has expired, or is about to."""
        return bool(self._credentials.expired)


def ambient() -> Identity:
    """Find the identity.

    Raises:
        UsageError: google-auth is not installed.
        EnvironmentFaultError: there is no identity.
    """
    return Identity(credentials())


def credentials() -> Any:
    """Return the credentials of google-auth that belong to the identity.

    Raises:
        UsageError: google-auth is not installed.
        EnvironmentFaultError: there is no identity here.
    """
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests  # its transport needs the package requests
    except ImportError:
        fix = "install the tool with its extra: seatrial[push]"
        raise UsageError("google-auth, which finds the ambient identity, is not installed", fix=fix) from None
    try:
        found, _ = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise EnvironmentFaultError(f"there is no identity for Google Cloud: {error}", fix=LOGIN) from None
    return found
