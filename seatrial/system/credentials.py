"""What looks like a credential, by name and by content: one list for what is bundled and for what is in an image.

It sees names and bytes only; the caller reads the files.
"""

from __future__ import annotations

import fnmatch
import re

LOOKED_AT = 65_536  # bytes of a file that are searched; keys and credential files are far smaller

# Names of files that hold secrets. The last is what google-github-actions/auth leaves in a workspace.
_NAMES = (
    ".env", ".env.*", ".netrc", ".pypirc", ".git", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*",
    "application_default_credentials.json", "*credentials*.json", "*service-account*.json", "gha-creds-*.json",
)  # fmt: skip
_TEXTS = (b"PRIVATE KEY-----", b'"type": "service_account"', b'"type":"service_account"')
# A key itself, not a program that mentions one: PEM (RFC 7468) has at least a line of base64 below its first line.
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+(?:[\w-]+: [^\n]*\n|\s)*[A-Za-z0-9+/=]{32}")
_SERVICE_ACCOUNT = re.compile(rb'"type"\s*:\s*"service_account"')
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"

# Names of environment variables that hold credentials, and addresses with a password in them.
_VARIABLE = re.compile(
    r"(?i)(?:^|_)(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credentials)(?:_|$)"
)
_POINTER = re.compile(r"(?i)_(?:file|path|dir|url|name|id)$")  # says where a credential is, and is not one
_NO_CREDENTIAL = re.compile(r"\$.*|\d*|true|false|none", re.IGNORECASE)  # another variable, a number, a switch
# The documented forms of keys and tokens of GitHub, AWS and Google.
_TOKEN = re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,})")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>[^\s\"';|&)]+)")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@")


def is_secret_name(name: str) -> bool:
    """Return whether a file of this name holds a secret."""
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in _NAMES)


def mentions_secret(head: bytes) -> bool:
    """Return whether the beginning of a project's file contains the text of a key or of a service account."""
    return any(text in head for text in _TEXTS)


def is_secret(name: str, head: bytes) -> bool:
    """Return whether any file is a secret: by its content, or by its name unless it is a public certificate.

    Systems and libraries are full of public `*.pem` files and of programs that mention keys.
    """
    if _KEY.search(head) or (_SERVICE_ACCOUNT.search(head) and b'"private_key"' in head):
        return True
    return is_secret_name(name) and _CERTIFICATE not in head


def is_secret_variable(name: str, value: str) -> bool:
    """Return whether an environment variable holds a credential, or an address that contains one."""
    if _TOKEN.search(value) or _ADDRESS.search(value):
        return True
    named = _VARIABLE.search(name) is not None and _POINTER.search(name) is None
    return named and _NO_CREDENTIAL.fullmatch(value) is None


def secrets_in_command(command: str) -> list[str]:
    """Return the names of variables that a command sets to credentials, and what else it holds, without values."""
    found = [m["name"] for m in _ASSIGNMENT.finditer(command) if is_secret_variable(m["name"], m["value"])]
    if _ADDRESS.search(command) and not found:
        found.append("an address with a password")
    if _KEY.search(command.encode()):
        found.append("a private key")
    return list(dict.fromkeys(found))
