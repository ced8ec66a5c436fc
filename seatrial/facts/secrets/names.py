"""Names of files that hold credentials: one list for check, bundle, build context and image.

The names are those that the programs themselves document. A name that usually has nothing secret in it, such as
.npmrc or pip.conf, is not here: `forms` reads what such a file holds.
"""

from __future__ import annotations

import fnmatch
import functools
import re

_FILES = (
    # keys, certificates with keys, and stores of them
    "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.pkcs12", "*.pvk", "*.ppk", "*.jks", "*.jceks", "*.bcfks",
    "*.keystore", "*.kdb", "*.kdbx", "*.agekey", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "secring.*",
    # environments and secrets of applications
    ".env", ".env.*", "*.env", ".envrc", "secrets.yaml", "secrets.yml", "secrets.json", "secrets.toml", "secrets.ini",
    "secret.yaml", "secret.yml", "secret.json", "*.secret", "*.secrets", ".vault-token", ".vault_pass*", ".htpasswd",
    # clients of clouds; the last is what google-github-actions/auth leaves in a workspace
    "application_default_credentials.json", "*credentials*.json", "*service-account*.json", "*service_account*.json",
    "client_secret*.json", "credentials.db", "access_tokens.db", "legacy_credentials", ".boto", ".s3cfg",
    "*accesskeys*.csv", "rootkey*.csv", "*.publishsettings", "gha-creds-*.json",
    # hosts, databases and clusters
    ".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".mylogin.cnf", "kubeconfig", "*.kubeconfig", "*.ovpn",
    # packages, repositories and infrastructure
    ".pypirc", ".git", ".git-credentials", ".dockercfg", ".terraformrc", "credentials.tfrc.json", "*.tfstate",
    "*.tfstate.*", "*.tfvars", "*.tfvars.json", "kaggle.json",
)  # fmt: skip
_BELOW = (
    ".aws/credentials", ".aws/cli/cache/*", ".aws/sso/cache/*", ".azure/*token*", ".azure/*cache*",
    ".cargo/credentials", ".cargo/credentials.toml", ".config/gh/hosts.yml", ".config/git/credentials",
    ".gem/credentials", ".kube/config", ".gnupg/private-keys-v1.d/*", "huggingface/token",
    "huggingface/stored_tokens", ".huggingface/token",
)  # fmt: skip
_MODELS_OF_FILES = (".example", ".sample", ".template", ".dist", ".tmpl", ".pub")  # without a value, or public
_SECRET_NAME = re.compile("|".join(fnmatch.translate(pattern) for pattern in _FILES))
_SECRET_PATH = re.compile("|".join(fnmatch.translate(f"*/{pattern}") for pattern in _BELOW))


@functools.cache
def is_secret_name(name: str) -> bool:
    """Return whether a file or folder of this name holds a secret."""
    name = name.lower()
    return _SECRET_NAME.match(name) is not None and not name.endswith(_MODELS_OF_FILES)


def is_secret_path(path: str) -> bool:
    """Return whether a file holds a secret by its name, or by its name in that folder."""
    name = path.rpartition("/")[2]
    return is_secret_name(name) or _SECRET_PATH.match(f"/{path.lower()}") is not None
