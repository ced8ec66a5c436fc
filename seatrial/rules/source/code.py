"""Families 2, 5 and 6, code that loads: checkpoints, downloads and devices, by the calls that serving can reach.

What a call really gets, and whether its line runs, the text seldom proves; then a finding is a warning and says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.checkpoints.checkpoint import Kind
from seatrial.facts.packages.requirements import marker_environment
from seatrial.findings import Severity
from seatrial.rules.deployment.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.edits import insertion
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.sources import Sources
    from seatrial.facts.python.syntax import Module
    from seatrial.findings import Finding


UNSAFE_LOAD = Rule(
    code="ST205",
    title="torch.load gets what torch 2.6 will refuse",
    explanation=(
        "Before torch 2.6 torch.load unpickles whatever the file holds, and runs any code in it; from 2.6 on it loads "
        "only tensors and plain containers unless told otherwise. A checkpoint with other objects in it loads with "
        "the lock of today and is refused after the next update."
    ),
    fix="save state_dicts and plain values only, and write weights_only=True",
    severity=Severity.NOTE,
    cloud="Weights only load failed. […] Unsupported global: GLOBAL … was not an allowed global by default.",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
        "https://github.com/e3nn/e3nn/issues/519",
    ),
    detected=(
        "torch.load is called without weights_only in what serving reaches, the lock has a torch before 2.6, and a "
        "checkpoint in the artifacts holds more than tensors in ordered dicts. Whether the call loads that file is "
        "not known, and today it works, so it is a note."
    ),
    bad='torch.save({"args": argparse.Namespace(lr=0.1), "weights": model.state_dict()}, path)',
    good='torch.save(model.state_dict(), path)\ntorch.load(path, map_location="cpu", weights_only=True)',
)
OPEN_LOAD = Rule(
    code="ST207",
    title="torch.load may run what the file holds",
    explanation=(
        "Before torch 2.6 torch.load unpickles, and so runs, whatever lies in the file unless weights_only=True is "
        "written. The checkpoint here holds tensors alone, so nothing is lost by it; whoever can change the file can "
        "then no longer run code in the server."
    ),
    fix="write weights_only=True",
    severity=Severity.NOTE,
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        "https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only",
    ),
    detected=(
        "torch.load is called without weights_only in what serving reaches, the lock has a torch from 1.13 to 2.5, and "
        "every checkpoint in the artifacts was read to its end and holds nothing but tensors in dicts."
    ),
    bad='torch.load(path, map_location="cpu")',
    good='torch.load(path, map_location="cpu", weights_only=True)',
)
DICT_AS_MODEL = Rule(
    code="ST206",
    title="a state_dict is used as a model",
    explanation=(
        "torch.load gives back what was saved. If that was model.state_dict(), it is a dict of tensors: it has no "
        "eval() and cannot be called. The model has to be built first, and the dict loaded into it."
    ),
    fix="build the model as training did and call model.load_state_dict(torch.load(…))",
    cloud="AttributeError: 'collections.OrderedDict' object has no attribute 'eval'",
    sources=("https://docs.pytorch.org/tutorials/beginner/saving_loading_models.html",),
    symptoms=(
        Symptom(
            re.compile(
                r"AttributeError: '(?P<type>dict|(?:collections\.)?OrderedDict)' object has no "
                r"attribute '(?P<name>\w{1,80})'"
            ),
            "a state_dict is used as a model: a {type} has no `{name}`",
        ),
    ),
    detected=(
        "In what serving reaches, the result of torch.load is called, or eval(), to() or another method of a module is "
        "called on it, and every checkpoint in the artifacts holds a dict. Where a try or a condition stands around, "
        "it is a warning; a result that goes through a variable that was assigned twice is not followed."
    ),
    bad="self._model = torch.load(path)\nself._model.eval()",
    good="self._model = build()\nself._model.load_state_dict(torch.load(path))\nself._model.eval()",
)
DOWNLOAD = Rule(
    code="ST520",
    title="the predictor downloads weights while it loads",
    explanation=(
        "pretrained=True, weights= of an enumeration, torch.hub.load, from_pretrained with a model's name and their "
        "like fetch a file from the network when the server starts. Without egress the start fails, with it every "
        "replica downloads again, and what it gets is in no lock and no digest."
    ),
    fix="build the model with weights=None and load a checkpoint from the artifacts",
    severity=Severity.WARNING,
    cloud="urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
    sources=("https://docs.pytorch.org/vision/stable/models.html#initializing-pre-trained-models",),
    detected=(
        "A call that serving can reach is known to download. A file that a cache in the image already holds is not "
        "seen, so it is a warning; the trial, which has no network, proves it. Values that come from a variable that "
        "cannot be followed are passed over, and so are arguments that come by `**`."
    ),
    bad="model = torchvision.models.resnet18(pretrained=True)",
    good='model = torchvision.models.resnet18(weights=None)\nmodel.load_state_dict(torch.load(uri / "weights.pt"))',
)
HARD_CUDA = Rule(
    code="ST603",
    title="CUDA is asked for without a look whether it is there",
    explanation=(
        'The code says .cuda() or "cuda" whatever the machine. On a machine without a GPU, in the trial on a laptop '
        "and with a CPU build of torch, the line raises, and the server ends."
    ),
    fix='write device = "cuda" if torch.cuda.is_available() else "cpu" once, and use it everywhere',
    cloud=f"AssertionError: Torch not compiled with CUDA enabled\n{SERVER_EXITED}",
    sources=("https://docs.pytorch.org/docs/stable/notes/cuda.html#device-agnostic-code", EXITED_SOURCE),
    detected=(
        "A call that serving can reach names CUDA, no condition, try or conditional expression stands around it, and "
        "its module never asks is_available. It is an error where the lock holds a CPU build or [tool.seatrial.vertex] "
        "names a machine without accelerator, else a warning."
    ),
    bad="self._model = build().cuda()",
    good='self._device = "cuda" if torch.cuda.is_available() else "cpu"\nself._model = build().to(self._device)',
)

# What the pickle of a state_dict names; torch/_weights_only_unpickler.py, _get_allowed_globals, allows some more.
_PLAIN = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"),
    ("torch", "Size"),
}


_KNOWS_WEIGHTS_ONLY, _DEFAULTS_TO_IT = Version("1.13"), Version("2.6")


def _unsafe_load(facts: Facts) -> Iterator[Finding]:
    version, refused = locked(facts, "torch"), _refused(_loadable(facts))
    if version is None or version >= _DEFAULTS_TO_IT or not refused:
        return
    for call in _loads_that_leave_it_open(facts):
        yield UNSAFE_LOAD.finding(
            f"torch.load unpickles more than tensors here, which torch {version} does and torch 2.6 refuses",
            location=call.location,
            evidence=tuple(f"{path} holds a pickled {name}" for path, name in refused.items()),
        )


def _open_load(facts: Facts) -> Iterator[Finding]:
    version, loadable = locked(facts, "torch"), _loadable(facts)
    if version is None or not _KNOWS_WEIGHTS_ONLY <= version < _DEFAULTS_TO_IT:
        return
    if not loadable or _refused(loadable) or not all(checkpoint.complete for checkpoint in loadable):
        return
    for call in _loads_that_leave_it_open(facts):
        safe = insertion(call, ", weights_only=True")
        yield OPEN_LOAD.finding(
            f"torch.load runs what the file holds in torch {version}, and it holds tensors alone",
            location=call.location,
            edits=(safe,) if safe else (),
        )


def _loads_that_leave_it_open(facts: Facts) -> Iterator[Call]:
    calls = (call for _, call in facts.sources.calls() if call.name == "torch.load")
    return (call for call in calls if call.argument("weights_only") is None)


def _loadable(facts: Facts) -> list[Checkpoint]:
    kinds = (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.PICKLE)
    suffixes = (".pt", ".pth", ".bin", ".ckpt")
    return [each for each in facts.checkpoints if each.kind in kinds and each.path.endswith(suffixes)]


def _refused(loadable: list[Checkpoint]) -> dict[str, str]:
    """Give each checkpoint that holds more than tensors, and one thing that it holds."""
    return {
        checkpoint.path: f"{module}.{name}"
        for checkpoint in loadable
        for module, name in checkpoint.globals
        if (module, name) not in _PLAIN and not (module == "torch" and name.endswith("Storage"))
    }


_OF_MODULES = {"eval", "train", "to", "cuda", "cpu", "float", "half", "forward", "parameters", "state_dict", "children"}


def _dict_as_model(facts: Facts) -> Iterator[Finding]:
    files = [c for c in facts.checkpoints if c.kind in (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.TORCHSCRIPT)]
    if not files or not all(c.top in ("dict", "collections.OrderedDict") for c in files):
        return
    for _, call in facts.sources.calls():
        as_model = call.receiver == "torch.load()" and (not call.method or call.method in _OF_MODULES)
        if as_model:
            unsure = call.context.tried or call.context.guards
            yield DICT_AS_MODEL.finding(
                f"what torch.load gave is {'asked for ' + call.method if call.method else 'called'}, and it is a dict",
                severity=Severity.WARNING if unsure else Severity.ERROR,
                location=call.location,
                evidence=tuple(f"{c.path} holds a {c.top}" for c in files),
            )


def _download(facts: Facts) -> Iterator[Finding]:
    for module, call in facts.sources.calls():
        if facts.sources.defines(call.name) or _is_refused(facts.sources, module, call):
            continue
        if what := _downloads(facts.sources, call):
            yield DOWNLOAD.finding(
                f"`{call.written or call.method}` {what}",
                location=call.location,
                cause="unless the file is already in a cache of the image, which cannot be seen here",
            )


_FETCHES = {
    "torch.hub.load_state_dict_from_url",
    "torch.hub.download_url_to_file",
    "torch.utils.model_zoo.load_url",
    "torchvision.datasets.utils.download_url",
    "urllib.request.urlretrieve",
    "huggingface_hub.hf_hub_download",
    "huggingface_hub.snapshot_download",
    "gdown.download",
    "wget.download",
}


def _downloads(sources: Sources, call: Call) -> str:
    """Say what a call downloads; empty where it does not, or where that is not certain."""

    def given(name: str, position: int | None = None) -> Value | None:
        value = call.argument(name, position)
        return sources.value(value) if value else None

    if call.name in _FETCHES:
        return "downloads a file"
    if call.name == "urllib.request.urlopen":
        return "asks the network"
    if call.name == "torch.hub.load":
        source = given("source")
        return "" if source and source.constant == "local" else "downloads a repository and its weights"
    family, _, name = call.name.rpartition(".")
    if call.name in ("timm.create_model", "timm.models.create_model"):
        pretrained = given("pretrained", 1)
        return "downloads weights" if pretrained and pretrained.is_exactly(constant=True) else ""
    if name == "from_pretrained":
        model, only_local = given("pretrained_model_name_or_path", 0), given("local_files_only")
        named = isinstance(model.constant, str) and _is_on_hub(call.name, model.constant) if model else False
        return f"downloads {model.constant!r}" if model and named and only_local is None else ""
    if not family.startswith("torchvision.models") or "(" in call.name or not name[:1].islower():
        return ""
    pretrained, weights = given("pretrained", 0), given("weights")
    if pretrained and pretrained.is_exactly(constant=True):
        return "downloads weights"
    if weights and (isinstance(weights.constant, str) or _OF_ENUMERATION.search(weights.name)):
        return "downloads weights"
    has_backbone = family.startswith(("torchvision.models.detection", "torchvision.models.segmentation"))
    # torchvision/models/detection/faster_rcnn.py: weights_backbone is ImageNet's unless weights= or it says otherwise
    said = weights is not None and not weights.is_exactly(None)
    said = said or (pretrained is not None and not pretrained.is_exactly(constant=False))
    said = said or given("weights_backbone") is not None or given("pretrained_backbone") is not None
    return "downloads the weights of its backbone" if has_backbone and _WITH_BACKBONE.match(name) and not said else ""


# ResNet18_Weights.DEFAULT, ResNet18_QuantizedWeights.DEFAULT; get_weight gives one of these by its name.
_OF_ENUMERATION = re.compile(r"Weights\.|^torchvision\.models\.(?:\w+\.)?get_weight\(\)$")
_WITH_BACKBONE = re.compile(r"fasterrcnn|maskrcnn|keypointrcnn|retinanet|fcos|ssd|fcn|deeplabv3|lraspp")
_HUBS = ("transformers", "diffusers", "sentence_transformers", "open_clip", "efficientnet_pytorch", "timm", "peft")


def _is_on_hub(loader: str, model: str) -> bool:
    """Tell whether a text names a model of a hub: a path and a file are none, a bare word only a hub's own library."""
    if model.startswith((".", "/")) or model.endswith((".pt", ".pth", ".bin", ".onnx", ".safetensors", ".json")):
        return False
    return model.count("/") == 1 or ("/" not in model and loader.partition(".")[0] in _HUBS)


def _is_refused(sources: Sources, module: Module, call: Call) -> bool:
    """Tell whether a parameter such as `pretrained` guards a call, and serving nowhere gives it as True."""
    function = module.uses.functions.get(call.context.function)
    asked = {"pretrained", "download"}.intersection(function.parameters) if function and call.context.guards else set()
    given = (other.keywords.get(name) for _, other in sources.calls() for name in asked)
    return bool(asked) and not any(value.is_exactly(constant=True) for value in given if value)


def _hard_cuda(facts: Facts) -> Iterator[Finding]:
    why = _never_has_cuda(facts)
    for module, call in facts.sources.calls():
        if not _asks_for_cuda(facts.sources, call) or _is_guarded(call) or facts.sources.defines(call.name):
            continue
        if any("is_available" in other.name or "device_count" in other.name for other in module.uses.calls):
            continue  # it may have left the function before, or be called only then
        yield HARD_CUDA.finding(
            f"`{call.written or call.method}` asks for CUDA without a look whether it is there",
            severity=Severity.ERROR if why else Severity.WARNING,
            location=call.location,
            cause=why or "on a machine without a GPU, such as the one of a trial, the line raises",
        )


def _never_has_cuda(facts: Facts) -> str:
    """Say why what is served has no CUDA; empty where it may have."""
    pin = facts.lock.pins(marker_environment(facts.project.python)).get("torch") if facts.lock else None
    if pin and pin.version and pin.version.local == "cpu":
        return f"the lock has torch {pin.version}, a CPU build"
    vertex = facts.project.vertex
    return f"{vertex.machine_type} has no accelerator" if vertex.project and vertex.device == "cpu" else ""


# Each of them begins to use CUDA at once; https://docs.pytorch.org/docs/stable/cuda.html
_ONLY_CUDA = {"torch.cuda.set_device", "torch.cuda.current_device", "torch.cuda.init"} | {
    f"torch.cuda.{kind}Tensor" for kind in ("Float", "Half", "Double", "Byte", "Int", "Long", "Bool", "BFloat16")
}


def _asks_for_cuda(sources: Sources, call: Call) -> bool:
    if call.name in _ONLY_CUDA:
        return True
    if call.name == "torch.set_default_tensor_type":
        kind = sources.value(call.arguments[0]) if call.arguments else None
        return kind is not None and str(kind.constant or kind.name).startswith("torch.cuda.")
    if call.method == "cuda" and not call.name.startswith("torch.cuda"):
        return True
    device = call.keywords.get("device") or call.keywords.get("map_location")
    if (call.method == "to" and not device) or call.name in ("torch.device", "torch.set_default_device"):
        device = call.arguments[0] if call.arguments else device
    if call.name == "torch.load" and len(call.arguments) > 1:
        device = call.arguments[1]
    constant = sources.value(device).constant if device else None
    of_torch = call.method == "to" or call.name.startswith("torch.")
    return of_torch and isinstance(constant, str) and constant.partition(":")[0] == "cuda"


def _is_guarded(call: Call) -> bool:
    """Tell whether a try stands around a call, or a test that names a device or something unknown."""
    words = ("cuda", "gpu", "device", "?")
    return call.context.tried or any(word in name.lower() for name in call.context.guards for word in words)


RULES = (
    UNSAFE_LOAD.decided_by(_unsafe_load),
    OPEN_LOAD.decided_by(_open_load),
    DICT_AS_MODEL.decided_by(_dict_as_model),
    DOWNLOAD.decided_by(_download),
    HARD_CUDA.decided_by(_hard_cuda),
)
