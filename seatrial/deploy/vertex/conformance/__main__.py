"""Writes docs/conformance.md."""

from __future__ import annotations

import sys
from pathlib import Path

from seatrial.deploy.vertex.conformance import page

Path(sys.argv[1]).write_text(page(), encoding="utf-8")
