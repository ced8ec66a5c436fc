"""Family 3, checkpoints: can the server load the artifacts?

Static checks look at kinds and class names only; whether the weights fit the model is seen when it is loaded.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.checkpoints.checkpoint import is_named
from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.tables import is_known
from seatrial.findings import REQUIREMENTS, Location, Severity
from seatrial.rules.artifacts.pickled import MAIN
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.imports import how_to_provide, is_first_party, is_provided, needed_distribution
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding
    from seatrial.rules.rule import Groups

CLASS_IN_MAIN = Rule(
    code="ST301",
    title="a pickled class was defined in __main__",
    explanation=(
        "A pickle holds no code, only the module and name of each class. A class defined in the script or "
        "notebook that wrote the file is recorded as `__main__`; in the server `__main__` is the server's "
        "own program, which has no such class."
    ),
    fix=(
        "move the class into a module of the predictor's package, import it from there in training, and "
        "save again; for a model save its state_dict instead of the object"
    ),
    cloud="AttributeError: Can't get attribute 'Net' on <module '__main__' from '/usr/local/bin/gunicorn'>",
    sources=(
        "https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",
        "https://github.com/pytorch/serve/issues/537",
        "https://github.com/pytorch/pytorch/issues/112944",
    ),
    symptoms=(
        Symptom(
            r"Can't get attribute '(?P<name>[^']+)' on <module '(?:[\w.]+\.)?__(?:mp_)?main__'",
            "the artifacts hold a pickled `{name}` that was defined in `__main__` of what wrote it",
        ),
        Symptom(
            r"Unsupported global: GLOBAL __main__\.(?P<name>\w+)",
            "the artifacts hold a pickled `{name}` that was defined in `__main__` of what wrote it",
        ),
    ),
    detected=(
        "The opcodes of every pickle in the artifacts, of torch, joblib or plain, are read without loading "
        "it: each class that it names in `__main__` is a finding."
    ),
    bad='class Net(nn.Module): ...  # in train.py, run as a script\ntorch.save(Net(), "weights.pt")',
    good='from predictor.network import Net\ntorch.save(Net().state_dict(), "weights.pt")',
)


@CLASS_IN_MAIN.decided_by
def _class_in_main(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        for name in (n for module, n in checkpoint.globals if module == MAIN):
            place = facts.main_definitions.get(name.split(".")[0])
            yield CLASS_IN_MAIN.finding(
                f"{checkpoint.path} holds a pickled `{name}` that was defined in `__main__` of what wrote it",
                location=place or Location(checkpoint.path),
                subject=checkpoint.path,
                cause="in the server `__main__` is the server's own program, which has no such class",
            )


@CLASS_IN_MAIN.refined_by
def _defined_where(finding: Finding, groups: Groups, facts: Facts | None) -> Finding:
    if facts is None:
        return finding
    name = groups["name"]
    return replace(finding, location=facts.tree.definitions([name]).get(name, finding.location))


UNKNOWN_MODULE = Rule(
    code="ST302",
    title="a pickle needs a module that will not be there",
    explanation=(
        "Loading a pickle imports the module of every class in it. Each must be in the standard library, in "
        "the lock or in the package that ships; a module beside the training script is in none of them."
    ),
    fix="move the class into the predictor's package and save again, or keep code out of the artifacts",
    cloud=SERVER_EXITED,
    sources=(
        "https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",
        EXITED_SOURCE,
    ),
    symptoms=(
        Symptom(
            (
                r"(?m)^(?>[^\n]*?(?:find_class|\bloads?\(|npickler))[^\n]*+\n(?:[ ^~]++\n)?"
                r"ModuleNotFoundError: No module named '(?P<module>(?!numpy\._core)[^'\n]{1,200})'"
            ),
            "a pickle in the artifacts needs the module `{module}`",
        ),
        Symptom(
            (
                r"Can't get attribute '(?P<name>[^'\n]{1,200})' on <module "
                r"'(?P<module>(?!torch\.|torchvision\.)[^'\n]{1,200}(?<!main__))'"
            ),
            "a pickle in the artifacts needs `{name}`, which `{module}` does not have in this version",
        ),
    ),
    detected=(
        "Each module that a pickle in the artifacts names must be in the standard library, in what ships, or come from "
        "a distribution of the locks or requirements.in, by the table of distributions and their modules."
    ),
    bad="pickle.dump(helpers.Crop(8), file)  # helpers.py is beside train.py",
    good="pickle.dump(predictor.transforms.Crop(8), file)",
)


@UNKNOWN_MODULE.decided_by
def _unknown_module(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        seen: set[str] = set()
        for module, name in checkpoint.globals:
            if module == MAIN or module in seen or will_be_there(module, facts):
                continue
            seen.add(module)
            path = facts.left_out.get(module)
            own = path is not None or is_first_party(facts.sources, module)
            cause, fix = f"{path} does not ship: `packages` does not name it" if path else "", ""
            if not own and is_known(module):
                fix = f"; or {how_to_provide(module, facts)}"
            elif not own:
                cause = "no distribution that is known has it: most likely it is of the code that trained the model"
                fix = ", or export the model there (state_dict, TorchScript)"
            yield UNKNOWN_MODULE.finding(
                f"{checkpoint.path} holds a pickled `{module}.{name}`; nothing that ships has that module",
                location=Location(checkpoint.path),
                subject=module,
                cause=cause,
                fix=f"{UNKNOWN_MODULE.fix}{fix}",
                rests_on=() if own else (REQUIREMENTS, needed_distribution(module)),
            )


def will_be_there(module: str, facts: Facts) -> bool:
    """Return whether a module that a pickle names can be imported in the serving environment."""
    if module in facts.left_out:
        return False
    if is_first_party(facts.sources, module) and module.split(".")[0] not in sys.stdlib_module_names:
        return facts.sources.ships(module)
    return is_provided(module, facts)


NO_CHECKPOINT = Rule(
    code="ST303",
    title="the weights are not a checkpoint",
    explanation=(
        "The file has the suffix of a checkpoint and holds something else. A Git LFS pointer (a checkout "
        "without `lfs: true`), the HTML page that a download got instead of the file, and an interrupted "
        "copy are the usual ones; torch's own message names only the first byte: `Unsupported operand 118` "
        "is the v of `version https://git-lfs…`, 60 is the < of a page, 10 an empty line before it."
    ),
    fix="fetch the real file (`git lfs pull`, or the download again) and compare its SHA-256 with training's",
    cloud="_pickle.UnpicklingError: Weights only load failed. […] Unsupported operand 118",
    sources=(
        "https://github.com/pytorch/pytorch/issues/150998",
        "https://github.com/chflame163/ComfyUI_LayerStyle/issues/499",
        "https://github.com/actions/checkout#usage",
    ),
    symptoms=(
        Symptom(r"Unsupported operand 118\b", "the weights are a Git LFS pointer, not the file itself"),
        Symptom(r"invalid load key, 'v'", "the weights are a Git LFS pointer, not the file itself"),
        Symptom(r"Unsupported operand (?:60|10)\b", "the weights are an HTML or XML page"),
        Symptom(r"invalid load key, '(?:<|\\n)'", "the weights are an HTML or XML page"),
        Symptom(r"failed finding central directory", "the weights file is cut off"),
        Symptom(
            r"PyTorchFileReader\([^\n]{0,200}\n(?:[ ^~]{0,200}\n)?OSError: \[Errno 22\] Invalid argument",
            "the weights file is cut off",
        ),
        Symptom(r"(?m)^EOFError(?:: Ran out of input)?[ \r]{0,3}$", "the weights file is empty or cut off"),
        Symptom(
            r"invalid load key, (?P<key>'[^\n]{1,6}')",
            "the weights are not a pickle: they begin {key}",
        ),
        Symptom(r"Unsupported operand (?P<byte>\d+)\b", "the weights are not a checkpoint (byte {byte})"),
    ),
    detected=(
        "The first bytes of each file that is named like a checkpoint, and what it is in the file system: a "
        "pointer of Git LFS, a page, nothing, a folder, a pipe, a link that leads out of the project."
    ),
    bad="version https://git-lfs.github.com/spec/v1\noid sha256:…",
    good="PK…  # the file itself, after `git lfs pull`",
)

_NO_FILES = (Kind.FOLDER, Kind.LINK_OUT, Kind.SPECIAL)
_WRONG_KINDS = {
    Kind.FOLDER: "copy the file that belongs there; torch reads its archive only as one file",
    Kind.LINK_OUT: "copy the file into the artifacts: a link does not travel with them",
    Kind.SPECIAL: "remove it, or copy the file that belongs there",
    Kind.LFS_POINTER: "run `git lfs pull`; in a workflow give actions/checkout `lfs: true`",
    Kind.PAGE: "download the file again, with the credentials that it needs",
    Kind.EMPTY: "copy the file again",
    Kind.TRUNCATED: "copy the file again and compare its SHA-256 with training's",
}


@NO_CHECKPOINT.decided_by
def _no_checkpoint(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        if checkpoint.kind in _WRONG_KINDS:
            size = f" ({checkpoint.size} bytes)" if checkpoint.kind not in _NO_FILES else ""
            real = checkpoint.real_size
            yield NO_CHECKPOINT.finding(
                f"{checkpoint.path} is {checkpoint.kind}{size}",
                location=Location(checkpoint.path),
                cause=f"it stands for a file of {real} bytes" if real is not None else "",
                fix=_WRONG_KINDS[checkpoint.kind],
            )
        elif checkpoint.kind is Kind.OTHER and checkpoint.path.endswith((".pt", ".pth", ".tar")):
            yield NO_CHECKPOINT.finding(
                f"{checkpoint.path} is {checkpoint.kind}: neither a zip archive nor a pickle",
                severity=Severity.WARNING,  # the predictor may read its own format
                location=Location(checkpoint.path),
            )


NOT_READ = Rule(
    code="ST307",
    title="a checkpoint that cannot be read to its end",
    explanation=(
        "What a checkpoint imports when it is loaded is read from its pickle, which is followed without running it. "
        "One that unpacks to more than 64 MB, has more than 400 000 steps, is encrypted or is cut off is not "
        "followed to its end: only the trial shows which classes and devices the rest names."
    ),
    fix="save tensors and plain values only (`torch.save(model.state_dict(), …)`); tensors are kept beside the pickle",
    severity=Severity.WARNING,
    sources=(
        "https://docs.python.org/3/library/pickletools.html",
        "https://docs.pytorch.org/docs/stable/notes/serialization.html",
    ),
    detected=(
        "Reading a pickle stops at limits of opcodes, depth and size, and at raw data that only its own "
        "loader can step over; what comes after that is not known."
    ),
    bad="model.pkl  # a pickle of millions of small objects",
    good="weights.pt  # a state_dict: names and tensors",
)


@NOT_READ.decided_by
def _not_read(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        other = checkpoint.kind is Kind.OTHER or _is_by_chance(checkpoint) or _is_damaged(checkpoint)
        if checkpoint.complete or other:
            continue
        yield NOT_READ.finding(
            f"{checkpoint.path} cannot be read to its end, so not all that it imports is known",
            location=Location(checkpoint.path),
        )


DAMAGED = Rule(
    code="ST309",
    title="the weights are cut off or damaged",
    explanation=(
        "The file has a known format but is not whole: its pickle ends too early, bytes of a tensor are missing, "
        "or its directory contradicts itself. An interrupted upload or download leaves such a file."
    ),
    fix="copy the file again and compare its SHA-256 with training's",
    cloud="_pickle.UnpicklingError: pickle data was truncated",
    sources=(
        "https://docs.python.org/3/library/pickle.html#pickle.UnpicklingError",
        "https://docs.pytorch.org/docs/stable/notes/serialization.html",
        "https://github.com/huggingface/safetensors#format",
    ),
    symptoms=(Symptom(r"pickle data was truncated", "the weights file is cut off"),),
    detected=(
        "By the end of the pickle, by the records of an archive and by the places that a safetensors header names, "
        "each against the size of the file. Bytes within tensors are not read: the manifest's hashes judge those."
    ),
    bad="weights.safetensors  # its tensors need 102 400 bytes, and the file has 65 536",
    good="weights.safetensors  # as long as its header says",
)


@DAMAGED.decided_by
def _damaged(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        if _is_damaged(checkpoint):
            yield DAMAGED.finding(
                f"{checkpoint.path} is {checkpoint.kind} that is not whole: {checkpoint.fault}",
                location=Location(checkpoint.path),
            )


def _is_damaged(checkpoint: Checkpoint) -> bool:
    return bool(checkpoint.fault) and not _is_by_chance(checkpoint)


def _is_by_chance(checkpoint: Checkpoint) -> bool:
    """Return whether a file may be something else that only begins like a pickle."""
    does = checkpoint.globals or checkpoint.acts or checkpoint.too_long
    named = is_named(checkpoint.path) and not checkpoint.path.endswith(".bin")
    return checkpoint.kind is Kind.PICKLE and not named and not does
