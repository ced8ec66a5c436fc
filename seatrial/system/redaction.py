"""Passwords and tokens in addresses: whether a text contains one, and the text without it.

Every line of a project that a person or a log may see goes through here first.
"""

from __future__ import annotations

import re

# A scheme has no letter before it, or else a long word takes quadratic time; a password may contain an `@`.
_LOGIN = re.compile(r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<login>[^/\s?#]+)@", re.IGNORECASE)
# What signs an address or gives access in its query: Azure's sig, X-Goog-Signature, X-Amz-Credential, registry tokens.
_IN_QUERY = re.compile(
    r"(?P<name>[?&](?:[\w-]*(?:token|signature|credential|password|secret|api_?key)|sig)=)[^&\s#'\"]+", re.IGNORECASE
)


def holds_login(text: str) -> bool:
    """Return whether an address in a text contains a password or token; a variable's name and `git@` do not count."""
    return any(not _is_harmless(found["login"]) for found in _LOGIN.finditer(text))


def redacted(text: str) -> str:
    """Return a text without the passwords and tokens of the addresses in it."""
    if "://" not in text:
        return text
    text = _LOGIN.sub(lambda m: m[0] if _is_harmless(m["login"]) else f"{m['scheme']}***@", text)
    return _IN_QUERY.sub(lambda m: f"{m['name']}***", text)


def _is_harmless(login: str) -> bool:
    name, colon, password = login.partition(":")
    secret = password if colon else name
    of_git = not colon and name in ("git", "oauth2accesstoken", "_json_key")
    return of_git or not secret or re.fullmatch(r"\$\{?\w+\}?|\$\{\{.*\}\}|%\w+%|\*+|<\w+>", secret) is not None
