"""The fetch from Cloud Storage, against the real storage emulator and a real server that breaks."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from seatrial.emulator.hosting.storage import BUCKET, Storage
from seatrial.serving import storage
from seatrial.serving.bucket import Bucket, StorageError
from seatrial.serving.storage import fetch
from tests import certificates
from tests.serving.bucket_server import Content, Repeated, running
from tests.serving.server import gray, launched, served, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = {"m/v1/model.pt": b"weights" * 1000, "m/v1/labels/names.json": b"[]"}
READS = """
class P:
    def load(self, artifacts_uri):
        self.text = pathlib.Path(artifacts_uri, "model.pt").read_text()

    def preprocess(self, image):
        return np.zeros(1)

    def predict(self, batch):
        return [self.text] * len(batch)
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running_storage = Storage(tmp_path_factory.mktemp("bucket"))
    try:
        yield running_storage.url
    finally:
        running_storage.stop()


@pytest.fixture
def content() -> Iterator[Content]:
    with running(Content(objects=dict(MODEL))) as served_content:
        yield served_content


def upload(base: str, name: str, data: bytes) -> None:
    address = f"{base}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
    urlopen(Request(address, data, {"Content-Type": "application/octet-stream"}), timeout=20).close()  # noqa: S310


def fetched(content: Content, into: Path, uri: str = "gs://bucket/m/v1", patience: float = 20) -> dict[str, bytes]:
    folder = fetch(uri, into, Bucket("bucket", f"http://{content.host}", None, patience))
    assert folder == into
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in found.items()}


def refusal(content: Content, into: Path, **options: Any) -> str:
    """Return why a fetch failed, which must leave nothing."""
    with pytest.raises(StorageError) as caught:
        fetched(content, into, **options)
    assert not into.exists()
    assert list(into.parent.glob(".*")) == []
    return str(caught.value)


@pytest.mark.parametrize("uri", [f"gs://{BUCKET}/one/m/v1", f"gs://{BUCKET}/one/m/v1/", f"gs://{BUCKET}/one/m/v1//"])
def test_a_folder_of_the_emulators_bucket_is_fetched_without_its_look_alikes(
    emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    large = os.urandom(3_000_000)
    for name, data in {"v1/model.pt": large, "v1/golden/ä b?#.png": b"image"}.items():
        upload(emulator, f"one/m/{name}", data)
    for name in ("v10/model.pt", "v1.pt"):
        upload(emulator, f"one/m/{name}", b"another model")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    folder = fetch(uri, tmp_path / "artifacts")
    assert files_of(folder) == {"model.pt": large, "golden/ä b?#.png": b"image"}
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_what_stands_for_a_folder_and_what_has_its_name_are_no_files_of_it(content: Content, tmp_path: Path) -> None:
    content.objects |= {"m/v1": b"a file", "m/v1/": b"", "m/v1/labels/": b"placeholder", "m/v10/model.pt": b"another"}
    assert set(fetched(content, tmp_path / "a")) == {"model.pt", "labels/names.json"}


def test_an_empty_file_is_a_file(content: Content, tmp_path: Path) -> None:
    content.objects = {"m/v1/__init__.py": b""}
    assert fetched(content, tmp_path / "a") == {"__init__.py": b""}
    assert content.asked["read"] == 0


def test_a_server_loads_what_aip_storage_uri_names(emulator: str, tmp_path: Path) -> None:
    upload(emulator, "served/v2/model.pt", b"retrained")
    host = emulator.removeprefix("http://")  # Google's clients take both
    environ = {"AIP_STORAGE_URI": f"gs://{BUCKET}/served/v2", "STORAGE_EMULATOR_HOST": host, "TMPDIR": str(tmp_path)}
    with served(tmp_path, READS, environ=environ) as server:
        assert server.predictions(gray(1)) == ["retrained"]
        (entry,) = server.log(phase="fetch")
        assert (entry["severity"], entry["files"], entry["bytes"]) == ("INFO", 1, 9)


def test_an_ai_platform_class_gets_the_fetched_folder(content: Content, tmp_path: Path) -> None:
    code = """
    class P:
        def __init__(self, size):
            self.size = size

        @classmethod
        def from_path(cls, model_dir):
            return cls(pathlib.Path(model_dir, "model.pt").stat().st_size)

        def predict(self, instances, **kwargs):
            return [self.size] * len(instances)
    """
    environ = {"AIP_STORAGE_URI": "gs://bucket/m/v1", "STORAGE_EMULATOR_HOST": content.host, "TMPDIR": str(tmp_path)}
    with served(tmp_path, code, environ=environ) as server:
        assert server.predictions(1, 2) == [7000, 7000]


def test_health_is_503_while_artifacts_are_fetched(content: Content, tmp_path: Path) -> None:
    content.faults.held = "list"
    environ = {"AIP_STORAGE_URI": "gs://bucket/m/v1", "STORAGE_EMULATOR_HOST": content.host, "TMPDIR": str(tmp_path)}
    with launched(tmp_path, READS, environ=environ) as server:
        wait_for(lambda: content.asked["list"] == 1)
        assert server.health().status == 503
        content.faults.let.set()
        server.wait_until_ready()


def test_a_server_whose_artifacts_cannot_be_fetched_ends_with_the_reason(emulator: str, tmp_path: Path) -> None:
    environ = {"AIP_STORAGE_URI": f"gs://{BUCKET}/nothing", "STORAGE_EMULATOR_HOST": emulator, "TMPDIR": str(tmp_path)}
    with launched(tmp_path, READS, environ=environ) as server:
        assert server.process.wait(20) == 1
        (entry,) = server.log(severity="CRITICAL", phase="load")
        assert "has no files; correct the model's artifact URI" in entry["message"]


def test_a_broken_connection_goes_on_at_the_byte_where_it_broke(content: Content, tmp_path: Path) -> None:
    content.objects = {"m/v1/model.pt": os.urandom(10_000)}
    content.faults.break_after, content.faults.breaks = 3000, 3
    assert fetched(content, tmp_path / "a") == {"model.pt": content.objects["m/v1/model.pt"]}
    assert content.ranges == ["bytes=0-9999", "bytes=3000-9999", "bytes=6000-9999", "bytes=9000-9999"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_answer_that_says_later_is_asked_again(content: Content, tmp_path: Path, status: int) -> None:
    content.faults.statuses = [(status, {"error": {"message": "later"}})]
    assert fetched(content, tmp_path / "a") == {"model.pt": b"weights" * 1000, "labels/names.json": b"[]"}
    assert content.asked["list"] == 2


def test_a_bucket_that_never_answers_is_given_up_and_named(content: Content, tmp_path: Path) -> None:
    content.faults.statuses = [(503, {"error": {"message": "later"}})] * 50
    text = refusal(content, tmp_path / "a", patience=1.0)
    assert "gs://bucket/m/v1/: HTTP 503: later; nothing came for 1 s" in text


def test_a_server_that_ignores_ranges_gives_the_file_or_nothing(content: Content, tmp_path: Path) -> None:
    content.faults.ignore_range = True
    assert fetched(content, tmp_path / "a")["model.pt"] == b"weights" * 1000
    content.objects = {"m/v1/model.pt": bytes(100)}
    content.faults.break_after, content.faults.breaks = 50, 1
    with pytest.raises(StorageError, match="begins at byte 0, not at 50"):
        fetched(content, tmp_path / "b", patience=1.0)


def test_large_files_come_in_parallel_parts(content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PART", 1 << 20)
    content.objects = {"m/v1/model.pt": os.urandom((8 << 20) + 1)}
    content.faults.break_after, content.faults.breaks = 700_000, 4
    assert fetched(content, tmp_path / "a") == {"model.pt": content.objects["m/v1/model.pt"]}
    assert {f"bytes={at << 20}-{(at + 1 << 20) - 1}" for at in range(8)} < set(content.ranges)
    assert content.most > 1


def test_a_fetch_that_takes_long_says_how_far_it_is(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storage, "_QUIET", 0.01)
    content.faults.held = "read"
    seen = ""

    def tells() -> bool:
        nonlocal seen
        seen += capfd.readouterr().out
        return '"fetching artifacts: 0 of 0 MB, 0 MB/s"' in seen

    with ThreadPoolExecutor(1) as pool:
        running_fetch = pool.submit(fetched, content, tmp_path / "a")
        wait_for(tells)
        content.faults.let.set()
        assert running_fetch.result() == {"model.pt": b"weights" * 1000, "labels/names.json": b"[]"}


def test_many_files_come_from_many_pages(content: Content, tmp_path: Path) -> None:
    content.objects = {f"m/v1/{number}/file": str(number).encode() for number in range(50)}
    content.page = 7
    assert fetched(content, tmp_path / "a") == {f"{number}/file": str(number).encode() for number in range(50)}
    assert content.asked == {"list": 8, "read": 50}


def test_a_file_with_a_wrong_checksum_is_fetched_again_once(content: Content, tmp_path: Path) -> None:
    content.objects = {"m/v1/model.pt": b"weights"}
    content.faults.corrupt = 1
    assert fetched(content, tmp_path / "a") == {"model.pt": b"weights"}
    content.faults.corrupt = 2
    assert "m/v1/model.pt came twice with another checksum" in refusal(content, tmp_path / "b")


def manifest_of(files: dict[str, bytes]) -> bytes:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return json.dumps({"format": 1, "files": digests, "trained_with": {}}).encode()


def test_only_what_trainings_manifest_lists_is_fetched(content: Content, tmp_path: Path) -> None:
    content.objects["m/v1/manifest.json"] = manifest_of({"model.pt": MODEL["m/v1/model.pt"]})
    assert set(fetched(content, tmp_path / "a")) == {"manifest.json", "model.pt"}


def test_a_manifest_of_something_else_is_a_file_like_others(content: Content, tmp_path: Path) -> None:
    content.objects["m/v1/manifest.json"] = b'{"name": "a web app"}'
    assert set(fetched(content, tmp_path / "a")) == {"manifest.json", "model.pt", "labels/names.json"}


def test_a_file_that_the_manifest_lists_and_the_bucket_lacks_is_named(content: Content, tmp_path: Path) -> None:
    content.objects["m/v1/manifest.json"] = manifest_of({"model.pt": b"", "classes.json": b"", "zebra.json": b""})
    assert "gs://bucket/m/v1 has no classes.json and 1 more, which its manifest.json" in refusal(
        content, tmp_path / "a"
    )


def test_a_file_that_is_not_the_one_that_the_manifest_lists_is_named(content: Content, tmp_path: Path) -> None:
    content.objects["m/v1/manifest.json"] = manifest_of({"model.pt": b"other weights"})
    assert "m/v1/model.pt is not the file that manifest.json beside it lists" in refusal(content, tmp_path / "a")


def test_a_packed_file_is_unpacked_after_its_checksum_was_compared(content: Content, tmp_path: Path) -> None:
    content.objects = {
        "m/v1/labels.json": gzip.compress(b'["a"]'),
        "m/v1/manifest.json": manifest_of({"labels.json": b'["a"]'}),
    }
    content.encodings["m/v1/labels.json"] = "gzip"
    assert fetched(content, tmp_path / "a")["labels.json"] == b'["a"]'
    content.objects["m/v1/labels.json"] = b'["a"]'
    assert "Content-Encoding gzip but is not packed" in refusal(content, tmp_path / "b")


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a/./x", "..", "a\\..\\x", "a\nx", "a\0x", "a/.."],
)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_fetched(
    content: Content, tmp_path: Path, name: str
) -> None:
    content.objects[f"m/v1/{name}"] = b"bad"
    text = refusal(content, tmp_path / "a")
    assert f"has an object {name!r}, which is not the name of a file below it" in text
    assert content.asked["read"] == 0


def test_a_file_that_is_also_a_folder_is_refused(content: Content, tmp_path: Path) -> None:
    content.objects["m/v1/labels"] = b"a file"
    assert "has an object 'labels' and others below it" in refusal(content, tmp_path / "a")


@pytest.mark.parametrize("uri", ["gs://", "gs:///m", "gs://Bucket/m", "gs://b", "s3://bucket/m", "gs://bucket/m\n"])
def test_what_is_no_folder_of_cloud_storage_is_refused(content: Content, tmp_path: Path, uri: str) -> None:
    assert "is not a folder of Cloud Storage" in refusal(content, tmp_path / "a", uri=uri)


@pytest.mark.parametrize("uri", ["gs://bucket", "gs://bucket/"])
def test_a_whole_bucket_is_a_folder(content: Content, tmp_path: Path, uri: str) -> None:
    assert fetched(content, tmp_path / "a", uri=uri) == MODEL


def test_an_object_that_goes_or_changes_meanwhile_is_told(content: Content, tmp_path: Path) -> None:
    content.faults.gone = {"m/v1/model.pt"}
    assert "an object of gs://bucket was removed while it was fetched" in refusal(content, tmp_path / "a")
    content.faults.gone, content.faults.replaced = set(), {"m/v1/model.pt"}
    assert "an object of gs://bucket was replaced while it was fetched" in refusal(content, tmp_path / "a")


def test_a_bucket_that_does_not_exist_is_named(content: Content, tmp_path: Path) -> None:
    content.faults.statuses = [(404, {"error": {"message": "The specified bucket does not exist."}})]
    assert "there is no bucket gs://bucket (HTTP 404: The specified" in refusal(content, tmp_path / "a")


def test_artifacts_that_the_disk_cannot_hold_are_refused_first(content: Content, tmp_path: Path) -> None:
    content.faults.sizes = {"m/v1/model.pt": 10**17}
    text = refusal(content, tmp_path / "a")
    assert "the artifacts have 100000000.0 GB and" in text
    assert "take a machine type with a larger disk" in text
    assert content.asked["read"] == 0


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Content, Bucket]]:
    """A bucket over TLS that wants a token, and the metadata server that gives tokens."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificate = certificates.make(folder, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    content = Content(objects=dict(MODEL), tokens={"right"}, given=["right"])
    with running(content, certificate=certificate) as secure, running(Content(given=content.given)) as metadata:
        metadata.asked = content.asked
        yield content, Bucket("bucket", f"https://{secure.host}", metadata.host, 20)


def test_requests_to_google_carry_the_token_of_the_service_account(
    google: tuple[Content, Bucket], tmp_path: Path
) -> None:
    content, bucket = google
    assert set(files_of(fetch("gs://bucket/m/v1", tmp_path / "a", bucket))) == {"model.pt", "labels/names.json"}
    assert content.asked["token"] == 1


def test_a_token_that_ends_meanwhile_is_asked_for_again(google: tuple[Content, Bucket], tmp_path: Path) -> None:
    content, bucket = google
    content.given[:] = ["ended", "right"]
    assert set(files_of(fetch("gs://bucket/m/v1", tmp_path / "a", bucket))) == {"model.pt", "labels/names.json"}
    assert content.asked["token"] == 2


@pytest.mark.parametrize(
    ("status", "given", "words"),
    [
        (
            403,
            ["right"],
            "server@project.iam.gserviceaccount.com may not list gs://bucket (HTTP 403: no access); grant",
        ),
        (403, ["right"], "--member=serviceAccount:server@project.iam.gserviceaccount.com --role=roles/storage.object"),
        (
            403,
            [],
            "a client without a service account may not list gs://bucket (HTTP 403: no access); run it on Google",
        ),
        (
            401,
            [],
            "a client without a service account may not list gs://bucket (HTTP 401: no access); run it on Google",
        ),
    ],
)
def test_a_refusal_says_who_needs_which_role_on_what(
    google: tuple[Content, Bucket], tmp_path: Path, status: int, given: list[str], words: str
) -> None:
    content, bucket = google
    content.given[:] = given
    content.faults.statuses = [(status, {"error": {"message": "no access"}})]
    with pytest.raises(StorageError) as caught:
        fetch("gs://bucket/m/v1", tmp_path / "a", bucket)
    assert words in str(caught.value)


def test_a_token_that_is_never_accepted_ends_the_fetch(google: tuple[Content, Bucket], tmp_path: Path) -> None:
    content, bucket = google
    content.tokens = set()
    with pytest.raises(StorageError, match=r"may not list gs://bucket \(HTTP 401: Invalid Credentials\)"):
        fetch("gs://bucket/m/v1", tmp_path / "a", bucket)


def test_a_server_without_a_known_certificate_gets_no_request(
    google: tuple[Content, Bucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, _ = google
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(StorageError, match="install the package ca-certificates"):
        fetch("gs://bucket/m/v1", tmp_path / "a", Bucket("bucket", f"https://{content.host}", None, 20))
    assert content.asked["list"] == 0


_MEASURED = """
import json, os, re, sys
from pathlib import Path
from seatrial.serving.storage import fetch

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before, used = peak(), os.times()
fetch("gs://bucket/m/v1", Path(sys.argv[1]))
print(json.dumps({"kib": peak() - before, "cpu": round(sum(os.times()[:2]) - sum(used[:2]), 2)}))
"""


@pytest.mark.proof
def test_two_gigabytes_over_broken_connections_take_little_memory(tmp_path: Path) -> None:
    block = os.urandom((16 << 20) + 7)  # no part of the file is like another
    content = Content(objects={"m/v1/model.pt": Repeated(block, 128)})
    content.faults.break_after, content.faults.breaks = 40_000_000, 6
    with running(content):
        environ = {**os.environ, "STORAGE_EMULATOR_HOST": content.host}
        command = [sys.executable, "-c", _MEASURED, str(tmp_path / "a")]
        output = subprocess.run(command, env=environ, check=True, capture_output=True, timeout=600).stdout
    *log, measured = map(json.loads, output.splitlines())
    assert sum(entry["severity"] == "WARNING" for entry in log) == 6
    assert log[-1]["bytes"] == len(block) * 128 > 2 << 30
    with (tmp_path / "a/model.pt").open("rb") as file:
        assert all(file.read(len(block)) == block for _ in range(128))
        assert file.read() == b""
    assert measured["kib"] < 64 << 10  # 8 threads, a piece of 1 MiB each
    sys.stdout.write(f"{log[-1]} {measured}\n")
