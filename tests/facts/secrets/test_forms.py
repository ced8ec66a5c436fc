"""What counts as a credential by its form, and what only looks like one to a reader in a hurry."""

from __future__ import annotations

import base64
import json
import random
import re
import string

import pytest

from seatrial.facts.secrets import forms
from seatrial.facts.tables import secret_forms

RANDOM = random.Random(14)  # noqa: S311 - no secrets, only what looks like some


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return random characters; a token must not stand in the source of a test."""
    return "".join(RANDOM.choice(alphabet) for _ in range(length))


KEY = f"-----BEGIN PRIVATE KEY-----\n{some(64)}\n-----END PRIVATE KEY-----\n"
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{some(64)}\n-----END CERTIFICATE-----\n"
UPPER = string.ascii_uppercase + "234567"
TEXTS = {
    "a key": KEY,
    "a key of OpenSSH": KEY.replace("PRIVATE", "OPENSSH PRIVATE"),
    "a key in JSON": json.dumps({"anything": KEY}),
    "a certificate with its key": CERTIFICATE + KEY,
    "a key behind 100 kB": "word\n" * 20_000 + KEY,
    "a key of PuTTY": f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{some(48)}\n",
    "a service account": json.dumps({"type": "service_account", "private_key": KEY}),
    "a user of gcloud": json.dumps({"type": "authorized_user", "refresh_token": f"1//{some(40)}"}),
    "an external account": json.dumps({"type": "external_account", "credential_source": {"url": "https://a.example"}}),
    "an OAuth client": json.dumps({"installed": {"client_id": "1", "client_secret": f"GOCSPX-{some(28)}"}}),
    "GitHub": f"TOKEN = 'ghp_{some(36)}'\n",
    "GitHub, fine-grained": f"github_pat_{some(82)}",
    "GitLab": f"token: glpat-{some(20)}\n",
    "AWS": f"[default]\naws_access_key_id = AKIA{some(16, UPPER)}\n",
    "AWS, the secret key": f"aws_secret_access_key = {some(40)}\n",
    "Google": f"KEY={'AIza'}{some(35)}, OTHER=1",
    "Google, an access token": f"ya29.{some(60)}",
    "Hugging Face": f"login(token='hf_{some(34, string.ascii_letters)}')",
    "Slack": f"xoxb-{some(12, string.digits)}-{some(12, string.digits)}-{some(24)}",
    "Stripe": f"sk_live_{some(24)}",
    "npm": f"//registry.example/:_authToken=npm_{some(36)}\n",
    "npm, a password": "//registry.example/:_password=cGFzc3dvcmQ=\n",
    "the package index": f"password = pypi-AgEIcHlwaS5vcmc{some(70)}",
    "docker": json.dumps({"auths": {"registry.example": {"auth": "bWU6d29yZA=="}}}),
    "a cluster": "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- user:\n    token: abcdefgh\n",
    "a login of netrc": "machine a.example login me password word\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_credential_is_found_by_its_form(text: str) -> None:
    assert forms.in_content(text.encode())
    assert forms.in_content(text.encode("utf-16"))


def test_a_finding_names_the_form_and_the_line_and_repeats_nothing() -> None:
    token = f"ghp_{some(36)}"
    (hit, *_) = forms.in_text(f"import os\n\nTOKEN = '{token}'\n")
    assert hit.line == 3
    assert "github" in hit.what
    assert token not in forms.described(forms.in_text(token))


def test_an_address_with_a_password_counts_in_a_configuration_only() -> None:
    text = "[global]\nindex-url = https://me:correct-horse@packages.example.org/simple\n"
    assert [hit.line for hit in forms.in_content(text.encode(), configuration=True)] == [2]
    assert forms.in_content(text.encode()) == ()
    for harmless in ("https://me:***@host/x", "https://${USER}:${WORD}@host/x", "ssh://git@github.com/x"):
        assert forms.in_content(harmless.encode(), configuration=True) == ()


HARMLESS = {
    "a lock": "".join(f"a=={n} \\\n    --hash=sha256:{some(64, '0123456789abcdef')}\n" for n in range(300)),
    "git and MD5": "\n".join(some(n, "0123456789abcdef") for n in (32, 40, 56, 64, 96, 128) for _ in range(200)),
    "numbers": json.dumps([RANDOM.random() for _ in range(3000)]),
    "images of a notebook": json.dumps(
        {"image/png": [base64.b64encode(RANDOM.randbytes(57)).decode() + "\n" for _ in range(800)]}
    ),
    "an image in one line": base64.b64encode(RANDOM.randbytes(90_000)).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(RANDOM.randbytes(60_000)).decode(),
    "certificates": CERTIFICATE * 3,
    "a public key": f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{some(43)} me@here\n",
    "a program about keys": 'if line == "-----BEGIN RSA PRIVATE KEY-----":\n    return parse(line)\n',
    "a page about keys": "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
    "a page about tokens": f"export GITHUB_TOKEN=ghp_{'x' * 36}\nAKIAIOSFODNN7EXAMPLE\n",
    "a page about Google's files": 'The file has `"type": "authorized_user"` and a `"refresh_token": "..."`.',
    "names": "\n".join(f"hf_{word}_{word}" for word in ("tokenizer", "model", "configuration") * 99),
    "variables": "api_key = os.environ['API_KEY']\npassword = ''\ntoken = tokenizer.decode(ids)\n",
    "npm's settings": "registry=https://registry.example/\nsave-exact=true\n//a.example/:_authToken=${NPM_TOKEN}\n",
    "docker's settings": json.dumps({"auths": {}, "credsStore": "desktop"}),
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_hashes_data_and_pages_about_credentials_are_none(text: str) -> None:
    assert forms.in_content(text.encode(), configuration=True) == ()


def test_a_model_is_no_credential_and_a_key_store_is() -> None:
    assert forms.in_content(RANDOM.randbytes(200_000)) == ()
    assert forms.in_content(b"\xfe\xed\xfe\xed\0\0\0\2" + RANDOM.randbytes(500))
    assert forms.in_content(b"\0" * 100 + KEY.encode())


@pytest.mark.parametrize(
    ("text", "public"),
    [(CERTIFICATE, True), (CERTIFICATE + KEY, False), ("ssh-rsa AAAAB3Nz", True), ("anything", False), ("", False)],
)
def test_a_certificate_and_a_public_key_are_public(text: str, public: bool) -> None:
    assert forms.is_public(text.encode()) is public


def test_every_form_of_the_table_is_an_expression_and_has_words() -> None:
    for name, form in secret_forms().items():
        assert re.compile(form.regex, re.ASCII), name
        assert form.words, name
        assert all(re.compile(allowed) for allowed in form.allowed)
