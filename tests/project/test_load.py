"""[tool.seatrial]: what it means, and how mistakes in it are explained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.errors import ExitCode, UsageError
from seatrial.project import Project, around, load

ROOT = Path(__file__).parents[2]


def project(folder: Path, table: str, *, predictor: str = 'predictor = "package.module:Name"') -> Project:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(f"[tool.seatrial]\n{predictor}\n{table}\n", encoding="utf-8")
    return load(folder)


def refusal(folder: Path, table: str, *, predictor: str = 'predictor = "package.module:Name"') -> str:
    with pytest.raises(UsageError) as raised:
        project(folder, table, predictor=predictor)
    assert raised.value.exit_code is ExitCode.USAGE
    return raised.value.message


class TestDefaults:
    def test_leave_only_the_predictor_to_be_named(self, tmp_path: Path) -> None:
        loaded = project(tmp_path / "My Digits!", "")
        assert loaded.predictor_module == "package.module"
        assert loaded.predictor_class == "Name"
        assert loaded.name == "my-digits"
        assert loaded.packages == ("package",)
        assert (loaded.python, loaded.artifacts, loaded.interface) == ("3.11", "artifacts", "auto")
        assert (loaded.serving.image.mode, loaded.serving.image.alpha, loaded.serving.image.exif) == (
            "RGB", "drop", "ignore",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("folder", "name"), [("x" * 62 + "-yz", "x" * 62), ("---", "predictor"), ("Ünïcode", "n-code")]
    )
    def test_make_a_valid_name_of_any_folder(self, tmp_path: Path, folder: str, name: str) -> None:
        assert project(tmp_path / folder, "").name == name

    def test_point_to_the_files_beside_the_configuration(self, tmp_path: Path) -> None:
        loaded = project(tmp_path, "")
        assert loaded.root == tmp_path.resolve()
        assert loaded.lock_file == loaded.root / "requirements.txt"
        assert loaded.artifacts_dir == loaded.root / "artifacts"

    def test_choose_the_cpu_lock_for_the_cpu_only_where_it_exists(self, tmp_path: Path) -> None:
        loaded = project(tmp_path, "")
        assert loaded.lock_for("cpu") == loaded.lock_file
        loaded.cpu_lock_file.touch()
        assert loaded.lock_for("cpu") == loaded.cpu_lock_file
        assert loaded.lock_for("cuda") == loaded.lock_file

    def test_allow_more_drift_on_a_gpu(self, tmp_path: Path) -> None:
        smoke = project(tmp_path, "smoke.tolerance-cuda = 0.5").smoke
        assert (smoke.tolerance_for("cpu"), smoke.tolerance_for("cuda")) == (1e-5, 0.5)

    def test_are_what_this_repository_itself_is_served_with(self) -> None:
        assert load(ROOT).predictor == "predictor:DigitPredictor"


class TestSettings:
    def test_are_read_from_nested_tables(self, tmp_path: Path) -> None:
        loaded = project(
            tmp_path,
            'name = "ours"\npackages = ["package", "common"]\npackage-data = ["package/*.txt"]\n'
            '[tool.seatrial.serving]\nmax-batch = 4\noptimize = ["channels-last"]\n'
            '[tool.seatrial.serving.image]\nmode = "keep"\n'
            '[tool.seatrial.lock]\ncpu-index = "https://index.example"\n[tool.seatrial.smoke]\nload-timeout = 5\n',
        )
        assert loaded.packages == ("package", "common")
        assert loaded.package_data == ("package/*.txt",)
        assert (loaded.serving.max_batch, loaded.serving.image.mode) == (4, "keep")
        assert loaded.serving.optimize == ("channels-last",)
        assert (loaded.lock.cpu_index, loaded.smoke.load_timeout) == ("https://index.example", 5.0)


class TestAnUnknownKey:
    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("artefacts = 1", "unknown key `artefacts`; did you mean `artifacts`?"),
            ("lok.x = 1", "unknown key `lok`; did you mean `lock`?"),
            ("serving.max-batchs = 1", "unknown key `serving.max-batchs`; did you mean `max-batch`?"),
            ('serving.image.mod = "RGB"', "unknown key `serving.image.mod`; did you mean `mode`?"),
            ('root = "."', "unknown key `root`"),
        ],
    )
    def test_is_refused_with_the_nearest_known_one(self, tmp_path: Path, table: str, message: str) -> None:
        assert refusal(tmp_path, table) == f"[tool.seatrial] has an {message}"

    def test_like_no_other_gets_no_suggestion(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, "qqqqq = 1") == "[tool.seatrial] has an unknown key `qqqqq`"

    def test_is_named_together_with_every_other_fault(self, tmp_path: Path) -> None:
        said = refusal(tmp_path, "nam = 1\npython = 3.11")
        assert len(said.splitlines()) == 2
        assert "did you mean `name`?" in said


class TestAWrongValue:
    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("python = 3.11", "python: must be text in quotes, not 3.11"),
            ('python = "3.11.4"', 'python: must be a minor version of Python in quotes, such as "3.11", not "3.11.4"'),
            ('python = "3.9"', "python: the serving runtime needs 3.10 or later, not 3.9"),
            ('packages = "common"', 'packages: must be a list, not "common"'),
            ('packages = ["../common"]', "packages.0: must be the name of a top-level package or module"),
            ('package-data = ["../*"]', "package-data: '../*' is not a pattern of files below the project's folder"),
            ('package-data = ["/etc/*"]', "package-data: '/etc/*' is not a pattern"),
            ('artifacts = "."', "artifacts: '.' contains build/; the artifacts need their own folder"),
            (
                'artifacts = "s3://b/m"',
                "artifacts: 's3://b/m' is neither a folder of the project nor one of Cloud Storage",
            ),
            ('name = "My Digits"', "name: must be at most 63 lower-case letters, digits and hyphens"),
            ('interface = "flask"', "interface: must be 'auto', 'batched', 'cpr' or 'ai-platform', not \"flask\""),
            ("serving = 3", "serving: must be a table, not 3"),
            ('serving.max-batch = "8"', 'serving.max-batch: must be a whole number, not "8"'),
            ("serving.max-batch = true", "serving.max-batch: must be a whole number, not true"),
            ("serving.max-batch = 0", "serving.max-batch: must be greater than or equal to 1, not 0"),
            ('serving.optimize = ["compile"]', "serving.optimize.0: must be 'fold-conv-bn' or 'channels-last'"),
            ('serving.image.mode = "rgb"', "serving.image.mode: must be 'RGB', 'L', 'RGBA' or 'keep', not \"rgb\""),
            ("smoke.load-timeout = inf", "smoke.load-timeout: must be a finite number"),
        ],
    )
    def test_is_named_by_its_key_with_what_it_must_be(self, tmp_path: Path, table: str, message: str) -> None:
        assert refusal(tmp_path, table).startswith(f"[tool.seatrial] {message}")

    @pytest.mark.parametrize("value", ["predictor", "predictor:", "a/b:C", ":C", "a b:C"])
    def test_for_the_predictor_is_answered_with_an_example(self, tmp_path: Path, value: str) -> None:
        said = refusal(tmp_path, "", predictor=f'predictor = "{value}"')
        assert 'a module and a class in it, such as "predictor:DigitPredictor"' in said

    def test_none_at_all_for_the_predictor_is_answered_with_an_example_too(self, tmp_path: Path) -> None:
        said = refusal(tmp_path, "", predictor="")
        assert said == '[tool.seatrial] needs `predictor`, for example predictor = "predictor:DigitPredictor"'


class TestNoProject:
    @pytest.mark.parametrize("text", ["", "tool = 1", "[tool]\nseatrial = 1", "[tool.other]\nseatrial = 1"])
    def test_is_what_a_file_without_the_table_is(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text)
        with pytest.raises(UsageError, match=r"has no \[tool\.seatrial\] table") as raised:
            load(tmp_path)
        assert "[tool.seatrial]\n" in raised.value.fix
        assert "predictor = " in raised.value.fix

    def test_is_what_a_folder_without_the_file_is(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"no pyproject\.toml in") as raised:
            load(tmp_path)
        assert "[tool.seatrial]" in raised.value.fix

    def test_is_what_a_file_is(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=r"no pyproject\.toml in"):
            load(tmp_path / "file")

    def test_is_told_when_the_file_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").mkdir()
        with pytest.raises(UsageError, match="cannot be read: Is a directory"):
            load(tmp_path)

    def test_is_told_when_the_file_is_nested_without_end(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_bytes(b"a = " + b"[" * 20_000)
        with pytest.raises(UsageError, match="nested too deeply"):
            load(tmp_path)

    def test_is_told_when_the_file_is_a_pipe_that_never_answers(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pyproject.toml")
        with pytest.raises(UsageError, match=r"no pyproject\.toml"):
            load(tmp_path)

    @pytest.mark.parametrize("content", [b"x = ", b"\xff\xfe"])
    def test_is_told_when_the_file_is_no_toml(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "pyproject.toml").write_bytes(content)
        with pytest.raises(UsageError, match="is not valid TOML"):
            load(tmp_path)


class TestTheProjectAround:
    def test_is_the_nearest_folder_above_that_is_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "pyproject.toml").write_text('[tool.seatrial]\npredictor = "p:P"\n')
        inner = tmp_path / "src" / "package"
        inner.mkdir(parents=True)
        (tmp_path / "src" / "pyproject.toml").write_text("[tool.other]\n")
        monkeypatch.chdir(inner)
        assert around(Path()) == Path("../..")

    def test_is_here_if_there_is_none_or_the_folder_has_a_pyproject_of_its_own(self, tmp_path: Path) -> None:
        assert around(tmp_path) == tmp_path
        (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
        assert around(tmp_path) == tmp_path
