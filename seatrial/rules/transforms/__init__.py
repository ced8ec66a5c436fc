"""Family 4: transforms and parity."""
