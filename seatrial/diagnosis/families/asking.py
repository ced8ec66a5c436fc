"""What a distribution says it wants: another version of torch, a distribution that is not there, an extra."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import Part, asker, part_of, provider, users_frame
from seatrial.facts.tables import distributions_of
from seatrial.rules.lock.fitting import GONE, OPTIONAL, REFUSED_VERSION
from seatrial.rules.serving.code import NO_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

Told = tuple["Finding", str]
_NAME = r"[A-Za-z][\w.-]*\w"
_VERSION = r"v?\d+(?:\.\d+)+\w*"
# `torch>=2.6`, `numpy >= 1.17, < 2`: a requirement in a sentence.
_REQUIREMENT = re.compile(rf"\b(?P<name>{_NAME})\s*(?:\[[\w,-]+\])?\s*(?P<range>(?:[<>=!~]=?=?\s*{_VERSION}\s*,?\s*)+)")
_NEEDED = re.compile(
    r"(?i)\b(?:requires?|required|needs?|depends? on|upgrade|minimum|at least|must be|incompatible|expected)\b"
)
_FOUND = re.compile(
    rf"(?i)(?:but (?:found|got|you have|have)|found|installed(?: version)?(?: is|:)?|you have|"
    rf"got)\s+(?:{_NAME}\s*(?:==|version)?\s*)?(?P<version>{_VERSION})"
)
_UPGRADE = re.compile(
    rf"(?i)(?:upgrade|update|install|use)\s+(?P<name>{_NAME})\s+(?:to\s+)?(?:at least|version|>=|"
    rf"to)?\s*(?:version\s+)?(?P<version>{_VERSION})"
)
# `MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.`
# `Numba needs NumPy 1.24 or less`
_OR_OTHER = re.compile(
    rf"\b(?:needs?|requires?) (?P<name>{_NAME}) (?:version )?(?P<version>{_VERSION}) or "
    rf"(?P<way>less|lower|older|earlier|below|newer|later|higher|greater|above)"
)
_SUBJECT = re.compile(rf"^(?P<who>{_NAME}) (?:needs?|requires?)\b")
_INSTALL = re.compile(
    r"(?:pip3? install|conda install(?: -c [\w-]+)?|poetry add|uv add)\s+(?:-U\s+|--upgrade\s+|"
    r"-q\s+)*['\"`]?(?P<what>[A-Za-z][\w.-]*(?:\[[\w,-]+\])?(?:[<>=!~]=?[\w.*]+)?)"
)
_ASKS = (
    re.compile(rf"(?i)Form data requires \"?(?P<name>{_NAME})\"? to be installed"),
    re.compile(rf"requires the (?P<name>{_NAME}) library but it was not found"),
    re.compile(rf"(?i)\b(?:requires?|needs?|using|use) [`'\"]?(?P<name>{_NAME})[`'\"]?(?: to be installed|,? "
        rf"(?:which|but it) (?:is|was) not (?:installed|found))"),
    re.compile(rf"(?i)[`'\"]?(?P<name>{_NAME})[`'\"]? (?:is not installed|is required|must be installed|was not "
        rf"found|not found\. Please install)"),
    re.compile(rf"(?i)\bplease (?:pip )?install (?:the )?[`'\"]?(?P<name>{_NAME})[`'\"]?"),
    re.compile(rf"(?i)Missing optional dependency '(?P<name>{_NAME})'"),
)  # fmt: skip
_ASKING = frozenset(
    (
        "ImportError", "ValueError", "RuntimeError", "AssertionError", "ModuleNotFoundError", "VersionConflict",
        "Exception", "TypeError", "DistributionNotFound", "PackageNotFoundError", "OSError", "LookupError",
        "MissingDependencyException",
        "OptionalDependencyNotAvailable",
    )
)  # fmt: skip
_UNKNOWN_MODEL = re.compile(
    r"Unknown model \((?P<a>[^)\s]+)\)|model type `(?P<b>[\w-]+)` but Transformers does not recognize|Unknown "
    r"builder (?P<c>\w+)|"
    r"Unknown model (?P<d>[\w.-]+)|version of \w+ is out of date"
)
_NO_NAMES = frozenset(
    (
        "it", "the", "this", "that", "package", "packages", "library", "module", "a", "an", "version", "you",
        "requirements", "dependencies", "following", "them", "python", "pip",
    )
)  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a message in which a distribution asks for another one."""
    if raised.name not in _ASKING or raised.message.startswith(("No module named", "cannot import name")):
        return
    part = part_of(asker(raised)) or _imported(raised, case)
    text = " ".join(raised.message.split())
    if unknown := _unknown(text, part, raised):
        yield Diagnosis(*unknown, raised.position)
        return
    if "because of the following error" in text:  # what it wraps is judged by itself
        return
    told = _refused_version(text, part, raised, case) or _asked(text, part, case)
    if told is not None:
        yield Diagnosis(*told, raised.position)


def _unknown(text: str, part: Part | None, raised: Raised) -> Told | None:
    """Judge models and data that a library does not know or does not bring."""
    if part is not None and (found := _UNKNOWN_MODEL.search(text)):
        name = next((group for group in found.groups() if group), "")
        finding = GONE.finding(
            f"{part.known} does not know the model{f' `{name}`' if name else ''}",
            subject=part.name,
            cause=f"the model came with a later release of {part.name} than the installed one, was renamed, or is of a "
            "file of another library",
            fix=f"pin the version of {part.name} that training used, or a newer one, in requirements.in; then run "
            "`seatrial lock`",
        )
        return finding, f"the message of {part} says that it has no such model"
    if found := re.search(r"\[E050\] Can't find model '(?P<name>[\w./-]+)'", text):
        finding = OPTIONAL.finding(
            f"spaCy's model `{found['name']}` is not installed",
            subject=found["name"],
            cause="the models of spaCy are distributions of their own, which an index does not have; a download on "
            "the training machine is in no lock",
            fix=f"name the wheel of `{found['name']}` from spaCy's releases in requirements.in and run `seatrial "
            "lock`; or put the model's folder into the artifacts and give spacy.load that path",
        )
        return finding, "spaCy names the model"
    if found := re.search(
        r"no file named (?P<names>.{1,200}?) (?:was )?found in (?:directory "
        r")?(?P<folder>[^\s]+)",
        text,
    ):
        finding = NO_FILE.finding(
            f"the folder {found['folder'].rstrip('.')} holds no weights: none of {found['names'].rstrip(', ')}",
            cause="only a part of the model's folder was copied, or large files were left out by .gitignore or "
            ".dockerignore",
            fix="write the whole folder with save_pretrained into the artifacts, and give from_pretrained the path "
            "that load() gets",
        )
        return finding, "the message names the files and the folder"
    if found := re.search(r"Resource (?P<name>\w+) not found\. Please use the NLTK Downloader", text):
        finding = NO_FILE.finding(
            f"the data `{found['name']}` of NLTK is not there",
            cause="nltk.download put it into the home of the training machine",
            fix=f"put the data `{found['name']}` into the artifacts, and add that folder to nltk.data.path in load()",
        )
        return finding, "NLTK names the data"
    return None


def _imported(raised: Raised, case: Case) -> Part | None:
    """Return what the user's line imports or calls, if the log has no frame below it."""
    line = users_frame(raised)
    found = re.match(r"(?:from|import)\s+(\w[\w.]*)", line.source) if line else None
    return provider(found[1], case) if found else None


def _refused_version(text: str, part: Part | None, raised: Raised, case: Case) -> Told | None:
    name, wanted = "", ""
    if upgrade := _UPGRADE.search(text):
        name, wanted = upgrade["name"], f">={upgrade['version'].lstrip('v')}"
    elif other := _OR_OTHER.search(text):
        name, wanted = other["name"], _bound(other["version"].lstrip("v"), other["way"])
        if part is None and (subject := _SUBJECT.search(text)):
            part = Part(_distribution(subject["who"]), case.locked(_distribution(subject["who"])))
    elif _NEEDED.search(text) or "incompatible" in text or raised.name == "VersionConflict":
        for found in _REQUIREMENT.finditer(text):
            if not found["range"].strip().startswith("=="):
                name, wanted = found["name"], re.sub(r"\s+", "", found["range"]).strip(",")
                break
    if not name or name.lower() in _NO_NAMES or name.lower() in ("cuda", "driver"):
        return None
    distribution = _distribution(name)
    if part is not None and distribution == part.name:
        part = None
    has = Part(distribution, case.locked(distribution))
    at = _FOUND.search(text)
    who = part.known if part else "a library"
    safe = "safetensors" in text and distribution == "torch"
    served = has.version or (at["version"].lstrip("v") if at else "")
    finding = REFUSED_VERSION.finding(
        f"{who} wants {distribution}{wanted}" + (f", and {distribution} {served} is installed" if served else ""),
        subject=distribution,
        cause=f"{part.name if part else 'it'} says: {text[:240]}",
        fix=f"lock {distribution}{wanted}: write it in requirements.in and run `seatrial lock`"
        + (" (and the torchvision that belongs to it)" if distribution == "torch" else "")
        + (
            "; or save the weights as safetensors, model.save_pretrained(path, safe_serialization=True), which this "
            "does not concern"
            if safe
            else ""
        )
        + (f"; or pin an older {part.name} that does not ask for it" if part else ""),
    )
    return finding, f"the message of {part or 'the library'} names {distribution} and a version for it"


def _bound(version: str, way: str) -> str:
    """Return the range of versions that `VERSION or less` means; with its patch releases."""
    if way in ("newer", "later", "higher", "greater", "above"):
        return f">={version}"
    *front, last = version.split(".")
    return f"<{'.'.join([*front, str(int(last) + 1)])}" if last.isdigit() else f"<={version}"


def _asked(text: str, part: Part | None, case: Case) -> Told | None:
    """Judge a message that asks to install something."""
    install = _INSTALL.search(text)
    asked = next((m for pattern in _ASKS if (m := pattern.search(text)) and m["name"].lower() not in _NO_NAMES), None)
    if install is None and asked is None:
        return None
    what = install["what"] if install else _distribution(asked["name"]) if asked else ""
    what = what.rstrip(".,")
    name = str(canonicalize_name(re.split(r"[\[<>=!~]", what)[0]))
    if not name or name in _NO_NAMES or what.startswith("-"):
        return None
    who = part.known if part else "a library"
    version = case.locked(name)
    if version and "[" not in what:
        finding = OPTIONAL.finding(
            f"{who} asks for {name}, and the lock has {name} {version}",
            subject=name,
            cause=f"{name} is locked but cannot be imported or has not what is asked of it: {text[:240]}",
            fix=f"import {name} by itself in the serving environment: its own error tells the cause",
        )
        return finding, f"the message of {part or 'the library'} names {name}, which is locked"
    finding = OPTIONAL.finding(
        f"{who} asks for `{what}`, which no requirement provides",
        subject=name,
        cause=f"{part.name if part else 'it'} imports it only when this part of it is used",
        fix=f"add the line `{what}` to requirements.in, then run `seatrial lock`",
    )
    return finding, f"the message of {part or 'the library'} asks for it"


def _distribution(name: str) -> str:
    """Return the distribution of what a message names, which may be a module or an own way to write a name."""
    known = {"pytorch": "torch", "pil": "pillow", "opencv": "opencv-python-headless", "sklearn": "scikit-learn"}
    plain = str(canonicalize_name(name))
    return known.get(plain, distributions_of(name)[0] if name.isidentifier() else plain)
