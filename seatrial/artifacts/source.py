"""The bucket that artifacts come from: the server's own client, with the ambient identity and the tool's errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from seatrial.errors import EnvironmentFaultError, SeatrialError, UsageError
from seatrial.serving import bucket
from seatrial.serving.bucket import Stored
from seatrial.system import identity

PATIENCE = 30.0  # seconds without one new byte; somebody waits
_VIEWER = "roles/storage.objectViewer"
_GONE = (
    "restore it, or run `seatrial artifacts lock`, which takes what is there now; if every trained model has a folder "
    "of its own, earlier commits stay whole"
)


class GoneError(EnvironmentFaultError):
    """An object is not there as it was locked."""


class Bucket(bucket.Bucket):
    """A bucket, read as whoever runs the command, or by nobody in particular."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        """`say` gets what there is to say while a fetch runs; it is called in any thread."""
        self._say = say
        self._advice = ""  # how to be somebody, if requests are anonymous
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        account = None if emulator else self._ambient()
        super().__init__(name, emulator or bucket.GOOGLE, None, PATIENCE, account)

    def _ambient(self) -> _Ambient | None:
        """Return the ambient identity; None if there is none, which is enough for a public bucket."""
        try:
            return _Ambient(identity.credentials())
        except SeatrialError as error:
            self._advice = error.fix
            return None

    def note(self, severity: str, text: str) -> None:  # noqa: ARG002 - a server's log has it
        """Say how it goes."""
        self._say(text)

    def _version(self, stored: Stored) -> dict[str, str]:
        """Return the parameter that asks for an object as it was locked; a versioned bucket has earlier ones too."""
        return {"generation": stored.generation} if stored.generation else {}

    def _refused(self, status: int, said: str, name: str) -> Exception:
        whole = f"gs://{self._name}"
        object_ = f"{whole}/{name}" if name else f"the list of {whole}"
        if status in (401, 403):
            return self._not_allowed(f"(HTTP {status}: {said})", whole, object_)
        if status == 404 and not name:
            return UsageError(f"there is no bucket {whole}", fix="correct `artifacts` in [tool.seatrial]")
        if status in (404, 412):
            return GoneError(f"{object_} is not there as artifacts.lock has it: it was removed or replaced", fix=_GONE)
        return EnvironmentFaultError(f"Cloud Storage refuses {object_} with HTTP {status}: {said}")

    def _not_allowed(self, answer: str, whole: str, what: str) -> Exception:
        if self._account is None:
            fix = self._advice or "allow everybody to read it, or use a bucket of Google's"
            return EnvironmentFaultError(f"{what} may not be read without an identity {answer}", fix=fix)
        email = self._account.email()
        member = f"serviceAccount:{email}" if email else "PRINCIPAL"
        return EnvironmentFaultError(
            f"{email or 'the identity of this machine'} may not read {what} {answer}",
            fix=f"grant it {_VIEWER}: `gcloud storage buckets add-iam-policy-binding {whole} --member={member} "
            f"--role={_VIEWER}`",
        )


class _Ambient:
    """The ambient identity, as `seatrial.serving.bucket.Account`."""

    def __init__(self, credentials: Any) -> None:
        """`credentials` are google-auth's."""
        self._credentials = credentials
        self._identity = identity.Identity(credentials)
        self._lock = threading.Lock()
        self._token = ""
        self._forgotten = False

    def token(self) -> str:
        with self._lock:
            if not self._token or self._identity.expired:
                self._token = self._identity.token()
            return self._token

    def forget(self, token: str) -> bool:
        with self._lock:
            if token == self._token:
                if self._forgotten:
                    return False
                self._token, self._forgotten = "", True
            return True

    def email(self) -> str:
        return str(getattr(self._credentials, "service_account_email", "") or "")
