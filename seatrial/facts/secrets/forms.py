"""Forms of credentials: which texts are one, whatever their file is called.

The forms of tokens are gitleaks' own (`tables/secret_forms.json`); those of keys and of credential files are here,
each as the program that reads it documents it. A form stands for itself: a word such as `password` beside any value
is none, because hashes, names and examples would be found. Nothing here repeats a credential.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from seatrial.facts.tables import secret_forms
from seatrial.system.redaction import holds_login

LOOKED_AT = 1_048_576  # bytes of a file that are searched; credential files are far smaller
BINARY_LOOKED_AT = 65_536  # of a file that is not text
MOST_HARMLESS = 200_000  # words that are kept, some 15 MB

# A key itself, not a program that mentions one: PEM (RFC 7468) has base64 below its first line, in JSON after `\n`.
_BETWEEN = r"(?:\s|\\n|\\r)+"
_KEY = re.compile(
    rf"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----{_BETWEEN}(?:[\w-]+: [^\n]*\n|\s)*"
    rf"[A-Za-z0-9+/=]+?(?:{_BETWEEN}|$)"
)
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d:[\s\S]{1,2000}?Private-Lines:")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[\w@.-]+ AAAA")
_STORES = (b"\xfe\xed\xfe\xed\0\0\0", b"\x03\xd9\xa2\x9a")  # Java's key store, KeePass

# Google's credential files, JSON documents: https://google.aip.dev/auth/4110.
_GOOGLE = (
    ("a service account's key", "service_account", re.compile(r'"private_key(?:_id)?"\s*:\s*"[^"]')),
    ("a user's refresh token", "authorized_user", re.compile(r'"refresh_token"\s*:\s*"[^"]')),
    ("an external account's credentials", "external_account", re.compile(r'"credential_source"\s*:')),
    ("a user's refresh token", "external_account_authorized_user", re.compile(r'"refresh_token"\s*:\s*"[^"]')),
    ("impersonated credentials", "impersonated_service_account", re.compile(r'"source_credentials"\s*:')),
)
_CLIENT_SECRET = re.compile(r'"client_secret"\s*:\s*"[^"\s$<{]{12,}"')
_TYPE = re.compile(r'"type"\s*:\s*"(?P<name>\w+)"')

# What other programs write: name, a word that the text has, expression.
_WRITTEN = (
    ("an AWS secret key", "aws_secret", re.compile(r"(?i)aws_secret_access_key\W{1,5}[A-Za-z0-9/+]{40}(?![\w/+])")),
    ("a registry's login", '"auths"', re.compile(r'"(?:auth|identitytoken|password)"\s*:\s*"[^"\s$<{]{4,}"')),
    ("npm's login", "_auth", re.compile(r"(?m)^\s*(?://\S+:)?_auth(?:Token)?\s*=\s*([^\s$<]+)")),
    ("npm's login", "_password", re.compile(r"(?m)^\s*(?://\S+:)?_password\s*=\s*([^\s$<]+)")),
    ("a cluster's login", "clusters", re.compile(r"(?m)^\s*(?:client-key-data|token|password):\s*[^\s$<{]{4,}")),
    ("a login of .netrc", "machine", re.compile(r"(?m)^\s*machine\s+\S+\s+login\s+\S+\s+password\s+([^\s$<]+)")),
    ("an Azure storage key", "AccountKey", re.compile(r"AccountKey=[A-Za-z0-9+/]{86}==")),
)  # fmt: skip
# What the table lacks, or asks more of than the documents of Google, AWS and GitHub do.
_TOKENS = (
    ("ya29.", re.compile(r"\bya29\.[\w-]{20,}")),
    ("AKIA", re.compile(r"(?<![A-Za-z0-9+/])AKIA[0-9A-Z]{16}(?![\w/+])")),
    ("gh", re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,})")),
)
# As a whole value, not within a sentence.
_ADDRESS = re.compile(r"(?m)(?:^[ \t]*|[\"'=]|[:=][ \t]+)(?P<value>[a-zA-Z][\w+.-]*://[^\s\"'<>]+@[^\s\"'<>]+)")
_SHORTEST = 13  # characters of the shortest form of the table
_PARTS = frozenset(b"~.:/+=|%-@\\_")  # what tokens have beside letters and digits
_WORDS = bytes(c if c in _PARTS or (c < 128 and chr(c).isalnum()) else ord(" ") for c in range(256))
_OVER_LINES = r"\r\n"  # in an expression: what it finds may go on in the next line
_PLACEHOLDER = re.compile(r"(?i)example|([x*.])\1{5}")


@dataclass(frozen=True, slots=True)
class Hit:
    """What a text holds: the form's name, and the line where it begins."""

    what: str
    line: int


def in_content(content: bytes, *, configuration: bool = False, harmless: set[bytes] | None = None) -> tuple[Hit, ...]:
    """Return the credentials in the beginning of a file, one for each form; not the public parts of keys.

    `configuration` is whether an address with a password in it counts, which in programs and documents is an example.
    `harmless` are the words of files before this one that are no part of a token; those of this file are added.
    """
    if content.startswith(_STORES):
        return (Hit("a store of keys", 1),)
    text = decoded(content)
    if text is None:
        text = content[:BINARY_LOOKED_AT].decode("latin-1")
        return tuple(_first("a private key", _KEY, text))
    return in_text(text, configuration=configuration, harmless=harmless)


def in_text(text: str, *, configuration: bool = False, harmless: set[bytes] | None = None) -> tuple[Hit, ...]:
    """Return the credentials in a text, one for each form."""
    hits = [*_keys_and_files(text), *_tokens(text, set() if harmless is None else harmless)]
    if configuration and "://" in text:
        logins = (found for found in _ADDRESS.finditer(text) if holds_login(found["value"]))
        hits += [Hit("an address with a password", _line(text, found.start("value"))) for found in logins][:1]
    return tuple(sorted(hits, key=lambda hit: hit.line))


def is_public(content: bytes) -> bool:
    """Return whether a file with the name of a key has only public parts: certificates, public keys."""
    text = decoded(content) or ""
    blocks = _BLOCK.findall(text)
    return _PUBLIC_KEY.match(text) is not None or (bool(blocks) and not any("PRIVATE" in block for block in blocks))


def decoded(content: bytes) -> str | None:
    """Return the text that a file begins with; None if it is not text."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not wide and b"\0" in content:
        return None
    try:  # the last character may be cut
        return codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")().decode(content[:LOOKED_AT])
    except UnicodeDecodeError:
        return None


def _keys_and_files(text: str) -> Iterator[Hit]:
    if "PRIVATE KEY" in text:
        yield from _first("a private key", _KEY, text)
    if "PuTTY-User-Key-File" in text:
        yield from _first("a private key", _PUTTY, text)
    is_document = text.lstrip().startswith("{")  # programs and pages have examples of them
    types = {found["name"]: found.start() for found in _TYPE.finditer(text)} if is_document else {}
    for what, name, proof in _GOOGLE:
        if name in types and proof.search(text):
            yield Hit(what, _line(text, types[name]))
    if is_document:
        yield from _first("an OAuth client's secret", _CLIENT_SECRET, text)
    for what, word, expression in _WRITTEN:
        if word in text:
            yield from _first(what, expression, text)


def _tokens(text: str, harmless: set[bytes]) -> Iterator[Hit]:
    # Most of a text is not long enough to be a token, and most of the rest is there several times, or in other files.
    parts = text.encode("ascii", "replace").translate(_WORDS).split()
    words = {word for word in parts if len(word) >= _SHORTEST} - harmless
    long = b"\n".join(words).decode()
    lower = long.lower()
    lines: set[int] = set()
    searched = False
    for name, form in secret_forms().items():
        if not any(word in lower for word in form.words):
            continue
        expression = _expression(form.regex)
        if _OVER_LINES in form.regex or expression.search(long):
            searched = True
            for hit in _first(f"a token ({name})", expression, text, form.allowed):
                lines.add(hit.line)
                yield hit
    for word, expression in _TOKENS:
        if word in long and expression.search(long):
            searched = True
            yield from (hit for hit in _first("a token", expression, text) if hit.line not in lines)
    if not searched and len(harmless) < MOST_HARMLESS:
        harmless |= words


@functools.cache
def _expression(regex: str) -> re.Pattern[str]:
    return re.compile(regex, re.ASCII)


def _first(what: str, expression: re.Pattern[str], text: str, allowed: Iterable[str] = ()) -> Iterator[Hit]:
    examples = [_PLACEHOLDER, *map(_expression, allowed)]
    for found in expression.finditer(text):
        value = next(filter(None, found.groups()), found[0])
        if not any(example.search(value) for example in examples):
            yield Hit(what, _line(text, found.start()))
            return


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def described(hits: Iterable[Hit]) -> str:
    """Return the names of several forms, each once."""
    return ", ".join(dict.fromkeys(hit.what for hit in hits))
