"""The build context: what .dockerignore leaves in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.builds.reading import read_builds


def dockerfile(folder: Path, text: str) -> None:
    (folder / "Dockerfile").write_text(text)


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("", {".env", "a/b/c.pem", "a/x.txt", "Dockerfile"}),
        (".env\n", {"a/b/c.pem", "a/x.txt", "Dockerfile"}),
        ("a\n", {".env", "Dockerfile"}),
        ("/a/*\n!a/x.txt\n", {".env", "a/x.txt", "Dockerfile"}),
        ("**/*.pem\n# comment\n", {".env", "a/x.txt", "Dockerfile"}),
        ("*\n!Dockerfile\n", {"Dockerfile"}),
        ("[\n(\n", {".env", "a/b/c.pem", "a/x.txt", "Dockerfile"}),
    ],
)
def test_a_context_has_what_its_dockerignore_leaves_in(tmp_path: Path, patterns: str, left: set[str]) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for path in (".env", "a/b/c.pem", "a/x.txt"):
        (tmp_path / path).touch()
    (tmp_path / "Dockerfile").write_text("FROM a\nCOPY . /app\n")
    (tmp_path / ".dockerignore").write_text(patterns)
    assert set(read_builds(tmp_path).context) - {".dockerignore"} == left


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        # A pattern starts at the root of the context.
        ("foo", "foo", True),
        ("foo", "a/foo", False),
        ("foo", "foo/a/b", True),
        ("/foo", "foo", True),
        ("/foo", "a/foo", False),
        ("foo/", "foo", True),  # a file too
        ("./foo", "foo", True),
        ("a//b/../foo/", "a/foo", True),
        ("*.pem", "key.pem", True),
        ("*.pem", "a/key.pem", False),
        ("*/key*", "a/key.pem", True),
        ("*/key*", "a/b/key.pem", False),
        ("*/*/key*", "a/b/key.pem", True),
        ("key?", "keys", True),
        ("key?", "key", False),
        ("a?b", "a/b", False),
        ("a.b", "axb", False),
        # `**` crosses folders.
        ("**/*.pem", "key.pem", True),
        ("**/*.pem", "a/b/key.pem", True),
        ("**/**/*.pem", "key.pem", True),
        ("**/b", "a/b/c", True),
        ("**/b", "ab", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a**/*.pem", "a/b/key.pem", True),
        ("**", ".env", True),
        ("**/", "a/b", True),
        ("**key", "my.key", True),
        ("**key*", "my.key", False),
        # Sets and escapes
        ("a[b-d]e", "ace", True),
        ("a[b-d]e", "aae", False),
        ("a[^b-d]e", "aze", True),
        ("a[^b-d]e", "ace", False),
        (r"[x\-]", "-", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("a(b)+", "a(b)+", True),
        # The last pattern that matches decides, also below a folder that is left out.
        ("a\n!a/x", "a/x", False),
        ("a\n!a/x", "a/y", True),
        ("a/\n!a/x", "a/x", False),
        ("*\n!a/b", "a/b/c", False),
        ("!a/x\na", "a/x", True),
        ("**\n!a/b\na/b/c", "a/b/c", True),
        ("*.md\n!README*.md\nREADME-x.md", "README-x.md", True),
        ("*\n! x ", "x", False),
        # Lines
        ("  foo  ", "foo", True),
        ("#foo", "#foo", False),
        (" #foo", "#foo", True),
        ("\ufefffoo", "foo", True),
        (".", "foo", False),
        ("/", "foo", False),
        # Docker refuses these; here they leave nothing out.
        ("!", "foo", False),
        ("[b-a]", "b", False),
    ],
)
def test_a_dockerignore_is_read_as_docker_reads_it(tmp_path: Path, patterns: str, path: str, ignored: bool) -> None:
    """The results are those of github.com/moby/patternmatcher and of the documentation of the Dockerfile."""
    dockerfile(tmp_path, "FROM a\nCOPY . /app\n")
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).touch()
    (tmp_path / ".dockerignore").write_text(patterns, encoding="utf-8")
    assert (path not in read_builds(tmp_path).context) is ignored


def test_no_context_is_listed_where_nothing_copies_it_whole(tmp_path: Path) -> None:
    dockerfile(tmp_path, "FROM a\nCOPY predictor /app/predictor\nCOPY --from=b . /app\n")
    assert read_builds(tmp_path).context == ()
