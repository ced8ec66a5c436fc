"""What counts as a credential in a layer of an image, and what is public."""

from __future__ import annotations

import io
import tarfile

import pytest

from seatrial.containers import inspection
from seatrial.facts.secrets import files, variables

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" + b"MIIEowIBAAKCAQEAxvJ0" * 3
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----\n"
ACCOUNT = b'{"type": "service_account", "project_id": "p", "private_key": "..."}'


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("anything.txt", KEY),
        ("anything.txt", b"x = 1\n" + KEY),
        ("config.json", ACCOUNT),
        (".env", b"A=1"),
        ("gha-creds-0123.json", b""),
        ("server.pem", b"\x30\x82"),
        ("bundle.pem", CERTIFICATE + KEY),
    ],
)
def test_a_credential_is_recognised_by_its_name_or_its_content(name: str, head: bytes) -> None:
    assert files.is_secret(name, head)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("cacert.pem", CERTIFICATE * 3),
        ("parser.py", b'if line == "-----BEGIN RSA PRIVATE KEY-----":\n    return parse(line)\n'),
        ("credentials.py", b"class Credentials: ..."),
        ("types.json", b'{"type": "service_account"}'),
        ("environment", b"A=1"),
    ],
)
def test_certificates_and_programs_that_mention_keys_are_not_credentials(name: str, head: bytes) -> None:
    assert not files.is_secret(name, head)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HF_TOKEN", "x", True),
        ("AWS_SECRET_ACCESS_KEY", "x", True),
        ("DB_PASSWORD", "x", True),
        ("DB_PASSWORD", "", False),
        ("PIP_INDEX_URL", "https://me:word@index.example/simple", True),
        ("PIP_INDEX_URL", "https://index.example/simple", False),
        ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("API_KEY", "${API_KEY}", False),
        ("TOKEN", "$(cat /run/secrets/token)", False),
        ("MAX_TOKEN", "512", False),
        ("TOKEN_FILE", "/run/token", False),
        ("ANYTHING", "ghp_" + "a1B2" * 9, True),
        ("ANYTHING", "AKIA" + "ABCD1234" * 2, True),
    ],
)
def test_variables_that_hold_credentials_are_recognised(name: str, value: str, secret: bool) -> None:
    assert variables.is_secret_variable(name, value) is secret


def test_secrets_in_a_command_are_named_without_their_values() -> None:
    command = "/bin/sh -c HF_TOKEN=hf_abc pip install --index-url https://index.example/simple x"
    assert variables.secrets_in_command(command) == ["HF_TOKEN"]
    assert variables.secrets_in_command("/bin/sh -c pip install x") == []
    (told,) = variables.secrets_in_command("RUN curl https://me:word@files.example/x")
    assert "word@" not in told


def layer(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def test_what_a_locked_distribution_brings_is_not_the_projects_secret_and_what_lies_beside_it_is() -> None:
    site = "app/lib/python3.11/site-packages"
    files = {
        f"{site}/tornado/test/test.key": KEY,
        f"{site}/tornado-6.5.dist-info/RECORD": b"tornado/test/test.key,sha256=abc,1\n",
        f"{site}/predictor/test.key": KEY,
        f"{site}/digits_predictor-0+d1.dist-info/RECORD": b"predictor/test.key,sha256=abc,1\n",
        f"{site}/forgotten.key": KEY,
        "usr/lib/python3.11/test/keycert.pem": KEY,
    }
    read, secret = inspection._read_layer(layer(files), "layer.tar", "digits_predictor")
    assert secret == [f"{site}/predictor/test.key", f"{site}/forgotten.key"]
    assert (read.files, read.size) == (len(files), sum(map(len, files.values())))
