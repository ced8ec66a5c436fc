"""Names of files that hold credentials."""

from __future__ import annotations

import pytest

from seatrial.facts.secrets import names

SECRET = [
    ".aws/credentials", "predictor/.aws/credentials", ".git-credentials", ".pgpass", "kubeconfig", ".kube/config",
    "prod.env", ".env", ".env.production", ".envrc", "secrets.yaml", "conf/Secrets.YML", "store.jks", "key.ppk",
    "terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", "client_secret_1234.apps.json", "id_ecdsa",
    "passwords.kdbx", "AuthKey.p8", ".netrc", "_netrc", ".pypirc", ".htpasswd", ".my.cnf", "kaggle.json",
    "application_default_credentials.json", "my_service_account.json", "me_accessKeys.csv", "vpn.ovpn",
    ".cargo/credentials.toml", ".huggingface/token", ".config/gh/hosts.yml",
]  # fmt: skip
HARMLESS = [
    ".env.example", "prod.env.template", "id_rsa.pub", "config.json", ".npmrc", "pip.conf", "token.py", "secrets.py",
    "environment.yml", "tokenizer.json", "keys.csv", "credentials.py", "aws/credentials", "model.keras", "config",
    "monkey.txt", "requirements.txt", "weights.pt",
]  # fmt: skip


@pytest.mark.parametrize("path", SECRET)
def test_a_credential_file_is_known_by_its_name_or_its_place(path: str) -> None:
    assert names.is_secret_path(path)


@pytest.mark.parametrize("path", HARMLESS)
def test_an_example_a_program_and_what_may_be_harmless_are_judged_by_content(path: str) -> None:
    assert not names.is_secret_path(path)
