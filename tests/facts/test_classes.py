"""The tables of classes: what versions of torch and torchvision have, and what torch.load allows."""

from __future__ import annotations

import pytest
from packaging.version import Version

from seatrial.facts.classes import Span, is_allowed, later_attributes, span_of


@pytest.mark.parametrize(
    ("name", "torch", "allowed"),
    [
        ("collections.OrderedDict", "2.6.0", True),
        ("torch.float4_e2m1fn_x2", "2.7.1", False),
        ("torch.float4_e2m1fn_x2", "2.8.0+cpu", True),
        ("torchvision.models.resnet.ResNet", "2.15.0", False),
        ("collections.OrderedDict", "3.1.0", True),
        ("collections.OrderedDict", "2.5.1", None),
    ],
)
def test_torch_load_allows_what_the_table_of_its_version_has(name: str, torch: str, allowed: bool | None) -> None:
    assert is_allowed(name, Version(torch)) is allowed


@pytest.mark.parametrize(
    ("distribution", "name", "attribute", "since"),
    [
        ("torch", "torch.nn.modules.activation.GELU", "approximate", "1.12"),
        ("torch", "torch.nn.modules.activation.MultiheadAttention", "batch_first", "1.9"),
        ("torchvision", "torchvision.transforms.transforms.Resize", "max_size", "0.10"),
        ("torchvision", "torchvision.transforms.transforms.Normalize", "_backward_hooks", "0.8"),
    ],
)
def test_an_attribute_that_came_later_is_known(distribution: str, name: str, attribute: str, since: str) -> None:
    assert later_attributes(distribution, name, Version("9.0"))[attribute] == since
    assert attribute not in later_attributes(distribution, name, Version("0.7"))


@pytest.mark.parametrize(
    ("module", "name", "span"),
    [
        ("torchvision.models.utils", "load_state_dict_from_url", Span(None, "0.11")),
        ("torchvision.transforms.transforms", "Scale", Span(None, "0.12")),
        ("torchvision.models.mobilenet", "ConvBNReLU", Span(None, "0.9")),
        ("torchvision.transforms.transforms", "Compose", None),
    ],
)
def test_a_class_that_moved_is_known(module: str, name: str, span: Span | None) -> None:
    assert span_of("torchvision", module, name, Version("0.23.0")) == span
