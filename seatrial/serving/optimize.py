"""Make the models of a loaded predictor faster: the steps of `serving.optimize`, which nobody gets unasked.

A model is told by what it is: a torch.nn.Module that is an attribute of the predictor, or in a list or a dict there.
Its layers are changed in place, so that every name for them means the changed one. A step leaves what it cannot prove
to be safe, and the log says why. It may change the order of additions, but no precision.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from seatrial.serving import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLD, CHANNELS_LAST = "fold-conv-bn", "channels-last"
STEPS = (FOLD, CHANNELS_LAST)  # in the order in which they are done
PLAIN = "SEATRIAL_PLAIN"  # a variable: if it is set nothing is done: for a trial, which compares the answers

_DIFFERENCE = 1e-4  # of a layer, to the largest number; those of resnet18 and mobilenet_v3_small are below 1e-6


@dataclass
class Done:
    """What a step did.

    Attributes:
        step: one of `STEPS`.
        changed: how many layers it changed.
        words: which layers they are.
        left: why other layers stay as they are → how many.
        notes: what else there is to say.
    """

    step: str
    changed: int = 0
    words: str = ""
    left: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return it as one line."""
        first = f"{self.changed} {self.words}" if self.changed else "nothing is changed"
        left = [f"{count} stay, because {why}" for why, count in self.left.items()]
        return f"{self.step}: {'; '.join((first, *left, *dict.fromkeys(self.notes)))}"


def optimize(predictor: object, steps: Sequence[str]) -> list[Done]:
    """Do these steps to the models of a loaded predictor, and log what each did. It raises nothing."""
    if os.environ.get(PLAIN):
        return []
    done = [_done(step, predictor) for step in STEPS if step in steps]
    for one in done:
        severity = "INFO" if one.changed else "WARNING"
        log.write(severity, str(one), phase="load", optimize=one.step, changed=one.changed)
    return done


def _done(step: str, predictor: object) -> Done:
    done = Done(step)
    try:
        models = _models(predictor, done)
        if models:
            {FOLD: _fold_norms, CHANNELS_LAST: _use_channels_last}[step](models, done)
        elif not done.notes:
            name = type(predictor).__name__
            done.notes.append(f"no attribute of {name} is a torch.nn.Module, or a list or dict with one in it")
    except Exception as error:  # noqa: BLE001 - the predictor works without it
        done.notes.append(log.text_of(error))
    return done


def _models(predictor: object, done: Done) -> list[Any]:
    """Return each module that the predictor is or holds, but for those that are compiled."""
    import torch  # no model can be loaded without it

    found: dict[Any, None] = {}
    for value in (predictor, *getattr(predictor, "__dict__", {}).values()):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        found.update({one: None for one in (value, *inner) if isinstance(one, torch.nn.Module)})
    compiled = {part for model in found if _is_compiled(model) for part in model.modules()}
    done.notes += [f"{type(m).__name__} is compiled already" for m in found if not compiled.isdisjoint(m.modules())]
    return [model for model in found if compiled.isdisjoint(model.modules())]


def _is_compiled(model: Any) -> bool:
    """Return whether TorchScript or torch.compile made a module or a part of it."""
    import torch

    return any(
        isinstance(part, torch.jit.ScriptModule)
        or type(part).__name__ == "OptimizedModule"
        or getattr(part, "_compiled_call_impl", None) is not None
        for part in model.modules()
    )


def _parts(models: list[Any]) -> list[Any]:
    return list(dict.fromkeys(part for model in models for part in model.modules()))


def _changed(layers: tuple[Any, ...], change: Callable[..., None]) -> bool:
    """Change layers that follow each other; undo it and return False if they then answer differently."""
    import torch

    before = [(layer, dict(layer._parameters)) for layer in layers]
    try:
        with torch.no_grad():
            given = _some_input(layers[0])
            expected = _through(layers, given)
            change(*layers)
            difference = (_through(layers, given) - expected).abs().max()
            allowed = max(_DIFFERENCE, 8 * torch.finfo(expected.dtype).eps) * expected.abs().max()
            if bool(difference <= allowed):
                return True
    except Exception as error:  # noqa: BLE001 - of a kind of layer that nobody has thought of
        log.write("INFO", f"{type(layers[0]).__name__}: {log.text_of(error)}", phase="load")
    for layer, parameters in before:
        layer._parameters.update(parameters)
        vars(layer).pop("forward", None)
    return False


def _some_input(conv: Any) -> Any:
    """Return a small random input of a convolution; the random numbers of the predictor are not touched."""
    import torch

    sizes = zip(conv.kernel_size, conv.dilation, conv.stride, strict=True)
    shape = (2, conv.in_channels, *((kernel - 1) * dilation + 1 + stride for kernel, dilation, stride in sizes))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(conv.weight)


def _through(layers: tuple[Any, ...], given: Any) -> Any:
    for layer in layers:
        given = layer.forward(given)  # which runs no hook
    return given


_DIFFERS = "the changed layer answers differently"


# fold-conv-bn: in evaluation mode a BatchNorm layer is a factor and a summand for each channel, and so can be a part of
# the weights of the convolution before it.


def _fold_norms(models: list[Any], done: Done) -> None:
    from torch import nn

    norms = {nn.BatchNorm1d: nn.Conv1d, nn.BatchNorm2d: nn.Conv2d, nn.BatchNorm3d: nn.Conv3d}
    layers = [part for part in _parts(models) if type(part) in norms]
    graphs = _Neighbours(models, layers, done.notes) if layers else None
    for norm in layers:
        conv = graphs.convolution_of(norm, norms[type(norm)]) if graphs else None
        if why := _why_not_folded(norm, conv):
            done.left[why] += 1
        elif _changed((conv, norm), _fold):
            done.changed += 1
        else:
            done.left[_DIFFERS] += 1
    if not layers:
        done.notes.append("no model has a BatchNorm layer")
    done.words = f"of {len(layers)} BatchNorm layers are folded into their convolutions"


def _why_not_folded(norm: Any, conv: Any) -> str:
    if norm.training:
        return "they are in training mode: call eval() in load()"
    if norm.running_mean is None or norm.running_var is None:
        return "they normalise with the statistics of the batch"
    if conv is None:
        return "they are not seen to follow a convolution of their own wherever they are used"
    if _is_hooked(norm) or _is_hooked(conv) or not _is_simple(conv) or "forward" in vars(norm):
        return "a hook or a parametrization is attached to them or to their convolution"
    return ""


def _fold(conv: Any, norm: Any) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    norm.forward = _unchanged


def _unchanged(input: Any) -> Any:  # noqa: A002 - torch's own name
    return input


def _is_simple(conv: Any) -> bool:
    """Return whether a convolution is called as its class says, with a weight that nothing computes."""
    return "forward" not in vars(conv) and conv._parameters.get("weight") is not None


def _is_hooked(part: Any) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


class _Neighbours:
    """What comes before and after each layer wherever models use it, as far as their graphs can be seen.

    None stands for anything but one layer: several, an operation, an answer, a weight that is read by itself.
    """

    def __init__(self, models: list[Any], layers: list[Any], notes: list[str]) -> None:
        self._layers, self._notes = set(layers), notes
        self._before: dict[Any, set[Any]] = defaultdict(set)
        self._after: dict[Any, set[Any]] = defaultdict(set)
        for model in models:
            self._before[model].add(None)  # the predictor itself may call it
            self._after[model].add(None)
            self._read(model)

    def convolution_of(self, norm: Any, kind: type) -> Any:
        """Return the convolution that alone feeds a layer and feeds nothing else; None if there is none."""
        if len(self._before[norm]) == 1:
            (conv,) = self._before[norm]
            if type(conv) is kind and self._after[conv] == {norm}:
                return conv
        return None

    def _read(self, model: Any) -> None:
        """Read the graph of a model, or, if its forward() cannot be traced, those of its parts.

        A part with hooks is not entered, so that none of them runs: it has a graph of its own.
        """
        if model in self._layers or self._layers.isdisjoint(model.modules()):
            return
        parts = dict(model.named_modules(remove_duplicate=False))
        try:
            if "forward" in vars(model):  # the one of its class would be traced
                raise TypeError("it is replaced")  # noqa: TRY301 - handled as any other reason
            self._note(parts, _tracer().trace(model))
        except Exception as error:  # noqa: BLE001 - whatever code does that gets no tensor
            text = next(iter(str(error).splitlines()), type(error).__name__)
            self._notes.append(f"forward() of {type(model).__name__} cannot be traced, only its parts: {text}")
            further = list(model.children())
        else:
            further = [part for part in parts.values() if part is not model and _is_hooked(part)]
        for part in dict.fromkeys(further):
            self._read(part)

    def _note(self, parts: dict[str, Any], graph: Any) -> None:
        for node in graph.nodes:
            if node.op == "get_attr":
                owner = parts.get(node.target.rpartition(".")[0])
                self._before[owner].add(None)
                self._after[owner].add(None)
            elif node.op == "call_module":
                alone = len(node.args) == 1 and not node.kwargs
                self._before[parts[node.target]].add(_called(node.args[0], parts) if alone else None)
                users = list(node.users)
                self._after[parts[node.target]].add(_called(users[0], parts) if len(users) == 1 else None)


def _called(node: Any, parts: dict[str, Any]) -> Any:
    return parts[node.target] if getattr(node, "op", "") == "call_module" else None


def _tracer() -> Any:
    from torch import fx

    class Tracer(fx.Tracer):  # type: ignore[misc]  # torch is not installed where types are checked
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            return _is_hooked(m) or bool(super().is_leaf_module(m, module_qualified_name))

    return Tracer()


# channels-last: the channels of a pixel lie side by side, which is how the fast convolutions read them. On a processor
# their weights are also brought once into the order in which oneDNN reads them, instead of at each call.


def _use_channels_last(models: list[Any], done: Done) -> None:
    from torch import nn

    layers = [part for part in _parts(models) if type(part) in (nn.Conv2d, nn.ConvTranspose2d)]
    packed = 0
    for conv in layers:
        if not _is_simple(conv):
            done.left["a hook or a parametrization makes their weight, or their forward() is replaced"] += 1
        elif _can_be_packed(conv) and _changed((conv,), _pack):
            done.changed, packed = done.changed + 1, packed + 1
        elif _changed((conv,), _lay_out):
            done.changed += 1
        else:
            done.left[_DIFFERS] += 1
    if not layers:
        done.notes.append("no model has a convolution of two dimensions")
    done.words = f"of {len(layers)} convolutions work on channels-last tensors"
    if packed:
        done.words += f", {packed} of them with packed weights"


def _lay_out(conv: Any) -> None:
    import torch

    conv.weight = torch.nn.Parameter(
        conv.weight.contiguous(memory_format=torch.channels_last), requires_grad=conv.weight.requires_grad
    )


def _can_be_packed(conv: Any) -> bool:
    import torch

    return (
        type(conv) is torch.nn.Conv2d
        and conv.weight.device.type == "cpu"
        and conv.weight.dtype is torch.float32
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")  # torch 2.0; what torch.compile itself uses
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


def _pack(conv: Any) -> None:
    """Let a convolution use packed weights, except where only its own forward() is right.

    That is where gradients are wanted, where autocast chooses the precision, and for unusual inputs.
    """
    import torch

    place = ([*conv.padding], [*conv.stride], [*conv.dilation], conv.groups)
    weight = torch.ops.mkldnn._reorder_convolution_weight(conv.weight.detach(), *place)
    bias = None if conv.bias is None else conv.bias.detach()
    plain, packed = conv.forward, torch.ops.mkldnn._convolution_pointwise
    tensor, float32, grad, autocast = torch.Tensor, torch.float32, torch.is_grad_enabled, _autocast()

    def forward(input: Any) -> Any:  # noqa: A002 - torch's own name
        if grad():
            _warn_of_gradients()
        elif (
            type(input) is tensor
            and input.dtype is float32
            and input.dim() == 4
            and input.device.type == "cpu"
            and not input.is_mkldnn
            and not autocast()
        ):
            return packed(input, weight, bias, *place, "none", [], "")
        return plain(input)

    conv.forward = forward


def _autocast() -> Callable[[], bool]:
    """Return what tells whether autocast is on for the processor."""
    import torch

    try:
        torch.is_autocast_enabled("cpu")
    except TypeError:  # before torch 2.4
        return cast("Callable[[], bool]", torch.is_autocast_cpu_enabled)
    return partial(torch.is_autocast_enabled, "cpu")


@cache
def _warn_of_gradients() -> None:
    text = "the model is called with gradients on, which rules its packed weights out: use torch.inference_mode()"
    log.write("WARNING", f"{CHANNELS_LAST}: {text}", phase="predict")
