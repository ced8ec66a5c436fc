"""Asks package indexes what they have of a lock's pins: files, hashes, sizes and metadata, never a wheel itself.

One question a distribution and index, and one for the metadata of the wheel that fits (PEP 503, 691, 658), all at
once and within a deadline. What did not answer in time stays unknown. A password goes to the index's own host only.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import functools
import gzip
import http.client
import io
import json
import os
import queue
import re
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.tags import Tag
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from seatrial.facts.packages import remote
from seatrial.facts.packages.installed import headers
from seatrial.facts.packages.wheels import File, Wheel, Wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from packaging.version import Version

    from seatrial.facts.packages.requirements import Entry, RequirementFile

T = TypeVar("T")
LATE = "the index did not answer in time"
DEADLINE = 5.0  # seconds for all questions together
TIMEOUT = 2.0  # seconds in which an index must go on answering
_AT_ONCE = 16  # questions
_LARGEST = 33_554_432  # bytes of an answer, unpacked
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"  # PEP 691
_FAULTS = (OSError, http.client.HTTPException, ValueError, EOFError, RecursionError)


@dataclass(frozen=True, slots=True)
class Published:
    """A file as an index lists it.

    Attributes:
        metadata: whether its METADATA can be had alone (PEP 658).
        python: its Requires-Python, "" where it has none.
        yanked: whether it was withdrawn.
    """

    name: str
    url: str
    sha256: str
    size: int | None
    metadata: bool
    python: str = ""
    yanked: bool = False


def ask(
    lock: RequirementFile, pins: dict[str, Entry], python: str, deadline: float, former: Wheels | None = None
) -> Wheels:
    """Ask the indexes of a lock, and those that pip or uv is configured with, for its pins.

    What `former` knows already is not asked again, so that a lock too large for one deadline is learnt in several.
    """
    known = dict(former.known) if former else {}
    late = {name for name in (former.late if former else ()) if name in pins}
    wanted = {name: entry for name, entry in pins.items() if name not in known or name in late}
    indexes = configured(lock)
    if not indexes:
        return Wheels(unknown=tuple(pins), fault="no index is configured that could be asked", asked=time.time())
    end = time.monotonic() + deadline
    listed = _all_at_once([partial(_listed, entry, indexes, python, end) for entry in wanted.values()], end)
    found = {name: one for name, one in zip(wanted, listed, strict=True) if isinstance(one, _Found)}
    faults = [str(one) for one in listed if not isinstance(one, _Found)]
    fitting = {name: one for name, one in found.items() if one.best}
    read = _all_at_once([partial(_with_metadata, one, end) for one in fitting.values()], end)
    for name, answer in zip(fitting, read, strict=True):
        if isinstance(answer, Wheel):
            found[name] = replace(found[name], wheel=answer)
    known |= {name: one.wheel for name, one in found.items()}
    unknown = tuple(name for name in pins if name not in known)
    missed = tuple(name for name, answer in zip(fitting, read, strict=True) if answer == LATE)
    fault = (faults[0] if faults else "") if unknown else ""
    return Wheels(known, unknown, "index" if known else "", fault, time.time(), missed)


def configured(lock: RequirementFile) -> list[str]:
    """Give the indexes to ask, as addresses over HTTP: the lock's own, else pip's, else uv's, else pip's default."""
    settings = {**_pip_files(), **_pip_variables()}
    environment = os.environ
    own = [option.value for option in lock.options if option.name in ("-i", "--index-url")]
    of_uv = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    main = (own[-1] if own else "") or settings.get("index-url") or of_uv or default_index()
    extra = [option.value for option in lock.options if option.name == "--extra-index-url"]
    extra += settings.get("extra-index-url", "").split()
    extra += (environment.get("UV_INDEX") or environment.get("UV_EXTRA_INDEX_URL") or "").split()
    named = [re.sub(r"^[\w-]+=(?=https?://)", "", index) for index in (main, *extra)]  # uv's NAME=URL
    web = [os.path.expandvars(index).rstrip("/") for index in named if index.startswith(("https://", "http://"))]
    return list(dict.fromkeys(web))


def default_index() -> str:
    """Give the index that pip asks where nothing is configured, read from a pip: the installed, or Python's own."""
    text = ""
    for folder in sys.path:
        file = Path(folder) / "pip/_internal/models/index.py"
        if folder and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            break
    bundled = sorted(Path(os.__file__).parent.glob("ensurepip/_bundled/pip-*.whl"))
    if not text and bundled:
        with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(bundled[-1]) as archive:
            text = archive.read("pip/_internal/models/index.py").decode()
    found = re.search(r"PackageIndex\(\s*[\"'](https://[^\"']+)[\"']", text)
    return f"{found[1].rstrip('/')}/simple" if found else ""


def files_of(name: str, index: str, end: float, wanted: Callable[[str], bool] = bool) -> list[Published]:
    """Give the files that an index lists of a distribution and whose names are wanted.

    Raises:
        OSError, http.client.HTTPException, ValueError: it does not answer, or with something else.
    """
    address, _ = _split_login(index)
    body, kind, final = _get(f"{address}/{name}/", index, end, accept=_ACCEPT)
    if "json" not in kind:
        return [file for file in _from_html(body.decode("utf-8", errors="replace"), final) if wanted(file.name)]
    listed: list[Published] = []
    for file in json.loads(body)["files"]:
        if not wanted(str(file["filename"])):
            continue  # most are of other versions, and what follows takes its time
        offered = file.get("core-metadata", file.get("dist-info-metadata", file.get("data-dist-info-metadata")))
        url, size = urllib.parse.urljoin(final, str(file["url"])), file.get("size")
        sha256 = str(file.get("hashes", {}).get("sha256", ""))
        size = size if isinstance(size, int) else None
        python, yanked = str(file.get("requires-python") or ""), bool(file.get("yanked"))
        listed.append(Published(str(file["filename"]), url, sha256, size, bool(offered), python, yanked))
    return listed


def metadata_of(file: Published, index: str, end: float) -> dict[str, tuple[str, ...]]:
    """Give the fields of a file's METADATA by their name in lower case; {} where it cannot be had alone."""
    if not file.metadata:
        return {}
    body, _, _ = _get(f"{file.url}.metadata", index, end)
    return headers(body.decode("utf-8", errors="replace"))


def version_of(file: str) -> Version | None:
    """Give the version in a file's name; None where it is no wheel and no sdist."""
    with contextlib.suppress(InvalidWheelFilename, InvalidSdistFilename):
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    return None


def tags_of(file: str) -> frozenset[Tag]:
    """Give the tags in a wheel's name; none where it is no wheel."""
    with contextlib.suppress(InvalidWheelFilename):
        return parse_wheel_filename(file)[3]
    return frozenset()


def fits(tags: Iterable[Tag], python: str) -> bool:
    """Tell whether one of the tags runs on CPython `python` on Linux x86-64 with glibc, however new that must be."""
    minor = int(python.split(".")[1])
    exact = {f"cp3{minor}"}
    abis = {f"cp3{minor}m"} if minor < 8 else exact  # the letter went with Python 3.8
    below = {f"cp3{n}" for n in range(2, minor + 1)}  # the stable ABI
    pure = {"py3", *(f"py3{n}" for n in range(minor + 1)), *exact}
    return any(
        (tag.platform == "any" or re.fullmatch(r"(?:many)?linux\w*_x86_64", tag.platform) is not None)
        and (
            (tag.interpreter in exact and tag.abi in abis)
            or (tag.interpreter in below and tag.abi == "abi3")
            or (tag.interpreter in pure and tag.abi == "none")
        )
        for tag in tags
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the lists of the indexes say of a pin, and the wheel that fits with the index that has it."""

    wheel: Wheel
    best: Published | None
    index: str


def _listed(entry: Entry, indexes: Sequence[str], python: str, end: float) -> _Found | str:
    """Ask every index for one pin; a text says why it is not known."""
    allowed = {h.removeprefix("sha256:") for h in entry.hashes}
    found: list[tuple[str, Published]] = []
    fault = ""
    for index in indexes:
        try:
            listed = files_of(entry.name, index, end, partial(_is_version, entry=entry))
        except urllib.error.HTTPError as error:
            if error.code != http.client.NOT_FOUND:
                fault = f"{_host(index)} answers {error.code} for {entry.name}"
            continue
        except _FAULTS as error:
            fault = f"{_host(index)} does not answer: {_words(error)}"
            continue
        found += [(index, file) for file in listed]
    locked = [(index, file) for index, file in found if file.sha256 in allowed]
    if fault and not locked:
        return fault  # an index that was silent may have it
    # An index without hashes, and a lock with others than SHA-256, do not say which of the files the lock means.
    comparable = all(file.sha256 for _, file in found) and all(h.startswith("sha256:") for h in entry.hashes)
    wheels = [(index, file) for index, file in locked if fits(tags_of(file.name), python)]
    index, best = max(wheels, key=lambda one: one[1].name, default=("", None))
    wheel = Wheel(
        name=entry.name,
        version=str(entry.version),
        files=tuple(File(file.name, file.sha256 in allowed, file.size) for _, file in found) if comparable else None,
        tags=tuple(sorted(map(str, tags_of(best.name)))) if best else (),
        packed=best.size if best else None,
    )
    return _Found(wheel, best, index)


def _with_metadata(found: _Found, end: float) -> Wheel | str:
    """Add what the wheel's METADATA says, alone where the index has it so, else from the end of the wheel."""
    if found.best is None:
        return found.wheel
    try:
        known = metadata_of(found.best, found.index, end)
        if known:
            return replace(found.wheel, requires=known.get("requires-dist", ()))
        ending = remote.read(found.best.url, _login_for(found.best.url, found.index), end)
    except TimeoutError:
        return LATE
    except _FAULTS as error:
        return _words(error)
    return replace(found.wheel, requires=ending.fields.get("requires-dist", ()), unpacked=ending.unpacked)


def _is_version(file: str, entry: Entry) -> bool:
    if entry.version is None or entry.version.release[0] != _first_number(file):
        return False
    return version_of(file) == entry.version


def _first_number(file: str) -> int | None:
    """Give the major version in a file's name, quickly: an index lists thousands of files."""
    found = re.search(r"-(?:\d+!)?v?(\d{1,9})[^-]*(?:-|$)", file)
    return int(found[1]) if found else None


def _all_at_once(questions: Sequence[Callable[[], T | str]], end: float) -> list[T | str]:
    """Answer questions in threads that hold nobody up: what is late has no answer."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T | str]] = queue.SimpleQueue()
    answers: list[T | str] = [LATE] * len(questions)
    for number in range(len(questions)):
        waiting.put(number)

    def work() -> None:
        while time.monotonic() < end:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answer = questions[number]()
            except Exception as error:  # noqa: BLE001 - whatever an answer breaks, it must not end a check
                answer = _words(error)
            done.put((number, answer))

    for _ in range(min(_AT_ONCE, len(questions))):
        threading.Thread(target=work, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        for _ in questions:
            number, answer = done.get(timeout=max(0.0, end - time.monotonic()))
            answers[number] = answer
    return answers


def _get(url: str, index: str, end: float, accept: str = "*/*") -> tuple[bytes, str, str]:
    """Get a body, its content type and where it was; the index's login goes to its own host only."""
    headers_sent = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "seatrial"}
    if login := _login_for(url, index):
        headers_sent["Authorization"] = login
    request = urllib.request.Request(url, headers=headers_sent)  # noqa: S310 - `configured` lets only HTTP pass
    if request.type not in ("http", "https"):
        raise ValueError(f"an address of {request.type}")
    timeout = max(0.05, min(TIMEOUT, end - time.monotonic()))
    with opener().open(request, timeout=timeout) as answer:
        body = _read(answer, end)
        if answer.headers.get("Content-Encoding") == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as unpacked:
                body = unpacked.read(_LARGEST)
        return body, answer.headers.get("Content-Type", ""), answer.url


def _read(answer: Any, end: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read(262_144):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise ValueError("an answer of more than 32 MB")
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return b"".join(parts)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects without the login where they lead to another host, and never away from TLS."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, hdrs: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme != "https"):
            raise urllib.error.URLError(f"a redirect to {new.scheme}")
        request = super().redirect_request(req, fp, code, msg, hdrs, newurl)
        if request is not None and new.netloc != old.netloc:
            request.remove_header("Authorization")
        return request


@functools.cache
def opener() -> urllib.request.OpenerDirector:
    """Make what opens addresses, once: reading the certificates takes longer than a question."""
    context = ssl.create_default_context()
    cert = os.environ.get("PIP_CERT") or _pip_files().get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    if cert and Path(cert).is_file():
        context.load_verify_locations(cert)
    return urllib.request.build_opener(_Secure(context=context), _Plain, _SameHost)


_RESOLVING = threading.Lock()
_RESOLVED: dict[tuple[str, int], list[str]] = {}


def _connect(address: tuple[str, int], timeout: Any = None, source: Any = None) -> socket.socket:
    """Connect to a host whose name is looked up once: many at once make resolvers drop some, for seconds."""
    with _RESOLVING:
        if address not in _RESOLVED:
            found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
            _RESOLVED[address] = list(dict.fromkeys(str(one[4][0]) for one in found))
    *others, last = _RESOLVED[address]
    for host in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((host, address[1]), timeout, source)
    return socket.create_connection((last, address[1]), timeout, source)


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._create_connection = _connect


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._with = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._with)


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)


def _split_login(index: str) -> tuple[str, str]:
    """Split an index into its address and the value of an Authorization header, "" where it has no login."""
    parts = urllib.parse.urlsplit(index)
    if "@" not in parts.netloc:
        return index, ""
    login, _, host = parts.netloc.rpartition("@")
    encoded = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), f"Basic {encoded}"


def _login_for(url: str, index: str) -> str:
    """Give the value of an Authorization header for an address of an index's own host, "" for every other."""
    address, login = _split_login(index)
    same = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(address).netloc
    return login if same else ""


def _host(index: str) -> str:
    return urllib.parse.urlsplit(index).netloc.rpartition("@")[2]


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return re.sub(r"\S*://\S+", "an address", str(reason))[:200] or type(error).__name__


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


def _pip_variables() -> dict[str, str]:
    prefix = "PIP_"
    found = {name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)}
    return {name.lower().replace("_", "-"): value for name, value in found.items() if value}


def _pip_files() -> dict[str, str]:
    """Read pip's configuration files, the later over the earlier, as pip does."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))  # noqa: PTH111 - as in interpreter
    files = [
        Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"),
        Path(os.path.expanduser("~/.pip/pip.conf")),  # noqa: PTH111
        home / "pip/pip.conf", Path(sys.prefix) / "pip.conf",
    ]  # fmt: skip
    if own := os.environ.get("PIP_CONFIG_FILE"):
        files = [Path(own)] if own == os.devnull else [*files, Path(own)]
    parser = configparser.RawConfigParser()
    for file in files:
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read_string(file.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return found
