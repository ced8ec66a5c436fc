"""Checkpoints as facts, read by their bytes; nothing is unpickled."""
