"""Seatrial proves a PyTorch + torchvision predictor in the environment it will serve in."""

__version__ = "0.1.0"
