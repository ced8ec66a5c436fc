"""Artifacts in a bucket: locked, fetched, kept, and then a folder like any other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial import bundle, project
from seatrial.artifacts import source, transfer
from seatrial.cli.main import main
from seatrial.containers.engine import Engine
from seatrial.errors import UsageError
from seatrial.project import artifacts_lock
from seatrial.project.artifacts_lock import ArtifactsLock, Row
from seatrial.serving import bucket, storage
from tests import certificates
from tests.artifacts.conftest import URI
from tests.engines import Base
from tests.gate import issuer
from tests.serving.bucket_server import Content, running

TWO_UPLOADS = {"m/v1/weights.npy": "1700000000000002"}


def told(capsys: pytest.CaptureFixture[str], *command: str, root: Path) -> tuple[int, dict[str, Any]]:
    """Run a command; return its exit code and its report."""
    code = main([*command, "--project", str(root), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def done(capsys: pytest.CaptureFixture[str], *command: str, root: Path) -> dict[str, Any]:
    code, report = told(capsys, *command, root=root)
    assert code == 0, report
    return report


def digest(root: Path) -> str:
    return bundle.digest_of(project.load(root), "cpu")


def fetched(root: Path) -> dict[str, bytes]:
    folder = project.load(root).artifacts_dir
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def in_bucket(content: Content) -> dict[str, bytes]:
    return {name.removeprefix("m/v1/"): bytes(data[:]) for name, data in content.objects.items()}


def test_after_a_fetch_the_bundle_is_that_of_the_same_artifacts_in_git(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str]
) -> None:
    content.objects |= {"m/v10/weights.npy": b"another model", "m/v1": b"a file"}
    report = done(capsys, "artifacts", "lock", root=halves)
    rows = json.loads((halves / "artifacts.lock").read_text())["files"]
    assert (report["files"], report["brought"]) == (len(rows), len(rows))
    remote = digest(halves)
    shutil.copytree(halves.parent / "artifacts-of-git", halves / "artifacts")
    settings = halves / "pyproject.toml"
    locked = settings.read_text()
    settings.write_text(locked.replace(f'artifacts = "{URI}/"\n', ""))
    assert digest(halves) == remote
    of_git = done(capsys, "build", root=halves)["bundle_digest"]
    settings.write_text(locked)
    shutil.rmtree(halves / "artifacts")
    assert done(capsys, "build", root=halves)["bundle_digest"] == of_git == remote


def test_a_second_run_asks_the_bucket_for_nothing(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    assert done(capsys, "artifacts", "fetch", root=halves)["moved"] == sum(map(len, content.objects.values()))
    assert fetched(halves) == in_bucket(content)
    asked = content.asked.copy()
    content.tokens = set()  # and nothing that it would answer
    assert done(capsys, "artifacts", "fetch", root=halves)["moved"] == 0
    done(capsys, "build", root=halves)
    assert content.asked == asked
    assert main(["cache"]) == 0
    assert "artifacts" in capsys.readouterr().out
    assert main(["cache", "--prune"]) == 0
    assert list((own_cache / "artifacts/files").iterdir()) == list((own_cache / "artifacts/folders").iterdir()) == []


def test_of_a_retrained_model_only_what_changed_is_read_and_its_bundle_is_another(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    before, text = digest(halves), (halves / "artifacts.lock").read_text()
    reads = content.asked["read"]
    content.objects["m/v1/weights.npy"] = b"retrained"
    content.generations |= TWO_UPLOADS
    assert done(capsys, "artifacts", "lock", root=halves)["brought"] == 1
    assert content.asked["read"] == reads + 1
    now = (halves / "artifacts.lock").read_text()
    assert len(set(now.splitlines()) - set(text.splitlines())) == 1  # a commit shows one line
    assert digest(halves) != before
    assert done(capsys, "artifacts", "fetch", root=halves)["moved"] == 0
    assert fetched(halves)["weights.npy"] == b"retrained"


@pytest.mark.parametrize("command", [("check",), ("plan",)])
def test_without_a_lock_every_command_says_what_writes_it(
    halves: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    code, report = told(capsys, *command, root=halves)
    assert (code, report["verdict"]) == (2, "error")
    assert f"artifacts are {URI}, and there is no artifacts.lock" in report["message"]
    assert "`seatrial artifacts lock`" in report["fix"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (URI, "gs://bucket/m/v10", "is of gs://bucket/m/v10, and `artifacts` are gs://bucket/m/v1 now"),
        ('"format": 1', '"format": 2', "has format 2"),
        ("weights.npy", "../weights.npy", "'../weights.npy' is not the path of a file in the folder"),
        ("weights.npy", "/etc/passwd", "'/etc/passwd' is not the path"),
        ("weights.npy", "a\\\\b", "is not the path of a file"),
        ('"size": ', '"size": -', "the size and sha256 of"),
        ("weights.npy", "golden", "sorted"),
        ("{", "", "is damaged"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    rows = (Row(path, 1, "0" * 64, "AAAAAA==", "1") for path in ("golden", "weights.npy"))
    lock = tmp_path / "artifacts.lock"
    lock.write_text(ArtifactsLock(URI, tuple(rows)).text)
    assert artifacts_lock.read(lock, URI).text == lock.read_text()
    lock.write_text(lock.read_text().replace(old, new))
    with pytest.raises(UsageError, match=re.escape(why)) as refused:
        artifacts_lock.read(lock, URI)
    assert "`seatrial artifacts lock`" in refused.value.fix


def test_bytes_that_come_wrong_once_come_again_and_twice_are_refused(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    content.faults.corrupt = 1
    done(capsys, "artifacts", "fetch", root=halves)
    assert fetched(halves) == in_bucket(content)
    shutil.rmtree(own_cache)
    content.objects["m/v1/weights.npy"] = content.objects["m/v1/weights.npy"][:-1] + b"!"  # no other generation
    code, report = told(capsys, "artifacts", "fetch", root=halves)
    assert code == 3
    assert "m/v1/weights.npy came twice with other bytes than its SHA-256 in artifacts.lock says" in report["message"]
    assert "`seatrial artifacts lock`" in report["fix"]
    assert not project.load(halves).artifacts_dir.exists()


def test_an_object_that_is_gone_or_replaced_is_named_and_its_twin_is_as_good(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    content.generations |= TWO_UPLOADS  # the same bytes, once more
    done(capsys, "artifacts", "fetch", root=halves)
    shutil.rmtree(own_cache)
    content.objects["m/v1/weights.npy"] = b"retrained"
    code, report = told(capsys, "artifacts", "fetch", root=halves)
    assert code == 3
    assert "gs://bucket/m/v1/weights.npy is not there as artifacts.lock has it" in report["message"]
    assert "restore it, or run `seatrial artifacts lock`" in report["fix"]
    del content.objects["m/v1/weights.npy"]
    assert told(capsys, "build", root=halves)[1]["message"] == report["message"]


def test_a_broken_connection_goes_on_where_it_broke_and_a_broken_run_with_the_parts_that_lack(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (storage, transfer):
        monkeypatch.setattr(module, "PART", 1000)
    monkeypatch.setattr(storage, "THREADS", 1)
    content.objects = {"m/v1/model.npy": bytes(range(250)) * 20}
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    content.faults.break_after, content.faults.breaks = 300, 1
    content.ranges, content.faults.refuse_after = [], 4
    code, report = told(capsys, "artifacts", "fetch", root=halves)
    assert code == 3
    assert "(HTTP 403: reader does not have storage.objects.get access)" in report["message"]
    assert [int(each.removeprefix("bytes=").partition("-")[0]) % 1000 for each in content.ranges] == [0, 300, 0, 0]
    before, content.faults.refuse_after = set(content.ranges), None
    content.ranges = []
    done(capsys, "artifacts", "fetch", root=halves)
    assert fetched(halves) == in_bucket(content)
    assert len(content.ranges) == 2, content.ranges  # three of five parts had come
    assert not before & set(content.ranges)


@pytest.mark.proof
def test_a_packed_object_is_kept_as_the_predictor_reads_it(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import gzip

    plain = content.objects["m/v1/weights.npy"]
    content.objects["m/v1/weights.npy"] = gzip.compress(bytes(plain[:]), mtime=0)
    content.encodings["m/v1/weights.npy"] = "gzip"
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    done(capsys, "artifacts", "fetch", root=halves)
    assert fetched(halves)["weights.npy"] == plain


def test_what_trainings_manifest_does_not_list_is_left_out_and_what_it_lists_must_be_it(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str]
) -> None:
    from hashlib import sha256

    files = {"weights.npy": sha256(bytes(content.objects["m/v1/weights.npy"][:])).hexdigest()}
    manifest = {"format": 1, "files": files, "trained_with": {"python": "3.11.9"}}
    content.objects["m/v1/manifest.json"] = json.dumps(manifest).encode()
    done(capsys, "artifacts", "lock", root=halves)
    rows = json.loads((halves / "artifacts.lock").read_text())["files"]
    assert [row["path"] for row in rows] == ["manifest.json", "weights.npy"]
    content.objects["m/v1/weights.npy"] = b"another"
    content.generations |= TWO_UPLOADS
    code, report = told(capsys, "artifacts", "lock", root=halves)
    assert code == 3
    assert f"{URI}/weights.npy is not the file that manifest.json beside it lists" in report["message"]
    content.objects["m/v1/other/../weights.npy"] = b"an escape"
    assert "is not the name of a file below it" in told(capsys, "artifacts", "lock", root=halves)[1]["message"]


def test_an_empty_folder_and_a_bucket_that_is_not_there_are_told(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str]
) -> None:
    content.objects.clear()
    code, report = told(capsys, "artifacts", "lock", root=halves)
    assert (code, report["fix"]) == (3, "correct `artifacts`, or upload the artifacts there")
    content.faults.statuses = [(404, {"error": {"message": "The specified bucket does not exist."}})]
    code, report = told(capsys, "artifacts", "lock", root=halves)
    assert (code, report["message"]) == (2, "there is no bucket gs://bucket")


def test_a_bucket_that_is_not_reached_ends_the_wait(
    halves: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PATIENCE", 0.1)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9")
    code, report = told(capsys, "artifacts", "lock", root=halves)
    assert code == 3
    assert "Connection refused" in report["message"]


def test_a_disk_that_is_too_small_is_known_before(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    lock = halves / "artifacts.lock"
    lock.write_text(lock.read_text().replace('"size": ', '"size": 99999999999'))
    reads = content.asked["read"]
    code, report = told(capsys, "artifacts", "fetch", root=halves)
    assert (code, content.asked["read"]) == (3, reads)
    assert "GB free" in report["message"]
    assert "`seatrial cache --prune`" in report["fix"]


@pytest.mark.proof
def test_artifacts_that_were_changed_in_the_cache_do_not_ship(halves: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    weights = project.load(halves).artifacts_dir / "weights.npy"
    weights.chmod(0o644)
    weights.write_bytes(b"!")
    code, report = told(capsys, "build", root=halves)
    assert code == 3
    assert f"{URI}/weights.npy was changed in the cache" in report["message"]


def test_a_check_without_the_bytes_asks_nobody_and_says_what_it_did_not_see(
    halves: Path, content: Content, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(capsys, "artifacts", "lock", root=halves)
    seen = {finding["code"] for finding in told(capsys, "check", root=halves)[1]["findings"]}
    shutil.rmtree(own_cache)
    asked = content.asked.copy()
    assert done(capsys, "plan", root=halves)["plan"]["fetch"] is True  # and the plan needs no bytes either
    code, report = told(capsys, "check", "--offline", root=halves)
    found = {finding["code"]: finding for finding in report["findings"]}
    assert "ST319" not in seen
    assert found["ST319"]["severity"] == "note"
    assert f"{len(content.objects)} files of {URI} are not in the cache here" in found["ST319"]["message"]
    assert "ST317" not in found
    assert (code, content.asked) == (0, asked)
    predictor = halves / "predictor/half_predictor.py"
    predictor.write_text(predictor.read_text() + '\n\nWEIGHTS = np.load("weights.npy")\n')
    relative = [each for each in told(capsys, "check", root=halves)[1]["findings"] if each["subject"] == "weights.npy"]
    assert f"{URI}/weights.npy is in the artifacts" in relative[0]["cause"]
    lock = halves / "artifacts.lock"
    lock.write_text("\n".join(line for line in lock.read_text().splitlines() if "weights.npy" not in line))
    text = lock.read_text()
    lock.write_text(text.replace("},\n  ]", "}\n  ]"))
    absent = next(each for each in told(capsys, "check", root=halves)[1]["findings"] if each["code"] == "ST317")
    assert (absent["severity"], absent["subject"]) == ("error", f"{URI}/weights.npy")


def test_a_finding_in_a_fetched_file_names_it_by_its_address(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str]
) -> None:
    content.objects["m/v1/model.pt"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
    done(capsys, "artifacts", "lock", root=halves)
    found = told(capsys, "check", root=halves)[1]["findings"]
    assert f"{URI}/model.pt" in {(each["location"] or {}).get("path") for each in found}
    main(["check", "--project", str(halves), "--format", "sarif"])
    results = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    (places,) = [each["locations"] for each in results if f"{URI}/model.pt is" in each["message"]["text"]]
    assert places[0]["physicalLocation"]["artifactLocation"]["uri"] == "artifacts.lock"  # a file of the repository


@pytest.mark.proof
def test_a_bucket_that_wants_an_identity_gets_the_ambient_one_or_is_told_with_the_fix(
    halves: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    (tmp_path / "certificates").mkdir()
    certificate = certificates.make(tmp_path / "certificates", "localhost")
    content = Content(objects={"m/v1/weights.npy": b"weights"}, tokens=[])
    with issuer(tmp_path) as tokens, running(content, certificate=certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        monkeypatch.setattr(bucket, "GOOGLE", f"https://{content.host}")
        content.tokens = tokens.issued
        done(capsys, "artifacts", "lock", root=halves)
        assert len(tokens.issued) == 2  # for the list, and for the objects
        content.faults.statuses = [(403, {"error": {"message": "it does not have storage.objects.list access"}})]
        code, report = told(capsys, "artifacts", "lock", root=halves)
        assert code == 3
        assert "may not read the list of gs://bucket (HTTP 403: it does not have storage" in report["message"]
        assert "roles/storage.objectViewer: `gcloud storage buckets add-iam-policy-binding gs://bucket" in report["fix"]
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
        code, report = told(capsys, "artifacts", "lock", root=halves)
        assert (code, "may not be read without an identity (HTTP 401" in report["message"]) == (3, True)
        assert "gcloud auth application-default login" in report["fix"]
        monkeypatch.setitem(sys.modules, "google.auth", None)
        assert "seatrial[push]" in told(capsys, "artifacts", "lock", root=halves)[1]["fix"]
        content.tokens = None  # a public bucket
        done(capsys, "artifacts", "lock", root=halves)


def test_artifacts_in_git_need_no_lock_and_no_fetch(copied: Any, capsys: pytest.CaptureFixture[str]) -> None:
    root = copied("tests/projects/packaged-transform")
    assert main(["artifacts", "fetch", "--project", str(root)]) == 0
    assert "a folder of the project: nothing to fetch" in capsys.readouterr().err
    code, report = told(capsys, "artifacts", "lock", root=root)
    assert code == 2
    assert 'artifacts = "gs://bucket/folder"' in report["fix"]


@pytest.mark.parametrize("uri", ["gs://", "gs://Bucket/a", "gs://b u/a", "gs://bucket/a//b", "s3://bucket/a"])
def test_what_is_no_folder_of_cloud_storage_is_refused(tmp_path: Path, uri: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.seatrial]\npredictor = "a:B"\nartifacts = "{uri}"\n')
    with pytest.raises(UsageError, match="neither a folder of the project nor one of Cloud Storage"):
        project.load(tmp_path)


@pytest.mark.proof
def test_a_trial_and_a_recording_of_artifacts_from_the_emulators_bucket(
    halves: Path, content: Content, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    from seatrial.emulator.hosting.storage import BUCKET, Storage

    server = Storage(tmp_path / "bucket")
    try:
        for name, data in content.objects.items():
            address = f"{server.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
            kind = {"Content-Type": "application/octet-stream"}
            urlopen(Request(address, bytes(data[:]), kind), timeout=20).close()  # noqa: S310
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        settings = halves / "pyproject.toml"
        settings.write_text(settings.read_text().replace(URI, f"gs://{BUCKET}/m/v1"))
        done(capsys, "artifacts", "lock", root=halves)
        assert done(capsys, "smoke", "--full", root=halves)["verdict"] == "passed"
        image = next((project.load(halves).artifacts_dir / "golden").glob("*.png"))
        assert main(["golden", "record", str(image), "--project", str(halves)]) == 0
        assert f"gcloud storage rsync --recursive build/artifacts gs://{BUCKET}/m/v1" in capsys.readouterr().err
        assert (halves / "build/artifacts/golden/golden.json").is_file()
        command = [sys.executable, "-m", "seatrial", "deploy", "--target", "local", "--project", str(halves)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    finally:
        server.stop()


@pytest.mark.proof
def test_an_image_holds_the_fetched_artifacts_and_neither_its_trial_nor_its_server_asks_the_bucket(
    halves: Path, content: Content, own_cache: Path, base: Base, docker: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = halves / "pyproject.toml"
    text = settings.read_text().replace('python = "3.11"', f'python = "{base.python}"')
    settings.write_text(f'{text}\n[tool.seatrial.image]\nbase = "{base.reference}"\nengine = "docker"\n')
    done(capsys, "artifacts", "lock", root=halves)
    shutil.rmtree(own_cache)
    image = done(capsys, "image", "build", root=halves)["image"]
    asked = content.asked.copy()
    report = done(capsys, "smoke", "--image", image["reference"], root=halves)
    assert report["bundle_digest"] == digest(halves)
    assert content.asked == asked
