"""Family 8: supply chain and secrets."""
