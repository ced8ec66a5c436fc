"""What training answered, kept beside the weights: artifacts/golden/ and the manifest of the whole folder.

Training writes both, the trial reads them. Standard library only, because training does not have the tool's
dependencies. It does not judge: differences are returned as data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from seatrial.errors import UsageError
from seatrial.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FOLDER = "golden"
EXAMPLES_FILE = "golden.json"
MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = 1
TRAINED_WITH = ("torch", "torchvision", "pillow", "numpy")  # distributions whose versions change answers


@dataclass(frozen=True, slots=True)
class GoldenExample:
    """One input and what training knew about it.

    Attributes:
        image: path of an image file relative to the golden folder, with forward slashes.
        instance: any JSON, sent as it is, instead of an image.
        label: the true label.
        scores: what the model computed in training, in the order of its labels.
        response: the whole prediction, for a predictor that answers with more than a label and scores.
    """

    image: str | None = None
    instance: Any = None
    label: str | None = None
    scores: tuple[float, ...] | None = None
    response: Any = None

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
class Manifest:
    """What was in the artifacts folder when training wrote it.

    Attributes:
        files: path relative to the artifacts, with forward slashes → SHA-256 in hex, of every file except the manifest.
        trained_with: "python" and the distributions of `TRAINED_WITH` that were installed → version.
    """

    files: Mapping[str, str]
    trained_with: Mapping[str, str]


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
    return tuple(_example(file, number, entry) for number, entry in enumerate(entries))


def request_sizes(artifacts: Path) -> dict[str, int]:
    """Return each golden example, by its image or its number, and the size in bytes of a request with only it.

    Raises:
        UsageError: golden.json is not a list of examples, or names an image that is not in the golden folder.
    """
    examples = enumerate(read(artifacts))
    return {example.image or f"example {number}": example.request_size(artifacts) for number, example in examples}


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
    return Manifest(files=files, trained_with=trained_with)


def write_manifest(artifacts: Path) -> Manifest:
    """Write manifest.json for all files in `artifacts`, with the versions of this environment."""
    versions = {"python": platform.python_version()}
    versions |= {name: version for name in TRAINED_WITH if (version := _installed_version(name))}
    manifest = Manifest(files=_digests(artifacts), trained_with=versions)
    content = {"format": MANIFEST_FORMAT, "files": manifest.files, "trained_with": manifest.trained_with}
    _write_json(artifacts / MANIFEST_FILE, content)
    return manifest


def differences(artifacts: Path, manifest: Manifest) -> Differences:
    """Compare the files of the folder with its manifest, byte by byte."""
    found, listed = _digests(artifacts), manifest.files
    return Differences(
        changed=tuple(sorted(path for path in found.keys() & listed if found[path] != listed[path])),
        unlisted=tuple(sorted(found.keys() - listed)),
        missing=tuple(sorted(listed.keys() - found)),
    )


_ENTRY = (
    'an example is {"image": "a.png"} or {"instance": …}, with any of "label": "7", "scores": [0.1, …], "response": …'
)
_WRITE_AGAIN = "write it again with seatrial.golden.write_manifest, where training ran"


def _example(file: Path, number: int, entry: Any) -> GoldenExample:
    """Check entry `number` of golden.json and return it as an example."""

    def refuse(why: str) -> UsageError:
        return UsageError(f"{file}: example {number} {why}", fix=_ENTRY)

    if not isinstance(entry, dict):
        raise refuse("is not a JSON object")
    if unknown := sorted(entry.keys() - set(GoldenExample.__slots__)):
        raise refuse(f"has an unknown key `{unknown[0]}`")
    image, label, scores = entry.get("image"), entry.get("label"), entry.get("scores")
    if (image is None) == (entry.get("instance") is None):
        raise refuse("needs an image or an instance" + (", not both" if image is not None else ""))
    if not isinstance(label, str | None):
        raise refuse('has a label that is not text; write "7", not 7')
    if scores is not None and not (isinstance(scores, list) and all(map(_is_finite_number, scores))):
        raise refuse("has scores that are not a list of finite numbers")
    if image is not None:
        if not isinstance(image, str) or not _lies_within(file.parent, image):
            raise refuse(f"names an image outside of the folder {FOLDER}/: {image!r}")
        if not (file.parent / image).is_file():
            raise refuse(f"names an image that does not exist: {image!r}")
    if label is None and scores is None and entry.get("response") is None:
        raise refuse("records no answer: it needs a label, scores or a response")
    values = entry | {"scores": None if scores is None else tuple(float(score) for score in scores)}
    return GoldenExample(**values)


def _entry(example: GoldenExample) -> dict[str, Any]:
    """Return the entry of golden.json; None has no key."""
    values = {name: getattr(example, name) for name in GoldenExample.__slots__}
    values["scores"] = None if example.scores is None else list(example.scores)
    return {name: value for name, value in values.items() if value is not None}


def _is_finite_number(value: Any) -> bool:
    # Not math.isfinite: it fails on an integer that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_text_table(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _lies_within(folder: Path, path: str) -> bool:
    try:
        return (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL character
        return False


def _digests(artifacts: Path) -> dict[str, str]:
    files = [file for file in artifacts.rglob("*") if file.is_file()]
    digests = {file.relative_to(artifacts).as_posix(): _sha256(file) for file in files}
    return {path: digest for path, digest in sorted(digests.items()) if path != MANIFEST_FILE}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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
