"""Wildcards mean what https://cloud.google.com/storage/docs/wildcards says: its examples, and what is no wildcard."""

from __future__ import annotations

import pytest

from seatrial.deploy.vertex.wildcards import pattern, prefix


@pytest.mark.parametrize(
    ("name", "matches", "others"),
    [
        ("abc/d*", ["abc/def.txt", "abc/d"], ["abc/def/g.txt", "abc/e"]),
        ("dir/**.txt", ["dir/a.txt", "dir/a/b.txt", "dir/.txt"], ["dir/a.txt2", "other/a.txt"]),
        ("dir/**", ["dir/a", "dir/a/b"], ["dir"]),
        ("a/*/b", ["a/c/b", "a/d/b"], ["a/b", "a/c/d/b"]),
        ("??.txt", ["ab.txt"], ["a.txt", "abc.txt", "a/.txt"]),
        ("[aeiou].txt", ["e.txt"], ["b.txt", "ae.txt"]),
        ("[a-e].txt", ["a.txt", "c.txt", "e.txt"], ["f.txt", "-.txt"]),
        ("[a-m]??.j*g", ["kit.jpeg", "abc.jg"], ["zit.jpeg", "kit.png"]),
        ("[z-a^].(x)+", ["^.(x)+"], ["z.(x)+", "^.xx"]),
        ("rows.jsonl", ["rows.jsonl"], ["rowsxjsonl", "rows.jsonl2"]),
        ("[]", ["[]"], [""]),
    ],
)
def test_a_wildcard_stands_for_what_the_documentation_says(name: str, matches: list[str], others: list[str]) -> None:
    wanted = pattern(name)
    assert [each for each in (*matches, *others) if wanted.fullmatch(each)] == matches
    assert all(each.startswith(prefix(name)) for each in matches)
