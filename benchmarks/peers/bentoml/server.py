"""Starts the service as `bentoml serve` does."""

import os
import sys

command = ["bentoml", "serve", "service:Tone", "--host", "0.0.0.0", "--port", os.environ["AIP_HTTP_PORT"]]  # noqa: S104
os.chdir(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606
