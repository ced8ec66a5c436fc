"""The golden examples and the manifest: what is written can be read, and faults are named."""

from __future__ import annotations

import base64
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial import golden
from seatrial.errors import UsageError
from seatrial.golden import Differences, GoldenExample

ROOT = Path(__file__).parent.parent
PNG = b"\x89PNG\r\n\x1a\n and more"
GREY = "gréy.png"
RECORDED = '{"format": 1, "files": {}, "trained_with": {}, "recorded": {"how": "%s", "code": {}, "model": {}}}'
TRAIN = """
import pathlib
from shop import loader
from seatrial import golden

artifacts = pathlib.Path("artifacts")
artifacts.mkdir(exist_ok=True)
if not (artifacts / "weights").exists():
    (artifacts / "weights").write_bytes(b"w" * 100)
(artifacts / "labels.json").write_text("[]")
golden.write(artifacts, [golden.GoldenExample(instance=loader.ANSWER, label="7")])
golden.write_manifest(artifacts, how="training", accuracy=0.5)
"""


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Return a folder of artifacts whose golden folder holds two images and no golden.json."""
    (tmp_path / "weights.pt").write_bytes(b"weights")
    (tmp_path / "golden" / "more").mkdir(parents=True)
    (tmp_path / "golden" / GREY).write_bytes(PNG)
    (tmp_path / "golden" / "more" / "b.jpg").write_bytes(b"\xff\xd8")
    return tmp_path


def write_text(artifacts: Path, text: str) -> None:
    (artifacts / "golden" / "golden.json").write_text(text, encoding="utf-8")


def refusal(artifacts: Path, content: Any) -> UsageError:
    write_text(artifacts, json.dumps(content))
    with pytest.raises(UsageError) as refused:
        golden.read(artifacts)
    return refused.value


class TestExamples:
    EXAMPLES = (
        GoldenExample(image=GREY, label="7", scores=(0.1, 1 / 3, 5e-324)),
        GoldenExample(image="more/b.jpg", label="1"),
        GoldenExample(instance=[[1.5, "é"], None], response={"label": "7", "boxes": []}),
        GoldenExample(instance=0, scores=()),
        GoldenExample(instance=1, label=7, truth="1", scores={"1": 0.5, "7": 0.75}),
    )

    def test_are_read_as_they_were_written(self, artifacts: Path) -> None:
        golden.write(artifacts, self.EXAMPLES)
        assert golden.read(artifacts) == self.EXAMPLES

    def test_give_the_same_bytes_whenever_they_are_written(self, artifacts: Path) -> None:
        golden.write(artifacts, self.EXAMPLES)
        once = (artifacts / "golden" / "golden.json").read_bytes()
        golden.write(artifacts, golden.read(artifacts))
        assert (artifacts / "golden" / "golden.json").read_bytes() == once

    def test_have_no_key_for_what_is_not_known(self, artifacts: Path) -> None:
        golden.write(artifacts, [GoldenExample(image=GREY, label="7")])
        written = json.loads((artifacts / "golden" / "golden.json").read_text(encoding="utf-8"))
        assert written == [{"image": GREY, "label": "7"}]

    def test_are_none_without_a_golden_file(self, tmp_path: Path) -> None:
        assert golden.read(tmp_path) == ()

    def test_send_an_image_as_base64_and_an_instance_as_written(self, artifacts: Path) -> None:
        image, instance = self.EXAMPLES[0], self.EXAMPLES[2]
        assert base64.b64decode(image.vertex_instance(artifacts)["b64"]) == PNG
        assert instance.vertex_instance(artifacts) == [[1.5, "é"], None]

    def test_that_reading_would_refuse_are_not_written(self, artifacts: Path) -> None:
        with pytest.raises(UsageError, match="finite numbers"):
            golden.write(artifacts, [GoldenExample(image=GREY, scores=(float("nan"),))])
        assert golden.read(artifacts) == ()

    def test_that_no_json_can_hold_leave_the_former_file_alone(self, artifacts: Path) -> None:
        golden.write(artifacts, self.EXAMPLES)
        with pytest.raises(ValueError, match="JSON compliant"):
            golden.write(artifacts, [GoldenExample(instance=[float("nan")], label="7")])
        assert golden.read(artifacts) == self.EXAMPLES
        assert sorted(p.name for p in (artifacts / "golden").iterdir()) == ["golden.json", GREY, "more"]


class TestOrderOfLabels:
    LEFT, RIGHT, TOP = (
        GoldenExample(instance=n, label=label, scores=tuple(float(n == place) for place in range(3)))
        for n, label in enumerate(("left", "right", "top"))
    )

    @pytest.mark.parametrize(
        ("examples", "listed", "order"),
        [
            ([TOP, LEFT, RIGHT], None, ("left", "right", "top")),
            ([TOP, LEFT, RIGHT], ["top", "left", "right"], ("left", "right", "top")),
            ([TOP, LEFT], None, ()),
            ([TOP, LEFT], ["left", "right", "top"], ("left", "right", "top")),
            ([TOP, LEFT], ["top", "right", "left"], ()),
            ([TOP, LEFT], ["left", "top"], ()),
            ([TOP, LEFT], {"left": 0}, ()),
            ([TOP, LEFT, RIGHT, GoldenExample(instance=3, label="left", scores=(0.0, 0.2, 0.8))], None, ()),
            ([GoldenExample(instance=n, label=f"l{n}", scores=(n, 1 - n)) for n in range(2)], None, ("l1", "l0")),
            ([GoldenExample(instance=n, label=f"l{n}", scores=(n, 3 - n)) for n in (1, 2)], None, ()),
            ([GoldenExample(instance=0, scores={"a": 1.0, "b": 0.0})], ["b", "a"], ("b", "a")),
        ],
        ids=[
            "each shown", "shown is believed", "one not shown", "listed", "listed otherwise", "too few listed",
            "no list", "two labels for one place", "two probabilities", "two distances", "recorded by label",
        ],
    )  # fmt: skip
    def test_is_what_the_examples_show_or_what_labels_json_lists(
        self, tmp_path: Path, examples: list[GoldenExample], listed: Any, order: tuple[str, ...]
    ) -> None:
        golden.write(tmp_path, examples)
        if listed is not None:
            (tmp_path / "labels.json").write_text(json.dumps(listed))
        assert {example.order for example in golden.read(tmp_path)} == {order}


class TestMalformedExamples:
    @pytest.mark.parametrize("text", ["[", "[] []", "[" * 100_000], ids=["cut short", "two values", "deep"])
    def test_refuse_what_is_not_json(self, artifacts: Path, text: str) -> None:
        write_text(artifacts, text)
        with pytest.raises(UsageError, match=r"golden\.json is not valid JSON"):
            golden.read(artifacts)

    def test_refuse_bytes_that_are_not_utf_8(self, artifacts: Path) -> None:
        (artifacts / "golden" / "golden.json").write_bytes(b'[{"label": "\xff"}]')
        with pytest.raises(UsageError, match=r"golden\.json is not valid JSON"):
            golden.read(artifacts)

    def test_refuse_an_object_in_place_of_the_list(self, artifacts: Path) -> None:
        assert "must be a JSON list" in refusal(artifacts, {"image": GREY}).message

    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            ("a.png", "is not a JSON object"),
            ({"image": GREY, "lable": "7"}, "has an unknown key `lable`"),
            ({"label": "7"}, "needs an image or an instance"),
            ({"image": GREY, "instance": {}}, "needs an image or an instance, not both"),
            ({"image": GREY, "label": [7]}, "has a label that is neither text nor a number"),
            ({"image": GREY, "label": "7", "truth": {}}, "has a truth that is neither text nor a number"),
            ({"image": GREY, "truth": "7"}, "records no answer"),
            ({"image": GREY, "scores": {"7": None}}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY, "scores": 0.5}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY, "scores": ["0.5"]}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY, "scores": [True]}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY, "scores": [float("nan")]}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY, "scores": [10**400]}, "has scores that are neither a list of finite numbers nor"),
            ({"image": GREY}, "records no answer"),
            ({"image": "absent.png"}, "names an image that does not exist: 'absent.png'"),
            ({"image": "more"}, "names an image that does not exist: 'more'"),
            ({"image": 7}, "names an image outside of the folder golden/: 7"),
            ({"image": "../weights.pt"}, "names an image outside of the folder golden/: '../weights.pt'"),
            ({"image": "/etc/passwd"}, "names an image outside of the folder golden/: '/etc/passwd'"),
            ({"image": "a\0.png"}, "names an image outside of the folder golden/: 'a\\x00.png'"),
        ],
    )
    def test_are_refused_by_their_number_and_fault(self, artifacts: Path, entry: Any, why: str) -> None:
        error = refusal(artifacts, [{"image": GREY, "label": "7"}, entry])
        assert f"golden.json: example 1 {why}" in error.message
        assert '{"image": "a.png"}' in error.fix

    def test_cannot_leave_the_folder_through_a_link(self, artifacts: Path) -> None:
        (artifacts / "golden" / "link.png").symlink_to(artifacts / "weights.pt")
        assert "outside of the folder" in refusal(artifacts, [{"image": "link.png"}]).message


class TestManifest:
    def test_covers_every_file_but_itself(self, artifacts: Path) -> None:
        golden.write(artifacts, [GoldenExample(image=GREY, label="7")])
        golden.write_manifest(artifacts)
        covered = list(golden.write_manifest(artifacts).files)
        assert covered == ["golden/golden.json", f"golden/{GREY}", "golden/more/b.jpg", "weights.pt"]

    def test_is_read_as_it_was_written(self, artifacts: Path) -> None:
        assert golden.read_manifest(artifacts) is None
        manifest = golden.write_manifest(artifacts)
        assert golden.read_manifest(artifacts) == manifest

    def test_gives_the_same_bytes_whenever_it_is_written(self, artifacts: Path) -> None:
        golden.write_manifest(artifacts)
        once = (artifacts / "manifest.json").read_bytes()
        golden.write_manifest(artifacts)
        assert (artifacts / "manifest.json").read_bytes() == once

    def test_holds_the_sha256_of_the_bytes(self, artifacts: Path) -> None:
        digest = golden.write_manifest(artifacts).files["weights.pt"]
        # printf weights | sha256sum
        assert digest == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"

    def test_records_this_python_and_only_installed_distributions(self, artifacts: Path) -> None:
        trained_with = golden.write_manifest(artifacts).trained_with
        assert trained_with["python"] == platform.python_version()
        assert trained_with.keys() <= {"python", *golden.TRAINED_WITH, *golden.PREPARES}
        assert all(trained_with.values())

    def test_does_not_differ_from_the_folder_that_it_was_written_over(self, artifacts: Path) -> None:
        assert golden.differences(artifacts, golden.write_manifest(artifacts)) == Differences()

    def test_tells_what_was_changed_added_and_removed(self, artifacts: Path) -> None:
        manifest = golden.write_manifest(artifacts)
        (artifacts / "weights.pt").write_bytes(b"weightS")
        (artifacts / "golden" / "more" / "b.jpg").rename(artifacts / "golden" / "more" / "c.jpg")
        assert golden.differences(artifacts, manifest) == Differences(
            changed=("weights.pt",), unlisted=("golden/more/c.jpg",), missing=("golden/more/b.jpg",)
        )

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("{", "is not valid JSON"),
            ("[]", 'is not a manifest of "format": 1'),
            ('{"format": 2, "files": {}, "trained_with": {}}', 'is not a manifest of "format": 1'),
            ('{"format": 1, "trained_with": {}}', "must map text to text"),
            ('{"format": 1, "files": {"a": 1}, "trained_with": {}}', "must map text to text"),
            ('{"format": 1, "files": {}, "trained_with": []}', "must map text to text"),
            (
                '{"format": 1, "files": {}, "trained_with": {}, "recorded": {"how": "training"}}',
                '"recorded" is not what',
            ),
            (RECORDED % "guessed", '"recorded" is not what'),
        ],
    )
    def test_that_is_malformed_is_refused(self, artifacts: Path, text: str, why: str) -> None:
        (artifacts / "manifest.json").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as refused:
            golden.read_manifest(artifacts)
        assert why in refused.value.message


class TestRecording:
    @pytest.fixture
    def recorded(self, artifacts: Path) -> Path:
        """Return a folder of artifacts that this process wrote, with one golden answer."""
        golden.write(artifacts, [GoldenExample(image=GREY, label="7")])
        return artifacts

    def test_is_not_told_where_there_are_no_golden_answers(self, tmp_path: Path) -> None:
        (tmp_path / "weights.pt").write_bytes(b"weights")
        assert golden.write_manifest(tmp_path).recorded is None

    def test_is_unknown_unless_it_is_said(self, recorded: Path) -> None:
        found = golden.write_manifest(recorded).recorded
        assert found is not None
        assert (found.how, found.accuracy, list(found.model)) == ("unknown", None, ["weights.pt"])

    def test_is_read_as_it_was_written(self, recorded: Path) -> None:
        manifest = golden.write_manifest(recorded, how="training", accuracy=0.97)
        assert manifest.recorded is not None
        assert (manifest.recorded.how, manifest.recorded.accuracy) == ("training", 0.97)
        assert golden.read_manifest(recorded) == manifest

    @pytest.mark.parametrize("wrong", [{"how": "honestly"}, {"accuracy": 97.0}])
    def test_takes_no_other_words_and_shares(self, recorded: Path, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="a share from 0 to 1"):
            golden.write_manifest(recorded, **wrong)

    @pytest.mark.parametrize("how", [None, "unknown"])
    def test_is_later_where_the_model_was_there_before_whatever_is_said(self, recorded: Path, how: Any) -> None:
        os.utime(recorded / "weights.pt", (0, 0))
        found = golden.write_manifest(recorded, how=how).recorded
        assert found is not None
        assert found.how == "later"

    def test_is_kept_while_the_answers_stay_the_same_with_the_model_that_they_were_recorded_for(
        self, recorded: Path
    ) -> None:
        first = golden.write_manifest(recorded, how="training").recorded
        (recorded / "weights.pt").write_bytes(b"others")
        again = golden.write_manifest(recorded)
        assert again.recorded == first
        assert again.recorded is not None
        assert again.recorded.model != again.model
        golden.write(recorded, [GoldenExample(image=GREY, label="8")])
        changed = golden.write_manifest(recorded).recorded
        assert changed is not None
        assert changed.how == "unknown"

    def test_names_the_code_of_the_process_and_what_it_found(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        for name, text in {"__init__": "", "loader": "ANSWER = 7\n", "unused": "", "train": TRAIN}.items():
            (tmp_path / "shop" / f"{name}.py").write_text(text)
        command = [sys.executable, "-m", "shop.train"]
        env = {"PYTHONPATH": str(ROOT)}
        found = []
        for _ in range(2):  # the second process finds the weights of the first
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            manifest = golden.read_manifest(tmp_path / "artifacts")
            assert manifest is not None
            assert manifest.recorded is not None
            assert list(manifest.recorded.code) == ["shop/__init__.py", "shop/loader.py", "shop/train.py"]
            assert manifest.recorded.code["shop/loader.py"] == golden.file_digest(tmp_path / "shop/loader.py")
            found.append((manifest.recorded.how, "did not write weights:" in done.stderr))
        assert found == [("training", False), ("later", True)]


def test_the_module_imports_where_nothing_is_installed() -> None:
    without_site_packages = [sys.executable, "-E", "-S", "-c", "import seatrial.golden"]
    done = subprocess.run(without_site_packages, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
