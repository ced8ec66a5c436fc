"""Families 2, 5 and 6, code: what the predictor's code does that serving makes wrong, slow or impossible.

Judged are the calls that serving can reach. What a value really is, and whether a line runs, the text seldom proves,
so nearly all of these are warnings that say what they could not see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.checkpoint import Kind
from seatrial.facts.requirements import marker_environment
from seatrial.findings import Severity
from seatrial.rules.cloud import EXITED_SOURCE, NEVER_READY, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom
from seatrial.rules.versions import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.calls import Call, Value
    from seatrial.facts.gather import Facts
    from seatrial.facts.sources import Sources
    from seatrial.findings import Finding, Location

CONTAINER_REQUIREMENTS = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/"
    "custom-container-requirements"
)

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
NOT_JSON = Rule(
    code="ST521",
    title="an array or a tensor is given to json",
    explanation=(
        "json knows numbers, text, lists and dicts. An ndarray, a tensor or a numpy scalar in the answer raises "
        "TypeError on the first request. Seatrial's runtime turns arrays and tensors in an answer into lists itself, "
        "so only code that calls json on its own has this fault."
    ),
    fix="call .tolist() on arrays and tensors, .item() on scalars, or return them and let the runtime encode them",
    severity=Severity.WARNING,
    cloud="TypeError: Object of type ndarray is not JSON serializable",
    sources=("https://docs.python.org/3/library/json.html#json.JSONEncoder",),
    symptoms=(
        Symptom(
            re.compile(
                r"Object of type (?P<type>ndarray|Tensor|float(?:16|32|64)|u?int(?:8|16|32|64)|bool_?|bfloat16) is not "
                r"JSON serializable"
            ),
            "the answer holds a {type}, which is no JSON; use .tolist() or .item()",
        ),
    ),
    detected=(
        "json.dumps, json.dump or flask.jsonify gets, alone, in a list or as a value of a dict, the result of "
        ".numpy(), .cpu(), .detach() or of a function that gives an array, and no default= or cls=. What a variable "
        "holds that was assigned twice is not followed."
    ),
    bad='return json.dumps({"scores": output.cpu().numpy()})',
    good='return {"scores": output.tolist()}',
)
IMAGE_MODE = Rule(
    code="ST522",
    title="an image is opened and never converted to one mode",
    explanation=(
        "An image file can be grey, have a palette, an alpha channel or CMYK. A transform for three channels then "
        "fails on the first such request, or an image of another mode slips through with other numbers. The batched "
        "interface gets images that the runtime converted; code that opens its own has to convert them."
    ),
    fix='write Image.open(…).convert("RGB"), or the mode that training used',
    severity=Severity.WARNING,
    cloud="RuntimeError: output with shape [1, 224, 224] doesn't match the broadcast shape [3, 224, 224]",
    sources=("https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes",),
    detected=(
        "Serving can reach a call of PIL.Image.open and uses torchvision's transforms, and nothing that serving "
        "reaches calls convert or Grayscale or looks at the mode. A client that only sends one mode does no harm, so "
        "it is a warning."
    ),
    bad="image = Image.open(io.BytesIO(data))",
    good='image = Image.open(io.BytesIO(data)).convert("RGB")',
)
GRADIENTS = Rule(
    code="ST523",
    title="the model is called with gradients on",
    explanation=(
        "Outside torch.inference_mode() or torch.no_grad() every prediction keeps what a backward pass would need: it "
        "is slower, takes several times the memory, and .numpy() on the result fails."
    ),
    fix="decorate predict with @torch.inference_mode()",
    severity=Severity.WARNING,
    cloud="RuntimeError: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html",),
    symptoms=(
        Symptom(
            re.compile(r"Can't call numpy\(\) on Tensor that requires grad"),
            "the predictor computes gradients; predict under torch.inference_mode()",
        ),
    ),
    detected=(
        "Serving loads weights into a model of torch, and nothing that serving reaches names inference_mode, no_grad, "
        "set_grad_enabled or requires_grad. A library that switches gradients off by itself is not seen, so it is a "
        "warning."
    ),
    bad="def predict(self, batch):\n    return self._model(batch)",
    good="@torch.inference_mode()\ndef predict(self, batch):\n    return self._model(batch)",
)
NO_EVAL = Rule(
    code="ST524",
    title="eval() is never called on the model",
    explanation=(
        "A module of torch begins in training mode: dropout drops, and batch normalisation uses the batch, so that an "
        "answer changes with the images beside it, and a batch of one may fail."
    ),
    fix="call model.eval() once, right after load_state_dict",
    severity=Severity.WARNING,
    cloud="ValueError: Expected more than 1 value per channel when training, got input size torch.Size([1, 512, 1, 1])",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval",),
    symptoms=(
        Symptom(
            re.compile(r"Expected more than 1 value per channel when training"),
            "the model is in training mode; call .eval() once it is loaded",
        ),
    ),
    detected=(
        "Serving calls load_state_dict, and nothing that serving reaches names eval or train. A model without dropout "
        "and batch normalisation answers the same, so it is a warning; the trial asks the same image alone and in a "
        "batch."
    ),
    bad="self._model.load_state_dict(weights)",
    good="self._model.load_state_dict(weights)\nself._model.eval()",
)
WORKERS = Rule(
    code="ST525",
    title="a DataLoader with worker processes in serving",
    explanation=(
        "A DataLoader with num_workers starts processes that pass tensors through shared memory. A container has "
        "64 MB of it, and starting processes for every request is slow; when the memory is full, a worker dies of a "
        "bus error."
    ),
    fix="write num_workers=0, or stack the batch yourself",
    severity=Severity.WARNING,
    cloud="Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).",
    sources=(
        "https://github.com/googleapis/python-aiplatform/issues/3677",
        "https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader",
    ),
    detected="DataLoader is called with a num_workers that is not 0 in what serving reaches.",
    bad="DataLoader(images, batch_size=8, num_workers=4)",
    good="DataLoader(images, batch_size=8)",
)
OWN_SERVER = Rule(
    code="ST526",
    title="the package starts a server of its own on 127.0.0.1",
    explanation=(
        "A server that listens on 127.0.0.1 answers inside its container only; the cloud's health check comes from "
        "outside and never gets an answer. Flask's app.run and uvicorn.run listen there unless told otherwise. "
        "Seatrial's image starts its own server and needs none from the package."
    ),
    fix='remove it, or give host="0.0.0.0" and the port of AIP_HTTP_PORT',
    severity=Severity.WARNING,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    detected=(
        "A module that ships calls uvicorn.run, run() of a Flask application or http.server with no host or with that "
        'of this machine, under `if __name__ == "__main__"` too. Whether the container runs it is not known, so it '
        "is a warning."
    ),
    bad="uvicorn.run(app, port=8080)",
    good='uvicorn.run(app, host="0.0.0.0", port=int(os.environ["AIP_HTTP_PORT"]))',
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


def _unsafe_load(facts: Facts) -> Iterator[Finding]:
    version = locked(facts, "torch")
    if version is None or version >= Version("2.6"):
        return
    kinds = (Kind.TORCH_ZIP, Kind.TORCH_LEGACY, Kind.PICKLE)
    loaded = [c for c in facts.checkpoints if c.kind in kinds and c.path.endswith((".pt", ".pth", ".bin", ".ckpt"))]
    refused = {
        c.path: f"{module}.{name}"
        for c in loaded
        for module, name in c.globals
        if (module, name) not in _PLAIN and not (module == "torch" and name.endswith("Storage"))
    }
    for _, call in facts.sources.calls() if refused else ():
        if call.name == "torch.load" and call.argument("weights_only") is None:
            yield UNSAFE_LOAD.finding(
                f"torch.load unpickles more than tensors here, which torch {version} does and torch 2.6 refuses",
                location=call.location,
                evidence=tuple(f"{path} holds a pickled {name}" for path, name in refused.items()),
            )


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
    for _, call in facts.sources.calls():
        if not facts.sources.defines(call.name) and (what := _downloads(facts.sources, call)):
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
    "urllib.request.urlopen",
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
    if call.name == "torch.hub.load":
        source = given("source")
        return "" if source and source.constant == "local" else "downloads a repository and its weights"
    family, _, name = call.name.rpartition(".")
    if call.name in ("timm.create_model", "timm.models.create_model"):
        pretrained = given("pretrained", 1)
        return "downloads weights" if pretrained and pretrained.is_exactly(constant=True) else ""
    if name == "from_pretrained":
        model, only_local = given("pretrained_model_name_or_path", 0), given("local_files_only")
        named = isinstance(model.constant, str) and not model.constant.startswith((".", "/")) if model else False
        return f"downloads {model.constant!r}" if model and named and only_local is None else ""
    if not family.startswith("torchvision.models") or "(" in call.name or not name[:1].islower():
        return ""
    pretrained, weights = given("pretrained", 0), given("weights")
    if pretrained and pretrained.is_exactly(constant=True):
        return "downloads weights"
    if weights and (isinstance(weights.constant, str) or "_Weights." in weights.name):
        return "downloads weights"
    has_backbone = family.startswith(("torchvision.models.detection", "torchvision.models.segmentation"))
    backbone = given("weights_backbone")
    # torchvision/models/detection/faster_rcnn.py: weights_backbone is ImageNet's unless weights= or it says otherwise
    return "downloads the weights of its backbone" if has_backbone and backbone is None and weights else ""


_JSON = {"json.dumps", "json.dump", "flask.jsonify", "simplejson.dumps", "ujson.dumps"}
_ARRAY_METHODS = {"numpy()", "cpu()", "detach()", "softmax()", "squeeze()"}
_ARRAYS = {
    *(f"torch.{name}()" for name in ("softmax", "sigmoid", "argmax", "tensor", "stack", "cat")),
    *(f"torch.nn.functional.{name}()" for name in ("softmax", "sigmoid", "normalize")),
    *(f"numpy.{name}()" for name in ("array", "asarray", "concatenate", "stack", "squeeze", "argmax")),
}


def _not_json(facts: Facts) -> Iterator[Finding]:
    for _, call in facts.sources.calls():
        if call.name not in _JSON or {"default", "cls"} & call.keywords.keys():
            continue
        for value in (*call.arguments, *call.keywords.values()):
            if name := _array_in(value, 0):
                yield NOT_JSON.finding(
                    f"`{call.written}` gets the result of `{name}`, which is no JSON", location=call.location
                )


def _array_in(value: Value, depth: int) -> str:
    last = value.name.rpartition(".")[2]
    if value.name in _ARRAYS or (last in _ARRAY_METHODS and "." in value.name):
        return last.removesuffix("()") if value.name in _ARRAYS else f".{last}"
    inside = value.items or () if depth < 3 else ()
    return next((name for item in inside if (name := _array_in(item, depth + 1))), "")


def _image_mode(facts: Facts) -> Iterator[Finding]:
    mentions = _mentions(facts.sources)
    if mentions & {"convert", "Grayscale", "rgb_to_grayscale", "mode", "exif_transpose", "default_loader", "getbands"}:
        return
    uses_transforms = any(i.module.startswith("torchvision") for _, i in facts.sources.imports())
    for _, call in facts.sources.calls() if uses_transforms else ():
        if call.name == "PIL.Image.open":
            yield IMAGE_MODE.finding(
                "an image is opened here and converted nowhere",
                location=call.location,
                cause="a grey or transparent image then meets the transforms as it is",
            )


def _gradients(facts: Facts) -> Iterator[Finding]:
    off = {"inference_mode", "no_grad", "set_grad_enabled", "requires_grad", "requires_grad_", "_set_grad_enabled"}
    loads = _loads_into_a_model(facts.sources)
    if loads and not off & _mentions(facts.sources):
        yield GRADIENTS.finding(
            "nothing in what serving reaches turns gradients off",
            location=_predict(facts) or loads[0].location,
            cause=f"weights are loaded into a model at {loads[0].location}",
        )


def _no_eval(facts: Facts) -> Iterator[Finding]:
    loads = [call for call in _loads_into_a_model(facts.sources) if call.method == "load_state_dict"]
    if loads and not {"eval", "train"} & _mentions(facts.sources):
        yield NO_EVAL.finding(
            "weights are loaded into a model that is never set to eval()",
            location=loads[0].location,
            cause="a module of torch is in training mode until eval() is called",
        )


def _loads_into_a_model(sources: Sources) -> list[Call]:
    return [
        call
        for _, call in sources.calls()
        if call.name in ("torch.jit.load", "torch.load()") or call.method == "load_state_dict"
    ]


def _mentions(sources: Sources) -> set[str]:
    """Give every identifier in what serving reaches."""
    found: set[str] = set()
    for module in sources.serving_modules():
        found |= module.uses.mentions
        for qualname, function in module.uses.functions.items():
            if (module.name, qualname) in sources.serving:
                found |= function.mentions
    return found


def _predict(facts: Facts) -> Location | None:
    name = f"{facts.project.predictor_class}.predict"
    found = (m.uses.functions.get(name) for m in facts.sources.serving_modules())
    return next((function.location for function in found if function), None)


def _workers(facts: Facts) -> Iterator[Finding]:
    for _, call in facts.sources.calls():
        if call.name in ("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader"):
            workers = call.argument("num_workers", 5)
            number = facts.sources.value(workers).constant if workers else 0
            if isinstance(number, int) and number > 0:
                yield WORKERS.finding(
                    f"a DataLoader starts {number} worker processes in serving", location=call.location
                )


_HERE = {"127.0.0.1", "localhost", "::1"}


def _own_server(facts: Facts) -> Iterator[Finding]:
    for module in facts.sources.modules.values():
        for call in module.uses.calls:
            name = facts.sources.follow(call.name)
            if name == "flask.Flask().run":
                host = call.argument("host", 0)
            elif name in ("uvicorn.run", "hypercorn.run"):
                host = call.argument("host")
            elif name in ("http.server.HTTPServer", "http.server.ThreadingHTTPServer") and call.arguments:
                host = next(iter(call.arguments[0].items or ()), None)
                if host is None:
                    continue
            else:
                continue
            listens = facts.sources.value(host).constant if host else "127.0.0.1"
            if listens in _HERE:
                yield OWN_SERVER.finding(f"`{call.written}` listens on {listens} only", location=call.location)


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


def _asks_for_cuda(sources: Sources, call: Call) -> bool:
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
    DICT_AS_MODEL.decided_by(_dict_as_model),
    DOWNLOAD.decided_by(_download),
    NOT_JSON.decided_by(_not_json),
    IMAGE_MODE.decided_by(_image_mode),
    GRADIENTS.decided_by(_gradients),
    NO_EVAL.decided_by(_no_eval),
    WORKERS.decided_by(_workers),
    OWN_SERVER.decided_by(_own_server),
    HARD_CUDA.decided_by(_hard_cuda),
)
