"""Tensors that torch refuses: types, shapes, devices."""

from __future__ import annotations

import pytest

from seatrial.diagnosis.translate import diagnose
from tests.diagnosis.families.logs import Fault, hold, traceback

PREDICT = "/srv/fish/serve.py:9:predict return self.net(batch)"
MODES = r"image mode|serving\.image\.mode|RGBA|channels? is passed"
SIZES = "RuntimeError: The size of tensor a ({}) must match the size of tensor b ({}) at non-singleton dimension {}"
FAULTS = [
    Fault("half on a CPU", traceback("RuntimeError: \"addmm_impl_cpu_\" not implemented for 'Half'", PREDICT), "ST641", ("float16", "float32", "CPU")),
    Fault("bytes for an operation of numbers", traceback("RuntimeError: \"mean_cpu\" not implemented for 'Byte'", PREDICT), "ST431", ("uint8",), ("float16",)),
    Fault("bfloat16 weights", traceback("RuntimeError: mat1 and mat2 must have the same dtype, but got Float and BFloat16", PREDICT), "ST641", ("bfloat16", "same dtype|dtype")),
    Fault("a half input", traceback("RuntimeError: Input type (c10::Half) and bias type (float) should be the same", PREDICT), "ST641", ("the input is float16", "weights are float32")),
    Fault("numbers of numpy", traceback("RuntimeError: expected scalar type Float but found Double", PREDICT), "ST431", ("float64", r"\.float\(\)")),
    Fault("bytes for weights", traceback("RuntimeError: Input type (unsigned char) and bias type (float) should be the same", PREDICT), "ST431", ("uint8", "ToDtype")),
    Fault("two devices", traceback("RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same", PREDICT), "ST601", ("two devices",)),
    Fault("bfloat16 for numpy", traceback("TypeError: Got unsupported ScalarType BFloat16", "/srv/fish/serve.py:9:postprocess return out.cpu().numpy()"), "ST642", (r"\.float\(\)", "numpy")),
    Fault("an image with alpha", traceback(SIZES.format(4, 3, 0), "/srv/fish/serve.py:9:preprocess x = self.transform(image)", "torchvision/transforms/_functional_tensor.py:928:normalize return tensor.sub_(mean).div_(std)"), "ST430", (MODES,)),
    Fault("tokens and positions", traceback(SIZES.format(197, 577, 1), PREDICT, "timm/models/vision_transformer.py:600:_pos_embed x = x + pos_embed"), "ST431", ("197", "577"), (MODES,)),
    Fault("channels at the end", traceback("RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 224, 224, 3] to have 3 channels, but got 224 channels instead", PREDICT), "ST431", ("permute",)),
    Fault("a grey image for a model of colours", traceback("RuntimeError: Given groups=1, weight of size [32, 3, 3, 3], expected input[2, 1, 64, 64] to have 3 channels, but got 1 channels instead", PREDICT), "ST431", ("RGB",)),
    Fault("a second GPU", traceback("RuntimeError: Attempting to deserialize object on CUDA device 2 but torch.cuda.device_count() is 1. Please use torch.load with map_location.", "/srv/fish/serve.py:9:load s = torch.load(p)"), "ST601", ("cuda:2", "map_location")),
    Fault("a device that is not there", traceback("RuntimeError: CUDA error: invalid device ordinal\nCUDA kernel errors might be asynchronously reported", "/srv/fish/serve.py:9:load self.net.to('cuda:1')"), "ST588", ("number",)),
    Fault("weights of another kind of device", traceback("RuntimeError: don't know how to restore data location of torch.storage.UntypedStorage (tagged with mps)", "/srv/fish/serve.py:9:load s = torch.load(p)"), "ST601", ("mps", "map_location")),
    Fault("a tensor on the GPU for numpy", traceback("TypeError: can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.", "/srv/fish/serve.py:9:postprocess return y.numpy()"), "ST601", (r"\.cpu\(\)\.numpy\(\)",)),
    Fault("an image of another size", traceback("ValueError: Input image height (256) doesn't match model (224).", PREDICT, "transformers/models/vit/modeling_vit.py:1:forward raise ValueError("), "ST431", ("256", "224", "Resize")),
    Fault("a batch of a batch", traceback("RuntimeError: Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [1, 1, 3, 8, 8]", PREDICT), "ST431", ("squeeze",)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_torch_refuses_is_told(fault: Fault) -> None:
    hold(fault)


@pytest.mark.parametrize(("a", "b", "line"), [(3, 10, "logits + self.prior"), (4, 3, "logits * self.class_weights")])
def test_the_projects_own_arithmetic_is_no_image_mode(a: int, b: int, line: str) -> None:
    assert diagnose(traceback(SIZES.format(a, b, 1), f"/srv/fish/serve.py:9:postprocess return {line}")) == []
