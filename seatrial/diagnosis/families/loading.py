"""Files that their reader refuses: by the first byte that it names, by its header, and by the version of its format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import is_unpickling, part_of, provider, said, users_frame
from seatrial.rules.artifacts.checkpoints import DAMAGED, NO_CHECKPOINT
from seatrial.rules.artifacts.formats import NOT_ITS_FORMAT, OTHER_EXPORT, OTHER_OBJECT, OTHER_SCRIPT
from seatrial.rules.artifacts.loading import OTHER_FORMAT, WEIGHTS_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

Told = tuple["Finding", str]
_POINTER = "run `git lfs pull` before the files are copied; in a workflow give actions/checkout `lfs: true`"
_LOADS = re.compile(r"\b(?:c?[pP]ickle|dill|cloudpickle|joblib)\.loads?\(|\bread_pickle\(")
_PICKLERS = ("torch", "joblib", "dill", "cloudpickle")
_KEY = re.compile(r"invalid load key, '(?P<key>(?:\\x[0-9a-f]{2}|\\?[^\n]))'")
_OPERAND = re.compile(r"Unsupported operand (?P<byte>\d+)")
# The first bytes of what is often given to torch.load or pickle in place of a pickle: what it is, and who reads it.
_BEGINS = {
    "v": ("a Git LFS pointer, not the file itself", _POINTER),
    "<": ("an HTML or XML page", "download the file again, with a link to the file itself and not to its page"),
    "\n": ("an HTML or XML page", "download the file again, with a link to the file itself and not to its page"),
    "{": ("JSON", "read it with json.load, or give the function the weights beside it"),
    "P": (
        "a zip archive that torch.save did not write",
        "unpack it, or read it with what wrote it (numpy.load for .npz)",
    ),
    "H": ("an HDF5 file of Keras or h5py", "read it with h5py, or convert the weights to a state_dict"),
    "\x89": ("an HDF5 file of Keras or h5py", "read it with h5py, or convert the weights to a state_dict"),
    "x": ("compressed, as joblib writes it", "read it with joblib.load"),
    "\x1f": ("compressed with gzip", "open it with gzip.open, or unpack it"),
    "B": ("compressed with bzip2", "unpack it, or read it with joblib.load"),
}
_NEW_PROTOCOL = frozenset(
    (140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152)
)  # opcodes of protocol 4 and 5
_SAFETENSORS = re.compile(r"(?i)deserializ\w+ header: (?P<why>[^\n]+)")
_SCHEMA = re.compile(
    r"Serialized version (?P<file>.{1,40}?) does not match our current schema version (?P<own>[^\n]{1,40}?)\.?$",
    re.MULTILINE,
)
_READER = re.compile(r"PytorchStreamReader failed (?P<what>[^\n]+)")
_VERSION = re.compile(
    r"(?:Attempted to read a PyTorch file with version (?P<file>\d+), but the (?P<which>maximum|minimum) supported "
    r"version "
    r"for reading is (?P<own>\d+))"
)
_OPERATOR = re.compile(r"Unknown builtin op: (?P<op>\w+::\w+)|[Cc]ould not find any similar ops to (?P<other>\w+::\w+)")
_SCRIPTED = re.compile(
    r"Unknown type name|Unknown qualified name|Arguments for call are not valid|undefined value|Unrecognized data "
    r"format|Expected .{0,60} but found .{0,60} in TorchScript"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what the reader of a file says of it."""
    told = next((told for judge in _JUDGES if (told := judge(raised, case)) is not None), None)
    if told is not None:
        yield Diagnosis(*told, raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge what a program in C++ printed of an archive."""
    found = re.match(r"Unknown builtin op: (?P<op>\w+::\w+)(?P<other>)\.?$", statement.text.strip())
    if found:
        yield Diagnosis(*_operator(found, case), statement.position)


def _first_byte(raised: Raised, case: Case) -> Told | None:
    if raised.name not in ("UnpicklingError", "RuntimeError", "ValueError", "KeyError"):
        return None
    text = said(raised, case) if raised.name == "UnpicklingError" else raised.message
    if found := _KEY.search(text):
        key = found["key"].encode().decode("unicode_escape")
        shown = f"they begin {found['key']!r}" if len(found["key"]) == 1 else f"they begin {found['key']}"
    elif found := _OPERAND.search(text):
        number = int(found["byte"])
        if number in _NEW_PROTOCOL:
            return _protocol(number)
        key, shown = chr(number), f"they begin with the byte {number}"
    else:
        return None
    line = users_frame(raised)
    if key not in _BEGINS and line and "safetensors" in line.source:
        finding = OTHER_FORMAT.finding(
            "a safetensors file is read as a pickle",
            cause="torch.load and pickle read what torch.save and pickle wrote",
            fix="load it with safetensors.torch.load_file(path)",
        )
        return finding, "the line opens a file of safetensors"
    what, fix = _BEGINS.get(key, ("", ""))
    finding = NO_CHECKPOINT.finding(
        f"the weights are {what}" if what else f"the weights are not a pickle: {shown}",
        cause=""
        if what
        else "they are cut, encrypted, or in the format of another library such as safetensors or ONNX",
        fix=fix or "look at the first bytes of the file, and read it with the library that wrote it",
    )
    return finding, f"the unpickler names the first byte of the file: {shown}"


def _protocol(number: int) -> Told:
    finding = WEIGHTS_ONLY.finding(
        "torch.load refuses the file, because it is a pickle of protocol 4 or later",
        cause=f"the opcode {number} is of a newer pickle than torch.save writes, and weights_only does not read it",
        fix="save it again with torch.save and its default pickle_protocol; if the file is your own, read it with "
        "weights_only=False, or with pickle.load or joblib.load if those wrote it",
    )
    return finding, f"torch's weights-only unpickler names the opcode {number}"


def _empty(raised: Raised, case: Case) -> Told | None:
    if raised.name != "EOFError" or "reading a line" in raised.message:
        return None
    if not (is_unpickling(raised) or "Ran out of input" in raised.message):
        return None
    return NO_CHECKPOINT.finding("the weights file is empty or cut off"), "the unpickler met the end of the file"


def _safetensors(raised: Raised, case: Case) -> Told | None:
    if raised.name != "SafetensorError":
        return None
    found = _SAFETENSORS.search(raised.message)
    squeezed = re.sub(r"[^a-z]", "", raised.message.lower())
    why = f"safetensors says of the file: {(found['why'] if found else raised.message).strip()}"
    if re.search(r"headertoolarge|invalidheaderlength|invalidheaderstart|invalidjson|invalidheader|utf8", squeezed):
        finding = NO_CHECKPOINT.finding(
            "the weights are not a safetensors file: most likely a Git LFS pointer, an HTML page, or what torch.save "
            "wrote",
            cause="the first 8 bytes of a safetensors file are the length of its header; text gives a number that is "
            "too large",
            fix=f"look at the first bytes: for `version https://git-lfs`, {_POINTER}; for a page, download the file "
            "again; for `PK`, load it with torch.load",
        )
        return finding, why
    if re.search(
        r"headertoosmall|incomplete|metadataincompletebuffer|toosmall|invalidoffset|notfullycovered", squeezed
    ):
        return DAMAGED.finding("the safetensors file is cut off or damaged", cause=why), why
    if "nosuchfile" in squeezed:
        return None
    return DAMAGED.finding(f"safetensors refuses the file: {raised.message.strip()}"), why


def _exported(raised: Raised, case: Case) -> Told | None:
    schema = _SCHEMA.search(raised.message)
    below = any("torch/_export/" in f.file or "torch/export/" in f.file for f in raised.frames)
    if schema is None and not (below and re.search(r"(?i)\bversion\b|schema|archive|deserializ", raised.message)):
        return None
    torch = case.locked("torch")
    served = f"torch {torch}" if torch else "the installed torch"
    finding = OTHER_EXPORT.finding(
        f"{served} does not read the exported program: it is of another torch"
        + (f" (schema {schema['file']}, and this torch has {schema['own']})" if schema else ""),
        cause="torch.export writes the version of its schema into the .pt2 file, and only its own version reads it",
        fix="run torch.export.export and torch.export.save again with the locked torch; or lock the torch that "
        "exported it",
    )
    return finding, "torch.export refuses the version of the file"


def _archive(raised: Raised, case: Case) -> Told | None:
    text = raised.message
    if "with TorchScript archives" in text:
        finding = OTHER_FORMAT.finding(
            "torch.load was given a TorchScript archive", fix="load it with torch.jit.load(path, map_location=…)"
        )
        return finding, "torch.load says so"
    found = _READER.search(text) or re.search(r"inline_container\S*\W+(?P<what>file not found: [^\n]+)", text)
    if found is None:
        return None
    what, why = found["what"], "torch's reader of zip archives refuses the file"
    if "constants.pkl" in what:
        finding = OTHER_FORMAT.finding(
            "torch.jit.load was given what torch.save wrote",
            fix="load it with torch.load; if it is a state_dict, build the model and call load_state_dict",
        )
        return finding, why
    if "central directory" in what or "archive is corrupted" in what or "reading file" in what or "crc" in what.lower():
        if any("torch/jit/" in frame.file or "torch.jit.load" in frame.source for frame in raised.frames):
            finding = NO_CHECKPOINT.finding(
                "torch.jit.load was given a file that is no TorchScript archive, or one that is cut off",
                cause="torch.jit.load reads only what torch.jit.save wrote; the end of a zip archive is missing",
                fix=f"load it with torch.load if torch.save wrote it; else {NO_CHECKPOINT.fix}",
            )
            return finding, f"{why}, and torch.jit called it"
        return NO_CHECKPOINT.finding("the weights file is cut off"), why
    if "not a ZIP archive" in what:
        finding = OTHER_FORMAT.finding(
            "torch.jit.load was given a file that is no archive: a legacy file of torch.save, a Git LFS pointer or a "
            "page",
            fix=f"look at the first bytes: for `version https://git-lfs`, {_POINTER}; else load it with torch.load",
        )
        return finding, why
    if "not in a subdirectory" in what or "data.pkl" in what:
        finding = OTHER_FORMAT.finding(
            "the file is a zip archive, but not one of torch",
            cause="a .zip, .npz, .mar or .keras file, or a folder that was zipped",
            fix="unpack it, and give the function the file inside that torch.save wrote",
        )
        return finding, why
    return NO_CHECKPOINT.finding(f"torch's reader refuses the weights file: {what.strip()}"), why


def _script(raised: Raised, case: Case) -> Told | None:
    torch = case.locked("torch")
    served = f"torch {torch}" if torch else "the installed torch"
    if found := _VERSION.search(raised.message):
        newer = found["which"] == "maximum"
        finding = OTHER_SCRIPT.finding(
            f"{served} does not read the file: its format is version {found['file']}, and this torch reads "
            f"{'up to' if newer else 'from'} {found['own']}",
            cause=f"a {'newer' if newer else 'much older'} torch wrote the file",
            fix=f"lock the torch that wrote the file or a {'newer' if newer else 'n older'} one".replace("a n ", "an ")
            + "; or save it again with the locked torch",
        )
        return finding, "torch's reader names the version of the file"
    if found := _OPERATOR.search(raised.message):
        return _operator(found, case)
    in_jit = any("torch/jit/_serialization" in f.file or "torch.jit.load" in f.source for f in raised.frames)
    if in_jit and raised.name == "RuntimeError" and _SCRIPTED.search(raised.message):
        first = raised.message.strip().splitlines()[0]
        finding = OTHER_SCRIPT.finding(f"{served} does not read the code in the TorchScript archive: {first}")
        return finding, "torch.jit.load refuses what the archive's code says"
    return None


def _operator(found: re.Match[str], case: Case) -> Told:
    """Judge an operator in a TorchScript archive that nobody has registered."""
    torch = case.locked("torch")
    operator = found["op"] or found["other"]
    library = operator.partition("::")[0]
    if library in ("aten", "prim", "quantized") or not library:
        fix = OTHER_SCRIPT.fix
    else:
        fix = (
            f"import {library} before torch.jit.load, and lock {provider(library, case).name} at the version that "
            "fits torch: the import registers its operators (a program in C++ links its library)"
        )
    finding = OTHER_SCRIPT.finding(
        f"the TorchScript archive calls the operator `{operator}`, which "
        f"{f'torch {torch}' if torch else 'the installed torch'} does not have here",
        fix=fix,
    )
    return finding, "torch.jit names an operator in the archive"


def _other_libraries(raised: Raised, case: Case) -> Told | None:
    """Judge files of ONNX Runtime, scikit-learn and HDF5."""
    text = raised.message
    if found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text):
        finding = OTHER_OBJECT.finding(
            f"the installed onnxruntime does not read the ONNX model: its IR version is {found[1]}, and it reads up to "
            f"{found[2]}",
            subject="onnxruntime",
            cause="a newer onnx wrote the file",
            fix="lock a newer onnxruntime; or export the model again with a lower opset, or set model.ir_version and "
            "save it",
        )
        return finding, "onnxruntime names both versions"
    if found := re.search(r"[Oo]pset (\d+) is under development and support for this is limited", text):
        finding = OTHER_OBJECT.finding(
            f"the installed onnxruntime does not know opset {found[1]} of the ONNX model",
            subject="onnxruntime",
            fix="lock a newer onnxruntime, or export the model again with a lower opset_version",
        )
        return finding, "onnxruntime names the opset"
    if "did not match any variant of untagged enum" in text:
        finding = OTHER_OBJECT.finding(
            "the installed tokenizers does not read tokenizer.json",
            subject="tokenizers",
            cause="a newer tokenizers wrote the file",
            fix="lock the tokenizers (and transformers) that training used, or newer ones; then run `seatrial lock`",
        )
        return finding, "tokenizers meets a kind of model that it does not know"
    if "Protobuf parsing failed" in text or "INVALID_PROTOBUF" in text or "Error parsing message" in text:
        finding = NOT_ITS_FORMAT.finding(
            "the ONNX file is not an ONNX model: cut off, a Git LFS pointer, or a page",
            fix=f"{_POINTER}; or copy it again",
        )
        return finding, "the reader of ONNX cannot parse the file"
    if "node array from the pickle has an incompatible dtype" in text:
        finding = OTHER_OBJECT.finding(
            "the pickled trees are of another scikit-learn than the installed one",
            subject="scikit-learn",
            fix="pin the scikit-learn that training used and run `seatrial lock`, or save the model again with the "
            "locked one",
        )
        return finding, "scikit-learn compares the layout of the tree with its own"
    if re.search(r"file signature not found|Unable to (?:synchronously )?open file", text):
        finding = NOT_ITS_FORMAT.finding(
            "the file is not HDF5: a Git LFS pointer, a page, or another format",
            fix=f"{_POINTER}; or copy the file again",
        )
        return finding, "h5py misses the signature of the format"
    return None


def _text(raised: Raised, case: Case) -> Told | None:
    """Judge JSON, YAML and texts that cannot be read; an answer of a server is not a file."""
    if raised.name not in ("JSONDecodeError", "ScannerError", "ParserError", "UnicodeDecodeError", "ReaderError"):
        return None
    parts = {part.name for f in raised.frames if (part := part_of(f))}
    if parts & {"requests", "httpx", "aiohttp", "urllib3", "starlette", "flask"}:
        return None
    line = users_frame(raised)
    if raised.name == "UnicodeDecodeError":
        binary = re.search(r"byte 0x(?:80|89|ff|fe|93|1f)", raised.message)
        finding = NOT_ITS_FORMAT.finding(
            "a file is read as text, and it is not text of that encoding",
            cause="it is a binary file, such as a checkpoint or an image" if binary else "it is in another encoding",
            fix='open a binary file with mode "rb"; for a text give open() its encoding, such as encoding="utf-8"',
        )
        return finding, "Python cannot decode the bytes"
    kind = "JSON" if raised.name == "JSONDecodeError" else "YAML"
    at_start = re.search(r"line 1 column 1 |char 0\)", raised.message)
    finding = NOT_ITS_FORMAT.finding(
        f"a file is not {kind}: {raised.message.strip().splitlines()[0]}",
        cause="it is empty, a Git LFS pointer, a page, or text that was never parsed" if at_start else "",
        fix=f"look at the file's first line: for `version https://git-lfs`, {_POINTER}; else write the file again",
    )
    return finding, f"the reader of {kind} stopped" + (f" below {line.function or line.file}" if line else "")


def _restored(raised: Raised, case: Case) -> Told | None:
    """Judge an object that the installed version of its library cannot restore from a pickle."""
    part, line = part_of(raised.raiser), users_frame(raised)
    if part is None or line is None or part.name in _PICKLERS or not _LOADS.search(line.source):
        return None
    if raised.name not in ("ValueError", "TypeError", "AttributeError", "KeyError", "IndexError"):
        return None
    finding = OTHER_OBJECT.finding(
        f"{part.known} cannot restore its object from the pickle: {raised.message.strip().splitlines()[0][:160]}",
        subject=part.name,
        cause=f"another version of {part.name} wrote the object",
        fix=f"pin the version of {part.name} that wrote the file and run `seatrial lock`; or write it again with the "
        "locked version",
    )
    return finding, f"the code of {part} raised it while the project's line reads a pickle"


_JUDGES: tuple[Callable[[Raised, Case], Told | None], ...] = (
    _first_byte, _empty, _safetensors, _exported, _archive, _script, _other_libraries, _text, _restored,
)  # fmt: skip
