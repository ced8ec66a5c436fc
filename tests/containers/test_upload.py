"""Uploading: what is retried, which login is used, which layers were sent, and what is left behind."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from seatrial.containers import upload
from seatrial.containers.engine import Engine
from seatrial.containers.inspection import inspect
from seatrial.containers.registry import read_manifest
from seatrial.containers.upload import Upload, refusal
from seatrial.errors import EnvironmentFaultError
from seatrial.image import push
from seatrial.project import load
from seatrial.system import identity, process
from seatrial.system.identity import RefusedError
from tests.gate import Answer, Gate, errors, gate, issuer
from tests.stages import Ended, ended
from tests.tiny_image import make

DENIED = (
    'Permission "artifactregistry.repositories.uploadArtifacts" denied on resource '
    '"projects/my-project/locations/us-central1/repositories/models" (or it may not exist)'
)
IN_UPLOAD = "Error: writing blob: initiating layer upload to /v2/a/b/blobs/uploads/ in 127.0.0.1:5000: "
Rule = Callable[[str, str], Answer | None]


def last_step(method: str, path: str) -> bool:
    """Return whether a request is the one that ends a push: the manifest's."""
    return method == "PUT" and "/manifests/" in path


def once(answer: Answer) -> Rule:
    """Answer the first manifest in place of the registry."""
    first = itertools.count()
    return lambda method, path: answer if last_step(method, path) and next(first) == 0 else None


def sent(engine: Engine, image: str, opened: Gate, who: identity.Identity | None = None) -> Ended[Upload]:
    return ended(upload.upload(engine, image, f"{opened.address}/{engine.name}/tiny:1", who))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "FIRST_PAUSE", 0.01)


@pytest.mark.parametrize(
    ("printed", "way_out"),
    [
        (f"denied: {DENIED}", "roles/artifactregistry.writer"),
        (f"{IN_UPLOAD}denied: {DENIED}", "roles/artifactregistry.writer"),
        ("denied: requested access to the resource is denied", "roles/artifactregistry.writer"),
        ("error parsing HTTP 403 response body: unexpected end of JSON input", "roles/artifactregistry.writer"),
        (f"{IN_UPLOAD}StatusCode: 403, <html>Forbidden</html>", "roles/artifactregistry.writer"),
        ("Error: failed to read from destination repository a/b: 403 (Forbidden)", "roles/artifactregistry.writer"),
        ("received unexpected HTTP status: 403 Forbidden", "roles/artifactregistry.writer"),
        ("push access denied, repository does not exist or may require authorization", "roles/artifactregistry.writer"),
        ("unauthorized: authentication failed", "log in"),
        ("unauthorized: authentication required", "log in"),
        (f"{IN_UPLOAD}unauthorized: authentication failed", "log in"),
        ("no basic auth credentials", "log in"),
        ("unable to retrieve auth token: invalid username/password: unauthorized: no", "log in"),
        ("received unexpected HTTP status: 401 Unauthorized", "log in"),
        ('name unknown: Repository "models" not found', "gcloud artifacts repositories create"),
        (f'{IN_UPLOAD}name unknown: Repository "models" not found', "gcloud artifacts repositories create"),
        ("name invalid: invalid repository name", "correct the name"),
        (f"{IN_UPLOAD}name invalid", "correct the name"),
    ],
)
def test_a_refusal_is_recognised_by_the_messages_of_engines_and_registries(printed: str, way_out: str) -> None:
    assert way_out in (refusal(f"The push refers to repository [127.0.0.1:5000/a/b]\n{printed}") or "")


@pytest.mark.parametrize(
    "printed",
    [
        "blob upload invalid",
        "blob upload unknown",
        "Error: writing blob: uploading layer chunked: blob upload invalid",
        "manifest blob unknown: blob unknown to registry",
        "Error: writing manifest: uploading manifest 1 to 127.0.0.1:5000/a/b: manifest blob unknown",
        "digest invalid: provided digest did not match uploaded content",
        "received unexpected HTTP status: 502 Bad Gateway",
        f"{IN_UPLOAD}StatusCode: 404, <html>the page was not found; access denied</html>",
        "toomanyrequests: Quota exceeded for quota metric 'Requests per project per region'",
        'Put "http://127.0.0.1:4030/v2/a/b/manifests/1": EOF',
        'Get "https://us-central1-docker.pkg.dev/v2/": dial tcp: lookup us-central1-docker.pkg.dev: no such host',
        "net/http: TLS handshake timeout",
        "write tcp 127.0.0.1:401->127.0.0.1:403: write: connection reset by peer",
    ],
)
def test_a_failure_that_may_pass_is_not_a_refusal(printed: str) -> None:
    assert refusal(f"The push refers to repository [127.0.0.1:5000/a/b]\n{printed}") is None


@pytest.mark.parametrize(
    ("answer", "way_out"),
    [
        ((403, errors("DENIED", DENIED)), "roles/artifactregistry.writer"),
        ((403, "<html>Forbidden</html>"), "roles/artifactregistry.writer"),
        ((401, errors("UNAUTHORIZED", "authentication failed")), "log in"),
        ((404, errors("NAME_UNKNOWN", 'Repository "models" not found')), "gcloud artifacts repositories create"),
    ],
)
def test_a_refused_upload_is_not_tried_again(
    engine: Engine, registry: str, tmp_path: Path, answer: Answer, way_out: str
) -> None:
    image = make(engine, tmp_path / "tiny", str(tmp_path)).image_id
    with gate(registry) as opened:
        opened.answer = lambda method, _: answer if method == "POST" else None
        with pytest.raises(RefusedError, match=f"{engine.name} could not push") as refused:
            sent(engine, image, opened)
    assert way_out in refused.value.fix
    assert [method for method, _, _ in opened.seen].count("POST") == 1


def test_a_second_attempt_does_not_hide_what_the_first_one_sent(
    engine: Engine, registry: str, tmp_path: Path, quick: None
) -> None:
    below = make(engine, tmp_path / "tiny", str(tmp_path))
    with gate(registry) as opened:
        assert sent(engine, below.image_id, opened).value.kept == set()
        above = make(engine, tmp_path / "tiny", str(tmp_path), f"{tmp_path} and more")
        opened.answer = once((502, "<html>denied</html>"))
        end = sent(engine, above.image_id, opened)
        assert any(step.endswith("2 of 2 layers there") for step in end.steps)
        manifest = read_manifest(opened.address, f"{engine.name}/tiny", "1", None)
    assert [step.split(" ")[0] for step in end.steps if " layers there" not in step] == [
        "pushing",
        "attempt",
        "pushing",
    ]
    assert manifest is not None
    pairs = zip(manifest.layers, inspect(engine, above.image_id).layers, strict=True)
    assert [end.value.had(packed, unpacked) for (packed, _), unpacked in pairs] == [True, False]


def test_each_attempt_logs_in_with_a_token_of_its_own(
    docker: Engine, registry: str, tmp_path: Path, quick: None
) -> None:
    image = make(docker, tmp_path / "tiny", str(tmp_path)).image_id
    with gate(registry) as opened, issuer(tmp_path) as source:
        opened.tokens = {"ya29.local-1", "ya29.local-2"}
        opened.answer = once((502, ""))
        sent(docker, image, opened, identity.ambient())
    used = [token for method, path, token in opened.seen if last_step(method, path)]
    assert used == source.issued == ["ya29.local-1", "ya29.local-2"]


def test_an_upload_that_outlives_its_token_goes_on_with_a_new_one(
    docker: Engine, registry: str, tmp_path: Path, quick: None
) -> None:
    image = make(docker, tmp_path / "tiny", str(tmp_path)).image_id
    with gate(registry) as opened, issuer(tmp_path) as source:
        source.lifetime = 5
        opened.tokens = {"ya29.local-1", "ya29.local-2"}
        opened.answer = once((401, errors("UNAUTHORIZED", "authentication failed")))
        end = sent(docker, image, opened, identity.ambient())
    assert any(step.startswith("attempt 1 of 4 failed") for step in end.steps)
    assert source.issued == ["ya29.local-1", "ya29.local-2"]


def test_a_token_that_the_registry_refuses_ends_the_upload(docker: Engine, registry: str, tmp_path: Path) -> None:
    image = make(docker, tmp_path / "tiny", str(tmp_path)).image_id
    with gate(registry) as opened, issuer(tmp_path) as source:
        opened.tokens = set()
        with pytest.raises(RefusedError, match="authentication failed"):
            sent(docker, image, opened, identity.ambient())
    assert source.issued == ["ya29.local-1"]


def test_the_token_reaches_the_registry_but_no_command_line_and_no_lasting_file(
    docker: Engine, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make(docker, tmp_path / "tiny", str(tmp_path)).image_id
    token = "ya29.local-1"
    commands: list[list[str]] = []
    folders: list[Path] = []
    start = process.start

    def recorded(argv: list[str], **options: object) -> subprocess.Popen[str]:
        env = options["env"]
        assert isinstance(env, dict)
        assert token not in str(env)
        commands.append(argv)
        if "push" in argv:
            folders.append(Path(env["DOCKER_CONFIG"]))
            assert folders[0].stat().st_mode & 0o077 == 0
            assert "auths" in (folders[0] / "config.json").read_text()
        return start(argv, **options)  # type: ignore[arg-type]

    with gate(registry) as opened, issuer(tmp_path):
        opened.tokens = {token}
        with pytest.raises(RefusedError, match=r"no basic auth credentials|unauthorized"):
            sent(docker, image, opened)
        monkeypatch.setattr(process, "start", recorded)
        end = sent(docker, image, opened, identity.ambient())
    assert end.value.kept == set()
    target = f"{opened.address}/docker/tiny:1"
    assert [argv[1:] for argv in commands if "push" in argv] == [["push", target]]
    assert token not in str(commands)
    assert token not in str(end.steps)
    (folder,) = folders
    assert not folder.exists()


def names(engine: Engine, image: str) -> list[str]:
    """Return the names that the engine has for an image."""
    found: list[str] = json.loads(engine.ask(["image", "inspect", "--format", "{{json .RepoTags}}", image])) or []
    return found


@pytest.mark.parametrize("answers", [None, (403, errors("DENIED", DENIED))])
def test_the_engine_keeps_no_name_of_the_registry(
    engine: Engine, registry: str, tmp_path: Path, answers: Answer | None
) -> None:
    image = make(engine, tmp_path / "tiny", str(tmp_path)).image_id
    before = names(engine, image)
    with gate(registry) as opened:
        opened.answer = lambda method, _: answers if method == "POST" else None
        try:
            sent(engine, image, opened)
        except EnvironmentFaultError:
            assert answers is not None
    assert names(engine, image) == before != []


def test_an_image_without_another_name_is_still_there_after_its_upload(
    engine: Engine, registry: str, tmp_path: Path
) -> None:
    image = make(engine, tmp_path / "tiny", str(tmp_path)).image_id
    with gate(registry) as opened:
        target = f"{opened.address}/{engine.name}/tiny:1"
        engine.ask(["tag", image, target])
        for name in names(engine, image):
            if name != target:
                engine.ask(["image", "rm", name])
        sent(engine, image, opened)
    assert inspect(engine, image).id == image


def test_an_interrupted_push_leaves_no_name_behind(
    copied: Callable[[str], Path], docker: Engine, registry: str, tmp_path: Path
) -> None:
    proven = make(docker, tmp_path / "tiny", str(tmp_path))
    before = names(docker, proven.image_id)
    root = copied("tests/projects/packaged-transform")
    report = push.report_file(load(root))
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"verdict": "passed", **asdict(proven)}))
    reached, over = threading.Event(), threading.Event()

    def hang(method: str, path: str) -> Answer | None:
        if not last_step(method, path):
            return None
        reached.set()
        over.wait(60)
        return (0, "")

    command = [sys.executable, "-m", "seatrial", "image", "push", "--project", str(root)]
    with gate(registry) as opened:
        opened.answer = hang
        repository = ["--repository", f"{opened.address}/interrupted/tiny"]
        with subprocess.Popen([*command, *repository], stderr=subprocess.PIPE, text=True) as running:
            try:
                while not reached.wait(0.1):
                    assert running.poll() is None, running.communicate()[1]
                assert len(names(docker, proven.image_id)) == 2
                running.send_signal(signal.SIGINT)
                _, printed = running.communicate(timeout=60)
            finally:
                over.set()
                running.kill()
    assert running.returncode == 128 + signal.SIGINT, printed
    assert names(docker, proven.image_id) == before
