"""What training answered, kept beside the weights: artifacts/golden/ and the manifest of the whole folder.

Training writes both, the trial reads them. Training does not have the tool's dependencies: this needs the standard
library, and `record` NumPy besides what the predictor itself needs. It does not judge: differences are returned as
data. What the manifest says of how the answers were recorded rests on what the recording process can see of itself: its
code, and whether it found the model's files.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import platform
import site
import sys
import sysconfig
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, get_args

from seatrial.errors import UsageError
from seatrial.system import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FOLDER = "golden"
EXAMPLES_FILE = "golden.json"
MANIFEST_FILE = "manifest.json"
LABELS_FILE = "labels.json"  # if there is one: a JSON list of the labels, in the order of the scores
MANIFEST_FORMAT = 1
TRAINED_WITH = ("torch", "torchvision", "pillow", "numpy")  # distributions whose versions change answers
# Libraries that may prepare images instead of torchvision.
PREPARES = (
    "albumentations", "kornia", "opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python",
    "opencv-python-headless", "scikit-image", "timm", "transformers",
)  # fmt: skip

Label = str | int | float | bool
How = Literal["training", "later", "unknown"]


@dataclass(frozen=True, slots=True)
class GoldenExample:
    """One input and what training knew about it.

    Attributes:
        image: path of an image file relative to the golden folder, with forward slashes.
        instance: any JSON, sent as it is, instead of an image.
        label: what training answered, right or wrong: text, or a number if the predictor answers with numbers.
        truth: what the input really is.
        scores: what the model computed in training: label → score, or only the scores in the order of the labels.
        response: the whole prediction, for a predictor that answers with more than a label and scores.
        order: the labels in the order of the scores, as far as `read` found them; not written.
    """

    image: str | None = None
    instance: Any = None
    label: Label | None = None
    truth: Label | None = None
    scores: Sequence[float] | Mapping[str, float] | None = None
    response: Any = None
    order: tuple[str, ...] = field(default=(), compare=False)

    @property
    def answered(self) -> Label | None:
        """The label that training answered, also if it is recorded within a whole response."""
        if self.label is not None:
            return self.label
        answer = self.response.get("label") if isinstance(self.response, dict) else self.response
        return answer if isinstance(answer, Label) else None

    def vertex_instance(self, artifacts: Path) -> Any:
        """Return the element of a request's `instances`: an image as {"b64": …}, an instance as written."""
        if self.image is None:
            return self.instance
        data = (artifacts / FOLDER / self.image).read_bytes()
        return {"b64": base64.b64encode(data).decode("ascii")}

    def request_size(self, artifacts: Path) -> int:
        """Return the size in bytes of a request with only this example, without reading the image."""
        if self.image is None:
            return len(json.dumps({"instances": [self.instance]}))
        encoded = ((artifacts / FOLDER / self.image).stat().st_size + 2) // 3 * 4
        return len(json.dumps({"instances": [{"b64": ""}]})) + encoded


@dataclass(frozen=True, slots=True)
class Recording:
    """How the golden answers were recorded.

    Attributes:
        how: "training" in the process that trained the model; "later" by a process that found the model's files;
            "unknown" if that was not said.
        code: path as in the predictor's package, such as "predictor/model.py" → SHA-256 in hex, of every module that
            the process had imported, except the standard library and installed distributions.
        model: path relative to the artifacts → SHA-256 in hex, of every file of the model at that time.
        accuracy: the share of right answers that training measured on inputs that it was not trained on.
    """

    how: How
    code: Mapping[str, str]
    model: Mapping[str, str]
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was in the artifacts folder when training wrote it.

    Attributes:
        files: path relative to the artifacts, with forward slashes → SHA-256 in hex, of every file except the manifest.
        trained_with: "python" and the distributions of `TRAINED_WITH` and `PREPARES` that were installed → version.
        recorded: how the golden answers were recorded; None in a manifest that does not say it.
    """

    files: Mapping[str, str]
    trained_with: Mapping[str, str]
    recorded: Recording | None = None

    @property
    def model(self) -> dict[str, str]:
        """The files that are neither golden answers nor the manifest, with their digests."""
        return {path: digest for path, digest in self.files.items() if not path.startswith(f"{FOLDER}/")}


@dataclass(frozen=True, slots=True)
class Differences:
    """How a folder differs from its manifest, as sorted relative paths; all empty if it does not."""

    changed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read(artifacts: Path) -> tuple[GoldenExample, ...]:
    """Return the golden examples in the order of golden.json; none if there is no such file.

    Raises:
        UsageError: golden.json is not a list of examples, or names an image that is not in the golden folder.
    """
    file = artifacts / FOLDER / EXAMPLES_FILE
    if not file.is_file():
        return ()
    entries = _read_json(file)
    if not isinstance(entries, list):
        raise UsageError(f"{file} must be a JSON list of examples", fix=_ENTRY)
    examples = [_example(file, number, entry) for number, entry in enumerate(entries)]
    order = _order(artifacts, examples)
    return tuple(replace(example, order=order) for example in examples)


def request_sizes(artifacts: Path, examples: Iterable[GoldenExample]) -> dict[str, int]:
    """Return each golden example, by its image or its number, and the size in bytes of a request with only it."""
    numbered = enumerate(examples)
    return {example.image or f"example {number}": example.request_size(artifacts) for number, example in numbered}


def write(artifacts: Path, examples: Iterable[GoldenExample]) -> None:
    """Write golden.json, after the images that it names. The same examples give the same bytes.

    Raises:
        UsageError: an example that `read` would refuse.
    """
    file = artifacts / FOLDER / EXAMPLES_FILE
    entries = [_entry(example) for example in examples]
    for number, entry in enumerate(entries):
        _example(file, number, entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_json(file, entries)


def record(
    predictor: Any,
    inputs: Iterable[Any],
    artifacts: str | Path,
    *,
    truths: Sequence[Label] | None = None,
    accuracy: float | None = None,
    how: How | None = None,
    interface: str = "auto",
    opening: Callable[[bytes], Any] | None = None,
    image: Mapping[str, Any] | None = None,
    full: int = 2,
) -> tuple[GoldenExample, ...]:
    """Ask a loaded predictor for each input, and write its answers and all stages before them into `artifacts`.

    It writes golden/ (the images, golden.json, stages.json and stages.safetensors) and the manifest, so the files of
    the model must be in the folder already.

    Args:
        predictor: an object with the methods of one of the interfaces. In training it may answer with the model that
            is in memory: only `load` is not called.
        inputs: paths of image files, pairs of a name and the bytes of an image file, or instances of a request.
        artifacts: the folder that the predictor will be served from.
        truths: what each input really is.
        accuracy: the share of right answers that training measured on inputs that it was not trained on.
        how: as in `write_manifest`; by default "training" if this process wrote the model's files, else "later".
        interface: "batched", "cpr" or "ai-platform"; by default the one of the predictor's shape.
        opening: opens the bytes of an image file as training did; by default it is opened as the runtime does.
        image: the settings of [tool.seatrial.serving.image] with which the runtime opens an image.
        full: of how many inputs all numbers of all stages are kept; of the others 1,024 of each.

    Raises:
        TypeError: the predictor has not the methods of an interface.
        ValueError: an input is none of these.
        UsageError: the answers cannot be written as golden examples.
    """
    from seatrial.golden import recording
    from seatrial.golden.answered import examples_of
    from seatrial.serving.settings import ImageSettings

    artifacts = Path(artifacts)
    settings = ImageSettings(**(image or {}))
    answers = recording.stages_of(
        predictor,
        inputs,
        artifacts / FOLDER,
        code=dict(sorted(_code())),
        interface=interface,
        image=settings,
        opening=opening,
        full=full,
    )
    write(artifacts, examples_of(answers, truths))
    with warnings.catch_warnings():
        if how is None:
            warnings.simplefilter("ignore")
        write_manifest(artifacts, how=how or "training", accuracy=accuracy)
    return read(artifacts)


def read_manifest(artifacts: Path) -> Manifest | None:
    """Return the manifest, or None if there is none.

    Raises:
        UsageError: manifest.json is not what `write_manifest` writes.
    """
    file = artifacts / MANIFEST_FILE
    if not file.is_file():
        return None
    content = _read_json(file)
    if not isinstance(content, dict) or content.get("format") != MANIFEST_FORMAT:
        raise UsageError(f'{file} is not a manifest of "format": {MANIFEST_FORMAT}', fix=_WRITE_AGAIN)
    files, trained_with = content.get("files"), content.get("trained_with")
    if not _is_text_table(files) or not _is_text_table(trained_with):
        raise UsageError(f'{file}: "files" and "trained_with" must map text to text', fix=_WRITE_AGAIN)
    recorded = content.get("recorded")
    if recorded is not None and not _is_recording(recorded):
        raise UsageError(f'{file}: "recorded" is not what seatrial.golden writes', fix=_WRITE_AGAIN)
    return Manifest(files=files, trained_with=trained_with, recorded=recorded and Recording(**recorded))


def write_manifest(artifacts: Path, *, how: How | None = None, accuracy: float | None = None) -> Manifest:
    """Write manifest.json for all files in `artifacts`, with the versions and the code of this process.

    `how` says where the golden answers come from: "training" if this process trained the model, "later" if not.
    "training" is only believed if this process wrote most of the model's bytes: a warning says so, and "later" is
    written. Without `how`, golden answers that the former manifest lists keep what it says of their recording.
    `accuracy` is the share of right answers that training measured on inputs that it was not trained on.

    Raises:
        ValueError: `how` or `accuracy` has no such value.
    """
    if how not in (None, *get_args(How)) or not (accuracy is None or 0 <= accuracy <= 1):
        raise ValueError(f"how is one of {get_args(How)} and accuracy a share from 0 to 1, not {how!r} and {accuracy}")
    versions = {"python": platform.python_version()}
    versions |= {name: version for name in (*TRAINED_WITH, *PREPARES) if (version := _installed_version(name))}
    manifest = Manifest(files=_digests(artifacts), trained_with=versions)
    if any(path.startswith(f"{FOLDER}/") for path in manifest.files):
        manifest = replace(manifest, recorded=_recording(artifacts, manifest, how, accuracy))
    _write_manifest(artifacts, manifest)
    return manifest


def record_later(artifacts: Path, code: Mapping[str, str]) -> None:
    """Let the manifest, if there is one, say that the golden answers were recorded after training, by this code.

    What it says of the versions that trained the model stays.
    """
    manifest = read_manifest(artifacts)
    if manifest is not None:
        manifest = replace(manifest, files=_digests(artifacts))
        accuracy = manifest.recorded.accuracy if manifest.recorded else None
        recorded = Recording("later", dict(sorted(code.items())), manifest.model, accuracy)
        _write_manifest(artifacts, replace(manifest, recorded=recorded))


def differences(artifacts: Path, manifest: Manifest) -> Differences:
    """Compare the files of the folder with its manifest, byte by byte."""
    found, listed = _digests(artifacts), manifest.files
    return Differences(
        changed=tuple(sorted(path for path in found.keys() & listed if found[path] != listed[path])),
        unlisted=tuple(sorted(found.keys() - listed)),
        missing=tuple(sorted(listed.keys() - found)),
    )


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file in hex: what manifests hold, and what a bundle's digest is made of."""
    digest = hashlib.sha256()  # hashlib.file_digest is younger than the Python 3.10 that a model may be trained with
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


_ENTRY = (
    'an example is {"image": "a.png"} or {"instance": …}, with any of "label": "7", "scores": [0.1, …], "response": …, '
    'and with "truth": "7" if that is known'
)
_KEYS = ("image", "instance", "label", "truth", "scores", "response")
_CHUNK = 1 << 20  # bytes
_IMPORTED = time.time()
_WRITE_AGAIN = "write it again with seatrial.golden.write_manifest, where training ran"


def _write_manifest(artifacts: Path, manifest: Manifest) -> None:
    content: dict[str, Any] = {
        "format": MANIFEST_FORMAT,
        "files": manifest.files,
        "trained_with": manifest.trained_with,
    }
    if (recorded := manifest.recorded) is not None:
        values = {name: getattr(recorded, name) for name in Recording.__slots__}
        content["recorded"] = {name: value for name, value in values.items() if value is not None}
    _write_json(artifacts / MANIFEST_FILE, content)


def _example(file: Path, number: int, entry: Any) -> GoldenExample:
    """Check entry `number` of golden.json and return it as an example."""

    def refuse(why: str) -> UsageError:
        return UsageError(f"{file}: example {number} {why}", fix=_ENTRY)

    if not isinstance(entry, dict):
        raise refuse("is not a JSON object")
    if unknown := sorted(entry.keys() - set(_KEYS)):
        raise refuse(f"has an unknown key `{unknown[0]}`")
    image, scores = entry.get("image"), entry.get("scores")
    if (image is None) == (entry.get("instance") is None):
        raise refuse("needs an image or an instance" + (", not both" if image is not None else ""))
    for key in ("label", "truth"):
        if not isinstance(entry.get(key), str | bool | None) and not _is_finite_number(entry[key]):
            raise refuse(f"has a {key} that is neither text nor a number")
    if scores is not None and not _is_numbers([*scores.values()] if isinstance(scores, dict) else scores):
        raise refuse("has scores that are neither a list of finite numbers nor an object of them")
    if image is not None:
        if not isinstance(image, str) or not _lies_within(file.parent, image):
            raise refuse(f"names an image outside of the folder {FOLDER}/: {image!r}")
        if not (file.parent / image).is_file():
            raise refuse(f"names an image that does not exist: {image!r}")
    if scores is None and entry.get("label") is None and entry.get("response") is None:
        raise refuse("records no answer: it needs a label, scores or a response")
    if isinstance(scores, dict):
        scores = {label: float(score) for label, score in scores.items()}
    elif scores is not None:
        scores = tuple(float(score) for score in scores)
    return GoldenExample(**(entry | {"scores": scores}))


def _entry(example: GoldenExample) -> dict[str, Any]:
    """Return the entry of golden.json; None has no key."""
    values = {name: getattr(example, name) for name in _KEYS}
    if example.scores is not None:
        values["scores"] = dict(example.scores) if isinstance(example.scores, Mapping) else list(example.scores)
    return {name: value for name, value in values.items() if value is not None}


def _order(artifacts: Path, examples: Iterable[GoldenExample]) -> tuple[str, ...]:
    """Return the labels in the order of the scores; () if that is not known.

    The examples show it themselves if each place had the largest score in one of them, always with the same label.
    labels.json is believed if most examples agree with it.
    """
    scored = [(list(e.scores), e.label) for e in examples if e.scores is not None and not isinstance(e.scores, Mapping)]
    count = max((len(scores) for scores, _ in scored), default=0)
    shown = {(scores.index(max(scores)), str(label)) for scores, label in scored if scores and label is not None}
    labels = dict(sorted(shown))
    # Of two, the larger may be the distance from the other label, unless they are probabilities.
    largest_wins = count > 2 or all(abs(sum(scores) - 1) < 1e-3 for scores, _ in scored)
    if largest_wins and len(shown) == len(labels) == len(set(labels.values())) == count > 1:
        return tuple(labels.values())
    listed = _listed(artifacts)
    agree = sum(place < len(listed) and listed[place] == label for place, label in shown)
    return listed if not scored or (len(listed) == count and agree * 2 >= len(shown)) else ()


def _listed(artifacts: Path) -> tuple[str, ...]:
    """Return the labels of labels.json; () if it is not a list of different texts."""
    try:
        labels = _read_json(artifacts / LABELS_FILE)
    except (OSError, UsageError):
        return ()
    valid = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    return tuple(labels) if valid and len(set(labels)) == len(labels) else ()


def _recording(artifacts: Path, manifest: Manifest, how: How | None, accuracy: float | None) -> Recording:
    """Return how this process recorded the golden answers, or what the former manifest says of the same answers."""
    if how is None:
        with contextlib.suppress(UsageError):
            former = read_manifest(artifacts)
            if (
                former
                and former.recorded
                and former.files.items() - former.model.items() == (manifest.files.items() - manifest.model.items())
            ):
                return former.recorded
    found = _found(artifacts, manifest.model)
    if found and how == "training":
        warnings.warn(
            f"this process did not write {', '.join(found)}: the manifest says that the answers were recorded later",
            stacklevel=3,
        )
    return Recording("later" if found else how or "unknown", dict(sorted(_code())), manifest.model, accuracy)


def _found(artifacts: Path, model: Iterable[str]) -> list[str]:
    """Return the files of the model that are older than this process, if they have most of its bytes."""
    states = {path: (artifacts / path).stat() for path in model}
    began = _began()
    found = [path for path, state in states.items() if state.st_mtime < began]
    old, total = (sum(states[path].st_size for path in paths) for paths in (found, states))
    return found if old * 2 > total else []


def _began() -> float:
    """Return when this process began; where the system does not say, when it imported this module."""
    try:
        status = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(status[19])  # starttime of proc_pid_stat(5), since boot
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return _IMPORTED


def _code() -> Iterator[tuple[str, str]]:
    """Yield the imported modules that are neither of an installed distribution nor of Python, with their digests."""
    paths = sysconfig.get_paths()
    theirs = (*(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), site.getusersitepackages())
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "")
        if file.suffix != ".py" or str(file).startswith(theirs) or "site-packages" in file.parts:
            continue
        if name.partition(".")[0] in ("seatrial", "__mp_main__"):
            continue
        if name == "__main__":  # under `python -m` its own name is in the spec
            name = spec.name if (spec := getattr(module, "__spec__", None)) else file.stem
        path = name.replace(".", "/") + ("/__init__.py" if file.name == "__init__.py" else ".py")
        with contextlib.suppress(OSError):
            yield path, file_digest(file)


def _is_finite_number(value: Any) -> bool:
    # Not math.isfinite: it fails on an integer that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_finite_number, values))


def _is_recording(value: Any) -> bool:
    """Return whether "recorded" of a manifest has the keys and types of a Recording."""
    if not isinstance(value, dict) or not {"how", "code", "model"} <= value.keys() <= set(Recording.__slots__):
        return False
    accuracy = value.get("accuracy", 0)
    tables = _is_text_table(value["code"]) and _is_text_table(value["model"])
    return tables and value["how"] in get_args(How) and _is_finite_number(accuracy) and 0 <= accuracy <= 1


def _is_text_table(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _lies_within(folder: Path, path: str) -> bool:
    try:
        return (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL character
        return False


def _digests(artifacts: Path) -> dict[str, str]:
    files = [file for file in artifacts.rglob("*") if file.is_file()]
    digests = {file.relative_to(artifacts).as_posix(): file_digest(file) for file in files}
    return {path: digest for path, digest in sorted(digests.items()) if path != MANIFEST_FILE}


def _installed_version(distribution: str) -> str | None:
    from importlib import metadata  # only training needs it, and `seatrial check` should not wait for it

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not valid JSON: {error}") from None


def _write_json(file: Path, content: Any) -> None:
    text = json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files.write(file, text)
