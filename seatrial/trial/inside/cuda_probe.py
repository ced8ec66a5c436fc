"""Run one convolution on the GPU and print the card's name.

`torch.cuda.is_available()` is also true for cards that no kernel of the build fits. This runs in the predictor's
environment by its path; a failure ends with a traceback.
"""

import torch

torch.nn.Conv2d(1, 1, 3).cuda()(torch.zeros(1, 1, 8, 8, device="cuda")).cpu()
print(torch.cuda.get_device_name(0))  # noqa: T201
