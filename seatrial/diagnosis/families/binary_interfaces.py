"""Binary interfaces: code that was compiled or generated for another numpy or protobuf than is installed.

numpy compares sizes and versions of its interface, protobuf the version of its generator; both print two numbers,
which tell the direction. The innermost frame that is not theirs tells the distribution.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import after, at_version, before, distribution_at, importer, words_of
from seatrial.rules.lock import companions, native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_SIZE = re.compile(
    r"numpy\.(?P<what>\w+) size changed, may indicate binary incompatibility\. Expected (?P<wanted>\d+) from C header, "
    r"got (?P<got>\d+) from PyObject"
)
_INTERFACE = re.compile(
    r"compiled against (?:ABI|API) version (?P<built>0x[0-9a-f]+) but this version of numpy is (?P<has>0x[0-9a-f]+)"
)
_MAJOR = re.compile(r"compiled using NumPy 1\.x cannot be run in\s+NumPy (?P<has>2[\d.]*\d)")
_GENERAL = re.compile(r"_ARRAY_API not found|numpy\.core\.(?:multiarray|umath) failed to import")
_NUMPY_ITSELF = re.compile(
    r"Importing the numpy C-extensions failed|you should not try to import numpy from its source"
)
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line \d+')
_BLOCK = re.compile(r'(?:^[^\n]*File "[^\n]*\n|^[ \t][^\n]*\n)+', re.MULTILINE)
_NUMPY_2_DESCRIPTOR = (96, 88)  # sizes of numpy.dtype on 64 bits: in the headers of numpy 1.20 to 1.26, and in numpy 2
_VERSIONS = re.compile(r"gencode (?P<generated>\d[\d.]*)[^\n]{0,40}?runtime (?P<runtime>\d[\d.]*\d)")
_OLD_CODE = re.compile(r"Descriptors can ?not (?:not )?be created directly")
_NO_BUILDER = re.compile(r"cannot import name '(?P<name>builder|runtime_version)' from 'google\.protobuf")
_GONE = re.compile(
    r"'(?:MessageFactory|SymbolDatabase|FieldDescriptor|google\.\S+)' object has no attribute '(?P<name>GetPrototype|"
    r"label|including_default_value_fields)'"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of numpy or protobuf about what does not fit it."""
    words = words_of(raised)
    if _NUMPY_ITSELF.search(words):
        yield _of_numpy_itself(raised.position, case)
        return
    if (size := _SIZE.search(words)) or _INTERFACE.search(words) or _GENERAL.search(words):
        yield from _numpy(words, size, raised.position, case, importer(raised, "numpy"))
    elif "rotobuf" in words or _OLD_CODE.search(words) or _GONE.search(words):
        yield from _protobuf(words, raised, case)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge numpy's long warning, which prints the frames of the import without an exception."""
    text = statement.text
    if _NUMPY_ITSELF.search(text):
        yield _of_numpy_itself(statement.position, case)
    if not (_MAJOR.search(after(case, statement.position, 200)) and "compiled using" in text) and not _INTERFACE.search(
        text
    ):
        return
    # The frames of the import come first; what follows them, perhaps a failure, begins without an indent.
    shown = _BLOCK.search(after(case, statement.position, 20_000))
    files = [found["file"] for found in _FRAME.finditer(shown[0])] if shown else []
    names = [name for file in files if (name := distribution_at(file)) and name != "numpy"]
    yield from _numpy(after(case, statement.position, 400), None, statement.position, case, names[-1] if names else "")


def _of_numpy_itself(position: int, case: Case) -> Diagnosis:
    finding = native.OTHER_LIBRARY.finding(
        f"the compiled part of {at_version(case, 'numpy')} itself does not load",
        cause="It is installed for another Python or processor, in parts of two versions, or was copied.",
        fix="install numpy again in a new environment of this Python, and copy no site-packages into the image",
    )
    return Diagnosis(finding, "numpy reports that it cannot import its own C extensions", position)


def _numpy(text: str, size: re.Match[str] | None, position: int, case: Case, whose: str) -> Iterator[Diagnosis]:
    newer = _built_for_newer(text, size, case, position)
    has = "an older one" if newer else "numpy 2" if newer is False else "another one"
    numpy = f"numpy {case.locked('numpy')}" if case.locked("numpy") else has
    if (major := _MAJOR.search(text)) is not None:
        numpy = f"numpy {major['has']}"
    name = at_version(case, whose) if whose else "a distribution with compiled code"
    if newer is None:
        built, fix = (
            "another numpy",
            (
                f"if numpy 2 is installed, write `numpy<2` in requirements.in or raise {whose or 'the distribution'}; "
                "if numpy 1 is, raise numpy; then run `seatrial lock`"
            ),
        )
    elif newer:
        built = "a newer numpy"
        fix = (
            f"raise numpy in requirements.in to the version that {whose or 'it'} was built with, and run `seatrial "
            "lock`"
        )
    else:
        built = "numpy 1"
        fix = (
            f"write `numpy<2` in requirements.in, or raise {whose or 'it'} to a release that was built for numpy 2; "
            "then run "
        )
        fix += "`seatrial lock`"
    if whose == "torch":
        finding = companions.OLD_TORCH.finding(f"{name} was built for numpy 1, and {numpy} is installed")
    else:
        finding = native.OTHER_NUMPY.finding(
            f"{name} was built for {built}, and {numpy} is installed",
            cause="Its compiled code uses numpy's C interface, which differs between the two.",
            fix=fix,
        )
    yield Diagnosis(finding, f"numpy reports another C interface while {whose or 'a module'} is imported", position)


def _built_for_newer(text: str, size: re.Match[str] | None, case: Case, position: int) -> bool | None:
    """Return whether code was built for a newer numpy than is installed; None if the text does not tell."""
    if _MAJOR.search(text) or _MAJOR.search(before(case, position, 4_000)):
        return False
    if found := _INTERFACE.search(text):
        return int(found["built"], 16) > int(found["has"], 16)
    if size is not None:
        sizes = int(size["wanted"]), int(size["got"])
        if size["what"] == "dtype":
            return False if sizes == _NUMPY_2_DESCRIPTOR else None
        return sizes[0] > sizes[1]
    locked = case.locked("numpy")
    return False if locked and Version(locked) >= Version("2") else None


def _protobuf(words: str, raised: Raised, case: Case) -> Iterator[Diagnosis]:
    whose = importer(raised, "protobuf")
    name = at_version(case, whose) if whose else "generated code"
    has = case.locked("protobuf")
    installed = f"protobuf {has}" if has else "the installed protobuf"
    if found := _VERSIONS.search(words):
        message = f"{name} was generated for protobuf {found['generated']}, and {found['runtime']} is installed"
        newer = _is_newer(found["generated"], found["runtime"])
        fix = (
            f"raise protobuf to {found['generated']} or later" if newer else f"take a newer {whose or 'release of it'}"
        )
        why = "protobuf prints both versions"
    elif found := _NO_BUILDER.search(words):
        since = {"builder": "3.20", "runtime_version": "5.26"}[found["name"]]
        message = f"{name} was generated for protobuf {since} or later, and {installed} is older"
        fix = f"raise protobuf to {since} or later"
        why = f"google.protobuf has `{found['name']}` since {since}"
    elif _OLD_CODE.search(words):
        message = f"{name} has code that an old protoc generated (before 3.19), and {installed} does not take it"
        fix = f"raise {whose or 'the distribution'} to a release with newer generated code, or write `protobuf<4`"
        why = "protobuf 4 and later refuse descriptors that old generated code creates"
    elif found := _GONE.search(words):
        message = f"{name} uses `{found['name']}`, which {installed} no longer has"
        fix = f"write `protobuf<5`, or raise {whose or 'the distribution'}"
        why = "the name was removed from protobuf"
    else:
        return
    finding = native.OTHER_PROTOBUF.finding(message, fix=f"in requirements.in {fix}; then run `seatrial lock`")
    yield Diagnosis(finding, why, raised.position)


def _is_newer(one: str, other: str) -> bool:
    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return True
