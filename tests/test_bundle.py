"""The bundle: the same bytes from the same input, nothing that is not listed, and an identity that means something."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import bundle, golden
from seatrial.bundle import Bundle, build
from seatrial.errors import UsageError
from seatrial.project import Project, load
from tests.small_project import locked, small_project
from tests.stages import Ended, ended

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
Change = Callable[[Path], object]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project with a package, its data, a lock, artifacts, and files beside them that do not ship."""
    made = small_project(
        tmp_path / "project",
        {
            "predictor/__init__.py": "class P:\n    pass\n",
            "predictor/inner/deep.py": "",
            "predictor/labels.txt": "a\nb\n",
            "predictor/notes.md": "not listed",
            "predictor/__pycache__/x.py": "",
            "predictor/.ipynb_checkpoints/deep-checkpoint.py": "",
            "training/train.py": "",
            "artifacts/weights.bin": "weights",
            "artifacts/labels.json": "[]",
            "README.md": "read me",
            **locked("pillow==11.0.0"),
        },
        **{"package-data": ["predictor/*.txt"]},
    )
    golden.write_manifest(made.artifacts_dir)
    return made


def built(project: Project, device: str = "cpu") -> Bundle:
    made = ended(build(project, device)).value
    assert made is not None
    return made


def refused(project: Project) -> Ended[Bundle | None]:
    ran = ended(build(project, "cpu"))
    assert ran.value is None
    return ran


def content(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class TestWhatEnters:
    def test_the_wheel_holds_the_modules_and_the_listed_data_alone(self, project: Project) -> None:
        with zipfile.ZipFile(built(project).predictor_wheel) as wheel:
            names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert names == {"predictor/__init__.py", "predictor/inner/deep.py", "predictor/labels.txt"}

    def test_the_sdist_holds_the_same_and_its_metadata(self, project: Project) -> None:
        (sdist,) = (built(project).path / "sdist").iterdir()
        with tarfile.open(sdist) as archive:
            names = {name.split("/", 1)[1] for name in archive.getnames()}
        assert names == {
            "predictor/__init__.py", "predictor/inner/deep.py", "predictor/labels.txt", "pyproject.toml", "PKG-INFO",
        }  # fmt: skip

    def test_a_gitignored_file_that_is_listed_enters_all_the_same(self, project: Project) -> None:
        (project.root / ".gitignore").write_text("*.txt\nbuild/\n")
        with zipfile.ZipFile(built(project).predictor_wheel) as wheel:
            assert "predictor/labels.txt" in wheel.namelist()

    def test_bytecode_never_enters_though_a_pattern_matches_it(self, project: Project) -> None:
        (project.root / "predictor/__pycache__/deep.cpython-311.pyc").write_bytes(b"\0")
        everything = project.model_copy(update={"package_data": ("predictor/**/*",)})
        assert not [path for path in bundle.list_files(everything).package if "__pycache__" in path]

    def test_artifacts_are_those_of_the_manifest(self, project: Project) -> None:
        (project.artifacts_dir / "stray.bin").write_text("nobody measured this")
        shipped = content(built(project).path / "artifacts")
        assert shipped.keys() == {"weights.bin", "labels.json", "manifest.json"}

    def test_artifacts_are_all_of_the_folder_without_a_manifest(self, project: Project) -> None:
        (project.artifacts_dir / golden.MANIFEST_FILE).unlink()
        assert content(built(project).path / "artifacts") == content(project.artifacts_dir)

    def test_a_manifest_cannot_name_a_file_outside_of_the_artifacts(self, project: Project) -> None:
        file = project.artifacts_dir / golden.MANIFEST_FILE
        manifest = json.loads(file.read_text())
        manifest["files"]["../README.md"] = "0" * 64
        file.write_text(json.dumps(manifest))
        with pytest.raises(UsageError, match=r"lists \.\./README\.md, which is not below artifacts/"):
            ended(build(project, "cpu"))

    def test_both_locks_go_along_as_they_are(self, project: Project) -> None:
        made = built(project)
        assert (made.path / "requirements.txt").read_bytes() == project.lock_file.read_bytes()
        runtime = bundle.runtime_text("requirements.txt")
        assert (made.path / "runtime-requirements.txt").read_text() == runtime

    def test_the_device_chooses_the_lock(self, project: Project) -> None:
        project.cpu_lock_file.write_text("pillow==11.0.0 --hash=sha256:1\n")
        assert (built(project, "cpu").path / "requirements.txt").read_text().endswith("sha256:1\n")
        assert (built(project, "cuda").path / "requirements.txt").read_bytes() == project.lock_file.read_bytes()

    def test_bundle_json_names_every_setting_and_the_digest_of_every_file(self, project: Project) -> None:
        made = built(project)
        settings = json.loads(made.settings.read_text())
        assert settings["digest"] == made.digest
        assert settings["name"] == project.name
        assert (settings["predictor"], settings["python"], settings["device"]) == ("predictor:P", "3.11", "cpu")
        assert settings["serving"]["image"] == {"mode": "RGB", "alpha": "drop", "exif": "ignore"}
        assert settings["lock"] == hashlib.sha256(project.lock_file.read_bytes()).hexdigest()
        assert settings["artifacts"] == content(project.artifacts_dir)
        assert settings["package"].keys() == {
            "predictor/__init__.py", "predictor/inner/deep.py", "predictor/labels.txt",
        }  # fmt: skip

    def test_a_single_module_is_a_package_too(self, tmp_path: Path) -> None:
        made = built(small_project(tmp_path, {"predictor.py": "class P: pass\n"}))
        with zipfile.ZipFile(made.predictor_wheel) as wheel:
            assert "predictor.py" in wheel.namelist()

    def test_the_wheel_leaves_out_the_folder_src(self, tmp_path: Path) -> None:
        files = {"src/fish/__init__.py": "class P: pass\n", "src/fish/conf/names.txt": "", "src/fish/notes.txt": ""}
        made = built(small_project(tmp_path, files, predictor="fish:P", **{"package-data": ["src/fish/conf/*"]}))
        with zipfile.ZipFile(made.predictor_wheel) as wheel:
            code = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert code == {"fish/__init__.py", "fish/conf/names.txt"}


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "name",
        [
            "predictor/.env", "predictor/.env.production", "predictor/key.pem", "predictor/inner/id_rsa",
            "predictor/my-service-account.json", "predictor/Credentials.json", "artifacts/server.key",
            "predictor/gha-creds-0123abcd.json", "predictor/.netrc",
        ],
    )  # fmt: skip
    def test_a_file_that_is_named_like_a_secret(self, project: Project, name: str) -> None:
        (project.root / name).write_text("anything")
        golden.write_manifest(project.artifacts_dir)
        ran = refused(project)
        assert ran.codes == ["ST801"]
        assert [str(finding.location) for finding in ran.errors] == [name]
        assert name in ran.errors[0].message

    def test_a_repository_inside_of_the_package(self, project: Project) -> None:
        (project.root / "predictor/.git/objects").mkdir(parents=True)
        (project.root / "predictor/.git/config").write_text("[remote]")
        assert [str(finding.location) for finding in refused(project).errors] == ["predictor/.git"]

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("-----BEGIN RSA PRIVATE KEY-----\nMII", "a private key"),
            ('{"type": "service_account", "private_key_id": "1"}', "a service account's key"),
        ],
    )
    def test_a_private_key_by_any_name(self, project: Project, text: str, what: str) -> None:
        (project.root / "predictor/notes.md").write_text(text)
        ran = refused(project)
        assert ran.codes == ["ST801"]
        assert ran.errors[0].message == f"predictor/notes.md holds {what}, in line 1"

    def test_a_public_certificate_ships_and_its_key_does_not(self, project: Project) -> None:
        certificate = "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----\n"
        (project.artifacts_dir / "ca.pem").write_text(certificate)
        golden.write_manifest(project.artifacts_dir)
        assert built(project)
        (project.artifacts_dir / "ca.pem").write_text(certificate + "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n")
        golden.write_manifest(project.artifacts_dir)
        assert refused(project).codes == ["ST801"]

    def test_a_token_in_a_program_unless_the_project_accepts_it_with_a_reason(self, project: Project) -> None:
        token = f"ghp_{'a1B2' * 9}"
        deep = project.root / "predictor/inner/deep.py"
        deep.write_text(f"\nTOKEN = '{token}'\n")
        (found,) = refused(project).errors
        assert (str(found.location), found.message) == (
            "predictor/inner/deep.py",
            "predictor/inner/deep.py holds a token (github-pat), in line 2",
        )
        deep.write_text(f"\nTOKEN = '{token}'  # seatrial: ignore[ST801] revoked, for the tests of the parser\n")
        assert built(project)
        deep.write_text(f"TOKEN = '{token}'\n")
        assert built(project.model_copy(update={"ignore": {"ST801": "revoked, for the tests of the parser"}}))

    def test_a_git_lfs_pointer_as_what_it_is(self, project: Project) -> None:
        (project.artifacts_dir / "weights.bin").write_text(LFS_POINTER)
        ran = refused(project)
        assert ran.codes == ["ST802"]
        assert ran.errors[0].message == "artifacts/weights.bin is a Git LFS pointer, not the file itself"
        assert "git lfs pull" in ran.errors[0].fix

    def test_a_project_without_a_lock(self, project: Project) -> None:
        project.lock_file.unlink()
        with pytest.raises(UsageError, match=r"there is no requirements\.txt") as raised:
            ended(build(project, "cpu"))
        assert raised.value.fix == "run `seatrial lock`"

    def test_a_package_that_does_not_exist(self, project: Project) -> None:
        shutil.rmtree(project.root / "predictor")
        with pytest.raises(UsageError, match="`packages` names predictor, but"):
            ended(build(project, "cpu"))

    @pytest.mark.parametrize("pattern", ["**/*", "**/*.json"])
    def test_nothing_that_was_made_by_an_earlier_build_or_by_another_program(
        self, project: Project, pattern: str
    ) -> None:
        project = project.model_copy(update={"package_data": (pattern,)})
        first = bundle.list_files(project)
        digests = {built(project).digest for _ in range(2)}
        for made in ("env/pyvenv.cfg", "env/lib/x.json", ".cache/CACHEDIR.TAG", ".cache/x.json", ".git/x.json"):
            (project.root / made).parent.mkdir(parents=True, exist_ok=True)
            (project.root / made).write_text("{}")
        assert bundle.list_files(project) == first
        assert {built(project).digest} == digests

    def test_package_data_that_matches_nothing(self, project: Project) -> None:
        (project.root / "predictor/labels.txt").unlink()
        with pytest.raises(UsageError, match=r"`package-data` has predictor/\*\.txt, which matches no file"):
            ended(build(project, "cpu"))


def append(name: str, text: str = "\n") -> Change:
    def change(root: Path) -> None:
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def change_weights(root: Path) -> None:
    (root / "artifacts/weights.bin").write_text("other weights")
    golden.write_manifest(root / "artifacts")


def touch_everything(root: Path) -> None:
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)


def commit(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")


class TestTheDigest:
    @pytest.mark.parametrize(
        "change",
        [
            append("requirements.txt", "# another lock\n"),
            append("predictor/__init__.py"),
            append("predictor/labels.txt", "c\n"),
            append("predictor/more.py", "x = 1\n"),
            change_weights,
            append("pyproject.toml", "serving.max-batch = 9\n"),
            append("pyproject.toml", "serving.max-body-bytes = 4096\n"),
            append("pyproject.toml", "serving.max-pixels = 9\n"),
            append("pyproject.toml", 'serving.image.mode = "L"\n'),
            append("pyproject.toml", 'serving.image.alpha = "white"\n'),
            append("pyproject.toml", 'serving.image.exif = "apply"\n'),
            append("pyproject.toml", 'interface = "batched"\n'),
            append("pyproject.toml", 'python = "3.12"\n'),
        ],
    )
    def test_changes_with_what_the_server_reads(self, project: Project, change: Change) -> None:
        before = built(project).digest
        change(project.root)
        assert built(load(project.root)).digest != before

    @pytest.mark.parametrize(
        "change",
        [
            append("README.md"),
            append("training/train.py"),
            append("predictor/notes.md"),
            append("pyproject.toml", "smoke.load-timeout = 9\n"),
            touch_everything,
            commit,
        ],
    )
    def test_does_not_change_with_anything_else(self, project: Project, change: Change) -> None:
        before = built(project).digest
        change(project.root)
        assert built(load(project.root)).digest == before

    def test_changes_with_the_runtime(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        before = built(project)
        monkeypatch.setattr(bundle, "_runtime_files", lambda: {"__init__.py": "0" * 64})
        after = built(project)
        assert after.digest != before.digest
        assert after.runtime_wheel.name != before.runtime_wheel.name

    def test_is_the_version_of_the_predictors_wheel(self, project: Project) -> None:
        made = built(project)
        assert made.predictor_wheel.name == f"project_predictor-0+d{made.digest[:12]}-py3-none-any.whl"


class TestTheBytes:
    def test_are_the_same_in_another_place_at_another_time(
        self, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = content(built(project).path)
        elsewhere = tmp_path / "elsewhere/project"
        shutil.copytree(project.root, elsewhere, ignore=shutil.ignore_patterns("build"))
        touch_everything(elsewhere)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
        before = os.umask(0o077)
        try:
            second = content(built(load(elsewhere)).path)
        finally:
            os.umask(before)
        assert second == first
        assert os.environ["SOURCE_DATE_EPOCH"] == "1000000000"

    def test_replace_those_of_a_former_bundle(self, project: Project) -> None:
        first = built(project)
        (first.path / "stray").touch()
        append("predictor/__init__.py")(project.root)
        second = built(project)
        assert not first.predictor_wheel.exists()
        assert not (second.path / "stray").exists()
        assert [path.name for path in project.build_dir.iterdir()] == ["bundle"]


class TestAnInterruptedBuild:
    @pytest.mark.parametrize("step", ["_runtime_wheel", "_predictor_wheel"])
    def test_leaves_the_former_bundle_whole_and_no_draft(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        before = content(built(project).path)
        append("predictor/__init__.py")(project.root)
        original = getattr(bundle, step)

        def interrupted(*arguments: object) -> None:
            original(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(bundle, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            ended(build(project, "cpu"))
        assert content(project.build_dir / "bundle") == before
        assert [path.name for path in project.build_dir.iterdir()] == ["bundle"]

    def test_puts_the_former_bundle_back_if_it_had_moved_already(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = content(built(project).path)
        rename = Path.rename

        def interrupted(self: Path, target: Path) -> Path:
            if target.name == "bundle" and not self.name.endswith("-old"):
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ended(build(project, "cpu"))
        assert content(project.build_dir / "bundle") == before
        assert [path.name for path in project.build_dir.iterdir()] == ["bundle"]


class TestTheRuntimesWheel:
    def test_holds_the_runtime_and_nothing_else_of_the_tool(self, project: Project) -> None:
        with zipfile.ZipFile(built(project).runtime_wheel) as wheel:
            names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert {"seatrial/serving/__main__.py", "seatrial/serving/interfaces/batched.py"} <= names
        assert all(name.startswith("seatrial/serving/") and name.endswith(".py") for name in names)

    def test_imports_beside_the_predictor_in_an_environment_without_the_tool(
        self, project: Project, tmp_path: Path
    ) -> None:
        made = built(project)
        for wheel in (made.runtime_wheel, made.predictor_wheel):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(tmp_path / "site")  # noqa: S202 - which is how a pure wheel is installed
        script = (
            f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
            "import seatrial.serving.settings, predictor, seatrial\n"
            "print(seatrial.__path__, predictor.P.__name__, hasattr(seatrial, '__version__'))"
        )
        ran = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False, timeout=60
        )  # -S: without site-packages, where the tool itself is
        assert ran.stderr == ""
        assert ran.stdout.endswith("P False\n")


class TestWhatMustNotShip:
    def test_a_git_folder_is_refused_however_it_is_listed(self, project: Project) -> None:
        (project.root / "artifacts/manifest.json").unlink()
        (project.root / "artifacts/.git").mkdir()
        (project.root / "artifacts/.git/config").write_text("[core]")
        ran = refused(project)
        assert {f.code for f in ran.errors} == {"ST801"}
        assert any("artifacts/.git/config" in f.message for f in ran.errors)

    def test_a_link_out_of_the_project_is_refused_unless_the_manifest_vouches_for_its_content(
        self, project: Project, tmp_path: Path
    ) -> None:
        (tmp_path / "outside.bin").write_text("private")
        (project.root / "artifacts/data.bin").symlink_to(tmp_path / "outside.bin")
        golden.write_manifest(project.artifacts_dir)
        built(project)
        (project.root / "artifacts/manifest.json").unlink()
        (error,) = refused(project).errors
        assert error.code == "ST801"
        assert "artifacts/data.bin is a link" in error.message

    def test_artifacts_that_contradict_their_manifest_are_refused(self, project: Project) -> None:
        (project.root / "artifacts/weights.bin").write_text("other weights")
        (project.root / "artifacts/labels.json").unlink()
        ran = refused(project)
        assert [(f.code, f.subject) for f in ran.errors] == [("ST306", "weights.bin"), ("ST306", "labels.json")]

    def test_a_pattern_that_is_not_a_glob_is_a_usage_error(self, project: Project) -> None:
        broken = project.model_copy(update={"package_data": ("**x",)})
        with pytest.raises(UsageError, match="is not a glob"):
            ended(build(broken, "cpu"))
