"""What an index says of a lock's pins: asked of a real one on this machine, in both of its languages."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seatrial.check.run import OFFLINE
from seatrial.facts.gather import Gathered
from seatrial.facts.packages import file_names, http, index, requirements, settings
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.packages.wheels import Wheels
from seatrial.project import Project
from tests.local_index import serving, sha256, write_wheel
from tests.small_project import findings, small_project

WHEEL = "numpy-2.3.3-cp311-cp311-manylinux_2_28_x86_64.whl"
METADATA = b"Metadata-Version: 2.4\nName: numpy\nVersion: 2.3.3\nRequires-Dist: pillow<12\n\nText\n"


@dataclass
class Answers:
    """Paths and what is answered to them: status, headers, body; and what was asked with which login."""

    url: str = ""
    by_path: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    gives_parts: bool = True

    def json(self, name: str, *files: dict[str, object]) -> None:
        body = gzip.compress(json.dumps({"files": files}).encode())
        kind = {"Content-Type": "application/vnd.pypi.simple.v1+json", "Content-Encoding": "gzip"}
        self.by_path[f"/simple/{name}/"] = (200, kind, body)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    with answering() as answers:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", f"{answers.url}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield answers


@contextlib.contextmanager
def answering() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.asked.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = answers.by_path.get(self.path, (404, {}, b""))
            if status == 0:
                answers.held.wait()
                return
            wanted = self.headers.get("Range", "")
            if wanted and status == 200 and answers.gives_parts:
                status, headers, body = _part(body, wanted)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        answers.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield answers
        finally:
            answers.held.set()
            server.shutdown()


def _part(body: bytes, wanted: str) -> tuple[int, dict[str, str], bytes]:
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    begin = int(first) if first else max(0, len(body) - int(last))
    end = min(int(last) if first else len(body) - 1, len(body) - 1)
    return 206, {"Content-Range": f"bytes {begin}-{end}/{len(body)}"}, body[begin : end + 1]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def published(name: str, **fields: object) -> dict[str, object]:
    return {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest(name)}, **fields}


def pinned(folder: Path, *pins: str, **files: str) -> Project:
    """Return a project whose lock pins these, with the hash of the file in `files` for each, or else of its name."""
    lines = [f"{pin} --hash=sha256:{digest(files.get(pin.split('==')[0], pin))}\n" for pin in pins]
    asked = "".join(f"{pin}\n" for pin in pins)
    return small_project(folder, {"requirements.in": asked, "requirements.txt": "".join(lines)})


def ask(project: Project, deadline: float = 5.0) -> Wheels:
    lock = requirements.read(project.lock_file, project.root)
    return index.ask(lock, lock.pins(marker_environment(project.python)), project.python, deadline)


def test_a_pin_is_known_by_its_files_and_metadata(tmp_path: Path, web: Answers) -> None:
    other = "numpy-2.3.3-cp311-cp311-win_amd64.whl"
    web.json(
        "numpy",
        published(WHEEL, size=17, **{"core-metadata": {"sha256": "x"}}),
        published(other),
        published("numpy-2.3.30.tar.gz"),
        published("numpy-1.0.tar.gz"),
    )
    web.by_path[f"/files/{WHEEL}.metadata"] = (200, {}, METADATA)
    wheels = ask(pinned(tmp_path, "numpy==2.3.3", numpy=WHEEL))
    (wheel,) = wheels.known.values()
    assert (wheels.source, wheels.fault, wheels.unknown) == ("index", "", ())
    assert (wheel.requires, wheel.packed) == (("pillow<12",), 17)
    assert [(file.name, file.locked) for file in wheel.files or ()] == [(WHEEL, True), (other, False)]
    assert wheel.tags == ("cp311-cp311-manylinux_2_28_x86_64",)


@pytest.mark.parametrize("gives_parts", [True, False])
def test_without_metadata_alone_it_is_read_from_the_end_of_the_wheel_where_parts_can_be_had(
    tmp_path: Path, web: Answers, gives_parts: bool
) -> None:
    web.gives_parts = gives_parts
    file = write_wheel(tmp_path / "wheels", "layers", "1.0", "pillow<12", content="x" * 1_000_000)
    web.json("layers", published(file.name))
    web.by_path[f"/files/{file.name}"] = (200, {}, file.read_bytes())
    (wheel,) = ask(pinned(tmp_path / "project", "layers==1.0", layers=file.name)).known.values()
    assert wheel.requires == (("pillow<12",) if gives_parts else None)
    assert (wheel.unpacked is not None and wheel.unpacked > 1_000_000) == gives_parts


@pytest.mark.parametrize("content", [b"", b"PK", b"no wheel at all" * 1000])
def test_a_wheel_that_is_none_leaves_its_metadata_unknown(tmp_path: Path, web: Answers, content: bytes) -> None:
    web.json("numpy", published(WHEEL))
    web.by_path[f"/files/{WHEEL}"] = (200, {}, content)
    wheels = ask(pinned(tmp_path, "numpy==2.3.3", numpy=WHEEL))
    assert wheels.known["numpy"].requires is None


def test_what_is_known_is_not_asked_again(tmp_path: Path, web: Answers) -> None:
    web.json("numpy", published(WHEEL))
    project = pinned(tmp_path, "numpy==2.3.3", "pillow==12.0.0", numpy=WHEEL)
    web.by_path["/simple/pillow/"] = (503, {}, b"")
    lock = requirements.read(project.lock_file, project.root)
    pins = lock.pins(marker_environment(project.python))
    first = index.ask(lock, pins, project.python, 5.0)
    assert (first.unknown, first.fault.endswith("answers 503 for pillow")) == (("pillow",), True)
    web.json("pillow")
    web.asked.clear()
    second = index.ask(lock, pins, project.python, 5.0, first)
    assert (second.unknown, second.fault) == ((), "")
    assert [path for path, _ in web.asked] == ["/simple/pillow/"]


def test_an_index_that_speaks_html_is_understood(tmp_path: Path, web: Answers) -> None:
    page = f'<a href="../../files/{WHEEL}#sha256={digest(WHEEL)}" data-core-metadata="true">{WHEEL}</a>'
    web.by_path["/simple/numpy/"] = (200, {"Content-Type": "text/html"}, page.encode())
    web.by_path[f"/files/{WHEEL}.metadata"] = (200, {}, METADATA)
    assert ask(pinned(tmp_path, "numpy==2.3.3", numpy=WHEEL)).known["numpy"].requires == ("pillow<12",)


def test_the_check_asks_once_for_a_lock_and_finds_what_the_wheels_tell(
    tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.json("numpy", published(WHEEL, **{"core-metadata": True}))
    web.json("pillow", published("pillow-12.0.0-py3-none-any.whl"))
    web.by_path[f"/files/{WHEEL}.metadata"] = (200, {}, METADATA)
    project = pinned(
        tmp_path / "project", "numpy==2.3.3", "pillow==12.0.0", numpy=WHEEL, pillow="pillow-12.0.0-py3-none-any.whl"
    )
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    assert findings(project) == []
    assert web.asked == []
    monkeypatch.delenv(OFFLINE)
    message = "numpy==2.3.3 needs `pillow<12`, and the lock pins pillow==12.0.0"
    assert [f.message for f in findings(project)] == [message]
    asked = len(web.asked)
    assert [f.message for f in findings(project)] == [message]
    assert len(web.asked) == asked


def test_a_silent_index_costs_no_more_than_the_deadline_and_leaves_a_note(
    tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.by_path["/simple/numpy/"] = (0, {}, b"")
    web.json("pillow", published("pillow-12.0.0-py3-none-any.whl"))
    project = pinned(tmp_path / "project", "numpy==2.3.3", "pillow==12.0.0", pillow="pillow-12.0.0-py3-none-any.whl")
    wheels = ask(project, deadline=1.0)
    assert (list(wheels.known), wheels.unknown) == (["pillow"], ("numpy",))
    assert "answer" in wheels.fault
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(OFFLINE)
    monkeypatch.setattr(index, "DEADLINE", 1.0)
    (note,) = findings(project)
    assert (note.code, note.severity) == ("ST119", "note")


def test_two_locks_share_the_deadline(tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    web.by_path["/simple/numpy/"] = (0, {}, b"")
    project = pinned(tmp_path / "project", "numpy==2.3.3")
    lock = (project.root / "requirements.txt").read_text(encoding="utf-8")
    (project.root / "requirements-cpu.txt").write_text(lock.replace("numpy", "pillow"), encoding="utf-8")
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(OFFLINE)
    monkeypatch.setattr(index, "DEADLINE", 1.0)
    unknown = findings(project, "ST119")
    assert [str(note.location) for note in unknown] == ["requirements-cpu.txt", "requirements.txt"]
    assert "/simple/pillow/" not in dict(web.asked)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, b""),
        (200, {"Content-Type": "application/json"}, b"{"),
        (200, {"Content-Type": "application/json"}, b"[]"),
        (200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"no gzip"),
        (302, {"Location": "file:///etc/passwd"}, b""),
        (302, {"Location": "ftp://127.0.0.1/"}, b""),
    ],
)
def test_an_index_that_answers_nonsense_is_a_fault_and_no_crash(
    tmp_path: Path, web: Answers, status: int, headers: dict[str, str], body: bytes
) -> None:
    web.by_path["/simple/numpy/"] = (status, headers, body)
    wheels = ask(pinned(tmp_path, "numpy==2.3.3"))
    assert wheels.unknown == ("numpy",)
    assert wheels.fault


def test_a_login_goes_to_its_own_host_alone(tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering() as other:
        host = other.url.replace("127.0.0.1", "localhost")
        web.json("numpy", published(WHEEL, url=f"{host}/files/{WHEEL}", **{"core-metadata": True}))
        web.by_path["/simple/pillow/"] = (302, {"Location": f"{host}/simple/pillow/"}, b"")
        other.by_path[f"/files/{WHEEL}.metadata"] = (200, {}, METADATA)
        monkeypatch.setenv("PIP_INDEX_URL", web.url.replace("//", "//me:s%40fe@") + "/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        wheels = ask(pinned(tmp_path, "numpy==2.3.3", "pillow==12.0.0", numpy=WHEEL))
        assert wheels.known["numpy"].requires == ("pillow<12",)
        assert {login for _, login in web.asked} == {f"Basic {base64.b64encode(b'me:s@fe').decode()}"}
        assert [login for _, login in other.asked] == ["", ""]
        assert "s@fe" not in wheels.fault
        assert "s%40fe" not in wheels.fault


def test_the_index_that_pip_installs_from_is_the_one_that_is_asked(tmp_path: Path, web: Answers) -> None:
    with serving(tmp_path / "wheels") as local:
        file = write_wheel(local.folder, "layers", "1.0")
        lock = f"--extra-index-url {local.url}\nlayers==1.0 --hash={sha256(file)}\n"
        project = small_project(tmp_path / "project", {"requirements.in": "layers\n", "requirements.txt": lock})
        wheels = ask(project)
        assert wheels.known["layers"].files is None  # its pages give no hashes: which file is meant, nobody knows
        assert ("/simple/layers/", "") in web.asked


def test_offline_no_index_is_asked_and_a_note_says_what_is_undecided(
    tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seatrial.check.run import check
    from seatrial.findings import Finding

    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(OFFLINE)
    found = [f for f in check(Gathered(pinned(tmp_path, "numpy==2.3.3")), offline=True) if isinstance(f, Finding)]
    assert [(f.code, f.severity) for f in found] == [("ST119", "note")]
    assert "ST116" in found[0].message
    assert web.asked == []


@pytest.mark.parametrize(
    ("tags", "python", "runs"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", "3.11", True),
        ("cp311-cp311-manylinux_2_28_x86_64", "3.12", False),
        ("cp310-abi3-manylinux2014_x86_64", "3.12", True),
        ("cp313-abi3-manylinux2014_x86_64", "3.12", False),
        ("py2.py3-none-any", "3.14", True),
        ("py3-none-manylinux_2_28_x86_64", "3.11", True),
        ("cp311-cp311-musllinux_1_2_x86_64", "3.11", False),
        ("cp311-cp311-manylinux_2_28_aarch64", "3.11", False),
        ("cp313-cp313t-manylinux_2_28_x86_64", "3.13", False),
        ("pp311-pypy311_pp73-manylinux_2_28_x86_64", "3.11", False),
    ],
)
def test_a_wheel_fits_the_target_by_its_tags(tags: str, python: str, runs: bool) -> None:
    assert file_names.fits(file_names.tags_of(f"x-1.0-{tags}.whl"), python) is runs


def test_the_default_index_is_the_one_that_pip_itself_names() -> None:
    assert settings.default_index().startswith("https://")
    assert settings.default_index().endswith("/simple")


def test_many_pins_are_asked_at_once(tmp_path: Path, web: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 60.0)  # seconds; this test is about threads, not about a busy machine
    names = [f"part{number}" for number in range(40)]
    for name in names:
        web.json(name, published(f"{name}-1.0-py3-none-any.whl"))
    began = time.monotonic()
    wheels = ask(pinned(tmp_path, *(f"{name}==1.0" for name in names)), deadline=60.0)
    assert set(wheels.known) == set(names)
    assert time.monotonic() - began < 60.0
