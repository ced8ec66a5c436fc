"""Family 5, code that answers: what makes the answers in serving wrong, slow or impossible.

The rules judge the calls that serving can reach. The source seldom proves what a value really is, so all of these are
warnings that say what they could not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import method_of
from seatrial.findings import Severity
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding, Location

NOT_JSON = Rule(
    code="ST521",
    title="an array or a tensor is passed to json",
    explanation=(
        "json knows numbers, text, lists and dicts. An ndarray, a tensor or a numpy scalar in the answer raises "
        "TypeError on the first request. Seatrial's runtime turns arrays and tensors in an answer into lists itself, "
        "so only code that calls json itself has this fault."
    ),
    fix="call .tolist() on arrays and tensors, .item() on scalars, or return them and let the runtime encode them",
    severity=Severity.WARNING,
    cloud="TypeError: Object of type ndarray is not JSON serializable",
    sources=("https://docs.python.org/3/library/json.html#json.JSONEncoder",),
    symptoms=(
        Symptom(
            (
                r"Object of type (?P<type>ndarray|Tensor|float(?:16|32|64)|u?int(?:8|16|32|64)|bool_?|bfloat16) is not "
                r"JSON serializable"
            ),
            "the answer holds a {type}, which is not JSON; use .tolist() or .item()",
        ),
    ),
    detected=(
        "json.dumps, json.dump or flask.jsonify gets no default= or cls= and, alone, in a list or in a dict, the "
        "result of .numpy(), .cpu(), .detach() or of a function that returns an array. A variable that was assigned "
        "twice is not followed."
    ),
    bad='return json.dumps({"scores": output.cpu().numpy()})',
    good='return {"scores": output.tolist()}',
)

_JSON = {"json.dumps", "json.dump", "flask.jsonify", "simplejson.dumps", "ujson.dumps"}


@NOT_JSON.decided_by
def _not_json(facts: Facts) -> Iterator[Finding]:
    for _, call in facts.sources.calls().of(*_JSON):
        if {"default", "cls"} & call.keywords.keys():
            continue
        for value in (*call.arguments, *call.keywords.values()):
            if name := _array_in(value, 0):
                yield NOT_JSON.finding(
                    f"`{call.written}` gets the result of `{name}`, which is not JSON", location=call.location
                )


_ARRAY_METHODS = {"numpy()", "cpu()", "detach()", "softmax()", "squeeze()"}
_ARRAYS = {
    *(f"torch.{name}()" for name in ("softmax", "sigmoid", "argmax", "tensor", "stack", "cat")),
    *(f"torch.nn.functional.{name}()" for name in ("softmax", "sigmoid", "normalize")),
    *(f"numpy.{name}()" for name in ("array", "asarray", "concatenate", "stack", "squeeze", "argmax")),
}


def _array_in(value: Value, depth: int) -> str:
    last = value.name.rpartition(".")[2]
    if value.name in _ARRAYS or (last in _ARRAY_METHODS and "." in value.name):
        return last.removesuffix("()") if value.name in _ARRAYS else f".{last}"
    inside = value.items or () if depth < 3 else ()
    return next((name for item in inside if (name := _array_in(item, depth + 1))), "")


IMAGE_MODE = Rule(
    code="ST522",
    title="an image is opened and never converted to one mode",
    explanation=(
        "An image file can be grey or CMYK, or have a palette or an alpha channel. A transform for three channels then "
        "fails on the first such request, or accepts the image with the wrong numbers. The runtime converts the "
        "images of the batched interface; code that opens images itself has to convert them."
    ),
    fix='write Image.open(…).convert("RGB"), or the mode that training used',
    severity=Severity.WARNING,
    cloud="RuntimeError: output with shape [1, 224, 224] doesn't match the broadcast shape [3, 224, 224]",
    sources=("https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes",),
    detected=(
        "Serving can reach a call of PIL.Image.open and uses torchvision's transforms, and nothing that serving "
        "reaches calls convert or Grayscale or looks at the mode. It does no harm if clients send only one mode, "
        "so it is a warning."
    ),
    bad="image = Image.open(io.BytesIO(data))",
    good='image = Image.open(io.BytesIO(data)).convert("RGB")',
)


@IMAGE_MODE.decided_by
def _image_mode(facts: Facts) -> Iterator[Finding]:
    mentions = _mentions(facts.sources)
    if mentions & {"convert", "Grayscale", "rgb_to_grayscale", "mode", "exif_transpose", "default_loader", "getbands"}:
        return
    uses_transforms = any(i.module.startswith("torchvision") for _, i in facts.sources.imports())
    for _, call in facts.sources.calls().of("PIL.Image.open") if uses_transforms else ():
        yield IMAGE_MODE.finding(
            "an image is opened here and never converted",
            location=call.location,
            cause="a grey or transparent image then reaches the transforms as it is",
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
            r"Can't call numpy\(\) on Tensor that requires grad",
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


@GRADIENTS.decided_by
def _gradients(facts: Facts) -> Iterator[Finding]:
    off = {"inference_mode", "no_grad", "set_grad_enabled", "requires_grad", "requires_grad_", "_set_grad_enabled"}
    loads = _loads_into_a_model(facts.sources)
    if loads and not off & _mentions(facts.sources) and not _inherits_predict(facts):
        yield GRADIENTS.finding(
            "nothing that serving reaches turns gradients off",
            location=_predict(facts) or loads[0].location,
            cause=f"weights are loaded into a model at {loads[0].location}",
        )


_CALL_THE_MODEL = ("predict", "inference", "handle", "forward", "__call__")


def _inherits_predict(facts: Facts) -> bool:
    """Return whether the predictor's class inherits the call of the model from a class outside the project."""
    name = facts.project.predictor_class
    for module in facts.sources.serving_modules():
        if bases := module.uses.classes.get(name):
            own = any(f"{name}.{method}" in module.uses.functions for method in _CALL_THE_MODEL)
            return not own and any(not facts.sources.ships(base.partition(".")[0]) for base in bases)
    return False


def _predict(facts: Facts) -> Location | None:
    name = f"{facts.project.predictor_class}.predict"
    found = (m.uses.functions.get(name) for m in facts.sources.serving_modules())
    return next((function.location for function in found if function), None)


NO_EVAL = Rule(
    code="ST524",
    title="eval() is never called on the model",
    explanation=(
        "A module of torch begins in training mode: dropout drops, and batch normalisation uses the batch, so an "
        "answer depends on the other images in the batch, and a batch of one may fail."
    ),
    fix="call model.eval() once, right after load_state_dict",
    severity=Severity.WARNING,
    cloud="ValueError: Expected more than 1 value per channel when training, got input size torch.Size([1, 512, 1, 1])",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval",),
    symptoms=(
        Symptom(
            r"Expected more than 1 value per channel when training",
            "the model is in training mode; call .eval() once it is loaded",
        ),
    ),
    detected=(
        "Serving calls load_state_dict, and nothing that serving reaches names eval or train. A model without dropout "
        "and batch normalisation answers the same, so it is a warning; the trial sends the same image alone and in a "
        "batch."
    ),
    bad="self._model.load_state_dict(weights)",
    good="self._model.load_state_dict(weights)\nself._model.eval()",
)


@NO_EVAL.decided_by
def _no_eval(facts: Facts) -> Iterator[Finding]:
    loads = [call for call in _loads_into_a_model(facts.sources) if call.method == "load_state_dict"]
    if loads and not {"eval", "train"} & _mentions(facts.sources):
        yield NO_EVAL.finding(
            "weights are loaded into a model that is never set to eval()",
            location=loads[0].location,
            cause="a module of torch is in training mode until eval() is called",
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
    detected="Code that serving reaches calls DataLoader with a num_workers above 0.",
    bad="DataLoader(images, batch_size=8, num_workers=4)",
    good="DataLoader(images, batch_size=8)",
)


@WORKERS.decided_by
def _workers(facts: Facts) -> Iterator[Finding]:
    names = ("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader")
    for _, call in facts.sources.calls().of(*names):
        workers = call.argument("num_workers", 5)
        number = facts.sources.value(workers).constant if workers else 0
        if isinstance(number, int) and number > 0:
            yield WORKERS.finding(f"a DataLoader starts {number} worker processes in serving", location=call.location)


OWN_SERVER = Rule(
    code="ST526",
    title="the package starts its own server on 127.0.0.1",
    explanation=(
        "A server that listens on 127.0.0.1 answers only inside its container; the cloud's health check comes from "
        "outside and never gets an answer. Flask's app.run and uvicorn.run listen there by default. "
        "Seatrial's image starts its own server and needs none from the package."
    ),
    fix='remove it, or pass host="0.0.0.0" and the port of AIP_HTTP_PORT',
    severity=Severity.WARNING,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    detected=(
        "A module that ships calls uvicorn.run, run() of a Flask application or http.server with no host or with a "
        'loopback host, also under `if __name__ == "__main__"`. Whether the container runs it is not known, so it is a '
        "warning."
    ),
    bad="uvicorn.run(app, port=8080)",
    good='uvicorn.run(app, host="0.0.0.0", port=int(os.environ["AIP_HTTP_PORT"]))',
)

_HERE = {"127.0.0.1", "localhost", "::1"}


@OWN_SERVER.decided_by
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
                by_hand = not call.context.runs
                in_container = any(file.is_dockerfile for file in facts.builds.files)
                yield OWN_SERVER.finding(
                    f"`{call.written}` listens on {listens} only",
                    severity=Severity.NOTE if by_hand and not in_container else Severity.WARNING,
                    location=call.location,
                    cause="nothing is wrong if no container starts it, which cannot be seen here" if by_hand else "",
                )


def _loads_into_a_model(sources: Sources) -> list[Call]:
    loads = sources.calls().where(
        lambda name: name in ("torch.jit.load", "torch.load()") or method_of(name) == "load_state_dict"
    )
    return [call for _, call in loads]


def _mentions(sources: Sources) -> set[str]:
    """Return every identifier in code that serving reaches."""
    found: set[str] = set()
    for module in sources.serving_modules():
        found |= module.uses.mentions
        for qualname, function in module.uses.functions.items():
            if (module.name, qualname) in sources.serving:
                found |= function.mentions
    return found
