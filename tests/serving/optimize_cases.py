"""What `seatrial.serving.optimize` does to models: run with a Python that has torch, it prints case → failure, or "".

The tests' own environment has no torch; tests/serving/test_optimize.py runs this once.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from seatrial.serving.optimize import CHANNELS_LAST, FOLD, STEPS, Done, optimize

CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[[], None]) -> Callable[[], None]:
    CASES[function.__name__] = function
    return function


class Holder:
    """A predictor, as far as optimize sees it."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions with their BatchNorm layers, and a way around them."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + x)


class Network(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def trained(model: nn.Module) -> nn.Module:
    """Give a model weights and statistics as training leaves them, and put it into evaluation mode."""
    random = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for name, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
                if getattr(part, name) is not None:
                    getattr(part, name).data.uniform_(low, low + 1, generator=random)
    return model.eval()


def images(channels: int = 3, size: int = 20, count: int = 2) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(2))


def optimized(model: nn.Module, *steps: str, given: torch.Tensor | None = None, **others: Any) -> list[Done]:
    """Optimize a model, require that it answers as before, and return what was done."""
    given = images() if given is None else given
    with torch.no_grad():
        before = model(given)
        done = optimize(Holder(model=model, **others), steps or STEPS)
        torch.testing.assert_close(model(given), before, rtol=1e-4, atol=1e-5)
    return done


def folded(model: nn.Module, **others: Any) -> Done:
    (done,) = optimized(model, FOLD, **others)
    return done


@case
def every_pair_of_a_traceable_model_is_folded() -> None:
    model = trained(Network())
    done = folded(model)
    assert (done.changed, done.left, done.notes) == (5, {}, [])
    assert str(done) == "fold-conv-bn: 5 of 5 BatchNorm layers are folded into their convolutions"


@case
def a_folded_layer_passes_its_input_on() -> None:
    model = trained(Network())
    folded(model)
    given = images(8)
    assert model.stem[1](given) is given


@case
def convolutions_of_one_and_three_dimensions_are_folded() -> None:
    assert folded(trained(nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4))), given=images()[:, :, 0]).changed == 1
    volume = images()[:, :, None].expand(-1, -1, 5, -1, -1)
    assert (
        folded(trained(nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4, affine=False))), given=volume).changed == 1
    )


@case
def a_layer_in_training_mode_stays() -> None:
    model = trained(Network())
    model.stem.train()
    done = optimize(Holder(model=model), [FOLD])[0]
    assert done.changed == 4
    assert done.left == {"they are in training mode: call eval() in load()": 1}


@case
def a_layer_without_statistics_stays() -> None:
    done = folded(trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))))
    assert (done.changed, sum(done.left.values())) == (0, 1)


class Twice(nn.Module):  # type: ignore[misc]
    """One convolution that two layers follow, or one layer that follows two."""

    def __init__(self, *, convolutions: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, 3) for _ in range(convolutions))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3 - convolutions))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norms[0](self.convs[0](x)) * self.norms[-1](self.convs[-1](x))


@case
def a_shared_layer_stays() -> None:
    assert folded(trained(Twice(convolutions=1))).changed == 0
    assert folded(trained(Twice(convolutions=2))).changed == 0


@case
def a_pair_that_is_shared_as_a_pair_is_folded() -> None:
    model = trained(Twice(convolutions=2))
    model.convs[1] = model.convs[0]
    assert folded(model).changed == 1


@case
def a_convolution_whose_output_has_another_use_stays() -> None:
    class Both(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            between = self.conv1(x)
            return self.bn1(between) + between

    done = folded(trained(Both(3)))
    assert (done.changed, sum(done.left.values())) == (0, 2)


@case
def a_weight_that_is_read_by_itself_keeps_its_layer() -> None:
    class Reads(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bn1(self.conv1(x)) * self.conv1.weight.mean() + self.bn2(self.conv2(x))

    assert folded(trained(Reads(3))).changed == 1


@case
def a_layer_that_the_predictor_holds_by_itself_stays() -> None:
    model = trained(Network())
    assert folded(model, first=model.stem[0]).changed == 4


@case
def a_part_that_the_predictor_holds_as_well_is_folded_once() -> None:
    model = trained(Network())
    assert folded(model, features=model.stem, blocks=[model.blocks]).changed == 5


@case
def hooks_see_what_they_saw_before_and_run_no_more_often() -> None:
    model = trained(Network())
    seen: list[torch.Tensor] = []
    model.blocks[0].conv1.register_forward_hook(lambda _, __, output: seen.append(output))
    model.blocks[1].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        model(images())
        before, seen[:] = list(seen), []
        done = optimize(Holder(model=model), STEPS)
        assert seen == []
        model(images())
    assert [one.changed for one in done] == [4, 5]
    for one, two in zip(before, seen, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@case
def a_hook_between_a_convolution_and_its_layer_keeps_them() -> None:
    model = trained(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)))
    model[0].register_forward_hook(lambda _, __, output: output.clamp(max=0.1))
    assert folded(model).changed == 0


@case
def parametrized_and_pruned_weights_stay() -> None:
    for change in (parametrizations.weight_norm, lambda conv: prune.random_unstructured(conv, "weight", 2)):
        model = trained(Network())
        change(model.stem[0])
        assert [one.changed for one in optimized(model)] == [4, 4]


class Opaque(nn.Module):  # type: ignore[misc]
    """A forward() that looks at its numbers, so that it cannot be traced; its parts can."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn, self.blocks = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ModuleList([Block(), Block()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.stem(x))
        for block in self.blocks:
            if bool(x.mean() < 1000):
                x = block(x)
        return x


@case
def the_parts_of_what_cannot_be_traced_are_folded_and_the_log_says_so() -> None:
    done = folded(trained(Opaque()))
    assert done.changed == 4
    assert done.left == {"they are not seen to follow a convolution of their own wherever they are used": 1}
    assert done.notes[0].startswith("forward() of Opaque cannot be traced, only its parts: ")


@case
def a_forward_that_is_replaced_is_not_taken_for_its_class() -> None:
    model = trained(Block(3))
    model.forward = lambda x: model.conv1(x) + model.bn1(x)
    assert folded(model).changed == 0


@case
def compiled_models_stay_and_so_does_what_they_were_made_of() -> None:
    model = trained(Network())
    with torch.no_grad():
        scripted = torch.jit.trace(model, images())
    for made in (scripted, torch.compile(model)):
        for done in optimize(Holder(made=made, model=model if made is not scripted else None), STEPS):
            assert done.changed == 0
            assert "is compiled already" in str(done)


@case
def models_in_lists_and_dicts_and_the_predictor_itself_are_found() -> None:
    for held in ({"models": [trained(Network())]}, {"models": {"a": trained(Network())}}, vars(trained(Network()))):
        assert [one.changed for one in optimize(Holder(**held), STEPS)] == [5, 5]
    assert [one.changed for one in optimize(trained(Network()), STEPS)] == [5, 5]


@case
def a_predictor_without_a_model_is_told_so() -> None:
    for done in optimize(Holder(threshold=0.5, names=["a"]), STEPS):
        assert str(done) == (
            f"{done.step}: nothing is changed; no attribute of Holder is a torch.nn.Module, or a list or dict with one "
            "in it"
        )
    for done in optimize(Holder(model=trained(nn.Sequential(nn.Linear(3, 3)))), STEPS):
        assert (done.changed, len(done.notes)) == (0, 1)


@case
def every_kind_of_convolution_answers_as_before_with_packed_weights() -> None:
    kinds: list[dict[str, Any]] = [
        {"kernel_size": 1}, {"kernel_size": (1, 7), "padding": (0, 3)}, {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "dilation": 2, "bias": False}, {"kernel_size": 3, "groups": 4},
        {"kernel_size": 3, "padding": "same"}, {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 7, "stride": 4, "padding": 3, "groups": 2},
    ]  # fmt: skip
    for kind in kinds:
        model = nn.Sequential(nn.Conv2d(4, 8, **kind))
        for given in (images(4), images(4, count=1), images(4)[:0], images(4)[0], images(4, 33)[:, :, :, :21]):
            (done,) = optimized(copy.deepcopy(model), CHANNELS_LAST, given=given)
            assert done.changed == 1
    (done,) = optimized(nn.Sequential(nn.ConvTranspose2d(4, 8, 3, stride=2)), CHANNELS_LAST, given=images(4))
    assert done.changed == 1


@case
def packed_weights_are_used_where_no_gradient_is_wanted_and_nowhere_else() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    (done,) = optimized(model, CHANNELS_LAST)
    assert str(done).endswith("1 of 1 convolutions work on channels-last tensors, 1 of them with packed weights")
    with torch.no_grad():
        assert model(images()).is_contiguous(memory_format=torch.channels_last)
    model(images()).sum().backward()
    assert model[0].weight.grad is not None


@case
def autocast_chooses_the_precision_as_before() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    optimized(model, CHANNELS_LAST)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model(images()).dtype is torch.bfloat16


@case
def other_precisions_are_kept() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        model = trained(Network()).to(dtype)
        assert [one.changed for one in optimize(Holder(model=model), STEPS)] == [5, 5]
        with torch.no_grad():
            assert model(images().to(dtype)).dtype is dtype


@case
def what_answers_differently_is_undone() -> None:
    model = trained(Network())
    model.stem[0].weight.data[0, 0, 0, 0] = float("nan")
    done = optimize(Holder(model=model), STEPS)
    assert [one.changed for one in done] == [4, 4]
    assert done[0].left == {"the changed layer answers differently": 1}
    assert "forward" not in vars(model.stem[0])


@case
def the_random_numbers_of_the_predictor_are_not_touched() -> None:
    model = trained(Network())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    optimize(Holder(model=model), STEPS)
    assert torch.equal(torch.rand(3), expected)


@case
def weights_loaded_in_inference_mode_are_folded_too() -> None:
    with torch.inference_mode():
        model = trained(Network())
    assert [one.changed for one in optimize(Holder(model=model), STEPS)] == [5, 5]
    with torch.inference_mode():
        model(images())


@case
def each_step_writes_one_line_to_the_log() -> None:
    reading, writing = os.pipe()
    kept = os.dup(1)
    os.dup2(writing, 1)
    try:
        optimize(Holder(model=trained(nn.Sequential(nn.Conv2d(3, 4, 3)))), STEPS)
    finally:
        os.dup2(kept, 1)
        os.close(writing)
    with os.fdopen(reading) as pipe:
        first, second = (json.loads(line) for line in pipe)
    assert (first["severity"], first["optimize"], first["changed"]) == ("WARNING", FOLD, 0)
    assert (second["severity"], second["optimize"], second["changed"]) == ("INFO", CHANNELS_LAST, 1)


@case
def a_trial_can_ask_for_the_plain_model() -> None:
    os.environ["SEATRIAL_PLAIN"] = "1"
    try:
        assert optimize(Holder(model=trained(Network())), STEPS) == []
    finally:
        del os.environ["SEATRIAL_PLAIN"]


def main(target: Path) -> None:
    """Run all cases; write what failed."""
    failures = {}
    for name, function in CASES.items():
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                function()
            failures[name] = ""
        except Exception:  # noqa: BLE001 - told with its traceback
            failures[name] = traceback.format_exc()
    target.write_text(json.dumps(failures), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
