"""Family 2: the source and the package."""
