"""What an index lists for a distribution (PEP 503, 691), and METADATA that it serves alone (PEP 658)."""

from __future__ import annotations

import base64
import json
import urllib.parse
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from seatrial.facts.packages import http
from seatrial.facts.packages.installed import headers

if TYPE_CHECKING:
    from collections.abc import Callable

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"  # PEP 691


@dataclass(frozen=True, slots=True)
class Published:
    """A file as an index lists it.

    Attributes:
        metadata: whether the index serves its METADATA alone (PEP 658).
        python: its Requires-Python, "" if it has none.
        yanked: whether it was withdrawn.
        uploaded: when it was published, as ISO 8601 (PEP 700); "" if the index does not say it.
    """

    name: str
    url: str
    sha256: str
    size: int | None
    metadata: bool
    python: str = ""
    yanked: bool = False
    uploaded: str = ""


def files_of(name: str, index: str, end: float, wanted: Callable[[str], bool] = bool) -> list[Published]:
    """Return the files that an index lists for a distribution, if their names are wanted.

    Raises:
        OSError, ValueError: it does not answer, or not with a list of files.
    """
    address, _ = split_login(index)
    url = f"{address}/{name}/"
    body, kind, final = http.get(url, login_for(url, index), end, accept=_ACCEPT)
    if "json" not in kind:
        return [file for file in _from_html(body.decode("utf-8", errors="replace"), final) if wanted(file.name)]
    listed: list[Published] = []
    for file in json.loads(body)["files"]:
        if not wanted(str(file["filename"])):
            continue  # most are of other versions, and the rest takes time
        offered = file.get("core-metadata", file.get("dist-info-metadata", file.get("data-dist-info-metadata")))
        url, size = urllib.parse.urljoin(final, str(file["url"])), file.get("size")
        sha256 = str(file.get("hashes", {}).get("sha256", ""))
        size = size if isinstance(size, int) else None
        python, yanked = str(file.get("requires-python") or ""), bool(file.get("yanked"))
        uploaded = str(file.get("upload-time") or "")
        listed.append(Published(str(file["filename"]), url, sha256, size, bool(offered), python, yanked, uploaded))
    return listed


def metadata_of(file: Published, index: str, end: float) -> dict[str, tuple[str, ...]]:
    """Return the fields of a file's METADATA by name in lower case; {} if the index does not serve it alone."""
    if not file.metadata:
        return {}
    url = f"{file.url}.metadata"
    body, _, _ = http.get(url, login_for(url, index), end)
    return headers(body.decode("utf-8", errors="replace"))


def split_login(index: str) -> tuple[str, str]:
    """Split an index into its address and the value of an Authorization header, "" if it has no login."""
    parts = urllib.parse.urlsplit(index)
    if "@" not in parts.netloc:
        return index, ""
    login, _, host = parts.netloc.rpartition("@")
    encoded = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), f"Basic {encoded}"


def login_for(url: str, index: str) -> str:
    """Return the value of an Authorization header for an address on an index's own host; "" for any other."""
    address, login = split_login(index)
    same = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(address).netloc
    return login if same else ""


class _Links(HTMLParser):
    """The links of an index's page (PEP 503): address, attributes and text of each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str], str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(({name: value or "" for name, value in attrs}, ""))
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"

    def handle_data(self, data: str) -> None:
        if self._open:
            attributes, text = self.found[-1]
            self.found[-1] = (attributes, text + data.strip())


def _from_html(page: str, address: str) -> list[Published]:
    links = _Links()
    links.feed(page)
    listed = []
    for attributes, text in links.found:
        url, _, fragment = urllib.parse.urljoin(address, attributes.get("href", "")).partition("#")
        name = urllib.parse.unquote(text or url.rsplit("/", 1)[-1])
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        offered = any(key in attributes for key in ("data-core-metadata", "data-dist-info-metadata"))
        python, yanked = attributes.get("data-requires-python", ""), "data-yanked" in attributes
        listed.append(Published(name, url, sha256, None, offered, python, yanked))
    return listed
