"""Scripts that run inside the trial's environment or container. Each imports nothing of the tool."""

from pathlib import Path

FOLDER = Path(__file__).parent
