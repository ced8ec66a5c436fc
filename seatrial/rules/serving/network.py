"""Family 5, the network: what the predictor fetches from outside while it loads or predicts.

The source seldom proves whether a line runs; then a finding is a warning and says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.lock import installing
from seatrial.rules.rule import Rule, Symptom, Telling
from seatrial.rules.transforms.removed_names import makes_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

OUTSIDE_CONNECTION = Rule(
    code="ST506",
    title="the predictor connects to the network",
    explanation=(
        "While it loaded or predicted, the predictor opened a connection to the outside: pretrained "
        "weights, a hub, a licence. On the server this makes the start slow and fails without egress, and no "
        "lock or digest covers what is downloaded."
    ),
    fix="build the model with weights=None and load a checkpoint from the artifacts",
    telling=Telling.WIDE,
    yields_to=(installing.NO_INDEX,),
    cloud="urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
    sources=("https://docs.pytorch.org/vision/stable/models.html#initializing-pre-trained-models",),
    symptoms=(
        Symptom(
            r"Downloading: \"(?P<url>https?://[^\"\n]{1,2000})\"",
            "the predictor downloads {url} while it loads",
        ),
        Symptom(
            r"host='(?P<host>[\w.-]{1,300})', port=\d+\): Max retries exceeded",
            "the predictor connects to {host} while it runs",
        ),
        Symptom(
            (
                r"(?:URLError|NewConnectionError|ConnectError|gaierror)\b[^\n]{0,300}?"
                r"(?:Name or service not known|name resolution|unreachable|refused)"
            ),
            "the predictor opens a connection to the outside",
        ),
    ),
)

DOWNLOAD = Rule(
    code="ST520",
    title="the predictor downloads weights while it loads",
    explanation=(
        "pretrained=True, weights= of an enumeration, torch.hub.load, from_pretrained with a model's name and similar "
        "calls fetch a file from the network when the server starts. Without egress the start fails; with it every "
        "replica downloads again, and no lock or digest covers what it gets."
    ),
    fix="build the model with weights=None and load a checkpoint from the artifacts",
    severity=Severity.WARNING,
    cloud="urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
    sources=("https://docs.pytorch.org/vision/stable/models.html#initializing-pre-trained-models",),
    detected=(
        "A call that serving can reach is known to download. A file that a cache in the image already holds is not "
        "seen, so it is a warning; the trial, which has no network, proves it. Variables that cannot be followed and "
        "arguments that are passed by `**` are ignored."
    ),
    bad="model = torchvision.models.resnet18(pretrained=True)",
    good='model = torchvision.models.resnet18(weights=None)\nmodel.load_state_dict(torch.load(uri / "weights.pt"))',
)


@DOWNLOAD.decided_by
def _download(facts: Facts) -> Iterator[Finding]:
    for module, call in facts.sources.calls().where(_may_download):
        what = _downloads(facts.sources, call)
        if what and not facts.sources.defines(call.name) and not _is_refused(facts.sources, module, call):
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
# ResNet18_Weights.DEFAULT, ResNet18_QuantizedWeights.DEFAULT; get_weight returns one of these by its name.
_OF_ENUMERATION = re.compile(r"Weights\.|^torchvision\.models\.(?:\w+\.)?get_weight\(\)$")
_WITH_BACKBONE = re.compile(r"fasterrcnn|maskrcnn|keypointrcnn|retinanet|fcos|ssd|fcn|deeplabv3|lraspp")


def _may_download(name: str) -> bool:
    asks = name in _FETCHES or name in _ASKING or name.endswith(".from_pretrained")
    return asks or makes_model(name)


def _downloads(sources: Sources, call: Call) -> str:
    """Return what a call downloads; "" if nothing, or if that is not certain."""

    def given(name: str, position: int | None = None) -> Value | None:
        value = call.argument(name, position)
        return sources.value(value) if value else None

    if call.name in _FETCHES:
        return "downloads a file"
    if call.name == "urllib.request.urlopen":
        return "sends a request to the network"
    if call.name == "torch.hub.load":
        source = given("source")
        return "" if source and source.constant == "local" else "downloads a repository and its weights"
    if call.name in ("timm.create_model", "timm.models.create_model"):
        pretrained = given("pretrained", 1)
        return "downloads weights" if pretrained and pretrained.is_exactly(constant=True) else ""
    if call.method == "from_pretrained":
        model, only_local = given("pretrained_model_name_or_path", 0), given("local_files_only")
        named = isinstance(model.constant, str) and _is_on_hub(call.name, model.constant) if model else False
        return f"downloads {model.constant!r}" if model and named and only_local is None else ""
    family, _, name = call.name.rpartition(".")
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


_ASKING = ("urllib.request.urlopen", "torch.hub.load", "timm.create_model", "timm.models.create_model")
_HUBS = ("transformers", "diffusers", "sentence_transformers", "open_clip", "efficientnet_pytorch", "timm", "peft")


def _is_on_hub(loader: str, model: str) -> bool:
    """Return whether a text names a model of a hub: not a path or file, and a bare word only for its own library."""
    if model.startswith((".", "/")) or model.endswith((".pt", ".pth", ".bin", ".onnx", ".safetensors", ".json")):
        return False
    return model.count("/") == 1 or ("/" not in model and loader.partition(".")[0] in _HUBS)


def _is_refused(sources: Sources, module: Module, call: Call) -> bool:
    """Return whether a parameter such as `pretrained` guards a call, and serving never passes it as True."""
    function = module.uses.functions.get(call.context.function)
    asked = {"pretrained", "download"}.intersection(function.parameters) if function and call.context.guards else set()
    given = (other.keywords.get(name) for _, other in sources.calls() for name in asked)
    return bool(asked) and not any(value.is_exactly(constant=True) for value in given if value)
