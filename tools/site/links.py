"""A hook of MkDocs: links that leave docs/ lead to the repository."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_more: Any) -> str:
    """Return a page in which links to files outside of docs/ are those of the repository."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def absolute(found: re.Match[str]) -> str:
        target = posixpath.normpath(f"{folder}/{found[1]}")
        return found[0] if target.startswith("docs/") else f"]({config.repo_url}/blob/main/{target})"

    return _LINK.sub(absolute, markdown)
