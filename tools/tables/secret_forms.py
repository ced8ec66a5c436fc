"""secret_forms.json: the forms of keys and tokens that gitleaks knows, as regular expressions of Python.

Only forms that stand for themselves are taken. A rule that needs a word beside the value, such as `password =`, would
also find hashes and names.
"""

from __future__ import annotations

import re
import tomllib
import urllib.request
from collections.abc import Mapping
from typing import Any

from tools.tables.releases import Table, say

ADDRESS = "https://github.com/gitleaks/gitleaks"
_PATIENCE = 60.0  # seconds for one file
_LARGEST = 4_194_304  # bytes of one file; the rules of v8.30.1 have 97,731

# What gitleaks puts between a word and a value, and what it wants after a value.
_BESIDE_A_WORD = "(?:=|>|:{1,3}=|"
_END = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
_NOT_LONGER = r"(?![\w+/-])"  # also finds a value before a comma or a bracket, and none within encoded data
_NOT_WITHIN = r"(?<![A-Za-z0-9+/])"

LEFT_OUT = {
    "private-key": "the tool's own form is stricter: programs name the markers of keys",
    "curl-auth-header": "a command line in a document",
    "curl-auth-user": "a command line in a document",
    "sourcegraph-access-token": "any SHA-1 digest fits",
    "flutterwave-public-key": "it is public",
    "aws-amazon-bedrock-api-key-short-lived": "the beginning that all of them share, which libraries contain",
    "airtable-personnal-access-token": "needs a word beside it",
    "facebook-access-token": "needs a word beside it",
    "sidekiq-sensitive-url": "an address with a password, for which the tool has a form",
}


def made(_: Table) -> Table:
    """Return the table as it is now: name of the form → its expression, words of which a text has one, exceptions.

    Raises:
        OSError, ValueError: the rules cannot be read, or one cannot be said in Python.
    """
    with urllib.request.urlopen(f"{ADDRESS}/releases/latest", timeout=_PATIENCE) as page:  # noqa: S310 - https
        version = page.url.rstrip("/").rpartition("/")[2]
    say(f"reading the rules of gitleaks {version}")
    rules = _read(f"{ADDRESS}/raw/{version}/config/gitleaks.toml")
    return table(version, tomllib.loads(rules), _read(f"{ADDRESS}/raw/{version}/LICENSE"))


def table(version: str, rules: Mapping[str, Any], terms: str) -> Table:
    """Return the table of one version's rules.

    Raises:
        ValueError: there are none, or one cannot be said in Python.
    """
    forms = {rule["id"]: _form(rule) for rule in rules.get("rules", ()) if _is_taken(rule)}
    if not forms:
        raise ValueError(f"gitleaks {version} has no rules that are understood")
    source = f"config/gitleaks.toml of gitleaks {version}, {ADDRESS}"
    return {"source": source, "license": terms, "forms": dict(sorted(forms.items()))}


def _read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=_PATIENCE) as answer:  # noqa: S310 - https
        content: bytes = answer.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{address} has more than {_LARGEST} bytes")
    return content.decode()


def _is_taken(rule: Mapping[str, Any]) -> bool:
    regex = str(rule.get("regex", ""))
    stands_alone = bool(regex) and not rule.get("path") and _BESIDE_A_WORD not in regex
    return stands_alone and bool(rule.get("keywords")) and rule["id"] not in LEFT_OUT


def _form(rule: Mapping[str, Any]) -> Table:
    regex = in_python(str(rule["regex"]))
    lists = [found for found in rule.get("allowlists", ()) if found.get("regexTarget", "secret") == "secret"]
    allowed = [in_python(str(text)) for found in lists for text in found.get("regexes", ())]
    guard = "" if regex.startswith("(?:^|") else _NOT_WITHIN  # it says itself what comes before
    return {"regex": f"{guard}{regex}", "words": sorted(rule["keywords"]), "allowed": allowed}


def in_python(regex: str) -> str:
    """Return a regular expression of Go in Python's syntax.

    Raises:
        ValueError: it has none.
    """
    text = regex.replace(_END, _NOT_LONGER).replace(r"\z", r"\Z").replace("[[:alnum:]]", "[A-Za-z0-9]")
    while (start := text.find("(?i)", 1)) > 0:  # in Go it counts from there to the end of its group
        end = _end_of_group(text, start)
        text = f"{text[:start]}(?i:{text[start + 4 : end]}){text[end:]}"
    if text.startswith("(?i)"):
        text = f"(?i:{text[4:]})"  # what is put before it is not at the start any more
    try:
        re.compile(text, re.ASCII)
    except re.error as error:
        raise ValueError(f"{regex} is not an expression of Python: {error}") from None
    return text


def _end_of_group(text: str, start: int) -> int:
    depth, in_set, position = 0, False, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif in_set:
            in_set = character != "]"
        elif character == "[":
            in_set = True
        elif character == "(":
            depth += 1
        elif character == ")":
            if depth == 0:
                return position
            depth -= 1
        elif character == "|" and depth == 0:
            raise ValueError(f"{text}: an alternative after a flag in its middle")
        position += 1
    return position
