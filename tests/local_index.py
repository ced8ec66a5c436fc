"""A small package index of the tests' own: tiny wheels, served on this machine's loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *needs: str,
    content: str = "",
    modules: Mapping[str, str] | None = None,
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel of `modules`, or of one; wheels of one name and version with other `content` have other hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        **({f"{name}.py": f"CONTENT = {content!r}\n"} if modules is None else modules),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{file},sha256={_record_digest(text)},{len(text.encode())}" for file, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@dataclass
class Index:
    """A running index: serves the wheels of `folder`.

    A request for what `held` names is never answered; with `refusal`, every request is answered with that status.
    With `login`, as `NAME:PASSWORD`, only who sends that is answered, and `asked` has nothing of the others.
    With `digests` its links name the hashes of files. With `gives_parts` it sends parts of wheels to who asks for them.
    `asked` has every path that was asked for.
    """

    folder: Path
    url: str = ""
    held: str = "nothing"
    refusal: int = 0
    login: str = ""
    gives_parts: bool = False
    digests: bool = False
    asked: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    logins: set[str] = field(default_factory=set)

    def add(self, name: str, version: str, *needs: str, content: str = "") -> str:
        """Add a wheel and give its hash as a lock writes it."""
        return sha256(write_wheel(self.folder, name, version, *needs, content=content))

    def answer(self, path: str) -> bytes | None:
        if path.endswith(".whl"):
            file = self.folder / path.rsplit("/", 1)[-1]
            return file.read_bytes() if file.is_file() else None
        name = path.strip("/").rsplit("/", 1)[-1]
        files = sorted(self.folder.glob(f"{name}-*.whl"))
        links = "".join(f'<a href="{self._address(file)}">{file.name}</a>\n' for file in files)
        return f"<!DOCTYPE html><html><body>{links}</body></html>".encode() if files else None

    def _address(self, file: Path) -> str:
        digest = f"#{sha256(file).replace(':', '=')}" if self.digests else ""
        return f"/files/{file.name.replace('+', '%2B')}{digest}"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """Serve a folder of wheels while the block runs."""
    index = Index(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if login:
                index.logins.add(login)
            if index.login not in ("", login):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path = self.path.replace("%2B", "+")
            if index.held in path:
                index.reached.set()
                index.released.wait()
            index.asked.append(path)
            content, status = index.answer(path), 200
            wanted = self.headers.get("Range", "").removeprefix("bytes=")
            if content is not None and index.gives_parts and wanted:
                first, _, last = wanted.partition("-")
                begin = int(first) if first else max(0, len(content) - int(last))
                size, content = len(content), content[begin : int(last) + 1 if first else None]
                status = 206
                self.send_response(status)
                self.send_header("Content-Range", f"bytes {begin}-{begin + len(content) - 1}/{size}")
            else:
                self.send_response(index.refusal or (404 if content is None else status))
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever asked may be gone by now
                self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield index
        finally:
            index.released.set()
            server.shutdown()
