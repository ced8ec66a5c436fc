"""Family 1, what fits: distributions of one lock that ask each other for what is not there.

Families of the diagnosis tell these by the traceback: whose code asked, and whose module should have answered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.checkpoints.kinds import Kind
from seatrial.findings import Severity
from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

OPTIONAL = Rule(
    code="ST150",
    title="a distribution asks for a module that the lock does not have",
    explanation=(
        "Many distributions import others only when a function is used, and name them as an extra or not at all. The "
        "lock is complete by their metadata, and the import still fails. The training environment had the module by "
        "chance."
    ),
    fix="add the distribution of the module to requirements.in, then run `seatrial lock`",
    cloud=SERVER_EXITED,
    sources=(
        "https://packaging.python.org/en/latest/specifications/dependency-specifiers/#extras",
        "https://fastapi.tiangolo.com/tutorial/request-forms/",
    ),
    recognised=(
        "The frame that imports the module is a distribution's, or the message of a distribution asks to install "
        "another one. What is locked already, or is a file of the project, is never proposed."
    ),
)

UNFIT = Rule(
    code="ST151",
    title="a distribution that does not fit what it calls",
    explanation=(
        "A distribution calls another one with arguments, or asks an object for methods, that the installed version "
        "does not have. Each is locked at a version that its metadata allows, because most metadata names no upper "
        "bound."
    ),
    fix="upgrade the distribution that asks, or pin an older one of what it asks; then run `seatrial lock`",
    cloud=SERVER_EXITED,
    sources=(
        "https://github.com/huggingface/diffusers/issues/9109",
        "https://iscinumpy.dev/post/bound-version-constraints/",
    ),
    recognised=(
        "The frame that raised is of one distribution, and what it calls is of another one, or of Python. The "
        "project's code is not at fault, and is not told to change."
    ),
)

BROKEN_INSTALL = Rule(
    code="ST152",
    title="an installed distribution is not whole",
    explanation=(
        "A distribution misses a module or a name of its own. Files of two versions lie in one folder after an "
        "upgrade over an older one, two distributions wrote into the same package, or the compiled part was never "
        "built."
    ),
    fix="build the environment afresh from the lock, and the image without a layer that already has the distribution",
    cloud=SERVER_EXITED,
    sources=(
        "https://github.com/Layout-Parser/layout-parser/issues/187",
        "https://mmcv.readthedocs.io/en/latest/faq.html",
    ),
    recognised="A frame of a distribution asks for a module or a name of the same distribution.",
)

GONE = Rule(
    code="ST153",
    title="an argument, a method or a model that the installed version of its distribution does not have",
    explanation=(
        "Between releases a distribution renames and removes arguments and methods, and gets new models. The code was "
        "written for another version than the one that is locked."
    ),
    fix="change the code to what the locked version has, or pin the version that training used; then run `seatrial "
    "lock`",
    cloud="TypeError: … got an unexpected keyword argument …",
    sources=(
        "https://docs.python.org/3/library/exceptions.html#TypeError",
        "https://pandas.pydata.org/docs/whatsnew/v2.0.0.html",
    ),
    recognised=(
        "The project's code gives a function of a distribution an argument, or asks its object for a method or it for "
        "a model, that another release has."
    ),
)

REFUSED_VERSION = Rule(
    code="ST154",
    title="a distribution refuses the installed version of another one",
    explanation=(
        "Some libraries compare versions themselves when they are imported or used, and stop if one does not suit. "
        "Metadata does not show such a comparison, so the lock was resolved without it."
    ),
    fix="lock a version that the message accepts, then run `seatrial lock`",
    cloud="ValueError: … we now require users to upgrade torch to at least v2.6 in order to use the function",
    sources=(
        "https://github.com/huggingface/transformers/issues/38464",
        "https://nvd.nist.gov/vuln/detail/CVE-2025-32434",
    ),
    recognised="A message that a distribution raised names another distribution, and a version or a range for it.",
    detected=(
        "One of these comparisons is decided before: since 4.52 transformers loads what torch.save wrote only with "
        "torch 2.6 or later. It is a finding if the lock has such a pair, the code that serves calls from_pretrained "
        "of transformers, and a folder of the artifacts has pytorch_model.bin and no safetensors. It warns if another "
        "folder has safetensors, because which folder is loaded is not known."
    ),
    bad="pytorch_model.bin  # with torch==2.5.1 and transformers==4.57.0",
    good="model.safetensors",
)

_REFUSES = Version("4.52")  # transformers/utils/import_utils.py: check_torch_load_is_safe
_SAFE_TORCH = Version("2.6")  # the same function
_NO_MODEL = re.compile(r"Processor|Tokenizer|Config|Extractor")


@REFUSED_VERSION.decided_by
def _refused_version(facts: Facts) -> Iterator[Finding]:
    torch, transformers = locked(facts, "torch"), locked(facts, "transformers")
    if torch is None or transformers is None or torch >= _SAFE_TORCH or transformers < _REFUSES:
        return
    loads = [call for _, call in facts.sources.calls().of_methods("from_pretrained")]
    calls = [call for call in loads if call.name.startswith("transformers.") and not _NO_MODEL.search(call.name)]
    safe = {file.path.rpartition("/")[0] for file in facts.checkpoints if file.kind is Kind.SAFETENSORS}
    for file in facts.checkpoints if calls else ():
        folder, _, name = file.path.rpartition("/")
        if name.startswith("pytorch_model") and name.endswith(".bin") and folder not in safe:
            yield REFUSED_VERSION.finding(
                f"transformers {transformers} does not load {file.path} with torch {torch}: it asks for 2.6 or later",
                severity=Severity.WARNING if safe else Severity.ERROR,
                location=calls[0].location,
                subject=file.path,
                fix="save the weights as safetensors (`model.save_pretrained(folder)`), or lock torch 2.6 or later",
            )


SHADOWED = Rule(
    code="ST155",
    title="a file of the project has the name of a module",
    explanation=(
        "Python looks in the folder of the program first. A file such as torch.py, random.py or utils.py there is "
        "imported in place of the distribution or the standard module of that name, which then lacks all its names."
    ),
    fix="rename the file, and delete its __pycache__",
    cloud="AttributeError: partially initialized module 'random' has no attribute 'random' (most likely due to a "
    "circular import)",
    sources=("https://docs.python.org/3/library/sys_path_init.html", "https://docs.python.org/3/faq/programming.html"),
    recognised=(
        "The file that Python names for the module is the user's, while a distribution or the standard library has a "
        "module of that name; or the module `is not a package`."
    ),
)

WITHOUT_PART = Rule(
    code="ST156",
    title="the Python of the image lacks a part of the standard library",
    explanation=(
        "A Python that was compiled without a library's headers lacks the module for it, such as _lzma, _ctypes or "
        "_sqlite3; slim and distribution packages leave out tkinter or venv; and each Python release removes modules "
        "(distutils and imp in 3.12, cgi and others in 3.13)."
    ),
    fix="use an official image of the configured Python, and upgrade what still imports a removed module",
    sources=("https://docs.python.org/3/whatsnew/3.12.html#removed", "https://docs.python.org/3/whatsnew/3.13.html"),
    recognised="The missing module is one of the standard library, of this Python or of an older one.",
)
