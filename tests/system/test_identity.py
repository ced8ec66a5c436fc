"""The ambient identity: found as Google's libraries find it, and asked for a fresh token each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.errors import EnvironmentFaultError
from seatrial.system import identity
from seatrial.system.identity import RefusedError
from tests.gate import issuer


def test_each_token_is_a_fresh_one(tmp_path: Path) -> None:
    with issuer(tmp_path) as source:
        someone = identity.ambient()
        assert source.issued == []
        assert [someone.token(), someone.token()] == source.issued
    assert len(set(source.issued)) == 2
    assert not someone.expired


def test_a_token_that_is_about_to_expire_counts_as_expired(tmp_path: Path) -> None:
    with issuer(tmp_path) as source:
        source.lifetime = 5
        someone = identity.ambient()
        someone.token()
    assert someone.expired


def test_an_identity_that_gets_no_token_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with issuer(tmp_path) as source:
        source.refusing = True
        someone = identity.ambient()
        with pytest.raises(RefusedError, match="the subject is not known") as refused:
            someone.token()
    assert "gcloud auth application-default login" in refused.value.fix


def test_a_source_of_tokens_that_does_not_answer_is_not_a_refusal(tmp_path: Path) -> None:
    with issuer(tmp_path):
        someone = identity.ambient()
    with pytest.raises(EnvironmentFaultError, match="no access token could be obtained") as failed:
        someone.token()
    assert not isinstance(failed.value, RefusedError)
    assert "check the network" in failed.value.fix


def test_without_an_identity_the_fix_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with pytest.raises(EnvironmentFaultError, match="there is no identity for Google Cloud") as failed:
        identity.ambient()
    assert "gcloud auth application-default login" in failed.value.fix


def test_without_googles_library_the_message_says_what_to_install() -> None:
    hide = "import sys; sys.modules['google.auth'] = None; from seatrial.system.identity import ambient; ambient()"
    run = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, timeout=60, check=False)
    assert "UsageError: google-auth, which finds the ambient identity, is not installed" in run.stderr
