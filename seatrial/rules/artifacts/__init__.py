"""Family 3: artifacts and checkpoints."""
