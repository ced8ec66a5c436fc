"""The text of a predictor's module: the batched interface around the model, the transforms and the labels."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.architectures import presets
from seatrial.facts.repository.heads import CLASSES
from seatrial.init.choosing import unknown_names
from seatrial.init.layout import assigned
from seatrial.init.notes import where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.architectures import Fit, Preset
    from seatrial.facts.repository.rewriting import Text
    from seatrial.init.choosing import Chosen

CLASS = "Predictor"
# Models of torchvision that have second weights, which take images of another size than the first.
_HAS_SECOND = re.compile(
    r"mobilenet_v2|mobilenet_v3_large|regnet_\w+|(wide_)?resnet(50|101|152)(_2)?|resnext50_32x4d|resnext101_32x8d"
)
_WEIGHTS = Version("0.13")  # the first torchvision whose builders take `weights`
_RENAMED = {"transforms.Scale(": "transforms.Resize("}  # gone since torchvision 0.12, and the same under its new name
_IMAGENET = "transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])"
_INTERPOLATIONS = {"bilinear": "BILINEAR", "bicubic": "BICUBIC"}


class _Module:
    """The parts of the module while they are collected."""

    def __init__(self, chosen: Chosen, torchvision: Version) -> None:
        self.chosen = chosen
        self.torchvision = torchvision
        self.imports: dict[str, str] = {"torch": "torch", "Image": "PIL.Image", "Path": "pathlib.Path"}
        self.copied: dict[str, str] = {}
        self.origins: dict[str, str] = {}

    def use(self, text: Text) -> str:
        """Note what a text needs, and return it."""
        self.imports |= text.imports
        for name, (source, place) in text.copied.items():
            self.copied.setdefault(name, source)
            self.origins.setdefault(name, where(place))
        return text.text


def text_of(chosen: Chosen, torchvision: Version) -> str:
    """Return the module, for a version of torchvision."""
    module = _Module(chosen, torchvision)
    load = [f"        {line}".rstrip() for line in _load(module)]
    answer = _answer(chosen)
    parts = [
        '"""What ships: says which class an image is of. `seatrial init` wrote it once; it is yours to change."""',
        "",
        "from __future__ import annotations",
        "",
        *_import_lines(module),
        "",
        "",
        *_copied_lines(module),
        f"class {CLASS}:",
        f'    """Classifies images with {_named(chosen)}."""',
        "",
        "    def load(self, artifacts_uri: str) -> None:",
        '        """Read everything from the folder `artifacts_uri`; use a GPU if there is one."""',
        *load,
        "",
        "    def preprocess(self, image: Image.Image) -> torch.Tensor:",
        '        """Turn an image of the configured mode into the model\'s input."""',
        f"        return {_transformed(chosen)}",
        "",
        "    @torch.inference_mode()",
        "    def predict(self, batch: torch.Tensor) -> torch.Tensor:",
        '        """Turn inputs into the scores of the classes, on the CPU."""',
        f"        return {_scores(chosen)}",
        "",
        f"    def postprocess(self, output: torch.Tensor) -> dict[str, {answer[0]}]:",
        '        """Turn one row of scores into the answer."""',
        *answer[1],
    ]
    return "\n".join(parts) + "\n"


def _named(chosen: Chosen) -> str:
    if chosen.fit:
        return f"{chosen.fit.library}'s {chosen.fit.names[0]}"
    return chosen.model.name if chosen.model else "a TorchScript model"


def _import_lines(module: _Module) -> Iterator[str]:
    """Yield the imports: the standard library's, then the others; sorted."""
    each = [_import_line(name, dotted) for name, dotted in module.imports.items()]
    lines = sorted(_joined(each), key=lambda line: (line.startswith("from"), line))
    own = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in lines if line not in own]
    yield from own
    if own and others:
        yield ""
    yield from others


def _joined(lines: list[str]) -> Iterator[str]:
    """Yield import lines with those of one module joined."""
    taken: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("from "):
            module, _, name = line.partition(" import ")
            taken.setdefault(module, []).append(name)
        else:
            yield line
    for module, names in taken.items():
        yield f"{module} import {', '.join(sorted(names))}"


def _import_line(name: str, dotted: str) -> str:
    base, _, last = dotted.rpartition(".")
    if not base:
        return f"import {dotted}" if name == dotted else f"import {dotted} as {name}"
    return f"from {base} import {last}" if name == last else f"from {base} import {last} as {name}"


def _copied_lines(module: _Module) -> Iterator[str]:
    """Yield what the scripts of the repository define, because importing those would run them."""
    for name, source in module.copied.items():
        yield f"# From {module.origins[name]}, which does more than define it when it is imported."
        yield from source.splitlines()
        yield from ("", "")


def _load(module: _Module) -> Iterator[str]:
    chosen = module.chosen
    weights = chosen.weights
    assert weights is not None  # noqa: S101 - only a class that is kept has none, and needs no module
    yield "artifacts = Path(artifacts_uri)"
    yield 'self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")'
    if chosen.labels:
        module.imports["json"] = "json"
        yield 'self._labels: list[str] = json.loads((artifacts / "labels.json").read_text(encoding="utf-8"))'
    if weights.is_script and weights.name.endswith(".pt2"):
        yield f'model = torch.export.load(artifacts / "{weights.name}").module()  # exported as it evaluates'
    elif weights.is_script:
        yield f'model = torch.jit.load(artifacts / "{weights.name}", map_location=self._device)'
    elif weights.name.endswith(".safetensors"):
        module.imports["load_file"] = "safetensors.torch.load_file"
        yield f'weights = load_file(artifacts / "{weights.name}")'
        yield from _renamed(weights.prefixes)
        yield from _built(module)
    else:
        key = f'["{weights.key}"]' if weights.key else ""
        yield f'weights = torch.load(artifacts / "{weights.name}", map_location="cpu", weights_only=True){key}'
        yield from _renamed(weights.prefixes)
        yield from _built(module)
    is_exported = weights.is_script and weights.name.endswith(".pt2")
    yield f"self._model = model.to(self._device){'' if is_exported else '.eval()'}"
    yield from _transform(module)


def _renamed(prefixes: tuple[str, ...]) -> Iterator[str]:
    if prefixes:
        bare = "".join(f'.removeprefix("{prefix}")' for prefix in prefixes)
        yield f"weights = {{name{bare}: tensor for name, tensor in weights.items()}}"


def _built(module: _Module) -> Iterator[str]:
    """Yield the lines that build the model and load its weights."""
    chosen = module.chosen
    fit, model = chosen.fit, chosen.model
    if model is not None and (names := unknown_names(model, fit)):
        yield f"# No file tells what these are, write it here: {', '.join(names)}"
    if fit is None and model is not None:
        text = module.use(model.written)
        if _asks_for_classes(text):
            yield f"{CLASSES} = {_classes_of(chosen)}"
        yield f"model = {text}"
        yield "model.load_state_dict(weights)"
        return
    assert fit is not None  # noqa: S101 - one of the two is chosen
    changes = model.changes if model else ()
    weight = next((change.weight for change in changes if change.weight), "")
    if fit.own_head and not weight:
        yield from _own_head(module, fit)
        return
    counted = f"len(weights[{_quoted(weight or fit.head)}])"
    has_own_head = any(_top(change.part) == _top(fit.head) for change in changes)
    yield f"model = {_builder(module, fit, '' if has_own_head else counted)}"
    for change in changes:
        text = module.use(change.written)
        if _asks_for_classes(text):
            yield f"{CLASSES} = {counted}"
        yield from assigned(f"model.{change.part}", text)
    if fit.stem.removesuffix(".weight") not in {re.sub(r"\[(\d+)\]", r".\1", change.part) for change in changes}:
        yield from _stem(module, fit)
    yield "model.load_state_dict(weights)"


def _top(part: str) -> str:
    """Return the first name of a path: `classifier` of `classifier[6]`."""
    return part.partition(".")[0].partition("[")[0]


def _asks_for_classes(text: str) -> bool:
    """Return whether an expression needs the number of classes."""
    return any(isinstance(node, ast.Name) and node.id == CLASSES for node in ast.walk(ast.parse(text, mode="eval")))


def _classes_of(chosen: Chosen) -> str:
    """Return the number of classes of a class of the repository: the rows of the last matrix in its weights."""
    shapes = chosen.weights.shapes if chosen.weights else {}
    last = [name for name, shape in shapes.items() if len(shape) == 2]
    if not last:
        return "len(self._labels)" if chosen.labels else "[w for w in weights.values() if w.ndim == 2][-1].shape[0]"
    for prefix in chosen.weights.prefixes if chosen.weights else ():
        last[-1] = last[-1].removeprefix(prefix)
    return f"len(weights[{_quoted(last[-1])}])"


def _builder(module: _Module, fit: Fit, classes: str) -> str:
    """Return the call of the builder, for a number of classes; "" leaves that out."""
    name = fit.names[0]
    more = [f"{key}={value!r}" for key, value in fit.given]
    if fit.library == "timm":
        module.imports["timm"] = "timm"
        counts = [f"num_classes={classes}"] if classes else []
        channels = [f"in_chans={fit.channels}"] if fit.channels != 3 else []
        return f"timm.create_model({', '.join([_quoted(name), 'pretrained=False', *counts, *channels, *more])})"
    module.imports["models"] = "torchvision.models"
    counts = [f"num_classes={classes}"] if classes else []
    if name in ("googlenet", "inception_v3"):
        more.append("init_weights=False")
    empty = "weights=None" if module.torchvision >= _WEIGHTS else "pretrained=False"
    return f"models.{name}({', '.join([empty, *counts, *more])})"


def _own_head(module: _Module, fit: Fit) -> Iterator[str]:
    """Yield a model with a head of its own, as far as the weights show it: linear layers, and what is between them."""
    weights = module.chosen.weights
    shapes = {name.removeprefix(fit.prefix): shape for name, shape in weights.shapes.items()} if weights else {}
    part = fit.head.partition(".")[0]
    linear = {name.removesuffix(".weight"): shapes[name] for name in fit.own_head if name.endswith(".weight")}
    module.imports["nn"] = "torch.nn"
    yield f"model = {_builder(module, fit, '')}"
    plain = {name.removeprefix(f"{part}."): shape for name, shape in linear.items() if len(shape) == 2}
    if len(plain) == 1 and all(name.isdigit() for name in plain):
        (place, (rows, columns)), *_ = plain.items()
        layers = ["nn.Identity()"] * int(place)  # what was there has no weights: dropout, which serving passes over
        yield f"# Before the layer were {place} without weights: dropout changes nothing here; write any other."
        yield f"model.{part} = nn.Sequential({', '.join([*layers, f'nn.Linear({columns}, {rows})'])})"
    else:
        listed = ", ".join(f"{name} {list(shapes[name])}" for name in fit.own_head)
        yield f"# The weights have a head of their own: {listed[:90]}"
        yield f'raise NotImplementedError("build `model.{part}` as training did")'
    yield from _stem(module, fit)
    yield "model.load_state_dict(weights)"


def _stem(module: _Module, fit: Fit) -> Iterator[str]:
    """Yield the first convolution for images of other than three channels; timm takes their number itself."""
    if fit.channels == 3 or fit.library == "timm":
        return
    module.imports["nn"] = "torch.nn"
    place = re.sub(r"\.(\d+)", r"[\1]", fit.stem.removesuffix(".weight"))
    yield f"stem = model.{place}"
    same = "stem.out_channels, stem.kernel_size, stem.stride, stem.padding, bias=stem.bias is not None"
    yield from assigned(f"model.{place}", f"nn.Conv2d({fit.channels}, {same})")


def _transform(module: _Module) -> Iterator[str]:
    chosen = module.chosen
    if chosen.pipeline:
        text = module.use(chosen.pipeline.written)
        if chosen.pipeline.library == "albumentations":
            module.imports["np"] = "numpy"
        text = re.sub(r"\b\w+\.ToPILImage\(\), ?", "", text)  # the runtime gives an opened image
        for old, new in _RENAMED.items():
            text = text.replace(old, new)
        yield f"# As in {where(chosen.pipeline.location)}."
        yield from assigned("self._transform", text)
    elif chosen.fit and chosen.fit.library == "timm":
        module.imports |= {"create_transform": "timm.data.create_transform"}
        module.imports |= {"resolve_model_data_config": "timm.data.resolve_model_data_config"}
        yield "# timm's own for this model; compare them with training's."
        yield "self._transform = create_transform(**resolve_model_data_config(model), is_training=False)"
    else:
        module.imports["transforms"] = "torchvision.transforms"
        whose = "torchvision's own for this model" if chosen.fit else "ImageNet's"
        yield f"# {whose}; compare them with training's."
        yield from assigned("self._transform", _usual(module, chosen))


def _usual(module: _Module, chosen: Chosen) -> str:
    """Return the transforms that torchvision's own weights of the model take; ImageNet's for any other model."""
    preset = presets().get(chosen.fit.names[0]) if chosen.fit else None
    steps = ["transforms.Resize(256)", "transforms.CenterCrop(224)", "transforms.ToTensor()", _IMAGENET]
    if preset and chosen.model and chosen.model.published == "IMAGENET1K_V1":
        preset = _of_first_weights(chosen.model.name, preset)
    if preset:
        module.imports["InterpolationMode"] = "torchvision.transforms.InterpolationMode"
        mode = f"InterpolationMode.{_INTERPOLATIONS[preset.interpolation]}"
        steps[0] = f"transforms.Resize({preset.resize}, interpolation={mode})"
        steps[1] = f"transforms.CenterCrop({preset.crop})"
        steps[3] = f"transforms.Normalize(mean={list(preset.mean)}, std={list(preset.std)})"
    if chosen.fit and chosen.fit.channels == 1:
        steps[3] = "transforms.Normalize(mean=[0.5], std=[0.5])"
    return f"transforms.Compose([{', '.join(steps)}])"


def _of_first_weights(name: str, preset: Preset) -> Preset:
    """Return the transforms of torchvision's first weights of a model, of which the table has those of the second."""
    if name == "efficientnet_b1":
        return replace(preset, resize=256, interpolation="bicubic")
    return replace(preset, resize=256) if _HAS_SECOND.fullmatch(name) else preset


def _transformed(chosen: Chosen) -> str:
    if chosen.pipeline and chosen.pipeline.library == "albumentations":
        return 'self._transform(image=np.asarray(image))["image"]'
    return "self._transform(image)"


def _scores(chosen: Chosen) -> str:
    output = "self._model(batch.to(self._device))"
    activation = {"softmax": ".softmax(dim=1)", "sigmoid": ".sigmoid()", "exp": ".exp()", "": ""}[chosen.activation]
    return f"{output}{activation}.cpu()"


def _answer(chosen: Chosen) -> tuple[str, list[str]]:
    """Return the type of the values of an answer, and the lines that make it."""
    is_one = chosen.fit is not None and chosen.fit.classes == 1
    best = "int(output[0] > 0.5)" if is_one else "int(output.argmax())"
    label = f"self._labels[{best}]" if chosen.labels else best
    kind = "str | list[float]" if chosen.labels else "int | list[float]"
    return kind, [f'        return {{"label": {label}, "scores": output.tolist()}}']


def _quoted(text: str) -> str:
    return f'"{text}"'
