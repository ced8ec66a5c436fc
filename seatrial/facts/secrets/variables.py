"""Environment variables and commands that hold credentials: in an image's configuration and history."""

from __future__ import annotations

import re

from seatrial.facts.secrets import forms

# Names of environment variables that hold credentials, and addresses with a password in them.
_VARIABLE = re.compile(
    r"(?i)(?:^|_)(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credentials)(?:_|$)"
)
_POINTER = re.compile(r"(?i)_(?:file|path|dir|url|name|id)$")  # says where a credential is, and is not one
_NO_CREDENTIAL = re.compile(r"\$.*|\d*|true|false|none", re.IGNORECASE)  # another variable, a number, a switch
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>[^\s\"';|&)]+)")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@")


def is_secret_variable(name: str, value: str) -> bool:
    """Return whether an environment variable holds a credential, or an address that contains one."""
    if _ADDRESS.search(value) or forms.in_text(value):
        return True
    named = _VARIABLE.search(name) is not None and _POINTER.search(name) is None
    return named and _NO_CREDENTIAL.fullmatch(value) is None


def secrets_in_command(command: str) -> list[str]:
    """Return the names of variables that a command sets to credentials, and what else it holds, without values."""
    found = [m["name"] for m in _ASSIGNMENT.finditer(command) if is_secret_variable(m["name"], m["value"])]
    if _ADDRESS.search(command) and not found:
        found.append("an address with a password")
    if not found:
        found += [hit.what for hit in forms.in_text(command)]
    return list(dict.fromkeys(found))
