"""Says which half of a grey image is the bright one."""

from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

LABELS = ("left", "right", "top", "bottom")


def build_transform() -> transforms.Compose:
    """Turn an image of mode L into float32 [1, 8, 8] in [0, 1]."""
    return transforms.Compose([transforms.Resize((8, 8)), transforms.ToTensor()])


def build_model() -> torch.nn.Module:
    """One linear layer over 64 pixels."""
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, len(LABELS)))


class HalfPredictor:
    def load(self, artifacts_uri: str) -> None:
        self._model = build_model()
        self._model.load_state_dict(torch.load(Path(artifacts_uri) / "weights.pt", map_location="cpu", weights_only=True))
        self._model.eval()
        self._transform = build_transform()

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        return self._transform(image)

    @torch.inference_mode()
    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        return self._model(batch).softmax(dim=1)

    def postprocess(self, output: torch.Tensor) -> dict:
        return {"label": LABELS[int(output.argmax())], "scores": output.tolist()}
