"""Weights that a model refuses: by the names and the shapes that torch lists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.rules.artifacts.state_dicts import PREFIXED, STATE_DICT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

_HEAD = re.compile(r"Error\(s\) in loading state_dict for (?P<model>\w+)")
_LIST = re.compile(r"(?P<which>Missing|Unexpected) key\(s\) in state_dict: (?P<keys>\"[^\n]*\"|[^\n]*)")
_KEY = re.compile(r'"([^"\n]+)"')
_SIZE = re.compile(
    r"size mismatch for (?P<key>[\w.]+): copying a param with shape torch\.Size\((?P<saved>\[[\d, ]*\])\) from "
    r"checkpoint, "
    r"the shape in current model is torch\.Size\((?P<built>\[[\d, ]*\])\)"
)
# Under which names trainers keep the weights among other things.
_WEIGHTS = ("state_dict", "model_state_dict", "model", "net", "network", "ema", "ema_state_dict", "weights", "module")
_WRAPPERS = {
    "module.": "DataParallel or DistributedDataParallel",
    "_orig_mod.": "torch.compile",
    "model.": "a module that holds the model, such as a LightningModule,",
    "net.": "a module that holds the model, such as a LightningModule,",
}
_BESIDE = frozenset(_WEIGHTS) | frozenset(
    (
        "epoch", "epochs", "optimizer", "optimizer_state_dict", "optimizer_states", "lr_schedulers", "loss",
        "step", "global_step", "hyper_parameters", "pytorch-lightning_version", "best_acc", "args", "config",
        "scheduler", "scaler", "loops", "callbacks", "hparams_name",
    )
)  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what load_state_dict lists."""
    head = _HEAD.search(raised.message)
    if head is None:
        return
    lists = {found["which"]: _KEY.findall(found["keys"]) for found in _LIST.finditer(raised.message)}
    missing, extra = lists.get("Missing", []), lists.get("Unexpected", [])
    sizes = list(_SIZE.finditer(raised.message))
    finding, why = _judged(head["model"], missing, extra, sizes)
    yield Diagnosis(finding, why, raised.position)


def _judged(model: str, missing: list[str], extra: list[str], sizes: list[re.Match[str]]) -> tuple[Finding, str]:
    if set(extra) & set(_WEIGHTS) and set(extra) <= _BESIDE:
        inner = next(name for name in _WEIGHTS if name in extra)
        finding = STATE_DICT.finding(
            f"the file is a whole checkpoint, and its weights are under `{inner}`: {model} got all of it",
            cause=f"the names in the file are {', '.join(extra[:6])}",
            fix=f'load checkpoint["{inner}"]: model.load_state_dict(checkpoint["{inner}"])',
        )
        return finding, "the names that are not expected are those of a trainer's checkpoint"
    if (prefix := _prefix(missing, extra)) and not sizes:
        return _prefixed(prefix, extra), f"with `{prefix}` before them the names are the same"
    if sizes:
        return _sized(model, missing, extra, sizes), "torch lists both shapes"
    if extra and not missing:
        finding = STATE_DICT.finding(
            f"the weights hold {_listed(extra)}, which the model {model} does not have",
            cause="the file is of another version of the model: a library removed these buffers, or training added "
            "layers",
            fix="build the model as training did, with the version of the library that wrote the file; or remove "
            "exactly these names before loading",
        )
        return finding, "nothing is missing, and names are left over"
    finding = STATE_DICT.finding(
        f"the weights do not fit the model {model}: "
        + " and ".join(
            ([f"it misses {_listed(missing)}"] if missing else [])
            + ([f"{_listed(extra)} is left over"] if extra else [])
        )
        if missing or extra
        else f"the weights do not fit the model {model}",
        cause="another architecture, variant or version of the library built the model than the one that was trained",
        fix=f"{STATE_DICT.fix}; do not hide it with strict=False, which leaves the missing layers untrained",
    )
    return finding, "torch lists the names that are missing and left over"


def _prefix(missing: list[str], extra: list[str]) -> str:
    """Return what stands before all names in the file, or "-" and what lacks there; "" if they differ otherwise."""
    wanted, given = set(missing), set(extra)
    for key in extra[:1]:
        for name in missing:
            if key != name and key.endswith(f".{name}"):
                before = key[: -len(name)]
                if {key.removeprefix(before) for key in given if key.startswith(before)} >= wanted:
                    return before
            lacks = name[: -len(key)]
            if name.endswith(f".{key}") and {f"{lacks}{each}" for each in given} >= wanted:
                return f"-{lacks}"
    # torch lists all names, but a log may be cut: a known wrapper's prefix on every name is enough.
    known = next((p for p in _WRAPPERS if extra and all(key.startswith(p) for key in extra)), "")
    return known if known and not any(name.startswith(known) for name in missing) else ""


def _prefixed(prefix: str, extra: list[str]) -> Finding:
    if prefix.startswith("-"):
        return PREFIXED.finding(
            f"the names in the model begin `{prefix[1:]}`, which the weights' do not",
            severity=STATE_DICT.severity,
            fix=f"load the weights into the inner model, {('model.' + prefix[1:-1])}.load_state_dict(…), or do not "
            "wrap the model before loading",
        )
    wrapper = _WRAPPERS.get(prefix, "a module that holds the model, such as a LightningModule,")
    return PREFIXED.finding(
        f"the names in the weights begin `{prefix}`, which the model's do not",
        severity=STATE_DICT.severity,
        cause=f"{wrapper} was saved, and the bare model is loaded: the file has `{extra[0]}`",
        fix=f'strip it before loading: {{k.removeprefix("{prefix}"): v for k, v in weights.items()}}; or save the '
        "inner "
        "model's state_dict",
    )


def _sized(model: str, missing: list[str], extra: list[str], sizes: list[re.Match[str]]) -> Finding:
    first = sizes[0]
    saved, built = _numbers(first["saved"]), _numbers(first["built"])
    keys = sorted({found["key"].rpartition(".")[0] for found in sizes})
    head = len(keys) <= 2 and not missing and not extra and saved[1:] == built[1:] and saved[:1] != built[:1]
    message = f"`{first['key']}` is {first['saved']} in the weights and {first['built']} in the model"
    if head and saved and built:
        return STATE_DICT.finding(
            message,
            cause=f"only the last layer differs: the weights were trained for {saved[0]} classes, and {model} is built "
            f"for {built[0]}",
            fix=f"build the model with {saved[0]} classes, from the labels that training wrote; do not load with "
            "strict=False",
        )
    first_layer = len(saved) == 4 and saved[:1] == built[:1] and saved[2:] == built[2:] and saved[1] != built[1]
    if len(keys) == 1 and first_layer:
        return STATE_DICT.finding(
            message,
            cause=f"the first layer differs: the weights take {saved[1]} channels, and {model} is built for {built[1]}",
            fix=f"build the model for {saved[1]} channels, and open images in that mode",
        )
    return STATE_DICT.finding(
        message,
        cause=f"{len(sizes)} shape{'s differ' if len(sizes) > 1 else ' differs'}: another size or variant of {model} "
        "was trained, or another image or vocabulary size",
        fix=STATE_DICT.fix,
    )


def _numbers(shape: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", shape)]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
